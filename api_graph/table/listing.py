"""Pictures as a table, listed once: results never become rows, and what a call has listed is what it runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from filelock import FileLock

from api_graph.errors import BadInput
from api_graph.files import real_path
from api_graph.table.formats.images import ImageNames
from api_graph.table.journal import is_journal
from api_graph.table.manifest import is_manifest
from api_graph.table.output import WRITTEN, whole_file, write_errors
from api_graph.table.rows import RowContent, Table, row_content

NAME = "listing.jsonl"

_LOCK = ".listing.lock"
_HINT = "Name another --out; a folder of pictures for each table keeps them apart."


@dataclass(frozen=True)
class Listing:
    """The pictures of a folder or a glob, by their names relative to `base`, when they were listed.

    `skipped` are folders that were passed over because they hold results. `new` and `gone` count the pictures that have
    come and gone since the output folder's earlier listing. With `fixed`, which shards are, the earlier one still holds
    and `new` pictures are no part of it. `passed_over` counts by ending the pictures that cannot be read.
    """

    base: str
    pattern: str
    names: tuple[str, ...]
    skipped: tuple[str, ...] = ()
    new: int = 0
    gone: int = 0
    fixed: bool = False
    passed_over: Mapping[str, int] = field(default_factory=dict)

    columns = ("image",)

    def count(self) -> int:
        """Number of pictures."""
        return len(self.names)

    def __iter__(self) -> Iterator[RowContent]:
        return (row_content({"image": name}, name) for name in self.names)

    def write(self, output: Path) -> None:
        """Write DIR/listing.jsonl: what was listed, and then a name on each line. Raises WriteFailed."""
        with whole_file(output / NAME) as file:
            file.write(f"{json.dumps({'base': self.base, 'pattern': self.pattern})}\n".encode())
            file.writelines(f"{json.dumps(name)}\n".encode() for name in self.names)

    def in_words(self) -> list[str]:
        """What the user should know of it."""
        said = [f"{folder} holds results: its pictures are no rows" for folder in self.skipped]
        if self.new and self.fixed:
            hint = f"they are no rows of its shards; a new --out, or one without {NAME} and shards, has them"
            said.append(f"{_pictures(self.new)} came after the table was listed: {hint}")
        elif self.new:
            said.append(f"{_pictures(self.new)} came after the last run: new rows")
        if self.gone:
            said.append(f"{_pictures(self.gone)} of the last listing cannot be found any more")
        return said


def read_listing(output: Path) -> Listing | None:
    """The listing of an output folder, None if there is none that can be used."""
    try:
        head, *names = (json.loads(line) for line in (output / NAME).read_bytes().splitlines())
        listing = Listing(head["base"], head["pattern"], tuple(names))
    except (OSError, ValueError, LookupError, TypeError):
        return None
    texts = (listing.base, listing.pattern, *listing.names)
    return listing if all(isinstance(text, str) for text in texts) else None


def list_pictures(table: Table, output: Path, *, shards: bool = False) -> tuple[Table, Listing | None]:
    """The table with its pictures listed, for a run that writes to `output`; tables of another kind stay as they are.

    With `shards`, the first of them stores the listing in `output`, and the others use it. Raises BadInput if only
    results are left, or if the pictures are the output folder's own; WriteFailed.
    """
    if not isinstance(table.reader, ImageNames):
        return table, None
    if not shards:
        return _with(table, _compared(_fresh(table, table.reader, output), read_listing(output)))
    with write_errors(output):
        output.mkdir(parents=True, exist_ok=True)
        lock = FileLock(output / _LOCK, thread_local=False)
        lock.acquire()
    try:
        stored, fresh = read_listing(output), _fresh(table, table.reader, output)
        if stored is None:
            fresh.write(output)
            return _with(table, replace(fresh, fixed=True))
        if (stored.base, stored.pattern) != (fresh.base, fresh.pattern):
            was = f"{stored.base}, {stored.pattern}"
            problem = f"the shards in this folder are of other pictures ({was})"
            raise BadInput(problem, input="ROWS", value=table.source, hint="Name another --out.")
        now = _compared(fresh, stored)
        return _with(table, replace(now, names=stored.names, fixed=True))
    finally:
        lock.release()


def holds_results(folder: Path) -> bool:
    """Whether a run has written to the folder: it has a manifest, a listing or results, or shards that have."""
    if is_manifest(folder) or is_journal(folder) or read_listing(folder) is not None:
        return True
    return any(map(is_manifest, folder.glob("shards/*-of-*")))


def _with(table: Table, listing: Listing) -> tuple[Table, Listing]:
    return replace(table, reader=listing), listing


def _fresh(table: Table, reader: ImageNames, output: Path) -> Listing:
    base, own = real_path(table.base), real_path(output)
    if any(base.is_relative_to(own / name) for name in WRITTEN):
        raise BadInput("these pictures are results of the --out folder", input="ROWS", value=table.source, hint=_HINT)
    skipped: list[str] = []
    base_has_results = base == own or holds_results(base)

    def is_result(name: str) -> bool:
        folder = base / name
        if (base_has_results and name in WRITTEN) or holds_results(folder):
            skipped.append(str(table.base / name))
            return True
        return folder == own  # which may be empty yet

    passed_over: Counter[str] = Counter()
    names = tuple(reader.names(is_result, passed_over))
    if not names:
        raise BadInput("all of its pictures are results of runs", input="ROWS", value=table.source, hint=_HINT)
    return Listing(str(base), "/".join(reader.pattern), names, tuple(skipped), passed_over=dict(passed_over))


def _compared(now: Listing, before: Listing | None) -> Listing:
    if before is None or (before.base, before.pattern) != (now.base, now.pattern):
        return now
    names, earlier = set(now.names), set(before.names)
    return replace(now, new=len(names - earlier), gone=len(earlier - names))


def _pictures(count: int) -> str:
    return "1 picture" if count == 1 else f"{count:,} pictures"
