"""What a profile says, for people: the chosen heads beside others by chance and beside all, and a picture of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import get_args

from PIL import Image

from api_graph.lvlm.heads.profile import HeadProfile
from api_graph.lvlm.heads.record import Measure
from api_graph.pixels.matrix_figure import matrix_figure
from api_graph.pixels.overlay import Colormap

DRAWS = 20
"""How often other heads are drawn by chance."""

MEASURES: Mapping[Measure, str] = {
    "gaze": "weight on the asked region",
    "image_share": "weight on the image",
    "entropy": "spatial entropy",
    "sink_share": "share of it on sinks",
}
"""What the measures are called."""

_LARGEST_CELL, _LARGEST_SIDE = 32, 2048


@dataclass(frozen=True)
class ReportRow:
    """Some heads and the means of their measures. Of several draws the mean of all, and `spread`: lowest, highest."""

    name: str
    means: Mapping[Measure, float]
    spread: Mapping[Measure, tuple[float, float]] | None = None

    def cells(self) -> list[str]:
        """The row as texts."""
        found = [self.name]
        for measure, mean in self.means.items():
            low, high = (self.spread or {}).get(measure, (None, None))
            found.append(f"{mean:.4f}" if low is None else f"{mean:.4f} ({low:.4f} to {high:.4f})")
        return found


def report_rows(profile: HeadProfile, draws: int = DRAWS) -> list[ReportRow]:
    """The profile's best, as many others in each of `draws`, and all; no draws where there are not so many others."""
    best, everything = profile.chosen(draw="best"), profile.chosen(draw="all")
    rows = [ReportRow(f"the best {_amount(best)} by {profile.by}", _means(best))]
    if draws and 2 * best.number <= everything.number:
        drawn = [_means(profile.chosen(draw="random", seed=seed)) for seed in range(draws)]
        means: dict[Measure, float] = {name: sum(one[name] for one in drawn) / draws for name in MEASURES}
        spread: dict[Measure, tuple[float, float]] = {
            name: (min(one[name] for one in drawn), max(one[name] for one in drawn)) for name in MEASURES
        }
        rows.append(ReportRow(f"{_amount(best, 'other ')} by chance, {draws} draws", means, spread))
    rows.append(ReportRow(f"all {everything.number} heads", _means(everything)))
    return rows


def report_text(profile: HeadProfile, draws: int = DRAWS, most: int = 10) -> str:
    """The report as Markdown: whose heads, over what they were found, the table of `report_rows`, the `most` first."""
    model, made = profile.record.model, profile.record.made
    where = {
        "scenes": f"rendered scenes of the seeds from {made.seeds[0] if made.seeds else 0} on",
        "table": f"rows of {made.table}",
        "list": "items",
    }[made.source]
    unseen = f"; {made.unseen} more do not count, no image token shows their boxes" if made.unseen else ""
    heading = ["heads", *MEASURES.values()]
    lines = [heading, ["---"] * len(heading), *(row.cells() for row in report_rows(profile, draws))]
    first = profile.ranking()[:most] if profile.unit == "heads" else profile.layer_ranking()[:most]
    return "\n".join(
        [
            f"Heads of {model.name} ({model.family}, {model.layers} layers of {model.heads}), "
            f"over {made.items} {where}{unseen}.",
            "",
            *(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines),
            "",
            "Means over heads and items, on the same items that the heads were chosen by.",
            "",
            f"First by {profile.by}:",
            "",
            *(f"{place}. {one}" for place, one in enumerate(first, start=1)),
        ]
    )


def head_figure(profile: HeadProfile, measure: Measure = "gaze", colormap: Colormap = "viridis") -> Image.Image:
    """A picture of layers × heads: a square for each, coloured by a measure, the chosen ones framed.

    Layers without attention have no colour of their own: they are 0.
    """
    values = profile.values(measure)
    return matrix_figure(
        values.nan_to_num(0.0),
        rows="layer",
        columns="head",
        title=f"{MEASURES[measure]}, {profile.record.model.name}"[:80],
        colormap=colormap,
        cell=max(8, min(_LARGEST_CELL, _LARGEST_SIDE // max(values.shape))),
        framed=profile.places,
    )


def _means(profile: HeadProfile) -> dict[Measure, float]:
    chosen = set(profile.places)
    own = [one for one in profile.record.heads if one.place in chosen]
    return {name: sum(getattr(one, name) for one in own) / len(own) for name in get_args(Measure)}


def _amount(profile: HeadProfile, other: str = "") -> str:
    """ "3 heads", "1 other layer"."""
    count = len(profile.heads) if profile.unit == "layers" else profile.number
    return f"{count} {other}{profile.unit if count > 1 else profile.unit.removesuffix('s')}"
