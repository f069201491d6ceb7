"""Where an LVLM's weights come from: one reading of its name for the loader and for cache keys."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api_graph.errors import BadInput
from api_graph.files import digests, expanded, names_a_path

_CONFIG = "config.json"
_PROCESSOR = ("processor_config.json", "preprocessor_config.json")
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "tokenizer.model", "vocab.json")
_MEANINGFUL = (".safetensors", ".json", ".jinja", ".model", ".txt")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_ENDPOINT = "Serve it behind an OpenAI-compatible endpoint (vLLM, SGLang), and ask that."


@dataclass(frozen=True)
class Source:
    """A model as transformers names it; `path` is its folder, where it lies on this machine."""

    name: str
    path: Path | None = None


def source_of(name: str) -> Source:
    """Read a model's name as `load_lvlm` takes it; BadInput where it leads nowhere."""
    if "cogvlm" in name.lower():
        raise BadInput(
            "CogVLM has no class in transformers, and the code in its repository no longer runs with it",
            input="name",
            value=name,
            hint=_ENDPOINT,
        )
    if name == "demo" or names_a_path(name):
        folder = _checked_folder(name)
        return Source(str(folder), folder)
    if not _HUB_NAME.fullmatch(name):
        raise BadInput(
            "unknown model",
            input="name",
            value=name,
            hint="Use 'demo', a model's folder, or ORG/NAME on the Hugging Face hub.",
        )
    return Source(name)


def checkpoint_identity(name: str = "demo", quantization: str | None = None) -> dict[str, Any]:
    """What a model's results depend on, as JSON: equal identities are equal weights.

    A folder's files are named by their content (sha256), a hub's model by its name and, where it is in the cache
    already, its revision.
    """
    source = source_of(name)
    if source.path is None:
        return {"name": source.name, "revision": _cached_revision(source.name), "quantization": quantization}
    return {"folder": digests(source.path, _MEANINGFUL), "quantization": quantization}


def is_lvlm(folder: Path) -> bool:
    """Whether a folder holds what a model that reads images and text needs; its files are not looked into."""
    names = {path.name for path in folder.iterdir()} if folder.is_dir() else set()
    return _CONFIG in names and bool(names.intersection(_PROCESSOR) and names.intersection(_TOKENIZER))


def _cached_revision(name: str) -> str | None:
    """The commit that is in the hub's cache on this machine; nothing is asked of the network."""
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(name, _CONFIG)
    return Path(found).parent.name if isinstance(found, str) else None


def _checked_folder(name: str) -> Path:
    """The folder that `name` means, if it holds all that a model needs."""
    folder = Path(__file__).parent.parent / "demo" / "lvlm" if name == "demo" else expanded(name)
    if not folder.is_dir():
        raise _lacks("there is no such folder", name)
    present = {path.name for path in folder.iterdir()}
    if _CONFIG not in present:
        raise _lacks(f"there is no model there: {_CONFIG} is missing", name)
    _check_config(folder / _CONFIG, name)
    if not any(file.endswith(".safetensors") for file in present):
        raise BadInput(
            "the model's folder holds no safetensors; weights in other formats may hold code, and are never read",
            input="name",
            value=name,
            hint="Save the model anew with save_pretrained, which writes them.",
        )
    if not is_lvlm(folder):
        raise _lacks("the model's folder holds no processor: its tokenizer or its image settings are missing", name)
    return folder


def _check_config(config: Path, name: str) -> None:
    try:
        described = json.loads(config.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        described = None
    if not (isinstance(described, dict) and isinstance(described.get("model_type"), str)):
        raise BadInput(
            f"{_CONFIG} is damaged: it names no model_type", input="name", value=name, hint="Download it again."
        )


def _lacks(problem: str, name: str) -> BadInput:
    hint = "A model's folder is what save_pretrained writes: config.json, *.safetensors, and its processor's files."
    return BadInput(problem, input="name", value=name, hint=hint)
