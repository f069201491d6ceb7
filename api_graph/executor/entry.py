"""What a step left: the thing that caches hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from api_graph.executor.sizes import Bytes, size_of


@dataclass(slots=True)
class Entry:
    """One list of values per output (a node may be mapped over a list), what the node showed, and bytes of the outputs.

    Nobody changes an entry: caches and runs share it. One that is not `cacheable` goes into no cache.
    """

    outputs: tuple[list[Any], ...]
    ui: dict[str, list[Any]] = field(default_factory=dict)
    cacheable: bool = True
    size: Bytes = field(init=False)

    def __post_init__(self) -> None:
        self.size = size_of(self.outputs)
