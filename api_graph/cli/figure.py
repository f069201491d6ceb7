"""`api-graph figure`: rows of a run as a figure for a paper."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from api_graph.cli.console import complain, one_line, print_json, say
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, Json


def figure(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The --out folder of an `api-graph map`.", show_default=False)
    ],
    rows: Annotated[
        str | None, typer.Option("--rows", metavar="ROWS", help="Numbers, as in 0,4,7-9; default: the first four.")
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            "--columns",
            metavar="NAMES",
            help="image, map, annotated, answer, a node's TITLE or TITLE.OUTPUT, a table's column; NAME=HEADING.",
            show_default="image,map,annotated,answer",
        ),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option("--out", metavar="FILE", help="A .pdf, .svg or .png; default: DIR/figure.pdf. Repeatable."),
    ] = None,
    width: Annotated[float, typer.Option("--width", metavar="INCHES", help="How wide it is.")] = 7.0,
    dpi: Annotated[int, typer.Option("--dpi", metavar="N", help="Pixels an inch of its pictures.")] = 300,
    colormap: Annotated[
        Literal["turbo", "viridis", "inferno", "grey"] | None,
        typer.Option("--colormap", help="Of grey heatmaps; default: turbo."),
    ] = None,
    opacity: Annotated[
        float | None,
        typer.Option("--opacity", metavar="SHARE", help="Of grey heatmaps over their image; default: 1, alone."),
    ] = None,
    font: Annotated[str | None, typer.Option("--font", metavar="NAME", help="An installed font.")] = None,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Draw rows of a run as a grid of pictures and answers, for a paper.

    A colour bar stands below each map. It needs matplotlib: pip install 'api-graph[plots]'.
    """
    from api_graph.figure.draw import draw_figure

    drawn = draw_figure(
        folder,
        out or [folder / "figure.pdf"],
        rows=rows,
        columns=columns,
        width=width,
        dpi=dpi,
        colormap=colormap,
        opacity=opacity,
        font=font,
    )
    if as_json:
        facts = {"files": drawn.files, "rows": drawn.rows, "notes": drawn.notes}
        print_json({"ok": True, "exit_code": OK, **facts})
        return OK
    for path in out or [folder / "figure.pdf"]:
        say(one_line(str(path)))
    for note in drawn.notes:
        complain(note, "note")
    return OK
