"""`api-graph report`: one HTML page of the results of a table."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api_graph.cli.console import complain, one_line, print_json, say
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, Json

if TYPE_CHECKING:
    from api_graph.report.page import Report


def report(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="The --out folder of an `api-graph map`.", show_default=False)
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write it; default: DIR/report.html.")
    ] = None,
    most: Annotated[int, typer.Option("--most", metavar="N", min=0, help="Rows shown with their pictures.")] = 200,
    rows: Annotated[int, typer.Option("--rows", metavar="N", min=0, help="Rows that can be searched.")] = 5000,
    open_: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Show the results of a table on one HTML page that needs nothing else.

    A summary, the failures by cause, the time of each node, and a contact sheet that can be searched. The run may
    still be going. Where a table has more rows than --most or --rows, an even sample of it is shown.
    """
    from api_graph.report.page import write_report

    written = write_report(folder, out, pictures=most, rows=rows)
    if as_json:
        print_json(_facts(written))
    else:
        say(one_line(str(written.page)))
        say(_line(written))
        say(one_line(f"verify: {written.summary.verified}"))
    if open_:
        _open(written.page)
    return OK


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
