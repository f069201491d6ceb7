"""`api-graph report`: one HTML page of the results of a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import quote, unquote

import typer

from api_graph.cli.console import complain, one_line, print_json, say
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, Json
from api_graph.errors import BadInput

if TYPE_CHECKING:
    from api_graph.report.page import Comparison, Report


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The --out folder of an `api-graph map`.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; default: DIR/report.html.")
    ] = None,
    most: Annotated[int, typer.Option("--most", metavar="N", min=0, help="Rows shown with their pictures.")] = 200,
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=0, help="Rows that can be searched.")] = 5000,
    compare: Annotated[
        Path | None,
        typer.Option(
            "--compare",
            metavar="DIR",
            help="Another run over the same rows: the page links to one that shows both side by side.",
        ),
    ] = None,
    figure: Annotated[
        str | None, typer.Option("--figure", metavar="TITLE", help="With --compare: what is compared, as there.")
    ] = None,
    truth: Annotated[
        str | None, typer.Option("--truth", metavar="COLUMN", help="With --compare: the right answers, as there.")
    ] = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Show the results of a table on one HTML page that needs nothing else.

    A summary, the failures by cause, the time of each node, and a contact sheet that can be searched. Rows can be
    grouped by their image, and sorted by the figures that nodes gave. The run may still be going. Where a table has
    more rows than --most or --rows, an even sample of it is shown.
    """
    from api_graph.report.page import write_report

    page = folder / "report.html" if out is None else out
    if compare is None and (figure is not None or truth is not None):
        option = "--figure" if figure is not None else "--truth"
        raise BadInput("there is no other run", input=option, value=figure or truth, hint="Name it with --compare DIR.")
    comparisons = [] if compare is None else [_compared(compare, folder, page, figure, truth, most)]
    compared = [page.with_name(unquote(one.address)) for one in comparisons]
    written = write_report(folder, page, pictures=most, rows=rows, comparisons=comparisons)
    if as_json:
        print_json(_facts(written) | ({"compared": compared[0]} if compared else {}))
    else:
        say(one_line(str(written.page)))
        say(_line(written))
        say(one_line(f"verify: {written.summary.verified}"))
        for target, one in zip(compared, comparisons, strict=True):
            say(one_line(f"{target}: {one.verdict}"))
    if open_:
        _open(written.page)
    return OK


def _compared(other: Path, folder: Path, page: Path, figure: str | None, truth: str | None, most: int) -> Comparison:
    """The page of this run beside another one, written next to the report."""
    from api_graph.comparison.compare import compare_results
    from api_graph.comparison.page import write_comparison
    from api_graph.report.page import Comparison

    compared = compare_results([other, folder], figure, truth=truth)
    target = page.with_name(f"{page.stem}-compared.html")
    write_comparison(compared, target, most=most)
    return Comparison(" ".join(pair.verdict for pair in compared.pairs), quote(target.name))


def _line(written: Report) -> str:
    summary = written.summary
    return (
        f"{summary.rows:,} rows: {summary.ok:,} ok, {summary.failed:,} failed; "
        f"{written.pictured:,} shown with their pictures, {written.listed:,} listed."
    )


def _facts(written: Report) -> dict[str, object]:
    summary = written.summary
    return {
        "ok": True,
        "page": written.page,
        "rows": summary.rows,
        "rows_ok": summary.ok,
        "rows_failed": summary.failed,
        "verified": summary.verified,
        "pictured": written.pictured,
        "listed": written.listed,
    }


def _open(page: Path) -> None:
    import webbrowser

    if not webbrowser.open(page.resolve().as_uri()):
        complain("there is no browser to open it with", "warning")
