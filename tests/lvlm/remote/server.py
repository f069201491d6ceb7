"""A server of chat completions on loopback that does as a test says: it answers, refuses, cuts the line, or attacks."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass
class Seen:
    """One request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


@dataclass
class Server:
    """`replies` are used up in order; the last one stays."""

    replies: list[Handler] = field(default_factory=lambda: [says("red")])
    seen: list[Seen] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0
    port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def handle(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append(Seen(request.method, request.path, dict(request.headers), json.loads(body) if body else {}))
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            reply = self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]
            return await reply(request)
        finally:
            self.at_once -= 1


@contextmanager
def running(address: str = "127.0.0.1") -> Iterator[Server]:
    """A server in a thread of its own."""
    server, loop = Server(), asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_route("*", "/{path:.*}", server.handle)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
        await runner.setup()
        site = web.TCPSite(runner, address, 0)
        await site.start()
        server.port = runner.addresses[0][1]
        return runner

    runner = loop.run_until_complete(start())
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def completion(text: Any, **more: Any) -> dict[str, Any]:
    """A chat completion. `more` goes into its choice, or into itself for `model` and `usage`."""
    top = {key: more.pop(key) for key in ("model", "usage") if key in more}
    message = {"role": "assistant", "content": text, **more.pop("message", {})}
    return {"choices": [{"index": 0, "message": message, "finish_reason": "stop", **more}], **top}


def says(text: Any, **more: Any) -> Handler:
    """Answer `text`."""
    return status(200, completion(text, **more))


def status(code: int, document: Any = None, **headers: str) -> Handler:
    """Reply with an HTTP status; headers as `Retry_After="1"`."""

    async def reply(request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, text=json.dumps(document), headers=named)

    return reply


def raw(body: bytes, code: int = 200, **headers: str) -> Handler:
    """Reply with these bytes."""

    async def reply(request: web.Request) -> web.Response:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return web.Response(status=code, body=body, headers=named)

    return reply


def after(seconds: float, then: Handler) -> Handler:
    """Wait, and then reply."""

    async def reply(request: web.Request) -> web.StreamResponse:
        await asyncio.sleep(seconds)
        return await then(request)

    return reply


def cut(after_bytes: int = 0) -> Handler:
    """Close the connection: before any reply, or within its body."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": "1000"})
        if after_bytes:
            await response.prepare(request)
            await response.write(b" " * after_bytes)
        assert request.transport is not None
        request.transport.close()
        return response

    return reply


def drip(seconds: float) -> Handler:
    """A body that comes a byte at a time, every `seconds`, and does not end."""

    async def reply(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            for _ in range(200):
                await response.write(b" ")
                await asyncio.sleep(seconds)
        except ConnectionResetError:  # the client has had enough, which is the point
            pass
        return response

    return reply


def echo(where: Callable[[str], Handler]) -> Handler:
    """Reply with `where(authorization header)`: a server that shows what it got."""

    async def reply(request: web.Request) -> web.StreamResponse:
        return await where(request.headers["Authorization"])(request)

    return reply
