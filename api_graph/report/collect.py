"""Reads the whole journal once, in little memory, for its counts, causes, timings and samples."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.report.causes import Causes
from api_graph.report.facts import Facts, facts_of
from api_graph.report.journals import JournalReader, UncheckedRecord, journals_in, mapping
from api_graph.report.row import ReportRow, message_of, report_row, where_of
from api_graph.report.sample import EvenSample

_MOST_NODES = 1000


@dataclass
class Timing:
    """The seconds of a node, and the number of rows for which it ran."""

    seconds: float = 0.0
    ran: int = 0


@dataclass
class Summary:
    """What a run has given up to now. `pictured` and `listed` are even samples of its rows.

    `verified` says in a sentence what `verify` finds without reading files.
    """

    facts: Facts
    pictured: EvenSample[ReportRow]
    listed: EvenSample[ReportRow]
    as_of: datetime
    rows: int = 0
    ok: int = 0
    damaged: int = 0
    verified: str = ""
    ran: int = 0
    cached: int = 0
    causes: Causes = field(default_factory=Causes)
    timings: dict[str, Timing] = field(default_factory=dict)

    @property
    def failed(self) -> int:
        """Number of failed rows."""
        return self.rows - self.ok

    @property
    def cache_share(self) -> float | None:
        """The share of all steps that had their result already."""
        steps = self.ran + self.cached
        return self.cached / steps if steps else None

    def add(self, record: UncheckedRecord) -> None:
        """Count one record of the journal."""
        number, members = record.number, record.members
        self.rows += 1
        self.ok += record.ok
        self.ran += _count(members.get("ran"))
        self.cached += _count(members.get("cached"))
        for node, seconds in mapping(members.get("steps")).items():
            self._time(node, seconds)
        for sample in (self.pictured, self.listed):
            if sample.wants(number):
                sample.add(number, report_row(record, self.facts))
        if not record.ok:
            error, values = mapping(members.get("error")), mapping(members.get("values"))
            where, message = where_of(error, self.facts), message_of(error)
            self.causes.add(number, where, message, values, lambda: report_row(record, self.facts))

    def _time(self, node: str, seconds: object) -> None:
        if not isinstance(seconds, int | float) or (node not in self.timings and len(self.timings) >= _MOST_NODES):
            return
        timing = self.timings.setdefault(node, Timing())
        timing.seconds += seconds
        timing.ran += 1


def collect(folder: Path, *, pictures: int, rows: int) -> Summary:
    """Read a run's folder. Keeps at most `pictures` rows with and `rows` rows without pictures.

    Raises BadInput if there are no results, or if they cannot be read.
    """
    journals = journals_in(folder)
    changed = max(journal.path.stat().st_mtime for journal in journals)
    as_of = datetime.fromtimestamp(changed, timezone.utc).astimezone()
    summary = Summary(facts_of(journals), EvenSample(pictures), EvenSample(rows), as_of)
    for journal in journals:
        records = JournalReader(journal.path)
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


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0
