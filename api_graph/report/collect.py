"""The whole journal, read once: counts, causes, timings and samples, in little memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from api_graph.errors import BadInput
from api_graph.report.causes import Causes
from api_graph.report.entry import Entry, entry_of, mapping, message_of, where_of
from api_graph.report.facts import Facts, facts_of
from api_graph.report.journals import Journal, Records, journals_in
from api_graph.report.sample import EvenSample

_MOST_NODES = 1000


@dataclass
class Timing:
    """Seconds that a node took over all rows for which it ran."""

    seconds: float = 0.0
    ran: int = 0


@dataclass
class Summary:
    """What came of a run, as far as it has come: `pictured` and `listed` are even samples of its rows."""

    facts: Facts
    pictured: EvenSample[Entry]
    listed: EvenSample[Entry]
    as_of: datetime
    rows: int = 0
    ok: int = 0
    damaged: int = 0
    ran: int = 0
    cached: int = 0
    causes: Causes = field(default_factory=Causes)
    timings: dict[str, Timing] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Rows that failed."""
        return self.rows - self.ok

    @property
    def cache_share(self) -> float | None:
        """The share of steps whose result was at hand."""
        steps = self.ran + self.cached
        return self.cached / steps if steps else None

    def add(self, record: Mapping[str, Any]) -> None:
        """Count one record of the journal."""
        number, ok = record["row"], record["ok"]
        self.rows += 1
        self.ok += ok
        self.ran += _count(record.get("ran"))
        self.cached += _count(record.get("cached"))
        for node, seconds in mapping(record.get("steps")).items():
            self._time(node, seconds)
        for sample in (self.pictured, self.listed):
            if sample.wants(number):
                sample.add(number, entry_of(record, self.facts))
        if not ok:
            self._failed(record)

    def _failed(self, record: Mapping[str, Any]) -> None:
        error, values = mapping(record.get("error")), mapping(record.get("values"))
        where, message = where_of(error, self.facts), message_of(error)
        self.causes.add(record["row"], where, message, values, lambda: entry_of(record, self.facts))

    def _time(self, node: str, seconds: Any) -> None:
        if not isinstance(seconds, int | float) or (node not in self.timings and len(self.timings) >= _MOST_NODES):
            return
        timing = self.timings.setdefault(node, Timing())
        timing.seconds += seconds
        timing.ran += 1


def collect(folder: Path, *, pictures: int, rows: int) -> Summary:
    """Read a run's folder. `pictures` and `rows` are how many rows to keep with and without pictures.

    Raises BadInput where there are no results, or where they cannot be read.
    """
    journals = journals_in(folder)
    summary = Summary(facts_of(journals), EvenSample(pictures), EvenSample(rows), _latest(journals))
    for journal in journals:
        records = Records(journal.path)
        try:
            for record in records:
                summary.add(record)
        except OSError as error:
            raise BadInput(
                f"cannot be read ({error.strerror or error})",
                input="DIR",
                value=str(journal.path),
                hint="Check the file and its permissions.",
            ) from error
        summary.damaged += records.damaged
    if not summary.rows:
        raise BadInput(
            "no row has finished yet", input="DIR", value=str(folder), hint="Wait, or look at what `map` said."
        )
    return summary


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 0


def _latest(journals: Sequence[Journal]) -> datetime:
    """When the last result was written."""
    changed = max(journal.path.stat().st_mtime for journal in journals)
    return datetime.fromtimestamp(changed, timezone.utc).astimezone()
