"""Saved graphs, and what else the editor keeps in files."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from aiohttp import web

from api_graph.editor.routes.bodies import disk_errors
from api_graph.editor.state import state_of
from api_graph.files import whole_file
from api_graph.folders import inside

routes = web.RouteTableDef()

_TYPES = {".json": "application/json", ".css": "text/css"}
_BLANK = {"user.css": b"", "comfy.templates.json": b"[]", "workflows/.index.json": b"{}"}
"""What the page asks for at its start, whether it was ever written or not: a 404 would stand in its console."""

_MOST_LISTED = 10_000


@routes.get("/userdata")
async def listing(request: web.Request) -> web.Response:
    """The files of a folder, with what is known of each if `full_info`."""
    name = request.query.get("dir", "")
    folder = state_of(request).workspace.user_file(name) if name else None
    if folder is None:
        raise web.HTTPForbidden(text="the editor keeps files in its own folder only")
    files = _files(folder, deep=request.query.get("recurse") == "true")
    if request.query.get("full_info") == "true":
        return web.json_response([_facts(file, folder) for file in files])
    return web.json_response([file.relative_to(folder).as_posix() for file in files])


def _files(folder: Path, *, deep: bool) -> list[Path]:
    found = []
    for path in sorted(folder.rglob("*") if deep else folder.glob("*")):
        shown = path.suffix in _TYPES and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        if shown and path.is_file() and inside(folder, path) is not None:
            found.append(path)
            if len(found) == _MOST_LISTED:
                break
    return found


def _facts(file: Path, folder: Path) -> dict[str, object]:
    stat = file.stat()
    times = {"modified": int(stat.st_mtime * 1000), "created": int(stat.st_ctime * 1000)}
    return {"path": file.relative_to(folder).as_posix(), "size": stat.st_size, **times}


@routes.get("/userdata/{file}")
async def read(request: web.Request) -> web.StreamResponse:
    name = request.match_info["file"]
    path = _place(request, name)
    headers = {"Content-Type": _TYPES[path.suffix], "Cache-Control": "no-store"}
    if path.is_file():
        return web.FileResponse(path, headers=headers)
    if name not in _BLANK:
        raise web.HTTPNotFound(text="there is no such file")
    return web.Response(body=_BLANK[name], headers=headers)


@routes.post("/userdata/{file}")
async def write(request: web.Request) -> web.Response:
    """Write a file; 409 where there is one already and the request does not say to overwrite it."""
    path = _place(request, request.match_info["file"])
    if path.exists() and request.query.get("overwrite") == "false":
        raise web.HTTPConflict(text="there is a file of this name")
    data = await request.read()
    with disk_errors(), whole_file(path) as file:
        file.write(data)
    return _answer(request, path)


@routes.delete("/userdata/{file}")
async def remove(request: web.Request) -> web.Response:
    path = _place(request, request.match_info["file"])
    if not path.is_file():
        raise web.HTTPNotFound(text="there is no such file")
    with disk_errors():
        path.unlink()
    return web.Response(status=204)


@routes.post("/userdata/{file}/move/{to}")
async def move(request: web.Request) -> web.Response:
    source, target = _place(request, request.match_info["file"]), _place(request, request.match_info["to"])
    if not source.is_file():
        raise web.HTTPNotFound(text="there is no such file")
    if target.exists() and request.query.get("overwrite") == "false":
        raise web.HTTPConflict(text="there is a file of this name")
    with disk_errors():
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(source, target)
    return _answer(request, target)


def _place(request: web.Request, name: str) -> Path:
    """Where a file of the editor lies. Raises HTTPForbidden for one that is not the editor's own."""
    path = state_of(request).workspace.user_file(name)
    if path is None or path.suffix not in _TYPES:
        raise web.HTTPForbidden(text="the editor keeps .json and .css files, in its own folder")
    return path


def _answer(request: web.Request, path: Path) -> web.Response:
    workspace = state_of(request).workspace
    for root, prefix in ((workspace.workflows, "workflows/"), (workspace.user, "")):
        with suppress(ValueError):
            folder = Path(os.path.realpath(root))
            name = prefix + path.relative_to(folder).as_posix()
            full = request.query.get("full_info") == "true"
            return web.json_response({**_facts(path, folder), "path": name} if full else name)
    raise AssertionError(path)  # user_file gives no other
