"""Tiny random LLaVAs: 1.5, NeXT, NeXT-Video, OneVision."""

from __future__ import annotations

from typing import Any

from tests.lvlm.tiny import SIDE, SQUARE, VISION, chat_template, image_token_index, model_of, text_config, tokenizer_for


def llava() -> tuple[Any, Any]:
    """6 × 6 tokens of 8 px, shortest side resized and centre-cropped, as CLIP's image processor does."""
    from transformers import CLIPImageProcessor, CLIPVisionConfig, LlamaConfig, LlavaConfig, LlavaProcessor
    from transformers import LlavaForConditionalGeneration as Model

    tokenizer = tokenizer_for(LlavaProcessor, image_token="<image>")
    config = LlavaConfig(
        vision_config=CLIPVisionConfig(**VISION, image_size=SIDE, patch_size=8),
        text_config=text_config(LlamaConfig, tokenizer),
        **image_token_index(tokenizer),
    )
    images = CLIPImageProcessor(size={"shortest_edge": SIDE}, crop_size=SQUARE)
    processor = LlavaProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template("<image>"),
    )
    return model_of(Model, config), processor


def llava_next() -> tuple[Any, Any]:
    """Base of 6 × 6 tokens, and tiles on the best of five canvases."""
    from transformers import CLIPVisionConfig, LlamaConfig, LlavaNextConfig, LlavaNextImageProcessor, LlavaNextProcessor
    from transformers import LlavaNextForConditionalGeneration as Model

    tokenizer = tokenizer_for(LlavaNextProcessor, image_token="<image>")
    pinpoints = [[48, 96], [96, 48], [96, 96], [144, 48], [48, 144]]
    config = LlavaNextConfig(
        vision_config=CLIPVisionConfig(**VISION, image_size=SIDE, patch_size=8),
        text_config=text_config(LlamaConfig, tokenizer),
        image_grid_pinpoints=pinpoints,
        **image_token_index(tokenizer),
    )
    images = LlavaNextImageProcessor(size={"shortest_edge": SIDE}, crop_size=SQUARE, image_grid_pinpoints=pinpoints)
    processor = LlavaNextProcessor(
        images,
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template("<image>"),
    )
    return model_of(Model, config), processor


def llava_next_video() -> tuple[Any, Any]:
    """As `llava_next`, which it is for images."""
    from transformers import (
        CLIPVisionConfig,
        LlamaConfig,
        LlavaNextImageProcessor,
        LlavaNextVideoConfig,
        LlavaNextVideoProcessor,
        LlavaNextVideoVideoProcessor,
    )
    from transformers import LlavaNextVideoForConditionalGeneration as Model

    tokenizer = tokenizer_for(LlavaNextVideoProcessor, image_token="<image>", video_token="<video>")
    pinpoints = [[48, 96], [96, 48], [96, 96], [144, 48], [48, 144]]
    config = LlavaNextVideoConfig(
        vision_config=CLIPVisionConfig(**VISION, image_size=SIDE, patch_size=8),
        text_config=text_config(LlamaConfig, tokenizer),
        image_grid_pinpoints=pinpoints,
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        **image_token_index(tokenizer),
    )
    size = {"shortest_edge": SIDE}
    processor = LlavaNextVideoProcessor(
        LlavaNextVideoVideoProcessor(size=size, crop_size=SQUARE),
        LlavaNextImageProcessor(size=size, crop_size=SQUARE, image_grid_pinpoints=pinpoints),
        tokenizer,
        patch_size=8,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=chat_template("<image>"),
    )
    return model_of(Model, config), processor


def llava_onevision(side: int = SIDE) -> tuple[Any, Any]:
    """Base of 6 × 6 tokens without CLS, and tiles scaled down to at most two views' worth of tokens.

    A `side` that is no multiple of 8 leaves some pixels of every tile unseen.
    """
    from transformers import (
        LlavaOnevisionConfig,
        LlavaOnevisionImageProcessor,
        LlavaOnevisionProcessor,
        LlavaOnevisionVideoProcessor,
        Qwen2Config,
        SiglipVisionConfig,
    )
    from transformers import LlavaOnevisionForConditionalGeneration as Model

    tokenizer = tokenizer_for(LlavaOnevisionProcessor, image_token="<image>", video_token="<video>")
    square = {"height": side, "width": side}
    pinpoints = [[side * rows, side * columns] for rows in range(1, 4) for columns in range(1, 4)]
    config = LlavaOnevisionConfig(
        vision_config=SiglipVisionConfig(**VISION, image_size=side, patch_size=8, vision_use_head=False),
        text_config=text_config(Qwen2Config, tokenizer),
        image_grid_pinpoints=pinpoints,
        vision_aspect_ratio="anyres_max_2",
        video_token_index=tokenizer.convert_tokens_to_ids("<video>"),
        **image_token_index(tokenizer),
    )
    processor = LlavaOnevisionProcessor(
        LlavaOnevisionImageProcessor(size=square, image_grid_pinpoints=pinpoints),
        tokenizer,
        LlavaOnevisionVideoProcessor(size=square),
        num_image_tokens=36,
        vision_feature_select_strategy="full",
        vision_aspect_ratio="anyres_max_2",
        chat_template=chat_template("<image>"),
    )
    return model_of(Model, config), processor
