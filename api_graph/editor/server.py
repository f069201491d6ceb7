"""The editor's server in a thread of its own, so that signals and browsers are the main thread's business."""

from __future__ import annotations

import asyncio
import errno
import socket
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING
from urllib.parse import quote

from aiohttp import web

from api_graph.editor import limits
from api_graph.editor.frontend import add_frontend, frontend_folder
from api_graph.editor.routes import add_routes
from api_graph.editor.security import add_headers, guard, is_loopback
from api_graph.editor.state import STATE, EditorState
from api_graph.editor.workspace import Workspace, open_workspace
from api_graph.errors import BadInput

if TYPE_CHECKING:  # it needs torch
    from api_graph.editor.engine import Engine

DEFAULT_PORT = 8288
_STOP_AFTER = 10.0  # seconds


@dataclass(frozen=True)
class Options:
    """Where the editor works and listens. Hosts other than this machine itself need a `token`; port 0 is any."""

    folder: Path
    inputs: Sequence[Path] = ()
    output: Path | None = None
    models: Sequence[Path] = ()
    cache: Path | None = None
    metadata: bool = True
    host: str = "127.0.0.1"
    port: int = DEFAULT_PORT
    token: str | None = None


class EditorServer:
    """`with EditorServer(options) as server:` serves until the block ends. `server.url` is what a browser opens."""

    def __init__(self, options: Options) -> None:
        if options.token is None and not is_loopback(options.host):
            raise BadInput(
                "it is no loopback address, so a token is needed", input="host", value=options.host, hint="Give one."
            )
        self.options = options
        self.port = options.port
        self._started: Future[Callable[[], object]] = Future()
        self._thread = threading.Thread(target=self._run, name="editor", daemon=True)

    @property
    def url(self) -> str:
        """The address, with the token where there is one."""
        host = self.options.host
        if host in ("0.0.0.0", "::"):
            host = socket.gethostname()
        token = self.options.token
        address = f"[{host}]" if ":" in host else host
        return f"http://{address}:{self.port}/" + (f"?token={quote(token, safe='')}" if token else "")

    def __enter__(self) -> EditorServer:
        """Listen. Raises BadInput where the frontend, the folder or the port cannot be had."""
        self._thread.start()
        self._started.result()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stop = self._started.result()
        stop()
        self._thread.join(_STOP_AFTER)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        """Serve until the function that `_started` gives is called."""
        stopped, loop = asyncio.Event(), asyncio.get_running_loop()
        with tempfile.TemporaryDirectory(prefix="api-graph-") as temp:
            runner = await self._listen(Path(temp))
            self._started.set_result(lambda: loop.call_soon_threadsafe(stopped.set))
            try:
                await stopped.wait()
            finally:
                await runner.cleanup()

    async def _listen(self, temp: Path) -> web.AppRunner:
        options = self.options
        workspace = open_workspace(
            options.folder, temp, inputs=options.inputs, output=options.output, models=options.models
        )

        def load() -> Engine:
            from api_graph.editor.engine import load_engine

            return load_engine(workspace.folders, options.cache, metadata=options.metadata)

        app = make_app(workspace, load, frontend_folder(), options.token)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        site = web.TCPSite(runner, options.host, options.port)
        try:
            await site.start()
        except OSError as error:
            await runner.cleanup()
            raise _cannot_listen(options, error) from error
        self.port = runner.addresses[0][1]
        return runner


def _cannot_listen(options: Options, error: OSError) -> BadInput:
    if error.errno == errno.EADDRINUSE:
        hint = "Is the editor open already? --port 0 takes any free one."
        return BadInput("the port is in use", input="--port", value=options.port, hint=hint)
    reason = error.strerror or str(error)
    return BadInput(f"it cannot be listened to ({reason})", input="--host", value=options.host, hint="Name another.")


def make_app(workspace: Workspace, load: Callable[[], Engine], frontend: Path, token: str | None) -> web.Application:
    """The application. `load` gives the engine, in a thread, while the page is served already."""
    app = web.Application(middlewares=[guard(token)], client_max_size=limits.LARGEST_PROMPT)
    app.on_response_prepare.append(add_headers)

    async def state(app: web.Application) -> AsyncIterator[None]:
        app[STATE] = EditorState(workspace, load)
        yield

    async def close(app: web.Application) -> None:
        await app[STATE].close()  # before the server waits for its open sockets

    app.cleanup_ctx.append(state)
    app.on_shutdown.append(close)
    add_routes(app)
    add_frontend(app, frontend)
    return app
