"""The server's parts, joined into one aiohttp application."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from api_graph.editor import limits
from api_graph.editor.desk import DESK, EditorState
from api_graph.editor.frontend import add_frontend
from api_graph.editor.routes import add_routes
from api_graph.editor.security import add_headers, guard
from api_graph.editor.workspace import Workspace

if TYPE_CHECKING:  # it needs torch
    from api_graph.editor.engine import Engine


def make_app(workspace: Workspace, load: Callable[[], Engine], frontend: Path, token: str | None) -> web.Application:
    """The application. `load` gives the engine, in a thread, while the page is served already."""
    app = web.Application(middlewares=[guard(token)], client_max_size=limits.LARGEST_PROMPT)
    app.on_response_prepare.append(add_headers)

    async def desk(app: web.Application) -> AsyncIterator[None]:
        app[DESK] = EditorState(workspace, load)
        yield

    async def close(app: web.Application) -> None:
        await app[DESK].close()  # before the server waits for its open sockets

    app.cleanup_ctx.append(desk)
    app.on_shutdown.append(close)
    add_routes(app)
    add_frontend(app, frontend)
    return app
