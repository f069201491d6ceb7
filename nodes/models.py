"""Loading models. They are sockets that come out of these nodes; no other node loads anything."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from api_graph import clip
from api_graph.clip import ClipModel
from api_graph.context import Context
from api_graph.errors import BadInput, inputs_named
from api_graph.folders import Folders, names_in
from api_graph.spec import Choices, node

WELL_KNOWN = (
    "demo",
    "ViT-B-32/openai",
    "ViT-B-16/openai",
    "ViT-L-14/openai",
    "ViT-L-14-336/openai",
    "ViT-B-16/laion2b_s34b_b88k",
    "ViT-L-14/datacomp_xl_s13b_b90k",
    "ViT-H-14/laion2b_s32b_b79k",
    "ViT-B-16-SigLIP/webli",
)

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "float16", "bfloat16"]


def clip_folders(folders: Folders) -> Sequence[str]:
    """The models that lie in the model folders."""
    return names_in(folders.models, lambda path: (path / "open_clip_config.json").is_file())


def clip_fingerprint(
    folders: Folders, model: str, checkpoint: str, device: Device, precision: Precision
) -> Mapping[str, Any]:
    """What decides a model's numbers: its weights and its precision, but not the device."""
    name, pretrained = _located(folders, model, checkpoint)
    dtype = clip.choose_dtype(_given(precision), clip.choose_device(_given(device)))
    with _own_inputs(checkpoint):
        return {"weights": clip.checkpoint_identity(name, pretrained), "precision": str(dtype)}


@node(
    "APLoadCLIP",
    category="attention prompting/models",
    title="Load CLIP",
    model=True,
    fingerprint=clip_fingerprint,
    aliases=("open_clip", "auxiliary model", "SigLIP"),
)
def load_clip(
    context: Context,
    model: Annotated[
        str,
        Choices(lambda: WELL_KNOWN, open=True, inside=clip_folders),
        Field(
            description="demo (in the package), ARCHITECTURE/TAG of open_clip, hf-hub:OWNER/NAME, or a model folder."
        ),
    ] = "demo",
    checkpoint: Annotated[
        str, Field(description="Weights file in a model folder, for an ARCHITECTURE without a tag; else empty.")
    ] = "",
    device: Annotated[Device, Field(description="Where it runs; auto takes a GPU when there is one.")] = "auto",
    precision: Annotated[Precision, Field(description="auto is float16 on CUDA and float32 elsewhere.")] = "auto",
) -> ClipModel:
    """Load a CLIP model, the auxiliary model that says which patches matter for a question."""
    name, pretrained = _located(context.folders, model, checkpoint)
    with _own_inputs(checkpoint):
        return clip.load_clip(name, pretrained, device=_given(device), dtype=_given(precision))


def _own_inputs(checkpoint: str) -> AbstractContextManager[None]:
    """Complaints of `clip.load_clip` in terms of this node: a tag is part of `model`."""
    return inputs_named(name="model", pretrained="checkpoint" if checkpoint else "model", dtype="precision")


def _given(choice: str) -> str | None:
    return None if choice == "auto" else choice


def _located(folders: Folders, model: str, checkpoint: str) -> tuple[str, str | None]:
    """What `clip.load_clip` is to be called with. A graph's paths are followed only inside the model folders."""
    weights = str(_inside(folders, "checkpoint", checkpoint)) if checkpoint else None
    path = folders.model_path(model)
    if path is not None:
        return str(path), weights
    if model.startswith("hf-hub:"):
        return model, weights
    name, slash, tag = model.partition("/")
    # What is left must be an architecture and a tag of open_clip's, never a path that happens to exist.
    if (
        not name
        or model.startswith(("local-dir:", ".", "~"))
        or "/" in tag
        or "\\" in model
        or any(part and os.path.exists(part) for part in (name, tag))
    ):
        _inside(folders, "model", model)
    return name, weights or (tag if slash else None)


def _inside(folders: Folders, input: str, name: str) -> Path:
    path = folders.model_path(name)
    if path is None:
        raise BadInput(
            f"there is no such thing in the model folders ({', '.join(map(str, folders.models)) or 'none given'})",
            input=input,
            value=name,
            cure=f"Put it there; on the command line, --set {input}=PATH may name any file.",
        )
    return path
