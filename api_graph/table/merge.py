"""DIR/shards/*/results.jsonl as one DIR/results.jsonl in the order of the table."""

from __future__ import annotations

import heapq
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from api_graph.errors import BadInput
from api_graph.table import journal
from api_graph.table.finished import Finished
from api_graph.table.journal import journal_lines
from api_graph.table.lock import output_lock
from api_graph.table.manifest import Manifest, read_manifest
from api_graph.table.shards import Part, checked_parts, missing_parts
from api_graph.table.writing import whole_file

MERGED = "merged"
"""Among the arguments in a merged folder's manifest: the shards that it was made from."""


@dataclass(frozen=True)
class MergeReport:
    """What was merged, and which shards, such as "3/8", are missing or not finished."""

    folder: Path
    shards: tuple[str, ...]
    missing: tuple[str, ...]
    rows: int
    ok: int
    failed: int


def merge_shards(folder: Path, *, allow_missing: bool = False) -> MergeReport:
    """Write DIR/results.jsonl and DIR/manifest.json from the shards in DIR/shards; done again, it gives the same.

    Raises BadInput where shards are missing or not finished (unless `allow_missing`), where they are not of one graph
    and one table, where a row stands in two, and where DIR has results of a run of its own; WriteFailed.
    """
    parts = checked_parts(folder)
    missing = missing_parts(parts)
    if missing and not allow_missing:
        hint = "Run them to the end, or pass --allow-missing to merge what there is."
        raise BadInput(f"shards are missing or not finished: {', '.join(missing)}", value=str(folder), hint=hint)
    with output_lock(folder):
        _refuse_own_results(folder)
        rows = Finished()
        indexes = [_index(part, rows) for part in parts]
        ok = sum(rows.values())
        with whole_file(folder / journal.NAME) as merged:
            for _, line in heapq.merge(*map(_sorted_lines, indexes), key=itemgetter(0)):
                merged.write(line)
        _merged_manifest(parts, finished=not missing, rows=len(rows), ok=ok).write(folder)
    return MergeReport(folder, tuple(str(part.shard) for part in parts), missing, len(rows), ok, len(rows) - ok)


def _refuse_own_results(folder: Path) -> None:
    manifest = read_manifest(folder)
    own = (folder / journal.NAME).exists() if manifest is None else MERGED not in manifest.arguments
    if own:
        problem = "the folder has results of a run without --shard, which the merged ones would replace"
        raise BadInput(problem, value=str(folder), hint="Move its results.jsonl and manifest.json away.")


@dataclass
class _Index:
    """Row number and place of each line of a journal: 16 bytes per row, where the records may be gigabytes."""

    path: Path
    rows: array[int] = field(default_factory=lambda: array("q"))
    offsets: array[int] = field(default_factory=lambda: array("q"))


def _index(part: Part, rows: Finished) -> _Index:
    index = _Index(part.folder / journal.NAME)
    for line in journal_lines(index.path):
        key = line.record["key"]
        if key in rows:
            problem = f"row {line.record['row']} of shard {part.shard} (key {key}) stands in another line, too"
            hint = "The table was changed between the shards: run them again in a new folder."
            raise BadInput(problem, value=str(index.path), hint=hint)
        rows.add(key, line.record["ok"])
        index.rows.append(line.record["row"])
        index.offsets.append(line.offset)
    return index


def _sorted_lines(index: _Index) -> Iterator[tuple[int, bytes]]:
    order = np.argsort(np.asarray(index.rows), kind="stable")
    with index.path.open("rb") as file:
        for place in order:
            file.seek(index.offsets[place])
            yield index.rows[place], file.readline()


def _merged_manifest(parts: Sequence[Part], *, finished: bool, rows: int, ok: int) -> Manifest:
    manifests = [part.manifest for part in parts]
    arguments = {name: value for name, value in manifests[0].arguments.items() if name != "shard"}
    ends = [manifest.finished for manifest in manifests if manifest.finished is not None]
    return replace(
        manifests[0],
        shard=None,
        device=", ".join(dict.fromkeys(manifest.device for manifest in manifests)),
        arguments={**arguments, MERGED: [str(part.shard) for part in parts]},
        started=min(manifest.started for manifest in manifests),
        finished=max(ends) if finished else None,
        totals={**_summed(manifests), "rows": rows, "ok": ok, "failed": rows - ok},
    )


def _summed(manifests: Sequence[Manifest]) -> dict[str, Any]:
    """Seconds, and seconds and counts by node, of the shards that have them."""
    totals = [manifest.totals for manifest in manifests if manifest.totals is not None]
    by_node = {name: Counter[str]() for name in ("node_seconds", "ran", "cached")}
    for each in totals:
        for name, sums in by_node.items():
            for node, value in each[name].items():
                sums[node] += value
    return {"seconds": sum(each["seconds"] for each in totals), **{name: dict(sums) for name, sums in by_node.items()}}
