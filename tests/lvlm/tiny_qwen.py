"""Tiny random Qwen-VLs: 2, 2.5, 3, 3.5."""

from __future__ import annotations

from typing import Any

import pytest

from tests.lvlm.tiny import HIDDEN, TEXT, chat_template, model_of, tokenizer_for


def qwen2_vl() -> tuple[Any, Any]:
    """Tokens of 28 px over the whole image, whose size the image decides."""
    from transformers import Qwen2VLConfig, Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor
    from transformers import Qwen2VLForConditionalGeneration as Model

    tokenizer = _qwen_tokenizer(Qwen2VLProcessor)
    vision = {"depth": 2, "embed_dim": 32, "hidden_size": HIDDEN, "num_heads": 2, "mlp_ratio": 2}
    config = Qwen2VLConfig(vision_config=vision, text_config=_qwen_text(tokenizer), **_qwen_ids(tokenizer))
    size = {"shortest_edge": 56 * 56, "longest_edge": 196 * 196}
    images, videos = Qwen2VLImageProcessor(size=size), Qwen2VLVideoProcessor(size=size)
    processor = Qwen2VLProcessor(images, tokenizer, videos, chat_template=_qwen_chat())
    return model_of(Model, config), processor


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
        "out_hidden_size": HIDDEN,
        "window_size": 56,
        "fullatt_block_indexes": [1],
    }
    config = Qwen2_5_VLConfig(vision_config=vision, text_config=_qwen_text(tokenizer), **_qwen_ids(tokenizer))
    size = {"shortest_edge": 56 * 56, "longest_edge": 196 * 196}
    images, videos = Qwen2VLImageProcessor(size=size), Qwen2VLVideoProcessor(size=size)
    processor = Qwen2_5_VLProcessor(images, tokenizer, videos, chat_template=_qwen_chat())
    return model_of(Model, config), processor


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
        "out_hidden_size": HIDDEN,
        "patch_size": 16,
        "num_position_embeddings": 16,
        "deepstack_visual_indexes": [0],
    }
    text = {**_qwen_text(tokenizer), "head_dim": 16}
    config = Qwen3VLConfig(vision_config=vision, text_config=text, **_qwen_ids(tokenizer))
    size = {"shortest_edge": 64 * 64, "longest_edge": 224 * 224}
    images = Qwen2VLImageProcessor(size=size, patch_size=16)
    processor = Qwen3VLProcessor(images, tokenizer, Qwen3VLVideoProcessor(size=size), chat_template=_qwen_chat())
    return model_of(Model, config), processor


def qwen3_5() -> tuple[Any, Any]:
    """As `qwen3_vl`, with a first layer of linear attention, which has no maps."""
    pytest.importorskip("transformers.models.qwen3_5", reason="transformers has it since version 5")
    from transformers import Qwen2VLImageProcessor, Qwen3_5Config, Qwen3VLProcessor, Qwen3VLVideoProcessor
    from transformers import Qwen3_5ForConditionalGeneration as Model

    tokenizer = _qwen_tokenizer(Qwen3VLProcessor)
    vision = {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 48,
        "num_heads": 2,
        "out_hidden_size": HIDDEN,
        "patch_size": 16,
        "num_position_embeddings": 16,
    }
    text = {
        **_qwen_text(tokenizer),
        "head_dim": 16,
        "layer_types": ["linear_attention", "full_attention", "full_attention"],
        "linear_key_head_dim": 16,
        "linear_value_head_dim": 16,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
    }
    text["rope_parameters"] = {**text.pop("rope_scaling"), "rope_theta": 10000.0, "partial_rotary_factor": 1.0}
    config = Qwen3_5Config(vision_config=vision, text_config=text, **_qwen_ids(tokenizer))
    size = {"shortest_edge": 64 * 64, "longest_edge": 224 * 224}
    images = Qwen2VLImageProcessor(size=size, patch_size=16)
    processor = Qwen3VLProcessor(images, tokenizer, Qwen3VLVideoProcessor(size=size), chat_template=_qwen_chat())
    return model_of(Model, config), processor


def _qwen_tokenizer(processor: Any) -> Any:
    return tokenizer_for(
        processor,
        image_token="<|image_pad|>",
        video_token="<|video_pad|>",
        vision_start_token="<|vision_start|>",
        vision_end_token="<|vision_end|>",
    )


def _qwen_chat() -> str:
    return chat_template("<|vision_start|><|image_pad|><|vision_end|>")


def _qwen_text(tokenizer: Any) -> dict[str, Any]:
    # Three sections of rotary frequencies (time, height, width): half of a head's 16 channels.
    rope = {"rope_type": "default", "mrope_section": [2, 3, 3]}
    return {**TEXT, "vocab_size": len(tokenizer), "rope_scaling": rope, "rope_theta": 10000.0}


def _qwen_ids(tokenizer: Any) -> dict[str, Any]:
    return {
        f"{name}_id": tokenizer.convert_tokens_to_ids(getattr(tokenizer, name))
        for name in ("image_token", "video_token", "vision_start_token", "vision_end_token")
    }
