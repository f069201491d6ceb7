"""The official frontend: the files of the pip package `comfyui-frontend-package`, served unchanged."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from aiohttp import web

from api_graph.errors import BadInput
from api_graph.folders import inside

_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript",
    ".mjs": "text/javascript",
    ".css": "text/css",
    ".json": "application/json",
    ".map": "application/json",
    ".wasm": "application/wasm",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".ico": "image/x-icon",
    ".woff": "font/woff",
    ".woff2": "font/woff2",
    ".ttf": "font/ttf",
    ".mp4": "video/mp4",
    ".webm": "video/webm",
}
_HASHED = "public, max-age=86400"  # names in assets/ change with their content


def frontend_folder() -> Path:
    """Where the frontend lies. Raises BadInput where it is not installed."""
    found = find_spec("comfyui_frontend_package")
    for place in found.submodule_search_locations or () if found else ():
        folder = Path(place) / "static"
        if (folder / "index.html").is_file():
            return folder
    raise BadInput(
        "the editor's frontend is not installed",
        input="comfyui-frontend-package",
        hint="Install it with: pip install 'api-graph[editor]'",
    )


def add_frontend(app: web.Application, folder: Path) -> None:
    """Serve the frontend at `/`; to be called when all other routes are there."""

    async def serve(request: web.Request) -> web.StreamResponse:
        name = request.match_info["file"] or "index.html"
        path = inside(folder, name)
        kind = _TYPES.get(path.suffix) if path is not None else None
        if path is None or kind is None or not path.is_file():
            raise web.HTTPNotFound(text="there is no such file")
        keep = _HASHED if name.startswith("assets/") else "no-cache"
        return web.FileResponse(path, headers={"Content-Type": kind, "Cache-Control": keep})

    app.router.add_get("/{file:.*}", serve)
