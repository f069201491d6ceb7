"""What a processor must know of its model, and does not where an older transformers wrote the folder.

How many tokens an image takes is counted twice: by the processor, which writes them into the prompt, and by the model,
whose vision tower makes them. Both counts follow from the model's config.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from api_graph.errors import ApiGraphWarning, BadInput

_CLS = {"clip_vision_model": 1, "siglip_vision_model": 0}
"""How many tokens a vision tower puts before those of the patches."""

_ABSENT = object()


@dataclass(frozen=True)
class Field:
    """A field of a processor or, `of_images`, of its image processor; its value by the model's config, if that says."""

    name: str
    value: object
    of_images: bool = False


def complete_processor(name: str, config: Any, processor: Any) -> None:
    """Set the fields that count image tokens to what the model's config says, and warn of each that was not so.

    `name` is the model's, `config` and `processor` are transformers'. Raises BadInput that names the field and the file
    where a field is missing and does not follow from the config, where the image token is none of the tokenizer's, and
    where the image processor makes views of another size than the vision tower takes.
    """
    changed: list[str] = []
    for field in _FIELDS.get(config.model_type, _unknown)(config):
        holder = processor.image_processor if field.of_images else processor
        current = getattr(holder, field.name, _ABSENT)
        if current is _ABSENT or (current == field.value and current is not None):
            continue
        if field.value is None and current is None:
            file = "preprocessor_config.json" if field.of_images else "processor_config.json"
            raise _missing(name, f"{field.name} is missing in {file}, and does not follow from config.json", field.name)
        if field.value is not None:
            setattr(holder, field.name, field.value)
            changed.append(_said(field.name, current, field.value))
    if config.model_type in _LLAVAS:
        changed += _set_image_token(name, config, processor)
    if config.model_type == "gemma3":
        _check_gemma3(name, config, processor)
    _check_view(name, config, processor.image_processor)
    if changed:
        said = f"{name}: processor_config.json does not fit config.json, which is followed: {', '.join(changed)}"
        warnings.warn(said, ApiGraphWarning, stacklevel=3)


def _said(field: str, current: object, value: object) -> str:
    return f"{field} = {value!r} ({'missing' if current is None else f'not {current!r}'})"


def _missing(name: str, problem: str, field: str) -> BadInput:
    hint = f'Write "{field}" into that file of the model\'s folder, or save its processor with a newer transformers.'
    return BadInput(problem, input="name", value=name, hint=hint)


def _unknown(config: Any) -> Iterator[Field]:
    """Of a family that is not known here: nothing is changed, and what would only fail later is told."""
    return iter(())


def _llava(config: Any) -> Iterator[Field]:
    """LLaVA and its kin, whose processors count patches: `patch_size`, what comes before them, and what is dropped."""
    vision = config.vision_config
    yield Field("patch_size", _whole(vision, "patch_size"))
    yield Field("vision_feature_select_strategy", _strategy(config))
    before = _CLS.get(vision.model_type)
    if before is not None:
        yield Field("num_additional_image_tokens", before)


def _onevision(config: Any) -> Iterator[Field]:
    """LLaVA-OneVision, whose processor is told how many tokens a view has."""
    vision, strategy = config.vision_config, _strategy(config)
    before, grid = _CLS.get(vision.model_type), _grid(vision)
    yield Field("vision_feature_select_strategy", strategy)
    known = before is not None and grid is not None and strategy is not None
    yield Field("num_image_tokens", (grid or 0) + (before or 0) - (strategy == "default") if known else None)
    yield Field("vision_aspect_ratio", getattr(config, "vision_aspect_ratio", None))


def _qwen(config: Any) -> Iterator[Field]:
    """Qwen-VL and GLM-4V, whose image processor cuts the patches itself."""
    for field, of_model in (("patch_size",) * 2, ("merge_size", "spatial_merge_size"), ("temporal_patch_size",) * 2):
        yield Field(field, _whole(config.vision_config, of_model), of_images=True)


def _mistral3(config: Any) -> Iterator[Field]:
    yield Field("patch_size", _whole(config.vision_config, "patch_size"))
    yield Field("spatial_merge_size", _whole(config, "spatial_merge_size"))


def _aya(config: Any) -> Iterator[Field]:
    """Aya Vision, whose processor counts the patches that are left after its pixel shuffle."""
    patch, factor = _whole(config.vision_config, "patch_size"), _whole(config, "downsample_factor")
    yield Field("patch_size", patch * factor if patch and factor else None)
    yield Field("img_size", _whole(config.vision_config, "image_size"))


