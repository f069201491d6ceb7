"""Files that lie elsewhere: their names by an allow-list of protocols, their state, and how they are fetched.

Credentials are those of the environment, as the library of each protocol finds them. No name may bring its own, and
what a library says of an error is not repeated: it may name an account.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import threading
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from typing import TYPE_CHECKING, NamedTuple, TypeGuard
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from api_graph.addresses import BadAddress, parse_base_url
from api_graph.errors import BadInput
from api_graph.folders import can_be_a_path
from api_graph.table.https import STOPPED, Https, NotFetched, RemoteState, too_large

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

LARGEST_PICTURE = 256 << 20
LARGEST_TABLE = 8 << 30

_WEB = ("https", "http")
_NEEDS = {"s3": "s3fs", "gs": "gcsfs", "hf": "huggingface_hub", "memory": "fsspec"}
"""Protocols of fsspec that are read, and the package that each needs."""

_REMOTE = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.:-]*://")
_PROTOCOL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_SECRET = re.compile(
    r"(?i)signature|token|secret|passw|credential|api[-_]?key|accesskey|authori[sz]|(?:^|[-_])(?:sig|key|auth|pwd)(?:$|[-_])"
)
_NO_CREDENTIALS = "Credentials come from the environment alone: see docs/tables.md."
_UNUSUAL = re.compile(r'[\x00-\x1f<>:"|?*\\/]')
_ATTEMPTS = 4
_LONGEST_PAUSE_S = 8.0


class RemoteFile(NamedTuple):
    """A remote file that was fetched: its URL, its name below the folder of those, and the state that it had."""

    url: str
    name: str
    state: RemoteState


def is_remote(name: object) -> TypeGuard[str]:
    """Whether a text names something elsewhere, if perhaps nothing that is read."""
    return isinstance(name, str) and _REMOTE.match(name) is not None


def checked_url(name: str, input: str, *, allow_private: bool = False) -> str:
    """A remote name in its one spelling. Raises BadInput, without the name where that holds credentials."""
    match = _PROTOCOL.fullmatch(name.strip())
    protocol = match[1].lower() if match else ""
    if match is None or "::" in re.sub(r"\[[^]]*\]", "", name):
        problem, hint = "chains of protocols are not read", "Name one file, such as s3://bucket/pictures/1.png."
        raise BadInput(problem, input=input, value=without_credentials(name), hint=hint)
    if protocol not in (*_WEB, *_NEEDS):
        known = ", ".join(("https", *_NEEDS))
        hint = "Write the name of a local file by itself." if protocol in ("file", "local") else f"There are: {known}."
        problem = f"files are not read by the protocol {protocol}"
        raise BadInput(problem, input=input, value=without_credentials(name), hint=hint)
    url = f"{protocol}://{match[2]}"
    if without_credentials(url) != url:
        problem = "the name of this remote file brings credentials"
        raise BadInput(problem, input=input, value=without_credentials(name), hint=_NO_CREDENTIALS)
    if protocol not in _WEB:
        if not match[2].strip("/") or _dotted(match[2]):
            raise BadInput("this names no remote file", input=input, value=name, hint="Write its path, without '..'.")
        return url
    try:
        check_web(url, allow_private=allow_private)
    except BadAddress as error:
        problem, _, hint = f"the URL {error}".partition(". ")
        raise BadInput(problem.rstrip("."), input=input, value=url, hint=hint) from None
    return url.partition("#")[0]


def check_web(url: str, *, allow_private: bool) -> None:
    """Raise BadAddress for an http or https URL that must not be asked for a file."""
    scheme, rest = url.split("://", 1)
    if re.search(r"[\x00-\x20\x7f\\]", url):
        raise BadAddress("has blanks or other characters that no URL has. Write a blank as %20.")
    host = re.split(r"[/?#]", rest, maxsplit=1)[0]
    if scheme == "http" and not allow_private:
        raise BadAddress("is plain http. Use https; a server of your own network is reached with --allow-private.")
    parse_base_url(f"{scheme}://{host}", allow_private=allow_private, public=not allow_private)


def without_credentials(name: str) -> str:
    """A remote name with *** in the place of a user, a password, and what a query calls a key or a signature."""
    head, mark, rest = name.partition("://")
    if not mark:
        return name
    host, path = re.match(r"([^/?#]*)(.*)", rest, re.DOTALL).groups()  # type: ignore[union-attr]
    if "@" in host and head.lower() not in ("hf", "memory"):  # hf writes a revision so
        host = f"***@{host.rpartition('@')[2]}"
    path, asks, query = path.partition("?")
    if asks and any(_SECRET.search(key) for key, _ in parse_qsl(query, keep_blank_values=True)):
        query = "***"
    return f"{head}{mark}{host}{path}{asks}{query}"


def folder_of(url: str) -> str:
    """The URL of the folder in which a remote file lies, with "/" at its end."""
    return f"{url.partition('?')[0].partition('#')[0].rpartition('/')[0]}/"


def joined(folder: str, name: str, input: str) -> str:
    """The remote file that `name` means below `folder`, which ends with "/". Raises BadInput for one outside."""
    if _dotted(name) or name.startswith(("/", "\\")) or "\\" in name:
        hint = "Write its path below the table's folder, with / and without '..'."
        raise BadInput("this is no file below the table's folder", input=input, value=name, hint=hint)
    return folder + (quote(name) if folder.startswith(_WEB) else name)


def _dotted(path: str) -> bool:
    return not {".", ".."}.isdisjoint(unquote(path).split("/"))


def local_name(url: str) -> str:
    """The name that a remote file has here: its own in a folder named after its URL."""
    path = urlsplit(url).path if url.startswith(_WEB) else url
    name = _UNUSUAL.sub("_", unquote(PurePosixPath(path).name))
    usable = name.strip(". ") and can_be_a_path(name)
    return f"{hashlib.sha256(url.encode('utf-8', 'replace')).hexdigest()[:20]}/{name if usable else 'file'}"


def copy_of_table(name: str, *, allow_private: bool) -> Path:
    """A copy of a remote table, alone in a new folder. Raises BadInput."""
    url = checked_url(name, "ROWS", allow_private=allow_private)
    remote = Remote(allow_private=allow_private)
    path = Path(mkdtemp(prefix="api-graph-table-"), PurePosixPath(local_name(url)).name)
    failed = None
    try:
        remote.fetch(url, path, LARGEST_TABLE)
    except NotFetched as error:
        problem = f"the remote table was not fetched: {error.problem}"
        failed = BadInput(problem, input="ROWS", value=url, hint=error.hint)
    finally:
        remote.close()
    if failed is not None:
        shutil.rmtree(path.parent, ignore_errors=True)
        raise failed
    return path


class Remote:
    """Asks for remote files, from any thread; what may pass is tried again. `close` stops what is under way."""

    def __init__(self, *, allow_private: bool = False) -> None:
        self._allow_private = allow_private
        self._web: Https | None = None
        self._lock, self._closed = threading.Lock(), threading.Event()

    def fetch(self, url: str, path: Path, most: int) -> RemoteState:
        """Write a file to `path`, which has at most `most` bytes. Raises NotFetched."""
        path.parent.mkdir(parents=True, exist_ok=True)
        if url.startswith(_WEB):
            return self._tried(lambda: self._https().fetch(url, path, most))
        return self._tried(lambda: _by_fsspec(url, path, most))

    def state(self, url: str) -> RemoteState:
        """The size and the version that a file has now. Raises NotFetched."""
        if url.startswith(_WEB):
            return self._tried(lambda: self._https().state(url))
        return self._tried(lambda: _by_fsspec(url, None, 0))

    def close(self) -> None:
        """Stop what is under way, and close the connections."""
        with self._lock:
            self._closed.set()
            web = self._web
        if web is not None:
            web.close()

    def _https(self) -> Https:
        with self._lock:
            if self._web is None and self._closed.is_set():  # nobody would close it
                raise NotFetched(STOPPED)
            if self._web is None:
                self._web = Https(check_web, allow_private=self._allow_private)
            return self._web

    def _tried(self, call: Callable[[], RemoteState]) -> RemoteState:
        from tenacity import (
            Retrying,
            retry_if_exception,
            sleep_using_event,
            stop_after_attempt,
            stop_when_event_set,
            wait_random_exponential,
        )

        tries = Retrying(
            retry=retry_if_exception(lambda error: isinstance(error, NotFetched) and error.passing),
            stop=stop_after_attempt(_ATTEMPTS) | stop_when_event_set(self._closed),
            wait=wait_random_exponential(0.5, max=_LONGEST_PAUSE_S),
            sleep=sleep_using_event(self._closed),
            reraise=True,
        )
        return tries(call)


def _by_fsspec(url: str, path: Path | None, most: int) -> RemoteState:
    """The state of a file; with a `path`, the file too. Raises NotFetched."""
    try:
        fs, inside = _file_system(url)
        info = fs.info(inside)
        state = _state_of(info)
        if info.get("type", "file") != "file":
            failed = NotFetched("it is a folder there, not a file")
        elif path is not None and (state.size is None or state.size > most):
            failed = too_large(most)
        else:
            if path is not None:
                fs.get_file(inside, os.fspath(path))
                if path.stat().st_size != state.size:
                    raise NotFetched("it came with another size than was said", passing=True)
            return state
    except NotFetched as error:
        failed = error
    except FileNotFoundError:
        failed = NotFetched("there is no such file there", gone=True)
    except PermissionError:
        failed = NotFetched("access was denied", _NO_CREDENTIALS)
    except Exception as error:  # each library has errors of its own
        passing = isinstance(error, OSError | TimeoutError | ConnectionError)
        failed = NotFetched(f"it cannot be read there ({type(error).__name__})", _NO_CREDENTIALS, passing=passing)
    raise failed  # outside of `except`: the library's error would be the context, and be shown with it


def _file_system(url: str) -> tuple[AbstractFileSystem, str]:
    protocol = url.partition("://")[0]
    try:
        import fsspec

        fs = fsspec.filesystem(protocol)
    except ImportError:
        package = _NEEDS[protocol]
        names = "'api-graph[remote]'" if package == "fsspec" else f"'api-graph[remote]' {package}"
        raise NotFetched(f"{protocol} needs the package {package}", f"pip install {names}") from None
    return fs, str(fs._strip_protocol(url))


def _state_of(info: Mapping[str, object]) -> RemoteState:
    """Size and version of what fsspec tells of a file, by whatever each protocol calls its version."""
    size, large = info.get("size"), info.get("lfs")
    told = [info.get(name) for name in ("ETag", "etag")]
    told += [large.get("sha256") if isinstance(large, dict) else getattr(large, "sha256", None)]
    told += [info.get(name) for name in ("blob_id", "LastModified", "updated", "mtime", "created")]
    version = next((str(value) for value in told if value), "")
    return RemoteState(int(size) if isinstance(size, int | float) else None, version)
