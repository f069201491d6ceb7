"""What a run over a table has done, in one line for people, and as a document for machines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from api_graph.table.run import TableRun

_ROWS = ("row", "rows")


@dataclass(frozen=True)
class RanTable:
    """What a run over a table has done: `kept` answers were shared or kept, `warned` are our warnings."""

    run: TableRun
    seconds: float
    kept: int
    warned: list[str]
    files: list[Path]


def summary_of(ran: RanTable) -> str:
    """`2,000 rows: 1,998 ok, 2 failed; 412 rows/s, 46 % of the steps shared or from the cache; 4.9 s`."""
    run, seconds = ran.run, ran.seconds
    totals = run.totals
    before = f" ({run.finished_before:,} before)" if run.finished_before else ""
    rows = run.finished_before + totals.rows
    text = f"{rows:,} {_ROWS[rows != 1]}{before}: {rows - run.failed:,} ok, {run.failed:,} failed; "
    if run.not_run:
        text += f"stopped early, {run.not_run:,} {_ROWS[run.not_run != 1]} not run; "
    if totals.rows:
        rate = totals.rows / max(seconds, 1e-9)
        text += f"{rate:.3g} rows/s, {totals.cache_share:.0%} of the steps shared or cached; "
    return f"{text}{seconds:.1f} s"


def notes_of(run: TableRun) -> list[str]:
    """What is said besides: what helps where the same command does nothing more."""
    return [run.said_of_failed_before("--retry-failed")] if run.failed_before else []


def document_of(run: TableRun, seconds: float) -> dict[str, object]:
    """The same for machines."""
    totals = run.totals
    return {
        "ok": not run.failed,
        "rows": run.finished_before + totals.rows,
        "failed": run.failed,
        "failed_before": run.failed_before,
        "done_now": totals.rows,
        "done_before": run.finished_before,
        "total": run.total,
        "not_run": run.not_run,
        "seconds": seconds,
        "rows_per_second": totals.rows / max(seconds, 1e-9),
        "cache_share": totals.cache_share,
    }