def _internvl(config: Any) -> Iterator[Field]:
    grid, ratio = _grid(config.vision_config), getattr(config, "downsample_ratio", None)
    yield Field("image_seq_length", round(grid * ratio**2) if grid and ratio else None)


def _idefics(config: Any) -> Iterator[Field]:
    grid, factor = _grid(config.vision_config), _whole(config, "scale_factor")
    yield Field("image_seq_len", grid // factor**2 if grid and factor else None)


def _paligemma(config: Any) -> Iterator[Field]:
    yield Field("image_seq_length", _grid(config.vision_config))


_LLAVAS = ("llava", "llava_next", "llava_next_video", "video_llava", "vipllava", "llava_onevision")

_EDGES = ("height", "width", "longest_edge", "shortest_edge")

_FIXED = ("internvl", "idefics3", "smolvlm", "paligemma", "gemma3")
"""Families whose vision towers take views of one size, whatever the tower is."""

_FIELDS: dict[str, Callable[[Any], Iterator[Field]]] = {
    **dict.fromkeys(_LLAVAS, _llava),
    "llava_onevision": _onevision,
    **dict.fromkeys(("qwen2_vl", "qwen2_5_vl", "qwen3_vl", "qwen3_5", "glm4v"), _qwen),
    "mistral3": _mistral3,
    "aya_vision": _aya,
    "internvl": _internvl,
    "idefics3": _idefics,
    "smolvlm": _idefics,
    "paligemma": _paligemma,
}
"""Model type -> what its processor must have."""


def _strategy(config: Any) -> str | None:
    """Whether the model drops the CLS token; ViP-LLaVA always does, and its config has no word for it."""
    fixed = "default" if config.model_type == "vipllava" else None
    return getattr(config, "vision_feature_select_strategy", fixed)


def _whole(config: Any, field: str) -> int | None:
    """A whole number of a config; None where it has none, or two that differ. [n, n] is n."""
    value = getattr(config, field, None)
    if isinstance(value, list | tuple) and len(set(value)) == 1:
        value = value[0]
    return value if isinstance(value, int) else None


def _grid(vision: Any) -> int | None:
    """How many patches a vision tower of fixed, square input has."""
    image, patch = _whole(vision, "image_size"), _whole(vision, "patch_size")
    return (image // patch) ** 2 if image and patch else None


def _set_image_token(name: str, config: Any, processor: Any) -> list[str]:
    """Let the processor write the token that the model looks for."""
    wanted = getattr(config, "image_token_id", None)
    if wanted is None:
        wanted = getattr(config, "image_token_index", None)
    if wanted is None or getattr(processor, "image_token_id", wanted) == wanted:
        return []
    word, given = processor.tokenizer.convert_ids_to_tokens(wanted), processor.image_token
    if not isinstance(word, str) or word == processor.tokenizer.unk_token:
        problem = f"image_token is {given!r} in processor_config.json, and the tokenizer has no token {wanted}"
        raise _missing(name, f"{problem}, which config.json calls the image's", "image_token")
    template = processor.chat_template
    if isinstance(template, str) and given and given in template and word not in template:
        problem = f"image_token is {word!r} by config.json, but the chat template writes {given!r}"
        raise _missing(name, problem, "image_token")
    processor.image_token, processor.image_token_id = word, wanted
    return [_said("image_token", given, word)]


def _check_view(name: str, config: Any, images: Any) -> None:
    """A size that is missing is transformers' default, at which a tower of fixed size fails, or sees a part."""
    side = _whole(config.vision_config, "image_size")
    fixed = config.model_type in _FIXED or config.vision_config.model_type in _CLS
    field = "crop_size" if getattr(images, "do_center_crop", None) else "size"
    field = "max_image_size" if config.model_type in ("idefics3", "smolvlm") else field
    given = getattr(images, field, None)
    edges = given if isinstance(given, Mapping) else vars(given) if given is not None else {}
    wrong = [edge for edge in map(edges.get, _EDGES) if edge is not None and edge != side]
    if side and fixed and wrong:
        problem = f"{field} is {wrong[0]} in preprocessor_config.json, and image_size {side} in config.json"
        raise _missing(name, problem, field)


def _check_gemma3(name: str, config: Any, processor: Any) -> None:
    """Gemma 3's processor builds a text of the image's tokens when it is made: it cannot be set later."""
    wanted = getattr(config, "mm_tokens_per_image", None)
    given = getattr(processor, "image_seq_length", wanted)
    if given != wanted:
        problem = (
            f"image_seq_length is {given} in processor_config.json, and mm_tokens_per_image {wanted} in config.json"
        )
        raise _missing(name, problem, "image_seq_length")
