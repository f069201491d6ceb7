"""The pictures that nodes show, and the files that combos list."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

from aiohttp import web

from api_graph.editor.routes.bodies import PICTURES, user_file, whole_number
from api_graph.editor.state import state_of
from api_graph.editor.workspace import Workspace
from api_graph.errors import BadInput
from api_graph.folders import inside, names_in

routes = web.RouteTableDef()

_QUALITY = 90


def find_file(workspace: Workspace, kind: str, subfolder: str, name: str) -> Path | None:
    """The file of the `input`, `output` or `temp` folder; None where there is none, or it would lie outside."""
    if not name:
        return None
    places = (inside(root, Path(subfolder) / name) for root in workspace.roots(kind))
    found = next((place for place in places if place is not None and place.is_file()), None)
    if found is None and kind == "input" and not subfolder:
        return workspace.folders.renamed(name)
    return found


@routes.get("/view")
async def view(request: web.Request) -> web.StreamResponse:
    """A file; as a smaller copy (`preview=webp;90`), or its colours or transparency alone (`channel=rgb|a`)."""
    query = request.query
    kind, subfolder = query.get("type", "output"), query.get("subfolder", "")
    path = find_file(state_of(request).workspace, kind, subfolder, query.get("filename", ""))
    if path is None:
        raise web.HTTPNotFound(text="there is no such file")
    channel = query.get("channel", "rgba")
    if "preview" not in query and channel not in ("rgb", "a"):
        return user_file(path)
    try:
        data, mime = await asyncio.to_thread(_copy, path, query.get("preview", "png"), channel)
    except BadInput as error:
        raise web.HTTPUnsupportedMediaType(text=str(error)) from None
    return web.Response(body=data, content_type=mime, headers={"Cache-Control": "no-cache"})


def _copy(path: Path, preview: str, channel: str) -> tuple[bytes, str]:
    """The picture in another form, and its type. Raises BadInput for what is no picture."""
    from PIL import Image

    from api_graph.pixels.read import read_image

    wanted, _, quality = preview.partition(";")
    form = wanted if wanted in ("webp", "jpeg") else "png"
    picture = read_image(path).convert("RGBA")
    if channel == "a":
        alpha = picture.getchannel("A")
        picture = Image.new("RGBA", picture.size)
        picture.putalpha(alpha)
    elif channel == "rgb" or form == "jpeg":
        picture = picture.convert("RGB")
    buffer = io.BytesIO()
    picture.save(buffer, form, quality=whole_number(quality, _QUALITY, most=100))
    return buffer.getvalue(), f"image/{form}"


@routes.get("/internal/files/{kind}")
async def listed(request: web.Request) -> web.Response:
    """Names of the pictures at the top of a folder. The shipped ones lie among graphs, which are none."""
    roots = state_of(request).workspace.roots(request.match_info["kind"])
    return web.json_response(await asyncio.to_thread(names_in, roots, _is_picture))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES and not path.name.startswith(".") and path.is_file()
