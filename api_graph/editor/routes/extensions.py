"""The scripts and help pages that come with the nodes, and their names in other languages."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from aiohttp import web

from api_graph.editor import PACK
from api_graph.folders import inside
from api_graph.settings import locales_folder, web_folder

routes = web.RouteTableDef()

_STATIC = Path(__file__).parents[1] / "static"
_OWN = f"{PACK}-editor"
_TYPES = {
    ".js": "text/javascript",
    ".css": "text/css",
    ".md": "text/markdown; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".svg": "image/svg+xml",
}


@routes.get("/extensions")
async def scripts(request: web.Request) -> web.Response:
    """Addresses of the scripts that the page imports at its start."""
    found = [f"/extensions/{_OWN}/{file.name}" for file in sorted(_STATIC.glob("*.js"))]
    folder = web_folder()
    if folder is not None:
        found += [f"/extensions/{PACK}/{file.relative_to(folder).as_posix()}" for file in sorted(folder.rglob("*.js"))]
    return web.json_response(found)


@routes.get("/extensions/{pack}/{file:.+}")
async def file(request: web.Request) -> web.StreamResponse:
    root = {_OWN: _STATIC, PACK: web_folder()}.get(request.match_info["pack"])
    path = inside(root, request.match_info["file"]) if root is not None else None
    kind = _TYPES.get(path.suffix) if path is not None else None
    if path is None or kind is None or not path.is_file():
        raise web.HTTPNotFound(text="there is no such file")
    return web.FileResponse(path, headers={"Content-Type": kind, "Cache-Control": "no-cache"})


@routes.get("/i18n")
async def translations(request: web.Request) -> web.Response:
    return web.json_response(_translations())


@cache
def _translations() -> dict[str, dict[str, object]]:
    """`locales/zh/nodeDefs.json` -> `{"zh": {"nodeDefs": {...}}}`; what stands in `main.json` goes one level up."""
    folder = locales_folder()
    found: dict[str, dict[str, object]] = {}
    for path in sorted(folder.glob("*/*.json")) if folder is not None else ():
        content = json.loads(path.read_text("utf-8"))
        found.setdefault(path.parent.name, {}).update(content if path.stem == "main" else {path.stem: content})
    return found
