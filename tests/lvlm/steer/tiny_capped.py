"""A tiny random PaliGemma 2: its scores go through a tanh, so that SDPA cannot run it."""

from __future__ import annotations

from typing import Any

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


def paligemma2() -> tuple[Any, Any]:
    from transformers import Gemma2Config, PaliGemmaConfig, PaliGemmaProcessor, SiglipImageProcessor, SiglipVisionConfig
    from transformers import PaliGemmaForConditionalGeneration as Model

    tokenizer = tokenizer_for(PaliGemmaProcessor, image_token="<image>")
    images: Any = SiglipImageProcessor(size=SQUARE)
    images.image_seq_length = 36
    processor = PaliGemmaProcessor(images, tokenizer, chat_template=chat_template("<image>"))
    text = {"head_dim": 16, "query_pre_attn_scalar": 16, "attn_logit_softcapping": 2.0, "sliding_window": 512}
    vision = {**VISION, "projection_dim": HIDDEN, "vision_use_head": False}
    config = PaliGemmaConfig(
        vision_config=SiglipVisionConfig(**vision, image_size=SIDE, patch_size=8),
        text_config=text_config(Gemma2Config, tokenizer, **text),
        projection_dim=HIDDEN,
        tie_word_embeddings=False,
        **image_token_index(tokenizer),
    )
    model = model_of(Model, config)
    model.model.language_model.set_attn_implementation("eager")
    return model, processor
