"""Values to tensors and JSON, and back. Nothing is pickled: a class says itself what it is made of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from api_graph.executor.memory import Entry
from api_graph.spec import NodeSpec, OutputSpec

_JSON_SOCKETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def can_store(output: OutputSpec) -> bool:
    """Whether values of this output can be written to disk."""
    return output.socket in _JSON_SOCKETS or output.type is Tensor or hasattr(output.type, "from_storage")


def pack(entry: Entry, spec: NodeSpec) -> tuple[dict[str, Tensor], list[list[Any]]]:
    """All tensors of an entry under flat names, and per output and value the JSON that completes them."""
    tensors: dict[str, Tensor] = {}
    described: list[list[Any]] = []
    for slot, (output, values) in enumerate(zip(spec.outputs, entry.outputs, strict=True)):
        rows: list[Any] = []
        for index, value in enumerate(values):
            own, meta = _pack_value(output, value)
            for name, tensor in own.items():
                tensors[f"{slot}.{index}.{name}"] = tensor
            rows.append({"meta": meta, "devices": {name: tensor.device.type for name, tensor in own.items()}})
        described.append(rows)
    return {name: t.detach().cpu().contiguous() for name, t in tensors.items()}, described


def unpack(tensors: dict[str, Tensor], described: list[list[Any]], spec: NodeSpec) -> tuple[list[Any], ...]:
    """What `pack` took apart. Tensors return to the kind of device they came from, where there is one."""
    outputs: list[list[Any]] = []
    for slot, (output, rows) in enumerate(zip(spec.outputs, described, strict=True)):
        values = []
        for index, row in enumerate(rows):
            own = {name: tensors[f"{slot}.{index}.{name}"].to(_device(kind)) for name, kind in row["devices"].items()}
            values.append(_unpack_value(output, own, row["meta"]))
        outputs.append(values)
    return tuple(outputs)


def _pack_value(output: OutputSpec, value: Any) -> tuple[dict[str, Tensor], Any]:
    if output.socket in _JSON_SOCKETS:
        return {}, value
    if output.type is Tensor:
        return {"": value}, None
    return value.to_storage()


def _unpack_value(output: OutputSpec, tensors: dict[str, Tensor], meta: Any) -> Any:
    if output.socket in _JSON_SOCKETS:
        return meta
    if output.type is Tensor:
        return tensors[""]
    return output.type.from_storage(tensors, meta)


def _device(kind: str) -> torch.device:
    if kind == "cuda" and torch.cuda.is_available():
        return torch.device("cuda")
    if kind == "mps" and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
