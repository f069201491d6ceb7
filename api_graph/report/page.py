"""The page: a template, its style and its script, in one HTML file that asks for nothing else."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from api_graph.errors import BadInput
from api_graph.files import whole_file
from api_graph.report.collect import Summary, collect
from api_graph.report.entry import Entry
from api_graph.report.facts import moment
from api_graph.report.pictures import Card, Pictures
from api_graph.report.sample import fitting

if TYPE_CHECKING:
    from jinja2 import Environment

MOST_PICTURED, MOST_LISTED = 200, 5000
# Bytes: together with the causes, a page stays below 10 MB.
_PICTURES, _ROWS, _CAUSES = 5_000_000, 3_500_000, 1_000_000

_HERE = Path(__file__).parent


@dataclass(frozen=True)
class TimingLine:
    """A node's line in the table of timings. `share` is a whole number of percent."""

    title: str
    class_type: str
    seconds: float
    ran: int
    cached: int | None
    share: int


@dataclass(frozen=True)
class CauseLine:
    """A cause of failures with some of its rows."""

    where: str
    message: str
    count: int
    rows: Sequence[Entry]


@dataclass(frozen=True)
class Report:
    """What was written where."""

    page: Path
    summary: Summary
    pictured: int
    listed: int


def write_report(
    folder: Path, out: Path | None = None, *, pictures: int = MOST_PICTURED, rows: int = MOST_LISTED
) -> Report:
    """Write the page of the run in `folder` to `out`, by default `folder`/report.html.

    At most `pictures` rows are shown with their pictures and `rows` are listed, evenly spread over the table; fewer
    where the page would become larger than 10 MB. Raises BadInput where there are no results and where the page
    cannot be written.
    """
    out = folder / "report.html" if out is None else out
    summary = collect(folder, pictures=pictures, rows=rows)
    cards = Pictures(folder, summary.facts).cards(summary.pictured.ranked(), _PICTURES)
    listed = fitting(summary.listed.ranked(), lambda entry: entry.size, _ROWS)
    beside = os.path.realpath(out.parent) == os.path.realpath(folder)
    page = _page(summary, sorted(cards, key=_card_number), sorted(listed, key=_number), links=beside)
    _write(out, page)
    return Report(out, summary, len(cards), len(listed))


def _number(entry: Entry) -> int:
    return entry.number


def _card_number(card: Card) -> int:
    return card.entry.number


def _page(summary: Summary, cards: Sequence[Card], listed: Sequence[Entry], *, links: bool) -> str:
    from markupsafe import Markup

    style, script = _text("report.css") + _shares(), _text("report.js")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            summary=summary,
            facts=summary.facts,
            cards=cards,
            listed=listed,
            links=links,
            causes=_causes(summary),
            timings=_timings(summary),
            rate=_rate(summary),
            style=Markup(style),
            script=Markup(script),
            policy=_policy(style, script),
        )
    )


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(count=_count, seconds=_seconds, percent=_percent, moment=_moment)
    return environment


def _policy(style: str, script: str) -> str:
    """A content security policy: this style, this script, pictures inside the page, and nothing else at all."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _text(name: str) -> str:
    return (_HERE / name).read_text("utf-8")


def _shares() -> str:
    """Widths of bars, as the policy allows no style attributes."""
    return "\n".join(f".share-{n}{{--share:{n}%}}" for n in range(101)) + "\n"


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
        rows = fitting(cause.rows.ranked(), lambda entry: entry.size, budget)
        budget -= sum(entry.size for entry in rows)
        lines.append(CauseLine(cause.where, cause.message, cause.count, sorted(rows, key=_number)))
    return lines


def _rate(summary: Summary) -> float | None:
    """Rows per second: what the run says, or, while it goes on, what it looks like."""
    started = moment(summary.facts.started)
    if summary.facts.rate is not None or started is None:
        return summary.facts.rate
    seconds = (summary.as_of - started).total_seconds()
    return summary.rows / seconds if seconds > 0 else None


def _count(number: int) -> str:
    return f"{number:,}"


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


def _write(path: Path, page: str) -> None:
    """The page appears under its name only when it is complete."""
    try:
        with whole_file(path) as file:
            file.write(page.encode())
    except OSError as error:
        raise BadInput(
            f"the page cannot be written ({error.strerror or error})",
            input="--out",
            value=str(path),
            hint="Choose a file in a folder that you may write to.",
        ) from error
