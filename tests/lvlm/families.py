"""Tiny random LVLMs of every family, each with its real processor: what a model folder holds, without the weights.

Attention is sharpened, so that no map is uniform. Text is byte-level: any question can be asked, any answer decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

SIDE = 48
"""Pixels on a side of what a vision tower takes in one view, where it takes a fixed size."""

_HIDDEN = 64
_TEXT: dict[str, Any] = {
    "hidden_size": _HIDDEN,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "initializer_range": 0.1,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
}
_VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.1,
}
_SQUARE = {"height": SIDE, "width": SIDE}
_CHAT = (
    "{{% for m in messages %}}{{{{ m['role'] }}}}: {{% for c in m['content'] %}}"
    "{{% if c['type'] == 'image' %}}{image}{{% else %}}{{{{ c['text'] }}}}{{% endif %}}{{% endfor %}}\n{{% endfor %}}"
    "{{% if add_generation_prompt %}}assistant:{{% endif %}}"
)


def llava() -> tuple[Any, Any]:
    """6 × 6 tokens of 8 px, shortest side resized and centre-cropped, as CLIP's image processor does."""
    from transformers import CLIPImageProcessor, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaProcessor
    from transformers import LlavaForConditionalGeneration as Model

    tokenizer = _tokenizer(LlavaProcessor, image_token="<image>")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**_VISION, image_size=SIDE, patch_size=8),
        text_config=_text(LlamaConfig, tokenizer),
        **_image_token(tokenizer),
    )
    images = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=_SQUARE)
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_chat("<image>"),
    )
    return _model(Model, config), processor


def llava_next() -> tuple[Any, Any]:
    """Base of 6 × 6 tokens, and tiles on the best of five canvases."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaNextConfig, LlavaNextImageProcessor, LlavaNextProcessor
    from transformers import LlavaNextForConditionalGeneration as Model

    tokenizer = _tokenizer(LlavaNextProcessor, image_token="<image>")
    pinpoints = [[48, 96], [96, 48], [96, 96], [144, 48], [48, 144]]
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(**_VISION, image_size=SIDE, patch_size=8),
        text_config=_text(LlamaConfig, tokenizer),
        image_grid_pinpoints=pinpoints,
        **_image_token(tokenizer),
    )
    images = LlavaNextImageProcessor(size={"shortest_edge": SIDE}, crop_size=_SQUARE, image_grid_pinpoints=pinpoints)
    processor = LlavaNextProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=_chat("<image>"),
    )
    return _model(Model, config), processor


def llava_onevision() -> tuple[Any, Any]:
    """Base of 6 × 6 tokens without CLS, and tiles scaled down to at most two views' worth of tokens."""
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
        Qwen2Config,
        SiglipVisionConfig,
    )
    from transformers import LlavaOnevisionForConditionalGeneration as Model

    tokenizer = _tokenizer(LlavaOnevisionProcessor, image_token="<image>", video_token="<video>")
    pinpoints = [[48 * rows, 48 * columns] for rows in range(1, 4) for columns in range(1, 4)]
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**_VISION, image_size=SIDE, patch_size=8, vision_use_head=False),
        text_config=_text(Qwen2Config, tokenizer),
        image_grid_pinpoints=pinpoints,
        vision_aspect_ratio="anyres_max_2",
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        **_image_token(tokenizer),
    )
    processor = LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(size=_SQUARE, image_grid_pinpoints=pinpoints),
        tokenizer,
        LlavaOnevisionVideoProcessor(size=_SQUARE),
        num_image_tokens=36,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_2",
        chat_template=_chat("<image>"),
    )
    return _model(Model, config), processor


