"""Tiny random LVLMs that cut an image into tiles: InternVL, Aya Vision, Idefics3, SmolVLM."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lvlm.tiny import (
    SIDE,
    SQUARE,
    VISION,
    chat_template,
    image_token_index,
    model_of,
    text_config,
    tokenizer_for,
)


def internvl() -> tuple[Any, Any]:
    """Tiles of 3 × 3 tokens after the pixel shuffle, a thumbnail last."""
    from transformers import (
        GotOcr2ImageProcessor,
        InternVLConfig,
        InternVLProcessor,
        InternVLVideoProcessor,
        InternVLVisionConfig,
        Qwen2Config,
    )
    from transformers import InternVLForConditionalGeneration as Model

    tokenizer = tokenizer_for(
        InternVLProcessor,
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    config = InternVLConfig(
        vision_config=InternVLVisionConfig(**VISION, image_size=[SIDE, SIDE], patch_size=[8, 8]),
        text_config=text_config(Qwen2Config, tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=9,
    )
    images = GotOcr2ImageProcessor(size=SQUARE, crop_to_patches=True, min_patches=1, max_patches=6)
    videos = InternVLVideoProcessor(size=SQUARE)
    processor = InternVLProcessor(
        images, tokenizer, videos, image_seq_length=9, chat_template=chat_template("<IMG_CONTEXT>")
    )
    return model_of(Model, config), processor


def aya_vision() -> tuple[Any, Any]:
    """Tiles of 3 × 3 tokens after the pixel shuffle, each behind its number, the whole image last."""
    from transformers import (
        AyaVisionConfig,
        AyaVisionProcessor,
        Cohere2Config,
        GotOcr2ImageProcessor,
        SiglipVisionConfig,
    )
    from transformers import AyaVisionForConditionalGeneration as Model

    tokenizer = tokenizer_for(
        AyaVisionProcessor,
        image_token="<image>",
        start_of_img_token="<|START_OF_IMG|>",
        end_of_img_token="<|END_OF_IMG|>",
        img_patch_token="<|IMG_PATCH|>",
    )
    config = AyaVisionConfig(
        vision_config=SiglipVisionConfig(**VISION, image_size=SIDE, patch_size=8, vision_use_head=False),
        text_config=text_config(Cohere2Config, tokenizer, sliding_window=4096),
        downsample_factor=2,
        tie_word_embeddings=False,
        **image_token_index(tokenizer, "<|IMG_PATCH|>"),
    )
    images = GotOcr2ImageProcessor(size=SQUARE, crop_to_patches=True, min_patches=1, max_patches=6)
    processor = AyaVisionProcessor(
        images, tokenizer, patch_size=8, img_size=SIDE, downsample_factor=2, chat_template=chat_template("<image>")
    )
    return model_of(Model, config), processor


def idefics3() -> tuple[Any, Any]:
    """Tiles of 3 × 3 tokens, each behind its row and column, the global image last."""
    from transformers import Idefics3Config, Idefics3ImageProcessor, Idefics3Processor, LlamaConfig
    from transformers import Idefics3ForConditionalGeneration as Model

    tokenizer = _idefics_tokenizer(Idefics3Processor)
    config = Idefics3Config(
        vision_config=_idefics_vision(),
        text_config=text_config(LlamaConfig, tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    images = Idefics3ImageProcessor(size={"longest_edge": 4 * SIDE}, max_image_size={"longest_edge": SIDE})
    processor = Idefics3Processor(images, tokenizer, image_seq_len=9, chat_template=chat_template("<image>"))
    return model_of(Model, config), processor


def smolvlm() -> tuple[Any, Any]:
    """As `idefics3`, with a smaller longest edge; its processor wants num2words, for videos."""
    pytest.importorskip("num2words", reason="SmolVLM's processor needs it")
    from transformers import LlamaConfig, SmolVLMConfig, SmolVLMImageProcessor, SmolVLMProcessor, SmolVLMVideoProcessor
    from transformers import SmolVLMForConditionalGeneration as Model

    tokenizer = _idefics_tokenizer(SmolVLMProcessor)
    config = SmolVLMConfig(
        vision_config=_idefics_vision(),
        text_config=text_config(LlamaConfig, tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    size, tile = {"longest_edge": 3 * SIDE}, {"longest_edge": SIDE}
    images = SmolVLMImageProcessor(size=size, max_image_size=tile)
    videos = SmolVLMVideoProcessor(size=size, max_image_size=tile, video_sampling={"fps": 1, "max_frames": 2})
    processor = SmolVLMProcessor(images, tokenizer, videos, image_seq_len=9, chat_template=chat_template("<image>"))
    return model_of(Model, config), processor


def _idefics_tokenizer(processor: Any) -> Any:
    tiles = {f"tile_{row}_{col}_token": f"<row_{row}_col_{col}>" for row in range(1, 7) for col in range(1, 7)}
    return tokenizer_for(
        processor,
        image_token="<image>",
        fake_image_token="<fake_token_around_image>",
        global_image_token="<global-img>",
        end_of_utterance_token="<end_of_utterance>",
        video_token="<video>",
        **tiles,
    )


def _idefics_vision() -> dict[str, Any]:
    return {**VISION, "image_size": SIDE, "patch_size": 8}
