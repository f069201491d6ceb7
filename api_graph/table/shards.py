"""Shards: the parts of a table that the jobs of an array run, `--shard 2/8`, each with a folder in DIR/shards."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.table.manifest import Manifest, differences, read_manifest

NAME = "shards"

_SHARD = re.compile(r"([0-9]{1,9})/([0-9]{1,9})", re.ASCII)
_MOST_SHOWN = 5


@dataclass(frozen=True)
class Shard:
    """Shard `index`, counted from 1, of `of` shards."""

    index: int
    of: int

    def __str__(self) -> str:
        return f"{self.index}/{self.of}"

    def folder(self, output: Path) -> Path:
        """Where the shard's journal and manifest are: `output`/shards/2-of-8."""
        return output / NAME / f"{self.index}-of-{self.of}"

    def range(self, count: int) -> range:
        """The numbers of this shard's rows, of a table with `count` rows.

        Neighbouring rows stay together, as they are often about the same image.
        """
        return range(count * (self.index - 1) // self.of, count * self.index // self.of)


def parse_shard(text: str) -> Shard:
    """ "2/8" as a Shard. Raises BadInput."""
    match = _SHARD.fullmatch(text.strip())
    if match is None:
        raise BadInput("is no part of a table", input="--shard", value=text, hint='Write "2/8" for the second of 8.')
    index, of = int(match[1]), int(match[2])
    if not 1 <= index <= of:
        hint = f"Of {of} parts, the first is 1/{of} and the last {of}/{of}; sbatch --array=1-{of} counts so."
        raise BadInput(
            "there is no such part", input="--shard", value=text, hint=hint if of else "Write for example 1/8."
        )
    return Shard(index, of)


@dataclass(frozen=True)
class StartedShard:
    """A shard that was started: its folder has a manifest."""

    shard: Shard
    folder: Path
    manifest: Manifest


def started_shards(root: Path) -> list[StartedShard]:
    """The shards in an output folder, in order.

    Raises BadInput if there are none, if a manifest cannot be used, or if they are not of one run.
    """
    shards = []
    for folder in (root / NAME).glob("*-of-*"):
        manifest = read_manifest(folder)
        if manifest is not None and manifest.shard is not None:
            shards.append(StartedShard(parse_shard(manifest.shard), folder, manifest))
    if not shards:
        hint = "Give the --out of `api-graph map --shard`."
        raise BadInput("there are no shards in this folder", value=str(root), hint=hint)
    shards.sort(key=lambda each: (each.shard.of, each.shard.index))
    first = shards[0]
    for other in shards[1:]:
        difference = _difference(first, other)
        if difference:
            problem = f"shards {first.shard} and {other.shard} do not belong together: {difference}"
            raise BadInput(problem, value=str(root), hint=f"Remove the folder of the wrong one in {root / NAME}.")
    return shards


def missing_shards(started: Sequence[StartedShard]) -> tuple[str, ...]:
    """The shards, such as "3/8", that were not started or have not finished."""
    finished = {each.shard.index for each in started if each.manifest.finished is not None}
    of = started[0].shard.of
    return tuple(f"{index}/{of}" for index in range(1, of + 1) if index not in finished)


def _difference(first: StartedShard, other: StartedShard) -> str:
    if other.shard.of != first.shard.of:
        return "the table was cut into different numbers of parts"
    different = differences(first.manifest, other.manifest)
    if different:
        return "; ".join(different[:_MOST_SHOWN])
    names, others = first.manifest.results, other.manifest.results
    renamed = [id for id in names.keys() & others.keys() if names[id] != others[id]]
    if renamed:
        return f"the results of node {renamed[0]} are called {names[renamed[0]]!r} and {others[renamed[0]]!r}"
    if first.manifest.names != other.manifest.names:
        return f"their files are named by {first.manifest.names!r} and {other.manifest.names!r}"
    counts = first.manifest.rows.get("count"), other.manifest.rows.get("count")
    return "" if counts[0] == counts[1] else f"the table had {counts[0]} rows, and then {counts[1]}"
