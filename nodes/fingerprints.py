"""What enters cache keys in place of names: the content of files, the weights and the precision of models.

Keys are made before anything runs, and where all results are in the cache nothing does: nothing here imports torch,
save where torch alone can say what a name or "auto" means.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from api_graph.errors import BadInput, inputs_named
from api_graph.files import sha256_of
from api_graph.folders import Folders, content_of
from api_graph.json_values import Json
from api_graph.lvlm.remote import endpoint_in, identity, marked, profiles
from api_graph.models.device import dtype_name, lvlm_dtype
from api_graph.models.source import (
    architecture_and_tag,
    clip_identity,
    lvlm_identity,
    names_repository,
    segmenter_identity,
)

if TYPE_CHECKING:
    from api_graph.lvlm import Quantization as Bits
    from api_graph.lvlm.heads.items import ItemTable

Device = Literal["auto", "cpu", "cuda", "mps"]
Precision = Literal["auto", "float32", "float16", "bfloat16"]
Quantization = Literal["none", "8bit", "4bit"]
RENDERED = "rendered scenes"


# ------------------------------------------------------------------------------------------ files


def image_fingerprint(folders: Folders, image: str) -> Mapping[str, str]:
    """The file's content: the same picture under another name is the same result."""
    path = folders.input_file(image)
    try:
        return {"image": sha256_of(path)}
    except OSError as error:
        reason = error.strerror or str(error)
        raise BadInput(f"it cannot be read ({reason})", input="image", value=str(path), hint="Check it.") from error


def point_fingerprint(folders: Folders, file: str) -> Mapping[str, str]:
    """The file's content, and its kind, which decides how it is read."""
    path = folders.input_file(file, input="file")
    return {"file": content_of(path, input="file"), "kind": os.path.splitext(path)[1].lower()}


def table_fingerprint(folders: Folders, table: str) -> Mapping[str, str]:
    """The table's content, and that of its pictures; of rendered scenes none."""
    found = item_table(folders, table)
    if found is None:
        return {}
    with inputs_named(path="table"):
        pictures = [content_of(str(item.image), input="table") for item in found.items()]
    return {
        "table": content_of(found.path, input="table"),
        "pictures": hashlib.sha256("".join(pictures).encode()).hexdigest(),
    }


def item_table(folders: Folders, table: str) -> ItemTable | None:
    """The table of that name, whose pictures lie in the input folders; None for rendered scenes."""
    if table.strip() in ("", RENDERED):
        return None
    from api_graph.lvlm.heads.items import ItemTable

    return ItemTable(folders.input_file(table, input="table"), lambda name: folders.input_file(name))


def profile_fingerprint(folders: Folders, file: str) -> Mapping[str, str]:
    """The file's content."""
    return {"file": content_of(folders.input_file(file, input="file"), input="file")}


# ------------------------------------------------------------------------------------------ models


def clip_fingerprint(
    folders: Folders, model: str, checkpoint: str, device: Device, precision: Precision
) -> Mapping[str, Json]:
    """What decides a model's numbers: its weights and its precision, but not the device."""
    name, pretrained = located_clip(folders, model, checkpoint)
    dtype = dtype_name(device, precision)
    with inputs_named(name="model", pretrained="checkpoint" if checkpoint else "model"):  # a tag is part of `model`
        return {"weights": clip_identity(name, pretrained), "precision": dtype}


def lvlm_fingerprint(
    folders: Folders, model: str, device: Device, precision: Precision, quantization: Quantization
) -> Mapping[str, Json]:
    """What decides an LVLM's numbers: its weights and how precisely they are held, but not the device."""
    dtype = dtype_name(device, precision, lvlm_dtype)
    with inputs_named(name="model"):
        weights = lvlm_identity(located_lvlm(folders, model), quantized(quantization))
    return {"weights": weights, "precision": dtype}


