"""Writes the page of a run: what it gave, as one HTML file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from api_graph.report.collect import Summary, collect
from api_graph.report.facts import moment
from api_graph.report.html import rendered_page, write_page
from api_graph.report.pictures import Card, Pictures
from api_graph.report.row import ReportRow
from api_graph.report.sample import fitting
from api_graph.report.text import clipped
from api_graph.settings import DEMO_MODEL
from api_graph.table.verify import verified_at_a_glance

MOST_PICTURED, MOST_LISTED = 200, 5000
_MOST_COLUMNS = 8
_WITHOUT_FIGURES, _COLUMN = 46, 7.5  # rem
# Bytes. A page stays below 10 MB.
_PICTURES, _ROWS, _CAUSES = 5_000_000, 3_500_000, 1_000_000


@dataclass(frozen=True)
class TimingLine:
    """A node's line in the table of timings. `seconds` are over all rows, `share` is in percent."""

    title: str
    class_type: str
    seconds: float
    ran: int
    cached: int | None
    share: int


@dataclass(frozen=True)
class CauseLine:
    """A cause of failures, with some of its rows."""

    where: str
    message: str
    count: int
    rows: Sequence[ReportRow]


class Comparison(NamedTuple):
    """What another run says of this one, in a sentence, and the address of the page that shows it row by row."""

    verdict: str
    address: str


@dataclass(frozen=True)
class Report:
    """What was written, and where. `pictured` and `listed` are numbers of rows."""

    page: Path
    summary: Summary
    pictured: int
    listed: int


def write_report(
    folder: Path,
    out: Path | None = None,
    *,
    pictures: int = MOST_PICTURED,
    rows: int = MOST_LISTED,
    comparisons: Sequence[Comparison] = (),
) -> Report:
    """Write the page of the run in `folder` to `out`, by default `folder`/report.html.

    At most `pictures` rows are shown with their pictures, and at most `rows` are listed, evenly spread over the table.
    There are fewer if the page would become larger than 10 MB. `comparisons` are linked to. Raises BadInput if there
    are no results, or if the page cannot be written.
    """
    out = folder / "report.html" if out is None else out
    summary = collect(folder, pictures=pictures, rows=rows)
    summary.verified = clipped(verified_at_a_glance(folder), 500)
    cards = Pictures(folder, summary.facts).cards(summary.pictured.ranked(), _PICTURES)
    listed = fitting(summary.listed.ranked(), lambda row: row.size, _ROWS)
    cards.sort(key=lambda card: card.row.number)
    listed.sort(key=lambda row: row.number)
    in_folder = os.path.realpath(out.parent) == os.path.realpath(folder)
    write_page(out, _page(summary, cards, listed, comparisons, links=in_folder), option="--out")
    return Report(out, summary, len(cards), len(listed))


def _page(
    summary: Summary,
    cards: Sequence[Card],
    listed: Sequence[ReportRow],
    comparisons: Sequence[Comparison],
    *,
    links: bool,
) -> str:
    # Widths of bars are classes, because the policy allows no style attributes.
    figures = _figures(listed)
    widths = "\n".join(f".share-{n}{{--share:{n}%}}" for n in range(101)) + "\n"
    widths += (
        f"@media (min-width: 40rem) {{ .list {{ min-width: {_WITHOUT_FIGURES + _COLUMN * len(figures)}rem; }} }}\n"
    )
    return rendered_page(
        "report.html.j2",
        summary.facts.name or "A table's run",
        more_style=widths,
        filters={"count": _count, "seconds": _seconds, "percent": _percent, "moment": _moment, "figure": _figure},
        summary=summary,
        facts=summary.facts,
        demo_model=DEMO_MODEL,
        cards=cards,
        listed=listed,
        links=links,
        comparisons=comparisons,
        images=_images([*(card.row for card in cards), *listed]),
        figures=figures,
        causes=_causes(summary),
        timings=_timings(summary),
        rate=_rate(summary),
    )


def _timings(summary: Summary) -> list[TimingLine]:
    facts, total = summary.facts, sum(timing.seconds for timing in summary.timings.values())
    by_time = sorted(summary.timings.items(), key=lambda item: -item[1].seconds)
    return [
        TimingLine(
            title=facts.title(node),
            class_type=facts.class_type(node),
            seconds=timing.seconds,
            ran=timing.ran,
            cached=None if facts.cached is None else facts.cached.get(node, 0),
            share=round(100 * timing.seconds / total) if total > 0 else 0,
        )
        for node, timing in by_time
    ]


def _causes(summary: Summary) -> list[CauseLine]:
    lines, budget = [], _CAUSES
    for cause in summary.causes.by_count():
        rows = fitting(cause.rows.ranked(), lambda row: row.size, budget)
        budget -= sum(row.size for row in rows)
        lines.append(CauseLine(cause.where, cause.message, cause.count, sorted(rows, key=lambda row: row.number)))
    return lines


def _images(rows: Sequence[ReportRow]) -> dict[str, int]:
    """The images that the rows are about, numbered; none where they all have one, or each its own."""
    found = {image: number for number, image in enumerate(dict.fromkeys(row.image for row in rows))}
    return found if 1 < len(found) < len({row.number for row in rows}) else {}


def _figures(rows: Sequence[ReportRow]) -> list[str]:
    """The names of the figures that have a column."""
    return list(islice(dict.fromkeys(name for row in rows for name in row.figures), _MOST_COLUMNS))


def _rate(summary: Summary) -> float | None:
    """Rows per second: as the run tells, or an estimate while it goes on."""
    started = moment(summary.facts.started)
    if summary.facts.rate is not None or started is None:
        return summary.facts.rate
    seconds = (summary.as_of - started).total_seconds()
    return summary.rows / seconds if seconds > 0 else None


def _count(number: int) -> str:
    return f"{number:,}"


def _figure(number: float) -> str:
    """A number in at most six digits: what the page sorts by is the whole one."""
    return f"{number:.6g}"


def _seconds(seconds: float | None) -> str:
    if seconds is None:
        return "–"
    if seconds < 1:
        return f"{1000 * seconds:.0f} ms" if seconds >= 0.001 or seconds <= 0 else "< 1 ms"
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _moment(time: str | datetime) -> str:
    known = moment(time) if isinstance(time, str) else time
    return known.strftime("%Y-%m-%d %H:%M %Z") if known else str(time)
