"""The journals in a run's folder, one for each shard if there are any, read while they may still grow.

Nothing in them is trusted: a file may be damaged, or written by somebody else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from api_graph.errors import BadInput

_SHARD = re.compile(r"(\d+)-of-(\d+)")


@dataclass(frozen=True)
class JournalFile:
    """One results.jsonl and its manifest, which is empty if there is none. `shard` is (index, of)."""

    path: Path
    manifest: Mapping[str, object]
    shard: tuple[int, int] | None = None


def journals_in(folder: Path) -> list[JournalFile]:
    """The run's journal, or those of all its shards. Raises BadInput if there is none."""
    if (folder / "results.jsonl").is_file():
        return [JournalFile(folder / "results.jsonl", _manifest(folder))]
    shards = []
    for path in folder.glob("shards/*/results.jsonl"):
        match = _SHARD.fullmatch(path.parent.name)
        if match and path.is_file():
            shards.append(((int(match[1]), int(match[2])), path))
    if not shards:
        missing = "there are no results in it" if folder.is_dir() else "there is no such folder"
        missing = "it is a file, where a folder is wanted" if folder.is_file() else missing
        raise BadInput(missing, input="DIR", value=str(folder), hint="Name the --out folder of an `api-graph map`.")
    return [JournalFile(path, _manifest(path.parent), shard) for shard, path in sorted(shards)]


@dataclass(frozen=True)
class UncheckedRecord:
    """A record of the journal. Only its row number and `ok` have been checked; `members` is all that it holds."""

    number: int
    ok: bool
    members: Mapping[str, object]


class JournalReader:
    """The records of one journal, a line at a time. `damaged` counts the lines that hold none.

    A last line without a line end is left out: it is being written, or it is what a killed run has left.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damaged = 0

    def __iter__(self) -> Iterator[UncheckedRecord]:
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                record = _record(line)
                if record is not None:
                    yield record
                elif not line.isspace():
                    self.damaged += 1


def _record(line: bytes) -> UncheckedRecord | None:
    try:
        members = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(members, dict):
        return None
    row, ok = members.get("row"), members.get("ok")
    if isinstance(row, int) and not isinstance(row, bool) and row >= 0 and isinstance(ok, bool):
        return UncheckedRecord(row, ok, members)
    return None


def _manifest(folder: Path) -> Mapping[str, object]:
    path = folder / "manifest.json"
    try:
        return mapping(json.loads(path.read_bytes()))
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"is not JSON ({error})", input="manifest.json", value=str(path), hint="Remove it: the report needs it not."
        ) from None


def mapping(value: object) -> Mapping[str, object]:
    """`value` if it is a JSON object, else an empty one."""
    return value if isinstance(value, Mapping) else {}
