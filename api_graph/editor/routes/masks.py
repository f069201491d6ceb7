"""Masks that are painted in the editor's own mask editor: they become the picture's transparency."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from aiohttp import web

from api_graph.editor.desk import desk_of
from api_graph.editor.routes.files import find_file
from api_graph.editor.routes.uploads import checked_picture, folder_of, place, received

routes = web.RouteTableDef()


@routes.post("/upload/mask")
async def upload_mask(request: web.Request) -> web.Response:
    """Keep a copy of a picture (`original_ref`) that has the transparency of the upload."""
    workspace = desk_of(request).workspace
    async with received(request, workspace) as upload:
        folder = folder_of(workspace, upload.fields)
        original = _original(upload.fields.get("original_ref", ""))
        kind, subfolder = original.get("type", "output"), original.get("subfolder", "")
        path = find_file(workspace, kind, subfolder, original.get("filename", ""))
        if path is None:
            raise web.HTTPBadRequest(text="the picture under the mask is not there")
        await asyncio.to_thread(checked_picture, upload.file)
        await asyncio.to_thread(_with_transparency, path, upload.file)
        name = await asyncio.to_thread(place, upload.file, folder, Path(upload.name).stem + ".png", overwrite=True)
    kind, subfolder = upload.fields.get("type", "input"), upload.fields.get("subfolder", "")
    return web.json_response({"name": name, "subfolder": subfolder, "type": kind})


def _original(text: str) -> dict[str, str]:
    try:
        reference: Any = json.loads(text)
    except (ValueError, RecursionError):
        reference = None
    if not isinstance(reference, dict) or not all(isinstance(value, str) for value in reference.values()):
        raise web.HTTPBadRequest(text="the form does not say which picture the mask belongs to")
    return reference


def _with_transparency(path: Path, mask: Path) -> None:
    """Write the picture at `path` with the transparency of `mask` over the latter."""
    from api_graph.errors import BadInput
    from api_graph.pixels.read import read_image

    try:
        picture = read_image(path).convert("RGBA")
    except BadInput as error:
        raise web.HTTPUnsupportedMediaType(text=str(error)) from None
    alpha = read_image(mask).convert("RGBA").getchannel("A")
    picture.putalpha(alpha.resize(picture.size))
    picture.save(mask, "PNG")
