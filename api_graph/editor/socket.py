"""The open pages, and what they are told (spec 5.2)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from contextlib import suppress
from uuid import uuid4

from aiohttp import WSMsgType, web

from api_graph.editor import limits

Message = tuple[str, dict[str, object]]

_BEAT = 30.0  # seconds; a page whose machine went to sleep is noticed
_FEATURES = {"supports_preview_metadata": False, "max_upload_size": limits.LARGEST_UPLOAD}


class Hub:
    """All pages by their id. `send` may be called from any thread; messages arrive in the order of the calls."""

    def __init__(self, loop: asyncio.AbstractEventLoop, greet: Callable[[str], list[Message]]) -> None:
        self._loop, self._greet = loop, greet
        self._pages: dict[str, _Page] = {}

    def send(self, type: str, data: dict[str, object], to: str | None = None) -> None:
        """Tell one page, or all of them. Nobody is told that left."""
        with suppress(RuntimeError):  # the loop is closed: the server has ended
            self._loop.call_soon_threadsafe(self._send, type, data, to)

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        """Be one page's socket until it closes. A page that comes again with its id takes the place of its former."""
        socket = web.WebSocketResponse(heartbeat=_BEAT, max_msg_size=limits.MIB)
        await socket.prepare(request)
        id = request.query.get("clientId", "")[:100] or uuid4().hex
        former = self._pages.pop(id, None)
        if former is not None:
            former.close()
        if len(self._pages) >= limits.MOST_SOCKETS:
            await socket.close(message=b"too many pages are open")
            return socket
        page = self._pages[id] = _Page(socket)
        for type, data in self._greet(id):
            page.put(type, data)
        try:
            async for message in socket:
                if message.type == WSMsgType.TEXT:
                    self._heard(page, message.data)
        finally:
            page.close()
            if self._pages.get(id) is page:
                del self._pages[id]
        return socket

    async def close(self) -> None:
        """Say goodbye to all."""
        pages = list(self._pages.values())
        await asyncio.gather(*(page.socket.close(code=1001) for page in pages), return_exceptions=True)

    def _send(self, type: str, data: dict[str, object], to: str | None) -> None:
        pages = self._pages.values() if to is None else filter(None, [self._pages.get(to)])
        for page in list(pages):
            page.put(type, data)

    def _heard(self, page: _Page, text: str) -> None:
        with suppress(ValueError, RecursionError):
            message = json.loads(text)
            if isinstance(message, dict) and message.get("type") == "feature_flags":
                page.put("feature_flags", _FEATURES)


class _Page:
    """One socket and what waits to be sent through it."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self.socket = socket
        self._unsent: asyncio.Queue[str] = asyncio.Queue(limits.MOST_UNSENT)
        self._writer = asyncio.create_task(self._write())
        self._closing: asyncio.Future[bool] | None = None

    def put(self, type: str, data: dict[str, object]) -> None:
        try:
            self._unsent.put_nowait(json.dumps({"type": type, "data": data}))
        except asyncio.QueueFull:
            self.close()

    def close(self) -> None:
        """Stop sending; the socket is closed behind our back, as its reader may be the one who calls."""
        self._writer.cancel()
        if not self.socket.closed:
            self._closing = asyncio.ensure_future(self.socket.close())

    async def _write(self) -> None:
        with suppress(ConnectionError):
            while True:
                await self.socket.send_str(await self._unsent.get())