def answerer_fingerprint(
    folders: Folders, answerer: str, device: Device, precision: Precision, quantization: Quantization
) -> Mapping[str, Json]:
    """As of a local LVLM; of an endpoint, a digest of its address and model, and of where its answers are kept."""
    name = endpoint_in(answerer)
    if name is not None:
        with inputs_named(endpoint="answerer"):
            return identity(name, folders.answers)
    located_lvlm(folders, answerer, "answerer")
    with inputs_named(model="answerer"):
        return lvlm_fingerprint(folders, answerer, device, precision, quantization)


def segmenter_fingerprint(folders: Folders, model: str, device: Device, precision: Precision) -> Mapping[str, Json]:
    """What decides a segmenter's masks: its weights and its precision, but not the device."""
    dtype = dtype_name(device, segmenter_precision(precision))
    with inputs_named(name="model"):
        return {"weights": segmenter_identity(located_segmenter(folders, model)), "precision": dtype}


# ------------------------------------------------------------------------------------------ what names mean


def located_clip(folders: Folders, model: str, checkpoint: str) -> tuple[str, str | None]:
    """What `clip.load_clip` is to be called with. A graph's paths are followed only inside the model folders."""
    weights = str(_inside(folders, "checkpoint", checkpoint)) if checkpoint else None
    path = folders.model_path(model)
    if path is not None:
        return str(path), weights
    if model == "demo" or model.startswith("hf-hub:"):
        return model, weights
    name, tag = architecture_and_tag(model) if "/" in model else (model, None)
    # What is left must be an architecture and a tag of open_clip's, never a path that happens to exist.
    if (
        not model
        or model.startswith(("local-dir:", ".", "~"))
        or os.path.isabs(model)
        or name.count("/") > 1
        or "\\" in model
        or any(part and os.path.exists(part) for part in (model, name, tag))
    ):
        _inside(folders, "model", model)
    return name, weights or tag


def located_lvlm(folders: Folders, model: str, input: str = "model") -> str:
    """What `lvlm.load_lvlm` is to be called with. A graph's paths are followed only inside the model folders.

    Raises BadInput, naming `input`; where that may be an endpoint, and a profile has this name, it says so.
    """
    path = folders.model_path(model)
    if path is not None:
        return str(path)
    if model == "demo" or (names_repository(model) and not os.path.exists(model)):
        return model
    asked = f"Did you mean {marked(model)}? " if input == "answerer" and _is_profile(model) else ""
    return str(_inside(folders, input, model, asked))


def _is_profile(name: str) -> bool:
    with suppress(BadInput):  # a damaged file; whoever picks an endpoint is told
        return name.partition("/")[0] in profiles()
    return False


def located_segmenter(folders: Folders, model: str) -> str:
    """What `load_segmenter` is to be called with. A graph's paths are followed only inside the model folders."""
    path = folders.model_path(model)
    if path is not None:
        return str(path)
    if model.startswith("hf-hub:"):
        return model
    raise not_among(folders, "model", model, "Put it there, or name a model of the hub as hf-hub:OWNER/NAME.")


def segmenter_precision(precision: Precision) -> Precision:
    """Masks are cut where the model's answers change sign."""
    return "float32" if precision == "auto" else precision


def quantized(choice: Quantization) -> Bits | None:
    """As `lvlm.load_lvlm` takes it."""
    return None if choice == "none" else choice


def _inside(folders: Folders, input: str, name: str, hint: str = "") -> Path:
    path = folders.model_path(name)
    if path is None:
        hint += f"Put it there; on the command line, --set {input}=PATH may name any file."
        raise not_among(folders, input, name, hint)
    return path


def not_among(folders: Folders, input: str, name: str, hint: str) -> BadInput:
    """What is wrong with a name that leads to nothing in the model folders."""
    if name in folders.trusted and (os.path.isabs(name) or name.startswith((".", "~"))):
        return BadInput("there is no such file or folder", input=input, value=name, hint="Check the path.")
    where = ", ".join(map(str, folders.models)) or "none given"
    return BadInput(f"there is no such thing in the model folders ({where})", input=input, value=name, hint=hint)
