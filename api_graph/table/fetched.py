"""Remote pictures of rows: fetched ahead of the rows that name them, and files here for as long as these run."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from api_graph.errors import BadInput
from api_graph.table.https import NotFetched
from api_graph.table.remote import (
    LARGEST_PICTURE,
    Remote,
    RemoteFile,
    checked_url,
    is_remote,
    joined,
    local_name,
)
from api_graph.table.rows import Row

_AT_ONCE = 16
_AHEAD = 64  # rows


@dataclass
class _Fetching:
    """A file, on its way or here, and how many rows that are not done need it."""

    file: Future[RemoteFile]
    users: int = 0


class Fetched(Iterator[Row]):
    """Rows whose pictures are here, in their order. `picture_columns` says which of a row's columns name pictures.

    With a `base`, the URL of the table's folder, every name is one of a file below it. A row whose picture cannot be
    had is faulty. What no row needs any more stays, up to `room` bytes, for later rows that name it again. Everything
    is asked for by `_AT_ONCE` threads, of the next `_AHEAD` rows at most.
    """

    def __init__(
        self,
        rows: Iterator[Row],
        folder: str | os.PathLike[str],
        picture_columns: Callable[[Row], Iterable[str]],
        *,
        base: str = "",
        allow_private: bool = False,
        room: int = 1 << 30,
    ) -> None:
        self._rows, self._picture_columns = rows, picture_columns
        self._base, self._allow_private, self._room = base, allow_private, room
        self._parent = folder
        self._remote: Remote | None = None
        self._folder: TemporaryDirectory[str] | None = None
        self._threads: ThreadPoolExecutor | None = None
        self._ahead: deque[tuple[Row, dict[str, str]]] = deque()  # with the URLs of its pictures, by column
        self._files: dict[str, _Fetching] = {}
        self._idle: OrderedDict[str, RemoteFile] = OrderedDict()
        self._idle_bytes = 0
        self._lock = threading.Lock()

    @property
    def folder(self) -> Path | None:
        """Where the pictures are; None as long as there was none."""
        return None if self._folder is None else Path(self._folder.name)

    def must_wait(self) -> bool:
        """Whether the next row is one whose pictures are on their way."""
        self._look_ahead()
        return bool(self._ahead) and not all(self._files[url].file.done() for url in self._ahead[0][1].values())

    def __next__(self) -> Row:
        self._look_ahead()
        if not self._ahead:
            raise StopIteration
        row, urls = self._ahead.popleft()
        remote: dict[str, RemoteFile] = {}
        for column, url in urls.items():
            try:
                remote[column] = self._files[url].file.result()
            except NotFetched as error:
                self._forget(url)
                problem = f"the remote picture was not fetched: {error.problem}"
                fault = BadInput(problem, input=column, value=row.values[column], hint=error.hint)
                row = replace(row, fault=row.fault or fault)
        return replace(row, remote=remote) if remote else row

    def done(self, rows: Sequence[Row]) -> None:
        """These rows have run: what only they needed may go."""
        with self._lock:
            for file in [file for row in rows for file in row.remote.values()]:
                each = self._files[file.url]
                each.users -= 1
                if not each.users:
                    self._idle[file.url] = file
                    self._idle_bytes += file.state.size or 0
            while self._idle_bytes > self._room:
                url, file = self._idle.popitem(last=False)
                self._idle_bytes -= file.state.size or 0
                del self._files[url]
                Path(str(self.folder), file.name).unlink(missing_ok=True)

    def close(self) -> None:
        """Stop what is under way, and remove all files."""
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)
        if self._remote is not None:
            self._remote.close()
        if self._threads is not None:
            self._threads.shutdown()
        if self._folder is not None:
            self._folder.cleanup()

    def _look_ahead(self) -> None:
        """Read the next rows as long as there is something remote among them, and ask for it."""
        while not self._ahead or (len(self._ahead) < _AHEAD and self._ahead[-1][1]):
            row = next(self._rows, None)
            if row is None:
                return
            row, urls = self._urls(row)
            for url in urls.values():
                self._ask(url)
            self._ahead.append((row, urls))

    def _urls(self, row: Row) -> tuple[Row, dict[str, str]]:
        """The row's remote pictures by column; the row is faulty where a name is none that is fetched."""
        urls: dict[str, str] = {}
        if row.fault is not None:
            return row, urls
        for column in self._picture_columns(row):
            name = row.values[column]
            if not isinstance(name, str) or name in row.pictures or not (is_remote(name) or (self._base and name)):
                continue
            try:
                url = name if is_remote(name) else joined(self._base, name, column)
                urls[column] = checked_url(url, column, allow_private=self._allow_private)
            except BadInput as fault:
                return replace(row, fault=fault), {}
        return row, urls

    def _ask(self, url: str) -> None:
        with self._lock:
            if url not in self._files:
                self._folder = self._folder or self._new_folder()
                self._remote = self._remote or Remote(allow_private=self._allow_private)
                self._threads = self._threads or ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="fetch")
                self._files[url] = _Fetching(self._threads.submit(self._fetch, self._remote, url))
            self._files[url].users += 1
            if (idle := self._idle.pop(url, None)) is not None:
                self._idle_bytes -= idle.state.size or 0

    def _forget(self, url: str) -> None:
        """A row less needs a file that was not fetched: a later row asks for it anew."""
        with self._lock:
            self._files[url].users -= 1
            if not self._files[url].users:
                del self._files[url]

    def _fetch(self, remote: Remote, url: str) -> RemoteFile:
        name = local_name(url)
        return RemoteFile(url, name, remote.fetch(url, Path(str(self.folder), name), LARGEST_PICTURE))

    def _new_folder(self) -> TemporaryDirectory[str]:
        os.makedirs(self._parent, exist_ok=True)
        return TemporaryDirectory(prefix="remote-", dir=self._parent)


def as_here(row: Row) -> Row:
    """The row with the names that its remote pictures have here."""
    if not row.remote:
        return row
    return replace(row, values={**row.values, **{column: file.name for column, file in row.remote.items()}})
