"""What may travel along a wire between nodes.

ComfyUI's own sockets are tensors named by an annotation; ours are frozen dataclasses with a `socket: ClassVar[str]`.
Equality is by socket *name*, never by class, so that a reloaded module's objects still fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry


@dataclass(frozen=True)
class Socket:
    """Names the ComfyUI socket that an annotated type travels through, as in `Annotated[Tensor, Socket("IMAGE")]`."""

    name: str


Image = Annotated[Tensor, Socket("IMAGE")]
"""float32 (B, H, W, 3) in [0, 1]."""

Mask = Annotated[Tensor, Socket("MASK")]
"""float32 (B, H, W) in [0, 1]; for a heatmap 1 = attended."""

AnyValue = Annotated[Any, Socket("*")]
"""Whatever is linked."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """Ψ: one value per patch, and where each patch lies in its source image.

    `values` is float32 (B, gh, gw), on any device; `geometry` has one entry per map.
    """

    socket: ClassVar[str] = "AP_ATTRIBUTION"

    values: Tensor
    geometry: tuple[Geometry, ...]

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or len(self.geometry) != self.values.shape[0]:
            raise BadInput(
                f"an attribution needs values of shape (B, gh, gw) and B geometries, not {tuple(self.values.shape)} "
                f"and {len(self.geometry)}"
            )

    @classmethod
    def joined(cls, maps: Sequence[Attribution]) -> Attribution:
        """All maps in one; they have one grid and lie on one device."""
        values = torch.cat([each.values for each in maps])
        return cls(values, tuple(place for each in maps for place in each.geometry))

    def with_values(self, values: Tensor) -> Attribution:
        """The same places, other values."""
        return Attribution(values, self.geometry)

    def to_storage(self) -> tuple[dict[str, Tensor], Any]:
        """Tensors and JSON from which `from_storage` builds an equal attribution."""
        return {"values": self.values}, [[g.width, g.height, g.left, g.top, g.right, g.bottom] for g in self.geometry]

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: Any) -> Attribution:
        return cls(tensors["values"], tuple(Geometry(*g) for g in meta))
