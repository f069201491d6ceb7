"""A run over a table: what is still to do goes through an engine; a result is told when it is in the journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from itertools import islice
from pathlib import Path

from api_graph.table.job import Job
from api_graph.table.journal import Journal, read_records
from api_graph.table.lock import output_lock
from api_graph.table.manifest import Manifest, check_same, read_manifest
from api_graph.table.records import Record
from api_graph.table.row import Row
from api_graph.table.shard import Shard
from api_graph.table.source import Table
from api_graph.table.totals import Totals
from api_graph.table.worker import Done
from api_graph.table.writing import WriteFailed

Engine = Callable[[Iterator[Row]], Generator[Done, None, None]]


@dataclass(frozen=True)
class Plan:
    """What is to be run over which rows, and when to stop.

    `limit` is how many rows of the table count at all; `max_failures` how many failed rows of this run are put up with.
    """

    job: Job
    table: Table
    manifest: Manifest
    shard: Shard | None = None
    retry_failed: bool = False
    max_failures: int | None = None
    limit: int | None = None
    chunk_size: int | None = None

    @property
    def folder(self) -> Path:
        """Where the journal lies."""
        output = Path(self.job.output)
        return output / "shards" / self.shard.folder if self.shard is not None else output


@dataclass
class TableRun:
    """A run on its way. Counts grow while `records` is read.

    `finished_before` rows of this part of the table were done in earlier runs, `failed_before` of them badly, as far as
    it has been read; `total` is how many rows it has.
    """

    plan: Plan
    total: int = 0
    finished_before: int = 0
    failed_before: int = 0
    totals: Totals = field(default_factory=Totals)
    _started: float = 0.0
    _seconds_before: float = 0.0

    @property
    def failed(self) -> int:
        """Failed rows, those of earlier runs among them."""
        return self.failed_before + self.totals.failed

    def records(self, engine: Engine) -> Generator[list[Record], None, None]:
        """Run what is still to do; records in order of completion, a few at a time, each in the journal already.

        Raises BadInput where another process works in the folder, or one has worked there with another graph;
        WriteFailed when nothing more can be written. Closing the iterator ends the run; what is done is kept.
        """
        with ExitStack() as stack:
            stack.enter_context(output_lock(self.plan.folder))
            journal = self._opened(stack)
            whole = False
            try:
                # Closed before the lock is let go: its threads write to the rows' folders.
                with closing(engine(self._to_do(journal))) as chunks:
                    for done in chunks:
                        journal.append(done.records)
                        self.totals.add(done.records)
                        yield done.records
                        if done.full:
                            raise WriteFailed(Path(self.plan.job.output), "no space left on the device")
                        if self._too_many_failures():
                            return
                whole = True
            finally:
                self._write_totals(whole=whole)

    def _opened(self, stack: ExitStack) -> Journal:
        plan = self.plan
        before = read_manifest(plan.folder)
        if before is not None:
            check_same(before, plan.manifest)
            self._seconds_before = (before.totals or {}).get("seconds", 0.0)
        self._started = time.monotonic()
        journal = stack.enter_context(Journal(plan.folder))
        if plan.retry_failed:
            journal.drop_failed()
        plan.manifest.started = _now()
        plan.manifest.write(plan.folder)
        self.total = len(self._numbers())
        return journal

    def _numbers(self) -> range:
        """The rows of this part of the table."""
        plan = self.plan
        count = plan.manifest.rows["count"]
        count = count if plan.limit is None else min(plan.limit, count)
        return range(count) if plan.shard is None else plan.shard.range(count)

    def _to_do(self, journal: Journal) -> Iterator[Row]:
        numbers = self._numbers()
        for row in islice(iter(self.plan.table), numbers.start, numbers.stop):
            ok = journal.finished.get(row.key)
            if ok is None:
                yield row
            else:
                self.finished_before += 1
                self.failed_before += not ok

    def _too_many_failures(self) -> bool:
        most = self.plan.max_failures
        return most is not None and self.totals.failed > most

    def _write_totals(self, *, whole: bool) -> None:
        """All rows of the folder count, those of earlier runs too; so do the seconds, but for those of killed runs."""
        totals = Totals(seconds=self._seconds_before + time.monotonic() - self._started)
        for record in read_records(self.plan.folder):
            totals.add([record])
        manifest = self.plan.manifest
        manifest.totals, manifest.finished = totals.to_json(), _now() if whole else None
        manifest.write(self.plan.folder)


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds")
