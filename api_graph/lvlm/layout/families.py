"""The families of LVLMs whose token layout is known, and those of them that show an image in one view."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.layout.anyres import anyres_views
from api_graph.lvlm.layout.facts import PromptFacts, Size
from api_graph.lvlm.layout.preprocessing import patched, seen_rectangle
from api_graph.lvlm.layout.tiled import aya_views, gemma3_views, idefics_views, internvl_views
from api_graph.lvlm.layout.views import TokenLayout, ViewSpec, laid_out
from api_graph.lvlm.protocols import ModelConfig, ModelInputs, Processor


def llava_views(facts: PromptFacts) -> list[list[ViewSpec]]:
    """LLaVA 1.5 and PaliGemma: one row-major view per image, from `pixel_values` (n, 3, H, W).

    The processor's settings say what the view shows: a centre crop (CLIP), the image padded to a square (LLaVA), or
    the image stretched to a square (PaliGemma). The CLS token, where the model keeps it, comes first. A LLaVA whose
    vision tower is Pixtral's takes images of any size.
    """
    vision = facts.config.vision_config
    if vision.model_type == "pixtral":
        return pixtral_views(facts)
    pixels = tuple(facts.per_image("pixel_values").shape[-2:])
    strategy = getattr(facts.config, "vision_feature_select_strategy", "default")
    keeps_cls = vision.model_type == "clip_vision_model" and strategy == "full"
    return [[_fixed_view(facts, size, pixels, int(keeps_cls))] for size in facts.images]


def _fixed_view(facts: PromptFacts, size: Size, pixels: tuple[int, ...], before: int) -> ViewSpec:
    area, shown = Geometry.whole(*size), pixels
    if facts.processor is not None:
        area, shown = seen_rectangle(facts.processor.image_processor, *size)
    if shown != pixels:
        raise BadInput(
            f"by its settings the processor shows images at {shown}, but pixel_values are {pixels}",
            input="processor",
            hint="Set up the processor itself, not its single calls.",
        )
    grid, area = patched(area, (pixels[0], pixels[1]), facts.config.vision_config.patch_size)
    return ViewSpec(grid, area, before)


def pixtral_views(facts: PromptFacts) -> list[list[ViewSpec]]:
    """Pixtral and Mistral 3: one row-major view of the whole, resized image; a token of text ends each row.

    `image_sizes` holds the resized height and width, of which m × m patches are merged to one token.
    """
    cell = facts.config.vision_config.patch_size * getattr(facts.config, "spatial_merge_size", 1)
    grids = [(height // cell, width // cell) for height, width in facts.numbers_per_image("image_sizes")]
    return [[ViewSpec(grid, Geometry.whole(*size))] for grid, size in zip(grids, facts.images, strict=True)]


def qwen_views(facts: PromptFacts) -> list[list[ViewSpec]]:
    """Qwen2-VL to Qwen3.5, and GLM-4V: one row-major view of the whole, resized image.

    `image_grid_thw` counts its h × w patches, of which m × m are merged to one token.
    """
    merge = facts.config.vision_config.spatial_merge_size
    grids = [(h // merge, w // merge) for _, h, w in facts.numbers_per_image("image_grid_thw")]
    return [[ViewSpec(grid, Geometry.whole(*size))] for grid, size in zip(grids, facts.images, strict=True)]


_VIEWS: dict[str, Callable[[PromptFacts], list[list[ViewSpec]]]] = {
    "llava": llava_views,
    "llava_next": anyres_views,
    "llava_next_video": anyres_views,
    "llava_onevision": anyres_views,
    "qwen2_vl": qwen_views,
    "qwen2_5_vl": qwen_views,
    "qwen3_vl": qwen_views,
    "qwen3_5": qwen_views,
    "glm4v": qwen_views,
    "mistral3": pixtral_views,
    "internvl": internvl_views,
    "aya_vision": aya_views,
    "idefics3": idefics_views,
    "smolvlm": idefics_views,
    "paligemma": llava_views,
    "gemma3": gemma3_views,
}
"""Model type -> a function that gives the views of each image, over all prompts in order."""


_UNKNOWN = {
    "gemma3n": "its vision tower comes in one size, too large for the tests that hold a family's layout",
    "llama4": "its processor pads an image into tiles, and hands on neither their rows and columns nor the padding",
    "perception_lm": "its processor cuts an image into tiles, and does not hand on their rows and columns",
}
"""Model type -> why its layout is not known, of families that people ask for."""


def token_layouts(
    config: ModelConfig,
    processor: Processor | None,
    inputs: ModelInputs,
    sizes: Sequence[Sequence[Size]] | None = None,
) -> list[list[TokenLayout]]:
    """Which rectangle of its source image each image token shows: one layout per prompt and image.

    `config` is the model's, `inputs` all that its `processor` returned for the prompts (`input_ids` (B, S), padded on
    either side, `pixel_values`, and what else the family has), `sizes` the (width, height) of each prompt's images.
    Without a processor the model saw the pixels of `inputs` as whole images; `sizes` may then be None.

    Raises BadInput for an unknown family, for facts that are missing, and where the numbers of tokens do not add up.
    """
    views_of = _VIEWS.get(config.model_type)
    if views_of is None:
        why = _UNKNOWN.get(config.model_type)
        raise BadInput(
            f"it is not known where this family's image tokens lie in the image{f': {why}' if why else ''}",
            input="model",
            value=config.model_type,
            hint=f"Use one of {', '.join(_VIEWS)}.",
        )
    facts = PromptFacts.of(config, processor, inputs, sizes)
    views = iter(views_of(facts))
    return [
        laid_out(columns, [next(views) for _ in images])
        for columns, images in zip(facts.columns, facts.sizes, strict=True)
    ]
