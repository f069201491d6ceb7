"""What the jobs of an array have left in DIR/shards: a folder with journal and manifest for each part of the table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.table.manifest import Manifest, differences, read_manifest
from api_graph.table.shard import Shard, parse_shard

NAME = "shards"

_MOST_SHOWN = 5


@dataclass(frozen=True)
class Part:
    """One shard that was started."""

    shard: Shard
    folder: Path
    manifest: Manifest


def shard_folder(root: Path, shard: Shard) -> Path:
    """`root`/shards/2-of-8."""
    return root / NAME / shard.folder


def find_parts(root: Path) -> list[Part]:
    """The shards in an output folder that have a manifest, in order. Raises BadInput for one that cannot be used."""
    parts = []
    for folder in (root / NAME).glob("*-of-*"):
        manifest = read_manifest(folder)
        if manifest is not None and manifest.shard is not None:
            parts.append(Part(parse_shard(manifest.shard), folder, manifest))
    return sorted(parts, key=lambda part: (part.shard.of, part.shard.index))


def checked_parts(root: Path) -> list[Part]:
    """The shards in an output folder. Raises BadInput where there are none, or where they are not of one run."""
    parts = find_parts(root)
    if not parts:
        hint = "Give the --out of `api-graph map --shard`."
        raise BadInput("there are no shards in this folder", value=str(root), hint=hint)
    first = parts[0]
    for part in parts[1:]:
        problem = _difference(first, part)
        if problem:
            problem = f"shards {first.shard} and {part.shard} do not belong together: {problem}"
            raise BadInput(problem, value=str(root), hint=f"Remove the folder of the wrong one in {root / NAME}.")
    return parts


def missing_parts(parts: Sequence[Part]) -> tuple[str, ...]:
    """The shards, such as "3/8", that were not started or not finished."""
    finished = {part.shard.index for part in parts if part.manifest.finished is not None}
    of = parts[0].shard.of
    return tuple(f"{index}/{of}" for index in range(1, of + 1) if index not in finished)


def _difference(first: Part, part: Part) -> str:
    if part.shard.of != first.shard.of:
        return "the table was cut into different numbers of parts"
    if part.manifest.fingerprint != first.manifest.fingerprint:
        return "; ".join(differences(first.manifest, part.manifest)[:_MOST_SHOWN]) or "their graphs differ"
    counts = first.manifest.rows.get("count"), part.manifest.rows.get("count")
    return "" if counts[0] == counts[1] else f"the table had {counts[0]} rows, and then {counts[1]}"
