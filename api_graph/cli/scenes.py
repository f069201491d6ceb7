"""`api-graph bench scenes`: the benchmark that comes with the package, on rendered scenes with known truth."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from api_graph.cli.console import print_json, print_table, say, tell
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, Json, writable_folder

if TYPE_CHECKING:
    from api_graph.bench.scenes import Part


def scenes(
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the tables.")] = Path("bench/scenes"),
    part: Annotated[
        list[str] | None,
        typer.Option(
            "--part",
            metavar="PART",
            help="Only this table: maps, selection, boxes, questions, attention, strategies, pointing, steering or "
            "heads. Repeatable.",
            show_default=False,
        ),
    ] = None,
    full: Annotated[
        bool, typer.Option("--full", help="As many scenes as the README's figures have: 300 to 1,000 a table.")
    ] = False,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=2, help="N scenes, or questions of each kind, in every table."),
    ] = None,
    seeds: Annotated[
        Literal["test", "validation"],
        typer.Option("--seeds", help="Choose settings on validation scenes, and report test scenes."),
    ] = "test",
    clip: Annotated[str, typer.Option("--clip", metavar="MODEL", help="A CLIP, as *Load CLIP* takes it.")] = "demo",
    lvlm: Annotated[str, typer.Option("--lvlm", metavar="MODEL", help="An LVLM, as *Load LVLM* takes it.")] = "demo",
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no tables; files only.")] = False,
    debug: Debug = False,
) -> int:
    """Measure the methods on rendered scenes with known truth: how well maps point, and whether pointing helps.

    It needs neither data nor a GPU: the two demo models do it in minutes. The same command gives the same figures on
    one machine. --out gets scores.md, .csv and .tex, and a folder for each table, whose rows `api-graph compare` takes.
    """
    from api_graph.bench.scenes import Setting, check_folder, chosen_parts, run_parts, sizes_for, write_parts
    from api_graph.table.manifest import versions
    from api_graph.table.output import output_lock

    setting = Setting(clip, lvlm, seeds, sizes_for(full=full, limit=limit))
    names = chosen_parts(part or ())
    folder = writable_folder(out, "--out")
    with output_lock(folder):
        check_folder(folder)
        parts: list[Part] = []
        for number, name in enumerate(names, start=1):
            if not quiet:
                tell(f"{name}, {number} of {len(names)} tables")
            parts += run_parts(setting, [name])
            write_parts(folder, parts, setting, versions())
            if not (quiet or as_json):
                _print(parts[-1])
    if as_json:
        print_json({"ok": True, "exit_code": OK, "benchmark": "scenes", "out": folder, "parts": _document(parts)})
    elif not quiet:
        say(str(folder / "scores.md"))
    return OK


def _print(part: Part) -> None:
    from api_graph.bench.scenes import cells

    tell(f"{part.title}. {part.about}")
    print_table((part.first, *part.columns), cells(part))
    say()


def _document(parts: list[Part]) -> dict[str, dict[str, list[dict[str, object]]]]:
    """The figures of each row of each part."""
    return {part.name: {row.name: [vars(figure) for figure in row.figures] for row in part.rows} for part in parts}
