"""What came with the package: the graphs in the editor's template browser, the blueprints in its node library."""

from __future__ import annotations

import asyncio
import hashlib
import io
from pathlib import Path
from typing import TYPE_CHECKING

from aiohttp import web

from api_graph.draw import template_name
from api_graph.editor import PACK
from api_graph.editor.state import state_of
from api_graph.settings import blueprints, example_workflows_folder, shipped

if TYPE_CHECKING:
    from api_graph.editor.engine import Engine

routes = web.RouteTableDef()

_PACK = "API Graph"
_THUMBNAIL = (512, 512)
_KEEP = {"Cache-Control": "max-age=3600"}


@routes.get("/workflow_templates")
async def templates(request: web.Request) -> web.Response:
    return web.json_response({_PACK: sorted(_graphs())})


def _graphs() -> dict[str, str]:
    """The shipped graphs' names by those of their templates."""
    return {template_name(graph): graph for graph in shipped()}


@routes.get("/workflow_templates/{pack}/{file}")
async def template(request: web.Request) -> web.StreamResponse:
    """A graph as the editor saves it (`.json`), or a picture of it (`.jpg`)."""
    name = Path(request.match_info["file"])
    if request.match_info["pack"] != _PACK or name.stem not in _graphs() or name.suffix not in (".json", ".jpg"):
        raise web.HTTPNotFound(text="there is no such template")
    engine, graph = await state_of(request).engine(), shipped()[_graphs()[name.stem]]
    if name.suffix == ".json":
        return web.json_response(await asyncio.to_thread(engine.template, graph))
    made = example_workflows_folder()
    if made is not None and (made / name.name).is_file():
        return web.FileResponse(made / name.name, headers={"Content-Type": "image/jpeg", **_KEEP})
    drawn = await asyncio.to_thread(_thumbnail, engine, graph)
    return web.Response(body=drawn, content_type="image/jpeg", headers=_KEEP)


def _thumbnail(engine: Engine, graph: Path) -> bytes:
    picture, data = engine.drawn(graph), io.BytesIO()
    picture.thumbnail(_THUMBNAIL)
    picture.save(data, "JPEG")
    return data.getvalue()


@routes.get("/templates/{file}")
async def comfyui_s_own(request: web.Request) -> web.Response:
    """ComfyUI's own templates want nodes that are not here: there are none."""
    name = request.match_info["file"]
    if not name.startswith("index") or not name.endswith(".json"):
        raise web.HTTPNotFound(text="there is no such template")
    return web.json_response({} if name == "index_logo.json" else [])


@routes.get("/global_subgraphs")
async def listed_blueprints(request: web.Request) -> web.Response:
    """The shipped blueprints, each by an id that stays the same."""
    return web.json_response({id: _blueprint(path) for id, path in _blueprints().items()})


@routes.get("/global_subgraphs/{id}")
async def blueprint(request: web.Request) -> web.Response:
    path = _blueprints().get(request.match_info["id"])
    if path is None:
        raise web.HTTPNotFound(text="there is no such blueprint")
    data = await asyncio.to_thread(path.read_text, "utf-8")
    return web.json_response({**_blueprint(path), "data": data})


def _blueprints() -> dict[str, Path]:
    return {hashlib.sha256(name.encode()).hexdigest(): path for name, path in blueprints().items()}


def _blueprint(path: Path) -> dict[str, object]:
    return {"source": "custom_node", "name": path.stem, "info": {"node_pack": f"custom_nodes.{PACK}"}}
