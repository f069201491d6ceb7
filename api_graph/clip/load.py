"""Load a CLIP by name, tag, folder or file, without ever unpickling, and say plainly what went wrong."""

from __future__ import annotations

import json
import logging
import os
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from api_graph.clip.model import ClipModel
from api_graph.errors import BadInput, inputs_named
from api_graph.files import expanded
from api_graph.json_values import JsonObject
from api_graph.models.device import check_device, choose_device, choose_dtype
from api_graph.models.hub import revision_key, revision_of
from api_graph.models.source import (
    ModelFolder,
    Source,
    did_you_mean,
    download_failed,
    first_line,
    offline_hint,
    read_name,
    shortened,
)

RANDOM = "random"

_CONFIG = "open_clip_config.json"
_CHECKPOINTS = (".safetensors", ".pt", ".pth", ".bin")
_FOLDER_WEIGHTS = (".safetensors", ".pth", ".bin")  # open_clip looks for no .pt in a folder
_FOLDER = ModelFolder(
    config=_CONFIG,
    key="model_cfg",
    kind=dict,
    weights=_FOLDER_WEIGHTS,
    deciding=(*_FOLDER_WEIGHTS, ".json", ".txt", ".model"),
    holds=f"A model's folder holds {_CONFIG}, its weights (open_clip_model.safetensors) and its tokenizer.",
    demo=Path(__file__).parent.parent / "demo" / "clip",
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
    source = source_of(name, pretrained)
    root, silent = logging.getLogger(), logging.NullHandler()
    with ExitStack() as guards:
        # Nodes run in inference mode; weights that are born there could not take part in a gradient.
        guards.enter_context(torch.inference_mode(False))
        guards.enter_context(torch.random.fork_rng(devices=[]))
        torch.manual_seed(0)  # equal names are equal weights (`checkpoint_identity`), random ones too
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


def checkpoint_identity(name: str = "demo", pretrained: str | None = None) -> JsonObject:
    """What a model's results depend on, as JSON: equal identities are equal weights.

    Files on this machine are named by their content (sha256), models on the hub by their revision, tags that lead
    elsewhere by name and tag. Raises BadInput as `load_clip` does, as far as that is known before loading.
    """
    source = source_of(name, pretrained)
    identity = source.identity()
    if source.repository is None or source.revision is None:
        return identity
    try:
        text = _text_config(source)
    except Exception as error:
        raise download_failed(source, error) from error
    # The tokenizer, and the shape of a text tower of transformers, may come from other repositories.
    others = {text[key] for key in ("hf_tokenizer_name", "hf_model_name") if text.get(key)}
    return {**identity, "text": {repository: revision_key(repository) for repository in others}}


def source_of(name: str, pretrained: str | None = None) -> Source:
    """Read a model's name and checkpoint as `load_clip` takes them; BadInput where they lead nowhere."""
    found = read_name(name, _FOLDER, pretrained, bare=False)
    if found is not None:
        return found
    architecture, tag = architecture_and_tag(name)
    if tag is None:
        return _architecture(architecture, pretrained, name)
    if pretrained is not None:
        problem = f"{name!r} says already which weights"
        raise BadInput(problem, input="pretrained", value=pretrained, hint=f"Leave it out, or name {architecture!r}.")
    with inputs_named(pretrained="name"):
        return _architecture(architecture, tag, name)


def architecture_and_tag(name: str) -> tuple[str, str | None]:
    """What graphs, the command line and Python call a model of open_clip: ARCHITECTURE/TAG, or an architecture alone.

    "ViT-B/16", as papers write it, is "ViT-B-16". What is no name of open_clip's is left as it is, with no tag; a
    misspelt architecture with a tag of open_clip's is one.
    """
    if "/" not in name:
        return name, None
    import open_clip

    known = open_clip.list_models()
    if (architecture := name.replace("/", "-")) in known:
        return architecture, None
    written, _, tag = name.rpartition("/")
    architecture = written.replace("/", "-")
    tags = {tag for _, tag in open_clip.list_pretrained()}
    if architecture in known or (tag in tags and get_close_matches(architecture, known)):
        return architecture, tag
    return name, None


def names_open_clip(name: str) -> bool:
    """Whether a name is ARCHITECTURE/TAG, or an architecture, of open_clip, even if its other half is misspelt."""
    import open_clip

    architecture, tag = architecture_and_tag(name)
    return tag is not None or architecture in open_clip.list_models()


def _architecture(name: str, pretrained: str | None, written: str) -> Source:
    """An architecture and its weights; `written` is what the user called the model."""
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    known = open_clip.list_models()
    if name not in known:
        like = did_you_mean(name.replace("/", "-"), ["demo", *known])
        hint = f"{like}Use 'demo', an open_clip model (ARCHITECTURE/TAG), 'hf-hub:ORG/REPO', a folder."
        raise BadInput("unknown model", input="name", value=written, hint=hint)
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained is None:
        example = f", as in '{name}/{tags[0]}'" if tags else ""
        raise BadInput(
            "an architecture alone would have random weights",
            input="pretrained",
            value=written,
            hint=f"Say which weights{example}: {', '.join([*tags, 'the path of a checkpoint', repr(RANDOM)])}.",
        )
    if pretrained == RANDOM:
        return Source(name, pretrained=RANDOM)
    if tag := get_pretrained_cfg(name, pretrained):
        # As open_clip does: a file of the tag's own goes before the hub, and the hub before a URL.
        repository = "" if "file" in tag else os.path.dirname(tag.get("hf_hub", ""))
        return Source(name, pretrained=pretrained, repository=repository or None)
    path = expanded(pretrained)
    if path.suffix not in _CHECKPOINTS:
        raise BadInput(
            f"{name} has no weights of that name",
            input="pretrained",
            value=pretrained,
            hint=f"{did_you_mean(pretrained, tags)}Its tags: {', '.join(tags) or 'none'}; or give a checkpoint file.",
        )
    if not path.is_file():
        raise BadInput("there is no such file", input="pretrained", value=pretrained)
    return Source(name, path=path, pretrained=str(path))


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
        return source.name, _fetched(source, os.path.basename(file) or None)
    folder = os.path.dirname(_fetched(source, _CONFIG))
    _fetched(source, None)
    return f"local-dir:{folder}", None


def _fetched(source: Source, file: str | None) -> str:
    """Where a file of the source's repository lies after its download; without a name, that of the weights."""
    from open_clip.pretrained import download_pretrained_from_hf

    return download_pretrained_from_hf(str(source.repository), file, revision=source.revision)


def _hub_tokenizer(source: Source, name: str) -> Callable[..., Tensor]:
    """What open_clip takes for the tokenizer of a model on the hub, but of the revision that the key names."""
    import open_clip
    from open_clip.tokenizer import HFTokenizer

    text = _text_config(source)
    repository = text.get("hf_tokenizer_name")
    if not repository:
        return open_clip.get_tokenizer(name)
    settings = {key: text[key] for key in ("context_length", "tokenizer_mode") if key in text}
    return HFTokenizer(repository, revision=revision_of(repository), **settings, **text.get("tokenizer_kwargs", {}))


def _text_config(source: Source) -> dict[str, Any]:
    """What is said of texts in the config of a model on the hub; a tag's is its architecture's, in open_clip."""
    import open_clip

    if source.pretrained is not None:
        return (open_clip.get_model_config(source.name) or {})["text_cfg"]
    return json.loads(Path(_fetched(source, _CONFIG)).read_text("utf-8"))["model_cfg"]["text_cfg"]


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
