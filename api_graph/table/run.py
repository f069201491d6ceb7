"""A run over a table: the rows that are not finished go through an engine, and their records into the journal."""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path

from api_graph.errors import ApiGraphWarning, BadInput, each_kind_once
from api_graph.notebook import counted
from api_graph.table.journal import NAME as JOURNAL
from api_graph.table.journal import Journal, Record, is_journal, journal_lines, packed_key, read_records
from api_graph.table.manifest import check_same, read_manifest
from api_graph.table.maps import drop_unnamed
from api_graph.table.output import WriteFailed, clear_row_folders, output_lock, utc_now, whole_file
from api_graph.table.plan import TablePlan
from api_graph.table.records import results_of
from api_graph.table.rows import Row
from api_graph.table.tars import FOLDER as TARS
from api_graph.table.tars import RowTars, remove
from api_graph.table.worker import FinishedChunk

LEFT = "results.left.jsonl"
"""Lines of a folder without a manifest that are of another graph, or of no row of the table that adopted it."""

Engine = Callable[[Iterator[Row]], Generator[FinishedChunk, None, None]]


@dataclass
class Totals:
    """Sums over records: `rows`, of which `failed` failed, in `seconds`.

    By node: its seconds, the number of rows for which it ran, and the number of those that succeeded.
    """

    rows: int = 0
    failed: int = 0
    seconds: float = 0.0
    ran_steps: int = 0
    cached_steps: int = 0
    node_seconds: dict[str, float] = field(default_factory=dict)
    ran: Counter[str] = field(default_factory=Counter)
    ran_in_ok_rows: Counter[str] = field(default_factory=Counter)

    def add(self, record: Record) -> None:
        """Count one more row."""
        self.rows += 1
        self.failed += not record["ok"]
        self.ran_steps += record["ran"]
        self.cached_steps += record["cached"]
        for node, seconds in record["steps"].items():
            self.node_seconds[node] = self.node_seconds.get(node, 0.0) + seconds
            self.ran[node] += 1
            self.ran_in_ok_rows[node] += record["ok"]

    @property
    def cache_share(self) -> float:
        """The share of all steps that had their result already."""
        return self.cached_steps / max(1, self.cached_steps + self.ran_steps)


