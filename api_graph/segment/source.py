"""Where a segmenter's weights come from: one reading of its name for the loader and for cache keys."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

from api_graph.errors import BadInput
from api_graph.files import digests, expanded

# Of a SAM 2 for videos, only the part for single images is loaded.
MODEL_TYPES = ("sam", "sam2", "sam2_video")

_HUB = "hf-hub:"
_REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+")
_WEIGHTS = ".safetensors"


def source_of(name: str) -> str | Path:
    """A repository of the hub ("ORG/NAME", "hf-hub:ORG/NAME") as a string, a folder as a path.

    BadInput where the name leads nowhere, or to a folder without config.json or weights in safetensors.
    """
    repository = name.removeprefix(_HUB)
    is_folder = not name.startswith(_HUB) and os.path.isdir(expanded(name))
    if not is_folder and _REPOSITORY.fullmatch(repository) and not repository.startswith("."):
        if os.path.exists(repository):  # transformers would take it instead
            hint = "Rename it, or work in another folder."
            raise BadInput("a file or folder of that name lies here", input="name", value=name, hint=hint)
        return repository
    folder = expanded(name)
    if not folder.is_dir():
        raise BadInput("there is no such folder", input="name", value=name, hint="Give a folder or 'hf-hub:ORG/NAME'.")
    if not (folder / "config.json").is_file():
        raise BadInput(
            "there is no model there: config.json is missing",
            input="name",
            value=name,
            hint="A model's folder holds config.json, its weights and its processor's configuration.",
        )
    if not any(path.suffix == _WEIGHTS for path in folder.iterdir()):
        raise BadInput(
            "the model's folder holds no weights",
            input="name",
            value=name,
            hint="Put model.safetensors beside its config.json; pickled weights are never read.",
        )
    return folder


def is_segmenter(folder: Path) -> bool:
    """Whether a folder's config.json describes a model that can be loaded as a segmenter."""
    try:
        described = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(described, dict) and described.get("model_type") in MODEL_TYPES


def segmenter_identity(name: str) -> dict[str, Any]:
    """What a segmenter's masks depend on, as JSON: a folder by its files' content, a model of the hub by its name."""
    source = source_of(name)
    if isinstance(source, str):
        return {"name": source}
    return {"folder": digests(source, (_WEIGHTS, ".json"))}
