"""`api-graph compare`: runs over the same rows side by side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api_graph.cli.console import one_line, print_json, print_table, say
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, Json
from api_graph.errors import BadInput

if TYPE_CHECKING:
    from api_graph.comparison.compare import ComparedResults


def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(
            metavar="DIR..",
            help="Two or more --out folders of `api-graph map`, or of a benchmark, which stands for all its graphs.",
            show_default=False,
        ),
    ],
    figure: Annotated[
        str | None,
        typer.Option("--figure", metavar="TITLE", help="What is compared: a result's title, or TITLE.OUTPUT."),
    ] = None,
    truth: Annotated[
        str | None,
        typer.Option("--truth", metavar="COLUMN", help="The figure is a text; this column of the table is right."),
    ] = None,
    on: Annotated[
        list[str] | None,
        typer.Option(
            "--on", metavar="COLUMN", help="Rows with the same value here belong together; default: item. Repeatable."
        ),
    ] = None,
    by: Annotated[
        str | None, typer.Option("--by", metavar="COLUMN", help="Compare in each category of this column, too.")
    ] = None,
    allow_missing: Annotated[
        bool, typer.Option("--allow-missing", help="Leave out the rows that a folder lacks.")
    ] = False,
    page: Annotated[
        Path | None, typer.Option("--page", metavar="FILE", help="Write an HTML page of the rows side by side.")
    ] = None,
    most: Annotated[int, typer.Option("--most", metavar="N", min=0, help="Rows shown on the page.")] = 200,
    markdown: Annotated[
        Path | None, typer.Option("--markdown", metavar="FILE", help="Write the tables in Markdown.")
    ] = None,
    latex: Annotated[Path | None, typer.Option("--latex", metavar="FILE", help="Write the tables in LaTeX.")] = None,
    csv: Annotated[Path | None, typer.Option("--csv", metavar="FILE", help="Write the figures as a CSV file.")] = None,
    items: Annotated[
        Path | None, typer.Option("--items", metavar="FILE", help="Write each item's scores, and what changed, as CSV.")
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, max=2**32 - 1, help="Of the bootstrap.")] = 0,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Compare runs over the same rows, each with the first: is one better, and how sure is that?

    Each score has its 95 % interval; the difference that of a paired bootstrap, and McNemar's p where answers are right
    or wrong. A benchmark's scores are compared; of other results --figure names a number, or with --truth an answer.
    """
    from api_graph.comparison.compare import compare_results

    files = _files(page=page, markdown=markdown, latex=latex, csv=csv, items=items)
    compared = compare_results(folders, figure, truth=truth, on=on or (), by=by, allow_missing=allow_missing, seed=seed)
    for kind, path in files.items():
        _write(compared, kind, path, most)
    _show(compared, [*files.values()], as_json=as_json)
    return OK


def _files(**wanted: Path | None) -> dict[str, Path]:
    """What is to be written, by kind. Raises BadInput for a folder."""
    files = {kind: path for kind, path in wanted.items() if path is not None}
    for path in files.values():
        if path.is_dir():
            raise BadInput("this is a folder", input="FILE", value=str(path), hint="Name a file in it.")
    return files


def _write(compared: ComparedResults, kind: str, path: Path, most: int) -> None:
    from api_graph.comparison.page import write_comparison
    from api_graph.comparison.tables import as_csv, items_csv, latex, markdown
    from api_graph.report.html import write_page

    if kind == "page":
        write_comparison(compared, path, most=most)
    else:
        made = {"markdown": markdown, "latex": latex, "csv": as_csv, "items": items_csv}[kind]
        write_page(path, made(compared), option=f"--{kind}")


def _show(compared: ComparedResults, files: Sequence[Path], *, as_json: bool) -> None:
    from api_graph.comparison.tables import caption, cells, documents, headings, subject

    if as_json:
        facts = {"figure": compared.figure, "folders": {side.name: side.folder for side in compared.sides}}
        left_out = {"missing": compared.missing, "unscored": compared.unscored}
        print_json({"ok": True, "exit_code": OK, **facts, **left_out, "pairs": documents(compared), "files": files})
        return
    say(one_line(f"{subject(compared)}, {len(compared.items):,} items"))
    for pair in compared.pairs:
        say()
        print_table(headings(pair), cells(pair))
        say(one_line(pair.verdict))
    say()
    for line in (caption(compared), *compared.notes, *map(str, files)):
        say(one_line(line))
