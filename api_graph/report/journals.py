"""The journals of a run's folder, one or one per shard, read while they may still be growing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from api_graph.errors import BadInput

_SHARD = re.compile(r"(\d+)-of-(\d+)")


@dataclass(frozen=True)
class Journal:
    """One results.jsonl with its manifest ({} where there is none). `shard` is (index, of)."""

    path: Path
    manifest: Mapping[str, Any]
    shard: tuple[int, int] | None = None


def journals_in(folder: Path) -> list[Journal]:
    """The run's journal, or those of all its shards. Raises BadInput where there is none."""
    if (folder / "results.jsonl").is_file():
        return [Journal(folder / "results.jsonl", _manifest(folder))]
    shards = sorted((shard, part) for part in folder.glob("shards/*") if (shard := _shard(part)))
    found = [
        Journal(part / "results.jsonl", _manifest(part), shard)
        for shard, part in shards
        if (part / "results.jsonl").is_file()
    ]
    if not found:
        missing = "there are no results in it" if folder.is_dir() else "there is no such folder"
        raise BadInput(missing, input="DIR", value=str(folder), hint="Name the --out folder of an `api-graph map`.")
    return found


class Records:
    """The records of one journal, a line at a time. `damaged` counts the lines that hold none.

    A last line without its end is being written, or was when the run was killed: it is not there yet.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.damaged = 0

    def __iter__(self) -> Iterator[dict[str, Any]]:
        with self._path.open("rb") as file:
            for line in file:
                if not line.endswith(b"\n"):
                    return
                record = _record(line)
                if record is not None:
                    yield record
                elif not line.isspace():
                    self.damaged += 1


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not isinstance(record.get("ok"), bool):
        return None
    row = record.get("row")
    return record if isinstance(row, int) and not isinstance(row, bool) and row >= 0 else None


def _shard(folder: Path) -> tuple[int, int] | None:
    match = _SHARD.fullmatch(folder.name)
    return (int(match[1]), int(match[2])) if match else None


def _manifest(folder: Path) -> Mapping[str, Any]:
    path = folder / "manifest.json"
    try:
        manifest = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (ValueError, RecursionError) as error:
        raise BadInput(
            f"is not JSON ({error})", input="manifest.json", value=str(path), hint="Remove it: the report needs it not."
        ) from None
    return manifest if isinstance(manifest, dict) else {}