def qwen2_vl() -> tuple[Any, Any]:
    """Tokens of 28 px over the whole image, whose size the image decides."""
    from transformers import Qwen2VLConfig, Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor
    from transformers import Qwen2VLForConditionalGeneration as Model

    tokenizer = _qwen_tokenizer(Qwen2VLProcessor)
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": _HIDDEN, "num_heads": 2, "mlp_ratio": 2}
    config = Qwen2VLConfig(vision_config=vision, text_config=_qwen_text(tokenizer), **_qwen_ids(tokenizer))
    size = {"shortest_edge": 56 * 56, "longest_edge": 196 * 196}
    images, videos = Qwen2VLImageProcessor(size=size), Qwen2VLVideoProcessor(size=size)
    processor = Qwen2VLProcessor(images, tokenizer, videos, chat_template=_qwen_chat())
    return _model(Model, config), processor


def qwen2_5_vl() -> tuple[Any, Any]:
    """As `qwen2_vl`; its vision tower attends in windows and reorders its tokens on the way."""
    from transformers import Qwen2_5_VLConfig, Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLVideoProcessor
    from transformers import Qwen2_5_VLForConditionalGeneration as Model

    tokenizer = _qwen_tokenizer(Qwen2_5_VLProcessor)
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": _HIDDEN,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    }
    config = Qwen2_5_VLConfig(vision_config=vision, text_config=_qwen_text(tokenizer), **_qwen_ids(tokenizer))
    size = {"shortest_edge": 56 * 56, "longest_edge": 196 * 196}
    images, videos = Qwen2VLImageProcessor(size=size), Qwen2VLVideoProcessor(size=size)
    processor = Qwen2_5_VLProcessor(images, tokenizer, videos, chat_template=_qwen_chat())
    return _model(Model, config), processor


