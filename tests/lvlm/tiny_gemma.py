"""Tiny random PaliGemma and Gemma 3."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lvlm.tiny import (
    HIDDEN,
    SIDE,
    SQUARE,
    VISION,
    chat_template,
    image_token_index,
    model_of,
    text_config,
    tokenizer_for,
)


def paligemma() -> tuple[Any, Any]:
    """6 × 6 tokens over the squashed image; a prefix LM."""
    from transformers import GemmaConfig

    return _paligemma(GemmaConfig, head_dim=16)


def paligemma2() -> tuple[Any, Any]:
    """The same with scores that go through a tanh, so that SDPA cannot run it."""
    from transformers import Gemma2Config

    text = {"head_dim": 16, "query_pre_attn_scalar": 16, "attn_logit_softcapping": 2.0, "sliding_window": 512}
    model, processor = _paligemma(Gemma2Config, **text)
    model.model.language_model.set_attn_implementation("eager")
    return model, processor


def _paligemma(text_class: Any, **text: Any) -> tuple[Any, Any]:
    from transformers import PaliGemmaConfig, PaliGemmaProcessor, SiglipImageProcessor, SiglipVisionConfig
    from transformers import PaliGemmaForConditionalGeneration as Model

    tokenizer = tokenizer_for(PaliGemmaProcessor, image_token="<image>")
    images: Any = SiglipImageProcessor(size=SQUARE)
    images.image_seq_length = 36
    # The processor adds its 1,152 location and segmentation tokens: the vocabulary is counted after that.
    processor = PaliGemmaProcessor(images, tokenizer, chat_template=chat_template("<image>"))
    vision = {**VISION, "projection_dim": HIDDEN, "vision_use_head": False}
    config = PaliGemmaConfig(
        vision_config=SiglipVisionConfig(**vision, image_size=SIDE, patch_size=8),
        text_config=text_config(text_class, tokenizer, **text),
        projection_dim=HIDDEN,
        tie_word_embeddings=False,
        **image_token_index(tokenizer),
    )
    return model_of(Model, config), processor


def gemma3() -> tuple[Any, Any]:
    """3 × 3 tokens, average-pooled from 6 × 6 patches, over the squashed image; pan and scan on request."""
    pytest.importorskip("torch", minversion="2.6", reason="transformers' masks for Gemma 3 need it")
    from transformers import Gemma3Config, Gemma3ImageProcessor, Gemma3Processor, Gemma3TextConfig, SiglipVisionConfig
    from transformers import Gemma3ForConditionalGeneration as Model

    tokenizer = tokenizer_for(
        Gemma3Processor, image_token="<image_soft_token>", boi_token="<start_of_image>", eoi_token="<end_of_image>"
    )
    text = {"head_dim": 16, "query_pre_attn_scalar": 16, "sliding_window": 64}
    config = Gemma3Config(
        vision_config=SiglipVisionConfig(**VISION, image_size=SIDE, patch_size=8, vision_use_head=False),
        text_config=text_config(Gemma3TextConfig, tokenizer, **text),
        mm_tokens_per_image=9,
        boi_token_index=tokenizer.convert_tokens_to_ids("<start_of_image>"),
        eoi_token_index=tokenizer.convert_tokens_to_ids("<end_of_image>"),
        tie_word_embeddings=False,
        **image_token_index(tokenizer, "<image_soft_token>"),
    )
    images = Gemma3ImageProcessor(size=SQUARE)
    processor = Gemma3Processor(images, tokenizer, image_seq_length=9, chat_template=chat_template("<start_of_image>"))
    return model_of(Model, config), processor
