"""Where a CLIP's weights come from: one reading of (name, pretrained) for the loader and for cache keys."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from api_graph.errors import BadInput
from api_graph.files import digests, expanded, names_a_path, sha256_of

RANDOM = "random"

_CONFIG = "open_clip_config.json"
_WEIGHTS = (".safetensors", ".pt", ".pth", ".bin")
_FOLDER_WEIGHTS = (".safetensors", ".pth", ".bin")  # open_clip looks for no .pt in a folder
_FOLDER_FILES = (*_FOLDER_WEIGHTS, ".json", ".txt", ".model")


@dataclass(frozen=True)
class Source:
    """A model as open_clip names it. `path` is its folder or checkpoint, where it is on this machine."""

    name: str
    pretrained: str | None = None
    path: Path | None = None
    quick_gelu: bool = False


def source_of(name: str, pretrained: str | None = None) -> Source:
    """Read a model's name and checkpoint as `load_clip` takes them; BadInput where they lead nowhere."""
    brings_its_own = name == "demo" or name.startswith(("hf-hub:", "local-dir:")) or names_a_path(name)
    if not brings_its_own:
        return _architecture(name.replace("/", "-"), pretrained)
    if pretrained is not None:
        raise BadInput(f"{name!r} brings its own weights", input="pretrained", value=pretrained, hint="Leave it empty.")
    if name.startswith("hf-hub:"):
        return Source(name)
    folder = _checked_folder(name)
    return Source(f"local-dir:{folder}", path=folder)


def checkpoint_identity(name: str = "demo", pretrained: str | None = None) -> dict[str, Any]:
    """What a model's results depend on, as JSON: equal identities are equal weights.

    Files on this machine are named by their content (sha256); models on the hub by name and tag.
    """
    source = source_of(name, pretrained)
    if source.path is None:
        return {"name": source.name, "pretrained": source.pretrained}
    if source.path.is_dir():
        return {"folder": digests(source.path, _FOLDER_FILES)}
    return {"name": source.name, "checkpoint": sha256_of(source.path)}


def _checked_folder(name: str) -> Path:
    """The folder that `name` means, if it describes a model and holds weights: else they would be random."""
    if name == "demo":
        folder = Path(__file__).parent.parent / "demo" / "clip"
    else:
        folder = expanded(name.removeprefix("local-dir:"))
    config = folder / _CONFIG
    if not config.is_file():
        raise BadInput(
            f"there is no model there: {_CONFIG} is missing" if folder.is_dir() else "there is no such folder",
            input="name",
            value=name,
            hint="A model's folder holds open_clip_config.json, its weights and its tokenizer.",
        )
    try:
        described = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        described = None
    if not (isinstance(described, dict) and isinstance(described.get("model_cfg"), dict)):
        raise BadInput(
            f"{_CONFIG} is damaged: it describes no model", input="name", value=name, hint="Download it again."
        )
    if not any(path.suffix in _FOLDER_WEIGHTS for path in folder.iterdir()):
        raise BadInput(
            "the model's folder holds no weights",
            input="name",
            value=name,
            hint=f"Put open_clip_model.safetensors beside its {_CONFIG}.",
        )
    return folder


def _architecture(name: str, pretrained: str | None) -> Source:
    import open_clip
    from open_clip.pretrained import get_pretrained_cfg

    known = open_clip.list_models()
    if name not in known:
        raise BadInput(
            "unknown model",
            input="name",
            value=name,
            hint=f"{_did_you_mean(name, ['demo', *known])}Use 'demo', an open_clip model, 'hf-hub:ORG/REPO', a folder.",
        )
    tags = open_clip.list_pretrained_tags_by_model(name)
    if pretrained is None:
        raise BadInput(
            "an architecture alone would have random weights",
            input="pretrained",
            value=name,
            hint=f"Say which weights: {_listed([*tags, 'the path of a checkpoint', repr(RANDOM)])}.",
        )
    if pretrained == RANDOM:
        return Source(name, RANDOM)
    tag = get_pretrained_cfg(name, pretrained)
    if tag:  # its weights may want QuickGELU where the architecture's own config does not say so
        return Source(name, pretrained, quick_gelu=bool(tag.get("quick_gelu", False)))
    return Source(name, pretrained, _checkpoint_file(pretrained, name, tags))


def _checkpoint_file(pretrained: str, name: str, tags: list[str]) -> Path:
    path = expanded(pretrained)
    if os.path.isfile(path) and path.suffix in _WEIGHTS:
        return path
    if path.suffix in _WEIGHTS:
        raise BadInput("there is no such file", input="pretrained", value=pretrained)
    raise BadInput(
        f"{name} has no weights of that name",
        input="pretrained",
        value=pretrained,
        hint=f"{_did_you_mean(pretrained, tags)}Its tags: {_listed(tags)}; or give a checkpoint file.",
    )


def _did_you_mean(word: str, known: list[str]) -> str:
    close = get_close_matches(word, known, n=3, cutoff=0.6)
    return f"Did you mean {' or '.join(close)}? " if close else ""


def _listed(words: list[str]) -> str:
    return ", ".join(words) if words else "none"