def qwen3_vl() -> tuple[Any, Any]:
    """Tokens of 32 px over the whole image; query and key norms."""
    from transformers import Qwen2VLImageProcessor, Qwen3VLConfig, Qwen3VLProcessor, Qwen3VLVideoProcessor
    from transformers import Qwen3VLForConditionalGeneration as Model

    tokenizer = _qwen_tokenizer(Qwen3VLProcessor)
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": _HIDDEN,
        "patch_size": 16,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
    }
    text = {**_qwen_text(tokenizer), "head_dim": 16}
    config = Qwen3VLConfig(vision_config=vision, text_config=text, **_qwen_ids(tokenizer))
    size = {"shortest_edge": 64 * 64, "longest_edge": 224 * 224}
    images = Qwen2VLImageProcessor(size=size, patch_size=16)
    processor = Qwen3VLProcessor(images, tokenizer, Qwen3VLVideoProcessor(size=size), chat_template=_qwen_chat())
    return _model(Model, config), processor


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

    tokenizer = _tokenizer(
        InternVLProcessor,
        start_image_token="<img>",
        end_image_token="</img>",
        context_image_token="<IMG_CONTEXT>",
        video_token="<video>",
    )
    config = InternVLConfig(
        vision_config=InternVLVisionConfig(**_VISION, image_size=[SIDE, SIDE], patch_size=[8, 8]),
        text_config=_text(Qwen2Config, tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<IMG_CONTEXT>"),
        image_seq_length=9,
    )
    images = GotOcr2ImageProcessor(size=_SQUARE, crop_to_patches=True, min_patches=1, max_patches=6)
    videos = InternVLVideoProcessor(size=_SQUARE)
    processor = InternVLProcessor(images, tokenizer, videos, image_seq_length=9, chat_template=_chat("<IMG_CONTEXT>"))
    return _model(Model, config), processor


def idefics3() -> tuple[Any, Any]:
    """Tiles of 3 × 3 tokens, each behind its row and column, the global image last."""
    from transformers import Idefics3Config, Idefics3ImageProcessor, Idefics3Processor, LlamaConfig
    from transformers import Idefics3ForConditionalGeneration as Model

    tokenizer = _idefics_tokenizer(Idefics3Processor)
    config = Idefics3Config(
        vision_config=_idefics_vision(),
        text_config=_text(LlamaConfig, tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    images = Idefics3ImageProcessor(size={"longest_edge": 4 * SIDE}, max_image_size={"longest_edge": SIDE})
    processor = Idefics3Processor(images, tokenizer, image_seq_len=9, chat_template=_chat("<image>"))
    return _model(Model, config), processor


def smolvlm() -> tuple[Any, Any]:
    """As `idefics3`, with a smaller longest edge; its processor wants num2words, for videos."""
    pytest.importorskip("num2words", reason="SmolVLM's processor needs it")
    from transformers import LlamaConfig, SmolVLMConfig, SmolVLMImageProcessor, SmolVLMProcessor, SmolVLMVideoProcessor
    from transformers import SmolVLMForConditionalGeneration as Model

    tokenizer = _idefics_tokenizer(SmolVLMProcessor)
    config = SmolVLMConfig(
        vision_config=_idefics_vision(),
        text_config=_text(LlamaConfig, tokenizer),
        image_token_id=tokenizer.convert_tokens_to_ids("<image>"),
        scale_factor=2,
    )
    size, tile = {"longest_edge": 3 * SIDE}, {"longest_edge": SIDE}
    images = SmolVLMImageProcessor(size=size, max_image_size=tile)
    videos = SmolVLMVideoProcessor(size=size, max_image_size=tile, video_sampling={"fps": 1, "max_frames": 2})
    processor = SmolVLMProcessor(images, tokenizer, videos, image_seq_len=9, chat_template=_chat("<image>"))
    return _model(Model, config), processor


def paligemma() -> tuple[Any, Any]:
    """6 × 6 tokens over the squashed image; a prefix LM."""
    from transformers import GemmaConfig, PaliGemmaConfig, PaliGemmaProcessor, SiglipImageProcessor, SiglipVisionConfig
    from transformers import PaliGemmaForConditionalGeneration as Model

    tokenizer = _tokenizer(PaliGemmaProcessor, image_token="<image>")
    images: Any = SiglipImageProcessor(size=_SQUARE)
    images.image_seq_length = 36
    # The processor adds its 1,152 location and segmentation tokens: the vocabulary is counted after that.
    processor = PaliGemmaProcessor(images, tokenizer, chat_template=_chat("<image>"))
    vision = {**_VISION, "projection_dim": _HIDDEN, "vision_use_head": False}
    config = PaliGemmaConfig(
        vision_config=SiglipVisionConfig(**vision, image_size=SIDE, patch_size=8),
        text_config=_text(GemmaConfig, tokenizer, head_dim=16),
        projection_dim=_HIDDEN,
        tie_word_embeddings=False,
        **_image_token(tokenizer),
    )
    return _model(Model, config), processor


def gemma3() -> tuple[Any, Any]:
    """3 × 3 tokens, average-pooled from 6 × 6 patches, over the squashed image; pan and scan on request."""
    from transformers import Gemma3Config, Gemma3ImageProcessor, Gemma3Processor, Gemma3TextConfig, SiglipVisionConfig
    from transformers import Gemma3ForConditionalGeneration as Model

    tokenizer = _tokenizer(
        Gemma3Processor, image_token="<image_soft_token>", boi_token="<start_of_image>", eoi_token="<end_of_image>"
    )
    text = {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 64}
    config = Gemma3Config(
        vision_config=SiglipVisionConfig(**_VISION, image_size=SIDE, patch_size=8, vision_use_head=False),
        text_config=_text(Gemma3TextConfig, tokenizer, **text),
        mm_tokens_per_image=9,
        boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
        tie_word_embeddings=False,
        **_image_token(tokenizer, "<image_soft_token>"),
    )
    images = Gemma3ImageProcessor(size=_SQUARE)
    processor = Gemma3Processor(images, tokenizer, image_seq_length=9, chat_template=_chat("<start_of_image>"))
    return _model(Model, config), processor


FAMILIES: dict[str, Callable[[], tuple[Any, Any]]] = {
    build.__name__: build
    for build in (
        llava,
        llava_next,
        llava_onevision,
        qwen2_vl,
        qwen2_5_vl,
        qwen3_vl,
        internvl,
        idefics3,
        smolvlm,
        paligemma,
        gemma3,
    )
}
"""Model type -> a builder of (model, processor); seeded, so that two calls give equal weights."""


def prompt(processor: Any, text: str, images: int = 1) -> str:
    """A user's turn that shows `images` images before `text`, in the family's own words."""
    content = [{"type": "image"} for _ in range(images)] + [{"type": "text", "text": text}]
    return processor.apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)


def _tokenizer(processor: Any, **named: str) -> Any:
    """A byte-level tokenizer for the class `processor`; `named` special tokens become its attributes, as processors
    look for them.
    """
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    # Before transformers 5, some processors insist on their family's own class.
    insisted = getattr(processor, "tokenizer_class", None)
    kind = getattr(transformers, insisted[-1] if isinstance(insisted, tuple) else "PreTrainedTokenizerFast")

    specials = ["<pad>", "<s>", "</s>", *named.values()]
    words = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    core = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return kind(
        tokenizer_object=core,
        model_input_names=["input_ids", "attention_mask"],
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<pad>",
        padding_side="left",
        extra_special_tokens=named,
    )


def _qwen_tokenizer(processor: Any) -> Any:
    return _tokenizer(
        processor,
        image_token="<|image_pad|>",
        video_token="<|video_pad|>",
        vision_start_token="<|vision_start|>",
        vision_end_token="<|vision_end|>",
    )


def _idefics_tokenizer(processor: Any) -> Any:
    tiles = {f"tile_{row}_{col}_token": f"<row_{row}_col_{col}>" for row in range(1, 7) for col in range(1, 7)}
    return _tokenizer(
        processor,
        image_token="<image>",
        fake_image_token="<fake_token_around_image>",
        global_image_token="<global-img>",
        end_of_utterance_token="<end_of_utterance>",
        video_token="<video>",
        **tiles,
    )


def _chat(image: str) -> str:
    return _CHAT.format(image=image)


def _qwen_chat() -> str:
    return _chat("<|vision_start|><|image_pad|><|vision_end|>")


def _text(kind: Any, tokenizer: Any, **more: Any) -> Any:
    return kind(**_TEXT, vocab_size=len(tokenizer), **more)


def _qwen_text(tokenizer: Any) -> dict[str, Any]:
    # Three sections of rotary frequencies (time, height, width): half of a head's 16 channels.
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3]}
    return {**_TEXT, "vocab_size": len(tokenizer), "rope_scaling": rope, "rope_theta": 10000.0}


