"""Figures of a map: where its peak lies, and how concentrated it is."""

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

    def __str__(self) -> str:
        return (
            f"peak at ({self.peak_x:.0f}, {self.peak_y:.0f}), value {self.peak:.4g} (mean {self.mean:.4g}, "
            f"lowest {self.lowest:.4g}); highest tenth holds {self.top_tenth:.0%}, entropy {self.entropy:.2f}"
        )

    def as_dict(self) -> dict[str, float]:
        return asdict(self)


def figures(attribution: Attribution) -> list[MapFigures]:
    """Figures of each of the maps, whose values are (B, gh, gw)."""
    _, gh, gw = attribution.values.shape
    # numpy: of so few numbers, each of torch's operations costs more than it computes
    flat = attribution.values.double().cpu().flatten(1).numpy()  # (B, cells)
    cells = flat.shape[1]
    best, lowest = flat.argmax(1), flat.min(1)
    mass = flat - lowest[:, None]
    total = mass.sum(1, keepdims=True)
    share = np.divide(mass, total, out=np.full_like(flat, 1 / cells), where=total > 0)
    top = np.sort(share, 1)[:, -max(1, round(_TOP_SHARE * cells)) :].sum(1)
    nats = -(share * np.log(share, out=np.zeros_like(share), where=share > 0)).sum(1)
    entropy = nats / math.log(cells) if cells > 1 else np.ones_like(nats)
    mean = flat.mean(1)
    found = []
    for i, geometry in enumerate(attribution.geometry):
        xs, ys = geometry.cell_edges((gh, gw))
        row, column = divmod(int(best[i]), gw)
        found.append(
            MapFigures(
                peak_x=(xs[column] + xs[column + 1]) / 2,
                peak_y=(ys[row] + ys[row + 1]) / 2,
                peak=float(flat[i, best[i]]),
                mean=float(mean[i]),
                lowest=float(lowest[i]),
                top_tenth=float(top[i]),
                entropy=float(entropy[i]),
                unseen=geometry.unseen,
            )
        )
    return found
