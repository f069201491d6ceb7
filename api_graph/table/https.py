"""Files by https: fetched into a file, with a limit, and asked for their state. Every address is checked.

As with endpoints, a connection is made to the very address that was checked. Redirects are followed, each checked as
the first URL was. Nothing of the environment is used: no proxy, no .netrc, no cookies.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from concurrent.futures import CancelledError, wait
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, cast
from urllib.parse import urljoin

from api_graph import __version__
from api_graph.addresses import BadAddress, CheckedResolver

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

_CONNECT_S, _READ_S, _TOTAL_S, _CLOSING_S = 10.0, 30.0, 600.0, 5.0
_POLL_S = 0.5
_CHUNK = 1 << 18
_MOST_REDIRECTS = 5
_CONNECTIONS, _EACH_HOST = 32, 16
_PASSING = frozenset({408, 425, 429, 500, 502, 503, 504})
_NO_HEAD = frozenset({403, 405, 501})
STOPPED = "it was not fetched: the run stops"
_SAID = {401: "access was denied", 403: "access was denied", 404: "there is no such file there"}


class RemoteState(NamedTuple):
    """By what a change of a remote file is seen: its size, and its ETag, or what else its server calls a version."""

    size: int | None
    version: str


class NotFetched(Exception):
    """A remote file that could not be had. `gone` says that its server has none, `passing` that it may have later.

    `status` is that of the server's reply, if there was one.
    """

    def __init__(
        self, problem: str, hint: str = "", *, gone: bool = False, passing: bool = False, status: int = 0
    ) -> None:
        super().__init__(problem)
        self.problem, self.hint, self.gone, self.passing, self.status = problem, hint, gone, passing, status


def too_large(most: int) -> NotFetched:
    """The fault of a file that is larger than it may be, or does not say how large it is."""
    return NotFetched(f"it is larger than {most / 2**20:,.0f} MiB, or does not say its size", "Fetch it yourself.")


class Https:
    """Connections for the files of one run, on a thread of their own. `check` refuses URLs by BadAddress."""

    def __init__(self, check: Callable[..., None], *, allow_private: bool) -> None:
        self._check, self._allow_private = check, allow_private
        self._sessions: dict[str, aiohttp.ClientSession] = {}
        self._closed = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="api-graph files", daemon=True)
        self._thread.start()

    def fetch(self, url: str, path: Path, most: int) -> RemoteState:
        """Write a file of at most `most` bytes to `path`. Raises NotFetched."""
        return self._wait(self._fetch(url, path, most))

    def state(self, url: str) -> RemoteState:
        """What a file's server says of it. Raises NotFetched."""
        return self._wait(self._state(url))

    def close(self) -> None:
        """Stop what is under way, and close the connections."""
        self._closed.set()
        with suppress(TimeoutError, asyncio.TimeoutError):
            asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(_CLOSING_S)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CLOSING_S)
        if not self._loop.is_running():
            self._loop.close()

    def _wait(self, work: Coroutine[object, object, RemoteState]) -> RemoteState:
        import aiohttp

        try:
            if self._closed.is_set():
                raise asyncio.CancelledError
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
            while not wait([future], _POLL_S).done:  # a loop that was just stopped does nothing more
                if self._closed.is_set() and not self._thread.is_alive():
                    raise asyncio.CancelledError
            return future.result()
        except NotFetched as error:
            failed = error
        except (asyncio.CancelledError, CancelledError, RuntimeError):  # the last of a loop that is closed
            work.close()
            failed = NotFetched(STOPPED)
        except BadAddress as error:
            problem, _, hint = f"the URL {error}".partition(". ")
            failed = NotFetched(problem.rstrip("."), hint)
        except (asyncio.TimeoutError, TimeoutError):
            failed = NotFetched("its server does not answer in time", passing=True)
        except aiohttp.ClientSSLError:
            failed = NotFetched("no secure connection: a bad certificate, or no TLS at all")
        except aiohttp.ClientConnectorDNSError:
            failed = NotFetched("its host's name is not known", passing=True)
        except (aiohttp.ClientError, OSError):
            failed = NotFetched("its server was not reached, or the connection broke off", passing=True)
        except ValueError:
            failed = NotFetched("this is no URL of a file")
        raise failed  # outside of `except`: the library's error names the address, and would be the context

    async def _fetch(self, url: str, path: Path, most: int) -> RemoteState:
        async with self._reply("GET", url) as reply:
            if reply.content_length is not None and reply.content_length > most:
                raise too_large(most)
            size = 0
            with path.open("wb") as file:
                async for chunk in reply.content.iter_chunked(_CHUNK):
                    size += len(chunk)
                    if size > most:
                        raise too_large(most)
                    file.write(chunk)
            return RemoteState(size, _version(reply))

    async def _state(self, url: str) -> RemoteState:
        try:
            async with self._reply("HEAD", url) as reply:
                if reply.content_length is not None:
                    return RemoteState(reply.content_length, _version(reply))
        except NotFetched as error:
            if error.status not in _NO_HEAD:
                raise
        async with self._reply("GET", url) as reply:  # its body is not waited for
            return RemoteState(reply.content_length, _version(reply))

    @asynccontextmanager
    async def _reply(self, method: str, url: str) -> AsyncIterator[aiohttp.ClientResponse]:
        """The reply with the file, behind all redirects. Raises NotFetched for any other."""
        for _ in range(_MOST_REDIRECTS + 1):
            self._check(url, allow_private=self._allow_private)
            session = self._session(url.partition(":")[0])
            async with session.request(method, url, allow_redirects=False) as reply:
                if reply.status in (301, 302, 303, 307, 308) and (target := reply.headers.get("Location")):
                    url = urljoin(url, target)
                    continue
                if reply.status != 200:
                    raise _refused(reply.status)
                if reply.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
                    raise NotFetched("its server compresses it, which was not asked for")
                yield reply
                return
        raise NotFetched(f"it is behind more than {_MOST_REDIRECTS} redirects")

    def _session(self, scheme: str) -> aiohttp.ClientSession:
        import aiohttp

        if self._closed.is_set():  # a request that began meanwhile: nobody would close its session
            raise asyncio.CancelledError
        if scheme not in self._sessions:
            found = CheckedResolver(scheme, self._allow_private, public=not self._allow_private)
            self._sessions[scheme] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    limit=_CONNECTIONS, limit_per_host=_EACH_HOST, resolver=cast("AbstractResolver", found)
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept-Encoding": "identity", "User-Agent": f"api-graph/{__version__}"},
                timeout=aiohttp.ClientTimeout(total=_TOTAL_S, sock_connect=_CONNECT_S, sock_read=_READ_S),
                auto_decompress=False,
                trust_env=False,
            )
        return self._sessions[scheme]

    async def _close(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for session in self._sessions.values():
            await session.close()


def _version(reply: aiohttp.ClientResponse) -> str:
    return reply.headers.get("ETag") or reply.headers.get("Last-Modified") or ""


def _refused(status: int) -> NotFetched:
    problem = _SAID.get(status, f"its server says {status}")
    return NotFetched(problem, gone=status in (404, 410), passing=status in _PASSING, status=status)
