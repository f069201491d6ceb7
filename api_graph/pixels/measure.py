"""Figures of a map: where its peak lies, and how much it commits itself."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass

import numpy as np

from api_graph.sockets import Attribution

_TOP_SHARE = 0.1


@dataclass(frozen=True)
class MapFigures:
    """Figures of one map.

    `peak_x`, `peak_y`: centre of the highest cell, in pixels of the source image. `peak`, `mean`, `lowest`: raw values.
    `top_tenth`: share of the map's mass above its minimum that its highest tenth of cells holds, 0.1 for a flat map.
    `entropy`: of that mass over the cells, divided by that of a flat map: 1 is flat, 0 is a single cell.
    `unseen`: share of the source image that the model did not see.
    """

    peak_x: float
    peak_y: float
    peak: float
    mean: float
    lowest: float
    top_tenth: float
    entropy: float
    unseen: float

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def figures(attribution: Attribution) -> list[MapFigures]:
    """Figures of each of the (B, gh, gw) maps."""
    _, gh, gw = attribution.values.shape
    found = []
    # numpy: of so few numbers, each of torch's operations costs more than it computes
    for flat, geometry in zip(attribution.values.double().cpu().flatten(1).numpy(), attribution.geometry, strict=True):
        best = int(flat.argmax())
        xs, ys = geometry.cell_edges((gh, gw))
        row, column = divmod(best, gw)
        mass = flat - flat.min()
        total = float(mass.sum())
        share = mass / total if total > 0 else np.full_like(flat, 1 / flat.size)
        top = np.sort(share)[-max(1, round(_TOP_SHARE * flat.size)) :]
        nats = -float((share * np.log(share, where=share > 0, out=np.zeros_like(share))).sum())
        found.append(
            MapFigures(
                peak_x=(xs[column] + xs[column + 1]) / 2,
                peak_y=(ys[row] + ys[row + 1]) / 2,
                peak=float(flat[best]),
                mean=float(flat.mean()),
                lowest=float(flat.min()),
                top_tenth=float(top.sum()),
                entropy=nats / math.log(flat.size) if flat.size > 1 else 1.0,
                unseen=geometry.unseen,
            )
        )
    return found
