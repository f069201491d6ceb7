"""Tiny random LVLMs with Pixtral's vision tower, which takes images of any size: LLaVA (Pixtral 12B), Mistral 3."""

from __future__ import annotations

from typing import Any

from tests.lvlm.tiny import SIDE, VISION, chat_template, image_token_index, model_of, text_config, tokenizer_for

PATCH = 8


def pixtral() -> tuple[Any, Any]:
    """A LLaVA with tokens of 8 px over the whole image; a break token ends each row."""
    from transformers import LlavaConfig, MistralConfig
    from transformers import LlavaForConditionalGeneration as Model

    tokenizer, vision = _tokenizer(), _vision()
    config = LlavaConfig(
        vision_config=vision,
        text_config=text_config(MistralConfig, tokenizer),
        vision_feature_layer=-1,
        vision_feature_select_strategy="full",
        **image_token_index(tokenizer, "[IMG]"),
    )
    return model_of(Model, config), _processor(tokenizer, merge=1)


def mistral3() -> tuple[Any, Any]:
    """The same, with 2 × 2 patches merged to a token."""
    from transformers import Mistral3Config, MistralConfig
    from transformers import Mistral3ForConditionalGeneration as Model

    tokenizer, vision = _tokenizer(), _vision()
    config = Mistral3Config(
        vision_config=vision,
        text_config=text_config(MistralConfig, tokenizer),
        spatial_merge_size=2,
        tie_word_embeddings=False,
        **image_token_index(tokenizer, "[IMG]"),
    )
    return model_of(Model, config), _processor(tokenizer, merge=2)


def _vision() -> Any:
    from transformers import PixtralVisionConfig

    return PixtralVisionConfig(**VISION, image_size=3 * SIDE, patch_size=PATCH)


def _tokenizer() -> Any:
    from transformers import PixtralProcessor

    words = {"image_token": "[IMG]", "image_break_token": "[IMG_BREAK]", "image_end_token": "[IMG_END]"}
    return tokenizer_for(PixtralProcessor, **words)


def _processor(tokenizer: Any, merge: int) -> Any:
    from transformers import PixtralImageProcessor, PixtralProcessor

    images = PixtralImageProcessor(size={"longest_edge": 3 * SIDE}, patch_size={"height": PATCH, "width": PATCH})
    settings = {"patch_size": PATCH, "spatial_merge_size": merge, "chat_template": chat_template("[IMG]")}
    return PixtralProcessor(images, tokenizer, **settings)
