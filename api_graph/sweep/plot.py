"""A grid's scores as a heat-table and as curves with intervals, drawn by matplotlib, which is the extra `plots`."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from api_graph.arguments import typed
from api_graph.errors import BadInput
from api_graph.files import expanded, real_path
from api_graph.json_values import Json
from api_graph.notebook import one_line
from api_graph.plotting import DPI, WIDTH, DrawnFiles, check_within, drawing, format_of, save_figure
from api_graph.sweep.scores import SettingScore, Sweep, sweep_scores

if TYPE_CHECKING:
    from matplotlib.axes import Axes  # pyright: ignore[reportMissingImports]
    from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]

PlotKind = Literal["auto", "curves", "table", "both"]
"""What is drawn; auto is curves for one input, and both for more."""

_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933")
_MARKERS = "osD^vPX*"
_MOST_LINES, _MOST_PANELS, _MOST_CELLS = len(_COLOURS), 6, 24
_SETTINGS = {
    "font.size": 8.0,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
}


@dataclass(frozen=True)
class SweepPlot(DrawnFiles):
    """The scores that were drawn, the files, and notes on what is not in them."""

    sweep: Sweep
    files: Sequence[Path]
    notes: Sequence[str]

    def __repr__(self) -> str:
        return one_line(self, ", ".join(path.name for path in self.files), self.sweep, *self.notes)


@dataclass(frozen=True)
class _Layout:
    """Which input goes along x, which one has a line or a row for each value, and which a panel."""

    x: str
    lines: str | None
    panels: str | None


@typed()
def plot_sweep(
    folder: str | os.PathLike[str],
    out: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    figure: str | None = None,
    *,
    truth: str | None = None,
    at: Mapping[str, Json] | None = None,
    x: str | None = None,
    lines: str | None = None,
    kind: PlotKind = "auto",
    width: float = WIDTH,
    dpi: int = DPI,
    seed: int = 0,
) -> SweepPlot:
    """Draw the scores of a run with a grid into one file or several: PDF, SVG or PNG.

    `figure`, `truth`, `at` and `seed` are those of `sweep_scores`. `x` is the input along the axis, by default the
    first that has numbers; `lines` the one with a line for each value, and a row of the table. A third one has a panel
    for each. Bars are 95 % intervals. Raises BadInput where matplotlib is not installed, for more than three inputs,
    and for what is not there.
    """
    files = [real_path(expanded(path)) for path in ([out] if isinstance(out, str | os.PathLike) else out)]
    kinds = [format_of(path, "plot") for path in files]
    check_within("--width", width, 2, 40)
    check_within("--dpi", dpi, 30, 1200)
    with drawing(_SETTINGS, "plots"):
        sweep = sweep_scores(folder, figure, truth=truth, at=at, seed=seed)
        layout = _layout(sweep, x, lines)
        drawn = _figure(sweep, layout, kind, width)
        notes = list(sweep.notes)
        for path, form in zip(files, kinds, strict=True):
            if not save_figure(drawn, path, form, dpi):
                notes.append("The font lacks some of the letters.")
    return SweepPlot(sweep, files, list(dict.fromkeys(notes)))


def _layout(sweep: Sweep, x: str | None, lines: str | None) -> _Layout:
    axes = list(sweep.axes)
    for option, name in (("--x", x), ("--lines", lines)):
        if name is not None and name not in axes:
            hint = f"These have: {', '.join(axes)}." if axes else "Only one setting is left."
            raise BadInput("this has not several values in the grid", input=option, value=name, hint=hint)
    if not axes:
        raise BadInput("only one setting has a score", input="DIR", hint="Leave --at out, or run more settings.")
    if x is not None and x == lines:
        raise BadInput("this lies along x already", input="--lines", value=lines, hint="Name another input.")
    if len(axes) > 3:
        hint = f"Fix some of them with --at NAME=VALUE: {', '.join(axes)}."
        raise BadInput(f"{len(axes)} inputs have several values, and three can be drawn", input="--at", hint=hint)
    numeric = [name for name in axes if name != lines and _are_numbers(sweep.axes[name])]
    along = x or next(iter(numeric or [name for name in axes if name != lines]))
    rest = [name for name in axes if name != along]
    chosen = lines or (rest[0] if rest else None)
    panels = next((name for name in rest if name != chosen), None)
    for name, most, what in (
        (chosen, _MOST_LINES, "lines"),
        (panels, _MOST_PANELS, "panels"),
        (along, _MOST_CELLS, "places along x"),
    ):
        if name is not None and len(sweep.axes[name]) > most:
            hint = "Give another input that place with --x or --lines, or fix it with --at NAME=VALUE."
            raise BadInput(
                f"{len(sweep.axes[name])} values are too many {what}", input="--lines", value=name, hint=hint
            )
    return _Layout(along, chosen, panels)


def _are_numbers(values: Sequence[Json]) -> bool:
    return all(isinstance(value, int | float) and not isinstance(value, bool) for value in values)


# ------------------------------------------------------------------------------------------ drawing


@dataclass(frozen=True)
class _Cells:
    """What one panel draws: means and intervals (lines, places), NaN where there is no score, and their names."""

    title: str
    places: Sequence[Json]
    lines: Sequence[str]
    means: NDArray[np.float64]
    lows: NDArray[np.float64]
    highs: NDArray[np.float64]


def _panels(sweep: Sweep, layout: _Layout) -> list[_Cells]:
    places = list(sweep.axes[layout.x])
    if _are_numbers(places):
        places.sort(key=lambda value: float(str(value)))
    own_lines = list(sweep.axes[layout.lines]) if layout.lines else [None]
    by_setting = {_key(score.settings): score for score in sweep.scores}
    found: list[_Cells] = []
    for panel in sweep.axes[layout.panels] if layout.panels else [None]:
        fixed = {**sweep.fixed, **({layout.panels: panel} if layout.panels else {})}
        rows: list[list[SettingScore | None]] = [
            [
                by_setting.get(_key({**fixed, layout.x: place, **({layout.lines: line} if layout.lines else {})}))
                for place in places
            ]
            for line in own_lines
        ]
        means, lows, highs = (
            np.array([[np.nan if one is None else getattr(one, name) for one in row] for row in rows], float)
            for name in ("mean", "low", "high")
        )
        scale = 100.0 if sweep.percent else 1.0
        title = f"{layout.panels} = {_said(panel)}" if layout.panels else ""
        names = [_said(line) for line in own_lines] if layout.lines else [""]
        found.append(_Cells(title, places, names, scale * means, scale * lows, scale * highs))
    return found


def _key(settings: Mapping[str, Json]) -> str:
    return json.dumps(settings, sort_keys=True)


def _said(value: Json) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _figure(sweep: Sweep, layout: _Layout, kind: PlotKind, width: float) -> Figure:
    from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]

    cells = _panels(sweep, layout)
    wanted = ("curves" if layout.lines is None else "both") if kind == "auto" else kind
    kinds = ("table", "curves") if wanted == "both" else (wanted,)
    side_by_side = kinds == ("curves",)  # else each panel is a row
    down, across = (1, len(cells)) if side_by_side else (len(cells), len(kinds))
    height = max(0.34 * len(cells[0].lines) + 0.9, 1.2) if kinds == ("table",) else 2.4
    figure = Figure(figsize=(width, down * max(height, 0.3 * len(cells[0].lines) + 0.8)), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False)
    low, high = _range(cells)
    unit = f"{sweep.figure}{' (%)' if sweep.percent else ''}"
    for panel, own in enumerate(cells):
        for place, each in enumerate(kinds):
            axes = grid[0][panel] if side_by_side else grid[panel][place]
            axes.set_title(_plain(own.title), fontsize=8)
            axes.set_xlabel(_plain(layout.x))
            if each == "table":
                _draw_table(axes, own, layout, (low, high), 0.72 * width / across)
            else:
                _draw_curves(axes, own, layout, legend=panel == len(cells) - 1 if side_by_side else panel == 0)
                axes.set_ylabel("" if side_by_side and panel else _plain(unit))
                axes.set_ylim(*_limits(cells))
    return figure


def _range(cells: Sequence[_Cells]) -> tuple[float, float]:
    means = np.concatenate([own.means.ravel() for own in cells])
    return float(np.nanmin(means)), float(np.nanmax(means))


def _limits(cells: Sequence[_Cells]) -> tuple[float, float]:
    """One range of y for all panels: all intervals, and some room."""
    low = min(float(np.nanmin(own.lows)) for own in cells)
    high = max(float(np.nanmax(own.highs)) for own in cells)
    room = 0.06 * (high - low) or 0.5 * abs(high) or 1.0
    return low - room, high + room


def _draw_table(axes: Axes, own: _Cells, layout: _Layout, means: tuple[float, float], width: float) -> None:
    """Each setting as a cell: its colour is the mean, in the range of all `means`, which stands over its interval.

    The table is about `width` inches wide.
    """
    from matplotlib import colormaps  # pyright: ignore[reportMissingImports]

    colours = colormaps["viridis"]
    low, span = means[0], means[1] - means[0] or 1.0
    axes.imshow(np.ma.masked_invalid(own.means), cmap=colours, vmin=low, vmax=low + span, aspect="auto")
    digits = _digits(own)
    longest = max(len(_interval(own, place, digits)) for place in np.ndindex(*own.means.shape))
    size = min(8.0, 72 * width / len(own.places) / (0.62 * longest))
    for row, column in np.ndindex(*own.means.shape):
        mean = own.means[row, column]
        if np.isnan(mean):
            axes.text(column, row, "–", ha="center", va="center", fontsize=size)
            continue
        red, green, blue, _ = colours((mean - low) / span)
        ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.5 else "white"
        said = f"{mean:.{digits}f}\n{_interval(own, (row, column), digits)}"
        axes.text(column, row, said, ha="center", va="center", fontsize=size, color=ink, linespacing=1.3)
    axes.set_xticks(range(len(own.places)), [_plain(_said(value)) for value in own.places])
    axes.set_yticks(range(len(own.lines)), [_plain(name) for name in own.lines])
    axes.set_ylabel(_plain(layout.lines or ""))
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)


def _interval(own: _Cells, place: tuple[int, ...], digits: int) -> str:
    return f"{own.lows[place]:.{digits}f} to {own.highs[place]:.{digits}f}"


def _digits(own: _Cells) -> int:
    """Digits behind the point, so that intervals can be told: one of percents, more of small numbers."""
    widest = float(np.nanmax(own.highs - own.lows))
    return 1 if widest >= 1 or widest == 0 else min(6, 1 - int(np.floor(np.log10(widest))))


def _draw_curves(axes: Axes, own: _Cells, layout: _Layout, *, legend: bool) -> None:
    """A line for each row, with a bar for each interval. What are no numbers, no line joins."""
    numbers = _are_numbers(own.places)
    places = (
        np.array([float(str(value)) for value in own.places]) if numbers else np.arange(len(own.places), dtype=float)
    )
    step = float(np.min(np.diff(places))) if len(places) > 1 else 1.0
    for line, name in enumerate(own.lines):
        apart = 0.0 if len(own.lines) == 1 else 0.24 * step * (line / (len(own.lines) - 1) - 0.5)
        there = ~np.isnan(own.means[line])
        means = own.means[line][there]
        bars = np.stack([means - own.lows[line][there], own.highs[line][there] - means]).clip(min=0)
        axes.errorbar(
            places[there] + apart,
            means,
            yerr=bars,
            label=_plain(name),
            color=_COLOURS[line],
            marker=_MARKERS[line],
            linestyle="-" if numbers else "none",
            markersize=3.5,
            linewidth=1.0,
            elinewidth=0.8,
            capsize=2,
        )
    turned = not numbers and sum(len(_said(value)) for value in own.places) > 40
    labels = [_plain(_said(value)) for value in own.places]
    axes.set_xticks(places, labels, rotation=30 if turned else 0, ha="right" if turned else "center")
    axes.grid(axis="y", linewidth=0.3, color="#cccccc")
    axes.set_axisbelow(True)
    if layout.lines is not None and legend:
        beside = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0)}  # where it hides no bar
        axes.legend(title=_plain(layout.lines), frameon=False, fontsize=7, title_fontsize=7, **beside)


def _plain(text: str) -> str:
    """A text in which nothing is mathematics."""
    return text.replace("$", r"\$")