@dataclass
class TableRun:
    """A run in progress; its counts grow while `records` is read.

    `total` is the number of rows to run. As far as the table has been read, `finished_before` of them were finished in
    earlier runs, of which `failed_before` had failed. `first_failed` is the key of the first of these. `totals` are of
    this run alone. `not_run` is how many rows were left when so many had failed that the run stopped.
    """

    plan: TablePlan
    total: int = 0
    finished_before: int = 0
    failed_before: int = 0
    totals: Totals = field(default_factory=Totals)
    first_failed: str | None = None
    not_run: int = 0

    @property
    def failed(self) -> int:
        """Number of failed rows, including those of earlier runs."""
        return self.failed_before + self.totals.failed

    def said_of_failed_before(self, hint: str) -> str:
        """That rows failed in earlier runs, and are not run again, with the first reason.

        `hint` is what runs them again.
        """
        them = "it" if self.failed_before == 1 else "them"
        said = f"{counted(self.failed_before, 'row')} failed before: {hint} does {them} again"
        for record in read_records(self.plan.folder):
            if record["key"] == self.first_failed and record["error"] is not None:
                return f"{said} (row {record['row']}: {record['error']['message']})"
        return said

    def records(self, engine: Engine) -> Generator[list[Record], None, None]:
        """Run the rows that are not finished. Yields some records at a time, once they are in the journal.

        Closing the generator ends the run, and what is finished is kept. What the folder has lost is repaired first:
        an ApiGraphWarning says so. Raises BadInput if another process is running in the folder, or has run another
        graph there; WriteFailed if nothing more can be written.
        """
        plan, started = self.plan, time.monotonic()
        with ExitStack() as stack:
            stack.enter_context(output_lock(plan.folder))
            stack.enter_context(each_kind_once())
            before = read_manifest(plan.folder)
            if before is not None:
                check_same(before, plan.manifest)
                renamed = any(plan.manifest.results.get(id) != name for id, name in before.results.items())
                if renamed or plan.manifest.names != before.names:
                    hint = "Run the same command again."
                    raise BadInput("another run has begun this folder", input="--out", value=plan.folder, hint=hint)
                if before.totals is not None:
                    started -= before.totals.get("seconds", 0.0)
            if before is None and is_journal(plan.folder):
                adopt(plan)
            if before is not None or (plan.folder / JOURNAL).exists():
                from api_graph.table.repair import repair

                for said in repair(plan, before):
                    warnings.warn(said, ApiGraphWarning, stacklevel=2)
            journal = stack.enter_context(closing(Journal(plan.folder)))
            if plan.retry_failed:
                journal.drop_failed()
            known = len(journal.finished)
            plan.manifest.started = utc_now()
            if plan.listing is not None and not plan.listing.fixed:
                plan.listing.write(Path(plan.job.output))
            plan.manifest.write(plan.folder)
            drop_unnamed_maps(plan)
            self.total = len(plan.numbers)
            finished = False
            packing = self._packing(journal, stack)
            try:
                # Closed before the lock is released, because its threads write to the folder.
                with closing(engine(self._unfinished(journal))) as chunks:
                    for chunk in chunks:
                        done = chunk.records if plan.max_failures is None else self._within(plan.max_failures, chunk)
                        self._keep(done, journal, packing)
                        yield done
                        if chunk.disk_full:
                            raise WriteFailed(Path(plan.job.output), "no space left on the device")
                        if plan.max_failures is not None and self.totals.failed > plan.max_failures:
                            self._count_rest(journal)
                            break
                finished = not self.not_run
                if finished and known > self.finished_before:
                    others = known - self.finished_before
                    are = "1 line is of a row" if others == 1 else f"{others:,} lines are of rows"
                    said = f"{are} that this run does not have: another table or --limit had them"
                    warnings.warn(said, ApiGraphWarning, stacklevel=2)
            finally:
                self._write_totals(seconds=time.monotonic() - started, finished=finished)

    def _within(self, most: int, chunk: FinishedChunk) -> list[Record]:
        """What is kept of a chunk: no more failures than the run stops at. The others' files are removed."""
        left = most + 1 - self.totals.failed
        surplus = [record["key"] for record in chunk.records if not record["ok"]][left:]
        clear_row_folders(Path(self.plan.job.output), surplus)
        return [record for record in chunk.records if record["key"] not in surplus]

    def _count_rest(self, journal: Journal) -> None:
        """Count the rows that are left, and those of earlier runs among them."""
        finished = [journal.finished.get(packed_key(row.key)) for row in self.plan.rows()]
        self.not_run = finished.count(None)
        self.finished_before = len(finished) - self.not_run - self.totals.rows
        self.failed_before = finished.count(False) - self.totals.failed

    def _keep(self, records: list[Record], journal: Journal, packing: RowTars | None) -> None:
        """Write down what has been done; where files go into tars, before the lines that name them there."""
        names, fingerprint = self.plan.manifest.results, self.plan.manifest.fingerprint
        for record in records:
            record["results"] = results_of(record, names)
            record["fingerprint"] = fingerprint
        packed = [] if packing is None else packing.take(records, names)
        journal.append(records)
        if packed:
            remove(packed)
        for record in records:
            self.totals.add(record)

    def _packing(self, journal: Journal, stack: ExitStack) -> RowTars | None:
        """The tars that rows' files go to, where they do; closed with the `stack`."""
        plan, most = self.plan, self.plan.tar
        if most is None:
            return None
        tars = RowTars(plan.folder / TARS, Path(plan.job.output), most, journal.finished)
        return stack.enter_context(closing(tars))

    def _unfinished(self, journal: Journal) -> Iterator[Row]:
        for row in self.plan.rows():
            ok = journal.finished.get(packed_key(row.key))
            if ok is None:
                yield row
            else:
                self.finished_before += 1
                self.failed_before += not ok
                if not ok and self.first_failed is None:
                    self.first_failed = row.key

    def _write_totals(self, *, seconds: float, finished: bool) -> None:
        """Write the totals of all rows in the folder, including those of earlier runs, to the manifest."""
        totals = Totals(seconds=seconds)
        for record in read_records(self.plan.folder):
            totals.add(record)
        manifest, ok = self.plan.manifest, totals.rows - totals.failed
        manifest.finished = utc_now() if finished else None
        manifest.totals = {
            "rows": totals.rows,
            "ok": ok,
            "failed": totals.failed,
            "seconds": round(totals.seconds, 3),
            "node_seconds": {node: round(s, 6) for node, s in totals.node_seconds.items()},
            "ran": dict(totals.ran),
            # In a failed row, a node that did not run may have had no input; so only successful rows count.
            "cached": {node: ok - count for node, count in totals.ran_in_ok_rows.items()},
        }
        manifest.write(self.plan.folder)


def drop_unnamed_maps(plan: TablePlan) -> None:
    """Remove the files of maps that no line names: what a killed run has left."""
    if plan.job.maps == "parquet":
        named = (record.get("maps", "") for record in read_records(plan.folder))
        drop_unnamed(Path(plan.job.maps_folder), (name.rpartition("/")[2] for name in named))


def adopt(plan: TablePlan) -> None:
    """Take over the results of a folder without a manifest: this graph's lines whose rows the table has, by their keys.

    All others go to LEFT. Lines of version 0.1 do not name their graph. A warning says how many lines there were, and
    whether nobody can tell which graph gave them. Raises BadInput where the user has not asked for it, and for a
    damaged line; WriteFailed.
    """
    path, left = plan.folder / JOURNAL, plan.folder / LEFT
    if not plan.adopt:
        problem = f"{JOURNAL} stands in this folder, but no manifest.json says what graph gave it"
        hint = "Restore it, name another folder, or say --adopt: then the lines of rows of this table are taken over."
        raise BadInput(problem, input="--out", value=str(plan.folder), hint=hint)
    keys = {packed_key(row.key) for row in plan.rows()}
    fingerprint, lines, unnamed, count = plan.manifest.fingerprint, [], 0, 0
    for line in journal_lines(path):
        made_by = line.record.get("fingerprint", fingerprint)
        if packed_key(line.record["key"]) not in keys or made_by != fingerprint:
            lines.append(line)
        else:
            unnamed += "fingerprint" not in line.record
            count += 1
    others = {line.number for line in lines}
    if others:
        with whole_file(left) as file:  # first, so that a kill between the two loses nothing
            file.write(left.read_bytes() if left.exists() else b"")
            file.writelines(line.raw for line in lines)
        with whole_file(path) as file:
            file.writelines(line.raw for line in journal_lines(path) if line.number not in others)
    more = f"; {len(others):,} of other rows or of another graph went to {LEFT}" if others else ""
    text = f"{count:,} results were adopted{more}."
    if unnamed:
        text += f" Whether this graph gave {'them' if unnamed == count else f'{unnamed:,} of them'} cannot be checked."
    warnings.warn(text, ApiGraphWarning, stacklevel=2)
