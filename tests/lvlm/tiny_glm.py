"""Tiny random GLM-4V."""

from __future__ import annotations

from typing import Any

from tests.lvlm.tiny import HIDDEN, TEXT, chat_template, model_of, tokenizer_for


def glm4v() -> tuple[Any, Any]:
    """Tokens of 28 px over the whole image, whose size the image decides; a convolution merges 2 × 2 patches."""
    from transformers import Glm4vConfig, Glm4vImageProcessor, Glm4vProcessor, Glm4vVideoProcessor
    from transformers import Glm4vForConditionalGeneration as Model

    words = {
        "image_token": "<|image|>",
        "video_token": "<|video|>",
        "image_start_token": "<|begin_of_image|>",
        "image_end_token": "<|end_of_image|>",
        "video_start_token": "<|begin_of_video|>",
        "video_end_token": "<|end_of_video|>",
    }
    tokenizer = tokenizer_for(Glm4vProcessor, **words)
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": HIDDEN,
        "image_size": 112,
        "initializer_range": 0.1,
    }
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3], "rope_theta": 10000.0, "partial_rotary_factor": 1.0}
    text = {**TEXT, "vocab_size": len(tokenizer), "rope_parameters": rope, "rope_scaling": rope, "rope_theta": 10000.0}
    ids = {f"{name}_id": tokenizer.convert_tokens_to_ids(word) for name, word in words.items()}
    config = Glm4vConfig(vision_config=vision, text_config=text, **ids)
    size = {"shortest_edge": 56 * 56, "longest_edge": 2 * 196 * 196}  # of two frames, as of a video
    images, videos = Glm4vImageProcessor(size=size), Glm4vVideoProcessor(size=size)
    chat = chat_template("<|begin_of_image|><|image|><|end_of_image|>")
    return model_of(Model, config), Glm4vProcessor(images, tokenizer, videos, chat_template=chat)
