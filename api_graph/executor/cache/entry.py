"""An entry is what a step left and what caches hold: its values, how large they are, and how a file stores them.

Nothing is pickled: a class says itself which tensors and JSON its values are made of.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypedDict, cast

from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.settings import MAX_RESULT, MAX_TEXT, limit
from api_graph.socket_names import ATTRIBUTION
from api_graph.spec import NodeSpec
from api_graph.spec.model import whole

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

_PLAIN = frozenset({int, float, str, bool, type(None)})
_RESULTS_AT_ONCE = 4
SMALL = 2**20
"""Bytes: smaller results are not held against any limit."""
_JSON_SOCKETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")


class Bytes(NamedTuple):
    """Bytes in main memory and in the memory of accelerators."""

    cpu: int
    gpu: int


@dataclass(slots=True)
class Entry:
    """One list of values per output (a node may be mapped over a list), what the node showed, and bytes of the outputs.

    Nobody changes an entry: caches and runs share it. One that is not `cacheable` goes into no cache.
    """

    outputs: tuple[Sequence[object], ...]
    ui: dict[str, list[Json]] = field(default_factory=dict)
    cacheable: bool = True
    size: Bytes = field(init=False)

    def __post_init__(self) -> None:
        self.size = size_of(self.outputs)


# ------------------------------------------------------------------------------------------ sizes


def size_of(values: Iterable[object]) -> Bytes:
    """Bytes of all tensors and texts inside lists, tuples, dicts, dataclasses and networks, each counted once.

    A view counts as its whole storage, since that is what it keeps alive.
    """
    cpu = gpu = 0
    seen: set[int] = set()
    torch = sys.modules.get("torch")  # nothing is a tensor before it is imported
    tensors = cast("tuple[type[Tensor], ...]", () if torch is None else (torch.Tensor,))
    networks = cast("tuple[type[nn.Module], ...]", () if torch is None else (torch.nn.Module,))
    waiting = list(values)
    while waiting:
        value = waiting.pop()
        if type(value) in _PLAIN:  # most of what there is, and far quicker to tell than a tensor
            cpu += sys.getsizeof(value)
        elif isinstance(value, tensors):
            if torch is not None and value.layout is torch.strided:
                storage = value.untyped_storage()
                memory, size = storage.data_ptr(), storage.nbytes()
            else:  # sparse: no one storage; its own numbers are an upper bound
                memory, size = id(value), value.element_size() * value.numel()
            if memory in seen:
                continue
            seen.add(memory)
            if value.device.type == "cpu":
                cpu += size
            elif value.device.type != "meta":
                gpu += size
        elif id(value) not in seen:
            seen.add(id(value))
            if isinstance(value, (list, tuple)):
                waiting.extend(value)
            elif isinstance(value, dict):
                waiting.extend(value.values())
            elif isinstance(value, networks):
                waiting.extend([*value.parameters(), *value.buffers()])
            elif (names := _field_names(type(value))) is not None:
                waiting.extend([getattr(value, name) for name in names])
            else:
                cpu += sys.getsizeof(value)
    return Bytes(cpu, gpu)


@cache
def _field_names(kind: type) -> tuple[str, ...] | None:
    """Of a dataclass the names of its fields; None for any other class."""
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else None


def check_total(size: int) -> None:
    """Raise BadInput if the results that one run holds at a time are more than what four nodes may give."""
    if size > SMALL and size > _RESULTS_AT_ONCE * limit(MAX_RESULT):
        raise BadInput(
            f"with this, the run's results take {size / 2**30:,.1f} GiB at one time; the limit is "
            f"{_RESULTS_AT_ONCE} times {limit(MAX_RESULT) / 2**30:,.1f} GiB",
            hint=f"Run it in parts, or set the environment variable {MAX_RESULT} to more.",
        )


def check_size(spec: NodeSpec, size: int, variable: str, does: str = "makes") -> None:
    """Raise BadInput if `size` is more than the limit that `variable` sets."""
    if size > limit(variable):
        unit, factor = ("MiB of text", 2**20) if variable == MAX_TEXT else ("GiB", 2**30)
        raise BadInput(
            f"{spec.title} {does} {size / factor:,.1f} {unit} here, and the limit is {limit(variable) / factor:,.1f}",
            hint=f"Give it less, or set the environment variable {variable} to more, such as "
            f"{'1G' if variable == MAX_TEXT else '16G'}.",
        )


# ------------------------------------------------------------------------------------------ storage


class Stored(TypedDict):
    """What a file says of one value: each tensor's kind of device, and JSON that completes them."""

    meta: object
    devices: dict[str, str]


def pack(entry: Entry, spec: NodeSpec) -> tuple[dict[str, Tensor], list[list[Stored]]]:
    """All tensors of an entry under flat names, on the CPU, and per output and value the JSON that completes them.

    Raises TypeError for a value that does not say how it is stored.
    """
    from torch import Tensor

    tensors: dict[str, Tensor] = {}
    described: list[list[Stored]] = []
    memory: set[int] = set()
    for slot, (output, values) in enumerate(zip(spec.outputs, entry.outputs, strict=True)):
        described.append([])
        for index, value in enumerate(values):
            own: dict[str, Tensor] = {}
            meta: object = None
            if output.socket in _JSON_SOCKETS:
                meta = value
            elif output.type is Tensor and isinstance(value, Tensor):
                own = {"": value}
            elif hasattr(output.type, "from_storage") and (to_storage := getattr(value, "to_storage", None)):
                own, meta = to_storage()
            else:
                raise TypeError(f"a {type(value).__name__} in {output.socket} does not say how it is stored")
            described[slot].append({"meta": meta, "devices": {name: t.device.type for name, t in own.items()}})
            for name, tensor in own.items():
                stored = tensor.detach().cpu().contiguous()
                if stored.untyped_storage().data_ptr() in memory:  # safetensors refuses tensors that share memory
                    stored = stored.clone()
                memory.add(stored.untyped_storage().data_ptr())
                tensors[f"{slot}.{index}.{name}"] = stored
    return tensors, described


def unpack(
    tensors: dict[str, Tensor], described: Sequence[Sequence[Stored]], spec: NodeSpec
) -> tuple[list[object], ...]:
    """What `pack` took apart. Tensors return to the kind of device they came from, where there is one; maps to none."""
    if any(output.socket not in _JSON_SOCKETS for output in spec.outputs):
        spec = whole(spec)
    outputs: list[list[object]] = []
    for slot, (output, stored) in enumerate(zip(spec.outputs, described, strict=True)):
        values: list[object] = []
        for index, value in enumerate(stored):
            own = {name: tensors[f"{slot}.{index}.{name}"] for name in value["devices"]}
            if output.socket != ATTRIBUTION:
                own = {name: tensor.to(_device(value["devices"][name])) for name, tensor in own.items()}
            if output.socket in _JSON_SOCKETS:
                values.append(value["meta"])
            elif hasattr(output.type, "from_storage"):
                values.append(output.type.from_storage(own, value["meta"]))
            else:
                values.append(own[""])
        outputs.append(values)
    return tuple(outputs)


def _device(kind: str) -> torch.device:
    import torch

    if kind == "cuda" and torch.cuda.is_available():
        return torch.device("cuda")
    if kind == "mps" and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")
