"""What may be handed from node to node.

ComfyUI's own sockets are tensors named by an annotation; ours are frozen dataclasses with a `socket: ClassVar[str]`.
Sockets are equal if their *names* are, whatever their classes, so that a reloaded module's objects still fit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry, GeometryFields
from api_graph.json_values import Json
from api_graph.notebook import counted, one_line
from api_graph.socket_names import ANY, ATTRIBUTION, Socket

Image = Annotated[Tensor, Socket("IMAGE")]
"""float32 (B, H, W, 3) in [0, 1]. Headless, nodes that say `eight_bits` are given uint8, where the picture has that."""

Mask = Annotated[Tensor, Socket("MASK")]
"""float32 (B, H, W) in [0, 1]; for a heatmap 1 = attended."""


def as_floats(picture: Tensor) -> Tensor:
    """A picture of 8 bits as float32 in [0, 1]; one of floats as it is."""
    return picture.float().div_(255) if picture.dtype == torch.uint8 else picture


AnyValue = Annotated[object, Socket(ANY)]
"""Whatever is linked."""


@dataclass(frozen=True, eq=False)
class Attribution:
    """Ψ: maps that lie on images, one value per patch, from whichever model.

    `values` is float32 (B, gh, gw), on any device; `geometry` says of each map where its cells lie in the source
    image. Raises BadInput for another shape or another number of geometries.
    """

    socket: ClassVar[str] = ATTRIBUTION

    values: Tensor
    geometry: tuple[Geometry, ...]

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or len(self.geometry) != self.values.shape[0]:
            raise BadInput(
                f"an attribution needs values of shape (B, gh, gw) and B geometries, not {tuple(self.values.shape)} "
                f"and {len(self.geometry)}"
            )

    def facts(self) -> tuple[str, ...]:
        """What its repr says: how many maps there are, and how many cells each has."""
        count, rows, columns = self.values.shape
        return counted(count, "map"), f"{rows}×{columns} cells"

    def __repr__(self) -> str:
        return one_line(self, *self.facts(), "" if self.values.device.type == "cpu" else self.values.device)

    @classmethod
    def joined(cls, attributions: Sequence[Attribution]) -> Attribution:
        """The maps of all, one after the other. They have one grid and lie on one device."""
        values = torch.cat([one.values for one in attributions])
        return cls(values, tuple(geometry for one in attributions for geometry in one.geometry))

    def each(self) -> list[Attribution]:
        """Each map by itself, with values of shape (1, gh, gw)."""
        return [Attribution(self.values[i : i + 1], (geometry,)) for i, geometry in enumerate(self.geometry)]

    def with_values(self, values: Tensor) -> Attribution:
        """Other values (B, gh, gw) on the same images; their grid may be another."""
        return Attribution(values, self.geometry)

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors and JSON from which `from_storage` builds an equal attribution."""
        return {"values": self.values}, [astuple(geometry) for geometry in self.geometry]

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: Sequence[GeometryFields]) -> Attribution:
        return cls(tensors["values"], tuple(Geometry(*fields) for fields in meta))
