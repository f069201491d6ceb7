"""Load a CLIP by name, tag, folder or file, without ever unpickling, and say plainly what went wrong."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Callable
from contextlib import ExitStack

import torch
from torch import Tensor

from api_graph.clip.model import ClipModel
from api_graph.errors import BadInput, inputs_named
from api_graph.models.device import check_device, choose_device, choose_dtype
from api_graph.models.hub import offline_hint, revision_of
from api_graph.models.source import (
    CLIP_CONFIG,
    RANDOM,
    Source,
    clip_source,
    download_failed,
    fetched,
    first_line,
    shortened,
    text_config,
)

_PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")  # what a tag says of it
_PRECISION = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}


def load_clip(
    name: str = "demo",
    pretrained: str | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> ClipModel:
    """Load a CLIP, ready to encode.

    `name`: "demo" (the tiny model that comes with this package), a folder with an `open_clip_config.json`
    (its path, or "local-dir:PATH"), "hf-hub:ORG/REPO", or an open_clip architecture with its weights, such as
    "ViT-B-16/openai" (open_clip downloads them); or the architecture alone, and `pretrained`: the tag, the path
    of a checkpoint (.safetensors, or .pt, which is read with weights_only=True), or "random" for random
    weights.
    `device`: default the first of cuda, mps, cpu that is there. `dtype`: default float16 on cuda, float32
    elsewhere.

    Raises BadInput for an unknown name or tag, an architecture without weights, a missing, damaged or
    unfitting checkpoint, a failed download, and a device that is not there.
    """
    where = choose_device(device)
    precision = _PRECISION[choose_dtype(dtype, where)]
    source = clip_source(name, pretrained)
    root, silent = logging.getLogger(), logging.NullHandler()
    with ExitStack() as guards:
        # Nodes run in inference mode; weights that are born there could not take part in a gradient.
        guards.enter_context(torch.inference_mode(False))
        guards.enter_context(torch.random.fork_rng(devices=[]))
        torch.manual_seed(0)  # equal names are equal weights (`clip_identity`), random ones too
        # What matters is raised here. Without any handler, `logging.warning` would set one up for the whole program.
        guards.enter_context(warnings.catch_warnings())
        warnings.simplefilter("ignore")
        root.addHandler(silent)
        guards.callback(root.removeHandler, silent)
        if pretrained is None:  # then the name says which weights
            guards.enter_context(inputs_named(pretrained="name"))
        module, tokenizer = _from_open_clip(source, precision, where)
    return ClipModel.from_open_clip(module, tokenizer=tokenizer, name=name)


def loaded_clip(model: ClipModel | str, device: str | torch.device | None = None) -> ClipModel:
    """The model, loaded onto `device` if it comes as a name. Raises BadInput where it is loaded, and elsewhere."""
    if isinstance(model, str):
        with inputs_named(pretrained="name"):
            return load_clip(model, device=device)
    check_device(model.device, device, "load_clip")
    return model


def _from_open_clip(
    source: Source, precision: str, device: torch.device
) -> tuple[torch.nn.Module, Callable[..., Tensor]]:
    """open_clip's model with the source's weights, and its tokenizer. Its many ways to fail are one BadInput each."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    tag = get_pretrained_cfg(source.name, source.pretrained or "")  # {} unless that is a tag
    try:
        name, weights = source.name, source.pretrained
        if source.repository is not None:
            name, weights = _downloaded(source, tag.get("hf_hub", ""))
        elif source.path is not None and source.path.is_dir():
            name = f"local-dir:{source.path}"
        elif weights == RANDOM:
            weights = None
        module = open_clip.create_model(
            name,
            pretrained=weights,
            precision=precision,
            device=device,
            # A tag's weights may want what the architecture's own config does not say.
            force_quick_gelu=tag.get("quick_gelu", False),
            force_preprocess_cfg={key: tag[key] for key in _PREPROCESSING if key in tag},
            pretrained_text=False,
            require_pretrained=source.pretrained != RANDOM,
            weights_only=True,
        )
    except Exception as error:
        raise _explained(source, error) from error
    try:
        tokenizer = open_clip.get_tokenizer(name) if source.repository is None else _hub_tokenizer(source, name)
    except Exception as error:
        raise BadInput(
            f"the model's tokenizer could not be loaded: {first_line(error)}",
            input="name",
            value=source.whole_name,
            hint=offline_hint() if source.path is None else "Put the tokenizer's files into the model's folder.",
        ) from error
    return module, tokenizer


def _downloaded(source: Source, file: str) -> tuple[str, str | None]:
    """Name and weights as `open_clip.create_model` takes them, downloaded at the revision that the key names.

    open_clip itself would load whatever stands on the hub by then. `file` is "ORG/NAME/FILE", where a tag says it.
    """
    if source.pretrained is not None:
        return source.name, fetched(source, os.path.basename(file) or None)
    folder = os.path.dirname(fetched(source, CLIP_CONFIG))
    fetched(source, None)
    return f"local-dir:{folder}", None


def _hub_tokenizer(source: Source, name: str) -> Callable[..., Tensor]:
    """What open_clip takes for the tokenizer of a model on the hub, but of the revision that the key names."""
    import open_clip
    from open_clip.tokenizer import HFTokenizer

    text = text_config(source)
    repository = text.get("hf_tokenizer_name")
    if not repository:
        return open_clip.get_tokenizer(name)
    settings = {key: text[key] for key in ("context_length", "tokenizer_mode") if key in text}
    return HFTokenizer(repository, revision=revision_of(repository), **settings, **text.get("tokenizer_kwargs", {}))


def _explained(source: Source, error: Exception) -> BadInput:
    """What went wrong while a model was made, in terms of what was asked for."""

    def wrong(problem: str, hint: str) -> BadInput:
        named = "pretrained" if source.pretrained else "name"
        return BadInput(problem, input=named, value=source.whole_name, hint=hint)

    said = str(error)
    if isinstance(error, torch.cuda.OutOfMemoryError):
        problem = f"the device has no memory left for the model: {first_line(error)}"
        return wrong(problem, "Load it with dtype float16 or bfloat16, or a smaller one.")
    unfitting = isinstance(error, KeyError | AttributeError | AssertionError) and source.path is not None
    if "loading state_dict" in said or unfitting:
        lines = [line.strip() for line in said.splitlines() if line.strip()]
        first = shortened(lines[1] if len(lines) > 1 else repr(error))  # load_state_dict goes on to list every key
        problem = f"the checkpoint does not fit the architecture of {source.name!r}: {first}"
        return wrong(problem, "Name the architecture that it was trained as.")
    if "Weights only load failed" in said:  # torch goes on to say how to run the code in it
        problem = "the checkpoint is damaged, or holds more than tensors: code in it is never run"
        return wrong(problem, "Save its tensors as .safetensors, or download it again.")
    if source.path is not None:
        problem = f"the checkpoint cannot be read: {first_line(error)}"
        return wrong(problem, "It must be .safetensors, or a .pt of tensors only. If it is damaged, download it again.")
    return download_failed(source, error)
