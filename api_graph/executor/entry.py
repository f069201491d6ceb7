"""What a step left: the thing that caches hold."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from api_graph.executor.sizes import Bytes, size_of


@dataclass(frozen=True)
class Entry:
    """One list of values per output (a node may be mapped over a list), and what the node showed."""

    outputs: tuple[list[Any], ...]
    ui: dict[str, list[Any]] = field(default_factory=dict)

    @cached_property
    def size(self) -> Bytes:
        """Bytes of the outputs, measured once."""
        return size_of(self.outputs)
