"""The families of LVLMs whose token geometry is known, and the one way in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from api_graph.errors import BadInput
from api_graph.lvlm.places import gemma, idefics3, internvl, llava, llava_next, qwen
from api_graph.lvlm.places.part import Places
from api_graph.lvlm.places.prompted import Prompted, Size, image_columns
from api_graph.lvlm.places.sizes import sizes_from_tensors
from api_graph.lvlm.places.view import View, placed

_VIEWS: dict[str, Callable[[Prompted], list[list[View]]]] = {
    "llava": llava.views,
    "llava_next": llava_next.views,
    "llava_onevision": llava_next.views,
    "qwen2_vl": qwen.views,
    "qwen2_5_vl": qwen.views,
    "qwen3_vl": qwen.views,
    "internvl": internvl.views,
    "idefics3": idefics3.views,
    "smolvlm": idefics3.views,
    "paligemma": gemma.paligemma_views,
    "gemma3": gemma.gemma3_views,
}


def token_places(
    config: Any, processor: Any, inputs: Mapping[str, Any], sizes: Sequence[Sequence[Size]] | None = None
) -> list[list[Places]]:
    """Where the image tokens of each prompt lie in their source images: per prompt, per image.

    `config` is the model's, `inputs` all that its `processor` returned for the prompts (`input_ids` (B, S), padded on
    either side, `pixel_values`, and what else the family has), `sizes` the (width, height) of each prompt's images.
    Without a processor the model saw the pixels of `inputs` as whole images; `sizes` may then be None.

    BadInput for a family that is not known, for facts that are missing, and where the numbers of tokens do not add up.
    """
    views_of = _VIEWS.get(config.model_type)
    if views_of is None:
        raise BadInput(
            "it is not known where this family's image tokens lie in the image",
            input="model",
            value=config.model_type,
            hint=f"Use one of {', '.join(_VIEWS)}.",
        )
    columns = image_columns(config, inputs)
    prompted = Prompted(config, processor, inputs, columns, _sizes(config, processor, inputs, sizes, len(columns)))
    views = iter(views_of(prompted))
    return [
        placed(of_prompt, [next(views) for _ in images])
        for of_prompt, images in zip(columns, prompted.sizes, strict=True)
    ]


def _sizes(
    config: Any, processor: Any, inputs: Mapping[str, Any], sizes: Sequence[Sequence[Size]] | None, prompts: int
) -> Sequence[Sequence[Size]]:
    if sizes is None and processor is None:
        return sizes_from_tensors(config, inputs, prompts)
    if sizes is None or len(sizes) != prompts:
        raise BadInput(
            f"there are {prompts} prompts",
            input="sizes",
            value=sizes,
            hint="Give, for each prompt, the (width, height) of its images.",
        )
    return sizes