def _qwen_ids(tokenizer: Any) -> dict[str, Any]:
    return {
        f"{name}_id": tokenizer.convert_tokens_to_ids(getattr(tokenizer, name))
        for name in ("image_token", "video_token", "vision_start_token", "vision_end_token")
    }


def _idefics_vision() -> dict[str, Any]:
    return {**_VISION, "image_size": SIDE, "patch_size": 8}


def _image_token(tokenizer: Any, word: str = "<image>") -> dict[str, Any]:
    return {"image_token_index": tokenizer.convert_tokens_to_ids(word)}


def _model(kind: Any, config: Any) -> Any:
    torch.manual_seed(0)
    model = kind(config).eval()
    _sharpen(model)
    return model


@torch.no_grad()
def _sharpen(model: nn.Module) -> None:
    """Larger queries and keys (or their norms, where a model has those): attention far from uniform.

    Gemma 3's projector begins as zeros, which would make all images one: it is drawn like the others.
    """
    for name, weight in model.named_parameters():
        if name.endswith("mm_input_projection_weight"):
            weight.normal_(std=0.1)
        elif name.endswith(("q_proj.weight", "k_proj.weight")):
            weight.mul_(1.5)
        elif name.endswith(("q_norm.weight", "k_norm.weight")):
            weight.add_(0.5)
