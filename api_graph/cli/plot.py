"""`api-graph plot`: a grid's scores as a heat-table and curves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from api_graph.cli.console import complain, one_line, print_json, print_table, say
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, Json, parse_settings

if TYPE_CHECKING:
    from api_graph.json_values import Json as JsonValue
    from api_graph.sweep.scores import Sweep


def plot(
    folder: Annotated[
        Path,
        typer.Argument(
            metavar="DIR",
            help="The --out folder of a `map` or `bench` with --grid, or of `map --controls`.",
            show_default=False,
        ),
    ],
    figure: Annotated[
        str | None,
        typer.Option(
            "--figure", metavar="TITLE", help="A result's title, or TITLE.OUTPUT; of a benchmark one of its figures."
        ),
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option("--truth", metavar="COLUMN", help="The figure is a text; this column of the table is right."),
    ] = None,
    at: Annotated[
        list[str] | None,
        typer.Option("--at", metavar="NAME=VALUE", help="Only the settings with this value. Repeatable."),
    ] = None,
    x: Annotated[
        str | None, typer.Option("--x", metavar="NAME", help="Along the axis; default: the first with numbers.")
    ] = None,
    lines: Annotated[
        str | None, typer.Option("--lines", metavar="NAME", help="A line, or a row of the table, for each value.")
    ] = None,
    kind: Annotated[
        Literal["auto", "curves", "table", "both"],
        typer.Option("--kind", help="auto: curves of one input, both of more."),
    ] = "auto",
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", metavar="FILE", help="A .pdf, .svg or .png; default: DIR/plot.pdf. Repeatable."),
    ] = None,
    width: Annotated[float, typer.Option("--width", metavar="INCHES", help="How wide it is.")] = 7.0,
    dpi: Annotated[int, typer.Option("--dpi", metavar="N", help="Pixels an inch of a PNG.")] = 300,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Of the bootstrap.")] = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Draw what each setting of a grid scored: a heat-table, and curves with 95 % intervals.

    A third input has a panel for each value; of more, fix some with --at. It needs matplotlib: pip install
    'api-graph[plots]'.
    """
    from api_graph.sweep.plot import plot_sweep

    fixed: dict[str, JsonValue] = {**parse_settings(at or (), "--at")}
    files = out or [folder / "plot.pdf"]
    drawn = plot_sweep(
        folder,
        files,
        figure,
        truth=truth,
        at=fixed,
        x=x,
        lines=lines,
        kind=kind,
        width=width,
        dpi=dpi,
        seed=seed,
    )
    if as_json:
        scores = [{**vars(score), "settings": dict(score.settings)} for score in drawn.sweep.scores]
        facts = {"figure": drawn.sweep.figure, "files": drawn.files, "scores": scores, "notes": drawn.notes}
        print_json({"ok": True, "exit_code": OK, **facts})
        return OK
    _show(drawn.sweep)
    for path in files:
        say(one_line(str(path)))
    for note in drawn.notes:
        complain(note, "note")
    return OK


def _show(sweep: Sweep) -> None:
    """The scores as a table."""
    scale, unit = (100.0, " %") if sweep.percent else (1.0, "")
    rows = [
        [
            *(_said(score.settings[name]) for name in sweep.axes),
            f"{score.count:,}",
            f"{scale * score.mean:.4g}{unit}",
            f"{scale * score.low:.4g} to {scale * score.high:.4g}{unit}",
        ]
        for score in sweep.scores
    ]
    print_table([*sweep.axes, "rows", sweep.figure, "95 % interval"], rows)


def _said(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)
