"""HTTP: one POST to the profile's own server, and nowhere else. Only here is a key put into a header."""

from __future__ import annotations

import asyncio
import io
import os
import zlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from api_graph import __version__
from api_graph.addresses import BadAddress, CheckedResolver
from api_graph.lvlm.remote.failure import EndpointError, redirect_of
from api_graph.lvlm.remote.profile import Profile
from api_graph.lvlm.remote.secret import Secret

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

_LARGEST_REPLY = 8 << 20
_CONNECT_S = 10.0
_CHUNK = 1 << 16
_CODINGS = frozenset({"identity", "gzip", "x-gzip", "deflate"})


class HttpReply(NamedTuple):
    """A server's reply to a POST: a completion, or an HTTP error."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Client:
    """Connections to servers, separately by what may be reached: http or https, and private addresses.

    Belongs to one event loop.
    """

    def __init__(self) -> None:
        self._sessions: dict[tuple[str, bool], aiohttp.ClientSession] = {}

    async def post(self, profile: Profile, secret: Secret | None, body: bytes) -> HttpReply:
        """Send `body` to the profile's chat completions. Raises EndpointError where no reply came."""
        import aiohttp

        try:
            return await self._send(profile, secret, body)
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError, ValueError) as error:
            failure = _not_reached(profile, error)
        # Raised outside of `except`: aiohttp's error holds the request's headers, and would be the context.
        raise failure

    async def _send(self, profile: Profile, secret: Secret | None, body: bytes) -> HttpReply:
        import aiohttp

        async with self._session(profile).post(
            f"{profile.base_url}/chat/completions",
            data=io.BytesIO(body),  # bytes as they are would be written in one go, while the loop stands still
            headers={"Authorization": f"Bearer {secret.reveal()}"} if secret else {},
            allow_redirects=False,
            timeout=aiohttp.ClientTimeout(total=profile.timeout_s, sock_connect=_CONNECT_S),
        ) as response:
            if 300 <= response.status < 400:
                raise redirect_of(profile, response.status)
            return HttpReply(response.status, dict(response.headers), await _body(profile, response))

    def _session(self, profile: Profile) -> aiohttp.ClientSession:
        import aiohttp

        kind = profile.origin.scheme, profile.allow_private
        if kind not in self._sessions:
            resolver = cast("AbstractResolver", CheckedResolver(*kind))
            self._sessions[kind] = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, resolver=resolver),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={
                    "Accept-Encoding": "identity",
                    "Content-Type": "application/json",
                    "User-Agent": f"api-graph/{__version__}",
                },
                auto_decompress=False,  # `_body` does it, and stops where a small reply unpacks to a huge one
                trust_env=False,  # no proxy and no .netrc: the profile names none
            )
        return self._sessions[kind]

    async def close(self) -> None:
        """Close all connections."""
        for session in self._sessions.values():
            await session.close()


async def _body(profile: Profile, response: aiohttp.ClientResponse) -> bytes:
    coding = response.headers.get("Content-Encoding", "").strip().lower() or "identity"
    if coding not in _CODINGS:
        problem = "the reply is compressed in a way that was not asked for"
        raise EndpointError(profile, problem, "Look at what stands before the server.", kind="request")
    body = bytearray()
    async for chunk in response.content.iter_chunked(_CHUNK):
        body += chunk
        if len(body) > _LARGEST_REPLY:
            raise _too_large(profile)
    return bytes(body) if coding == "identity" else _unpacked(profile, bytes(body))


def _unpacked(profile: Profile, body: bytes) -> bytes:
    """A gzip or zlib reply, which some proxies send to whoever does not ask; never more than a reply may have."""
    bits = 15 + 32 if body[:1] in (b"\x1f", b"\x78") else -15  # "deflate" without zlib's header is common too
    unpacker = zlib.decompressobj(bits)
    try:
        plain = unpacker.decompress(body, _LARGEST_REPLY + 1)
    except zlib.error:
        plain = b""
    if len(plain) > _LARGEST_REPLY:
        raise _too_large(profile)
    if not unpacker.eof:
        problem = "the reply is compressed, and not whole"
        raise EndpointError(profile, problem, "Look at what stands before the server.", kind="passing")
    return plain


def _too_large(profile: Profile) -> EndpointError:
    problem = f"the reply is larger than {_LARGEST_REPLY >> 20} MiB"
    return EndpointError(profile, problem, "No answer is: look at the server.", kind="request")


def _not_reached(profile: Profile, error: Exception) -> EndpointError:
    """Why there was no reply. The error's own text is left out: it names the address and the port, or worse."""
    import aiohttp

    if isinstance(error, asyncio.TimeoutError | TimeoutError):
        problem = f"no reply within {profile.timeout_s:g} s"
        return EndpointError(profile, problem, "Ask for less, or raise the profile's `timeout_s`.", kind="passing")
    if isinstance(error, BadAddress):
        problem, _, hint = f"the host's name {error}".partition(". ")
        return EndpointError(profile, problem, hint, kind="setup")
    if isinstance(error, aiohttp.ClientSSLError):
        problem = "no secure connection: a bad certificate, or no TLS at all"
        return EndpointError(profile, problem, "Look at the server's set-up.", kind="setup")
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return EndpointError(profile, "the host's name is not known", "Check the profile's `base_url`.", kind="passing")
    if isinstance(error, aiohttp.ClientConnectorError):
        why = os.strerror(error.os_error.errno) if error.os_error.errno else "failed"
        return EndpointError(profile, f"cannot connect ({why})", "Is the server running?", kind="passing")
    if isinstance(error, aiohttp.ClientConnectionError | aiohttp.ClientPayloadError | OSError):
        return EndpointError(profile, "the connection broke off", "Look into the server's log.", kind="passing")
    return EndpointError(profile, "the reply is not HTTP", "Check the profile's `base_url`.", kind="request")
