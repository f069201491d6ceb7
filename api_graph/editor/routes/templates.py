"""The shipped graphs, in the editor's template browser."""

from __future__ import annotations

import asyncio
from pathlib import Path

from aiohttp import web

from api_graph.editor.desk import desk_of
from api_graph.library import shipped

routes = web.RouteTableDef()

_PACK = "API Graph"


@routes.get("/workflow_templates")
async def templates(request: web.Request) -> web.Response:
    return web.json_response({_PACK: list(shipped())})


@routes.get("/workflow_templates/{pack}/{file}")
async def template(request: web.Request) -> web.StreamResponse:
    """A graph as the editor saves it."""
    name = Path(request.match_info["file"])
    if request.match_info["pack"] != _PACK or name.stem not in shipped() or name.suffix != ".json":
        raise web.HTTPNotFound(text="there is no such template")
    engine = await desk_of(request).engine()
    return web.json_response(await asyncio.to_thread(engine.template, shipped()[name.stem]))
