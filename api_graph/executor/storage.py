"""Values to tensors and JSON, and back. Nothing is pickled: a class says itself what it is made of."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from api_graph.executor.entry import Entry
from api_graph.spec import NodeSpec, OutputSpec

_JSON_SOCKETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


def pack(entry: Entry, spec: NodeSpec) -> tuple[dict[str, Tensor], list[list[Any]]]:
    """All tensors of an entry under flat names, and per output and value the JSON that completes them.

    Raises TypeError for a value that does not say how it is stored.
    """
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
    return _apart(tensors), described


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


def _apart(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The tensors on the CPU, no two in the same memory: safetensors refuses those."""
    apart: dict[str, Tensor] = {}
    taken: set[int] = set()
    for name, tensor in tensors.items():
        tensor = tensor.detach().cpu().contiguous()
        if tensor.untyped_storage().data_ptr() in taken:
            tensor = tensor.clone()
        taken.add(tensor.untyped_storage().data_ptr())
        apart[name] = tensor
    return apart


def _pack_value(output: OutputSpec, value: Any) -> tuple[dict[str, Tensor], Any]:
    if output.socket in _JSON_SOCKETS:
        return {}, value
    if output.type is Tensor and isinstance(value, Tensor):
        return {"": value}, None
    if hasattr(output.type, "from_storage") and hasattr(value, "to_storage"):
        return value.to_storage()
    raise TypeError(f"a {type(value).__name__} in {output.socket} does not say how it is stored")


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
