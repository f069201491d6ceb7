"""Merge DIR/shards/*/results.jsonl into one DIR/results.jsonl in the order of the table."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path

import numpy as np

from api_graph.errors import BadInput
from api_graph.table import journal
from api_graph.table.journal import journal_lines, packed_key
from api_graph.table.manifest import MERGED, Manifest, RunTotals, read_manifest
from api_graph.table.output import output_lock, whole_file
from api_graph.table.shards import StartedShard, missing_shards, started_shards


@dataclass(frozen=True)
class MergeReport:
    """What was merged, and which shards, such as "3/8", are missing or not finished.

    `short` are those that have fewer lines than rows, such as "2/8 has 3 of 5 rows".
    """

    folder: Path
    shards: tuple[str, ...]
    missing: tuple[str, ...]
    rows: int
    ok: int
    failed: int
    short: tuple[str, ...] = ()


def merge_shards(folder: Path, *, allow_missing: bool = False) -> MergeReport:
    """Write DIR/results.jsonl and DIR/manifest.json from the shards in DIR/shards. Repeating it gives the same files.

    Raises BadInput if shards are missing or not finished, or have fewer lines than rows, because of a `--limit` or as
    lines were lost (unless `allow_missing`); if they are not of one graph and one table, if a row is in two of them,
    and if DIR has results of a run of its own; WriteFailed.
    """
    shards = started_shards(folder)
    missing = missing_shards(shards)
    if missing and not allow_missing:
        hint = "Run them to the end, or pass --allow-missing to merge what there is."
        raise BadInput(f"shards are missing or not finished: {', '.join(missing)}", value=str(folder), hint=hint)
    with output_lock(folder):
        _refuse_own_results(folder)
        finished: dict[bytes, bool] = {}
        indexes = [_index(shard, finished) for shard in shards]
        short = tuple(filter(None, map(_too_few_lines, shards, indexes)))
        if short and not allow_missing:
            hint = "Run them again, without --limit, or pass --allow-missing to merge what there is."
            raise BadInput(f"shards have fewer lines than rows: {', '.join(short)}", value=str(folder), hint=hint)
        rows, ok = len(finished), sum(finished.values())
        with whole_file(folder / journal.NAME) as merged:
            for _, line in heapq.merge(*map(_sorted_lines, indexes), key=itemgetter(0)):
                merged.write(line)
        _merged_manifest(shards, finished=not missing and not short, rows=rows, ok=ok).write(folder)
    return MergeReport(folder, tuple(str(each.shard) for each in shards), missing, rows, ok, rows - ok, short)


def _too_few_lines(shard: StartedShard, index: _JournalIndex) -> str:
    """Which of how many rows a finished shard has, where it does not have all; one that goes on is missing anyway."""
    count = shard.manifest.rows.get("count")
    if not isinstance(count, int) or shard.manifest.finished is None:
        return ""
    lines, rows = len(index.rows), len(shard.shard.range(count))
    limit = shard.manifest.arguments.get("limit")
    cut = f" (--limit {limit})" if limit else ""
    return f"{shard.shard} has {lines:,} of {rows:,} rows{cut}" if lines < rows else ""


def _refuse_own_results(folder: Path) -> None:
    manifest = read_manifest(folder)
    own = (folder / journal.NAME).exists() if manifest is None else MERGED not in manifest.arguments
    if own:
        problem = "the folder has results of a run without --shard, which the merged ones would replace"
        raise BadInput(problem, value=str(folder), hint="Move its results.jsonl and manifest.json away.")


@dataclass
class _JournalIndex:
    """Row number and offset of each line of a journal: 16 bytes per row, where the records may be gigabytes."""

    path: Path
    rows: array[int] = field(default_factory=lambda: array("q"))
    offsets: array[int] = field(default_factory=lambda: array("q"))


def _index(shard: StartedShard, finished: dict[bytes, bool]) -> _JournalIndex:
    """The index of a shard's journal. Adds its rows, by packed key, to `finished`. Raises BadInput for a known one."""
    index = _JournalIndex(shard.folder / journal.NAME)
    for line in journal_lines(index.path):
        record = line.record
        key = packed_key(record["key"])
        if key in finished:
            problem = f"row {record['row']} of shard {shard.shard} (key {record['key']}) stands in another line, too"
            hint = "The table was changed between the shards: run them again in a new folder."
            raise BadInput(problem, value=str(index.path), hint=hint)
        finished[key] = record["ok"]
        index.rows.append(record["row"])
        index.offsets.append(line.offset)
    return index


def _sorted_lines(index: _JournalIndex) -> Iterator[tuple[int, bytes]]:
    with index.path.open("rb") as file:
        for line in np.argsort(np.asarray(index.rows), kind="stable"):
            file.seek(index.offsets[line])
            yield index.rows[line], file.readline()


def _merged_manifest(shards: Sequence[StartedShard], *, finished: bool, rows: int, ok: int) -> Manifest:
    manifests = [each.manifest for each in shards]
    arguments = {name: value for name, value in manifests[0].arguments.items() if name != "shard"}
    ends = [manifest.finished for manifest in manifests if manifest.finished is not None]
    return replace(
        manifests[0],
        shard=None,
        device=", ".join(dict.fromkeys(manifest.device for manifest in manifests)),
        arguments={**arguments, MERGED: [str(each.shard) for each in shards]},
        started=min(manifest.started for manifest in manifests),
        finished=max(ends) if finished else None,
        totals=_summed(manifests, rows, ok),
    )


def _summed(manifests: Sequence[Manifest], rows: int, ok: int) -> RunTotals:
    """The totals of all shards. Seconds, and the figures by node, are of those that have totals."""
    totals = [manifest.totals for manifest in manifests if manifest.totals is not None]
    node_seconds, ran, cached = Counter[str](), Counter[str](), Counter[str]()
    for each in totals:
        node_seconds.update(each["node_seconds"])
        ran.update(each["ran"])
        cached.update(each["cached"])
    return {
        "seconds": sum(each["seconds"] for each in totals),
        "node_seconds": dict(node_seconds),
        "ran": dict(ran),
        "cached": dict(cached),
        "rows": rows,
        "ok": ok,
        "failed": rows - ok,
    }
