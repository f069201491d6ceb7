"""What the page asks at its start: the nodes, the machine, the user."""

from __future__ import annotations

import asyncio
import platform
import sys

from aiohttp import web

from api_graph import __version__
from api_graph.editor import limits
from api_graph.editor.state import state_of

routes = web.RouteTableDef()


@routes.get("/object_info")
async def object_info(request: web.Request) -> web.Response:
    """All nodes."""
    engine = await state_of(request).engine()
    return web.json_response(await asyncio.to_thread(engine.object_info))


@routes.get("/object_info/{id}")
async def object_info_of(request: web.Request) -> web.Response:
    id, engine = request.match_info["id"], await state_of(request).engine()
    found = await asyncio.to_thread(engine.object_info)
    return web.json_response({id: found[id]} if id in found else {})


@routes.get("/ws")
async def socket(request: web.Request) -> web.WebSocketResponse:
    return await state_of(request).hub.serve(request)


@routes.get("/users")
async def users(request: web.Request) -> web.Response:
    return web.json_response({"storage": "server", "migrated": True})


@routes.get("/features")
async def features(request: web.Request) -> web.Response:
    return web.json_response({"supports_preview_metadata": False, "max_upload_size": limits.LARGEST_UPLOAD})


@routes.get("/system_stats")
async def system_stats(request: web.Request) -> web.Response:
    """The machine, as the page's "about" shows it."""
    await state_of(request).engine()
    return web.json_response(await asyncio.to_thread(_stats))


def _stats() -> dict[str, object]:
    import torch

    devices = [{"name": "cpu", "type": "cpu", "index": 0, **_memory(0, 0)}]
    if torch.cuda.is_available():
        devices = [
            {"name": torch.cuda.get_device_name(i), "type": "cuda", "index": i, **_memory(*torch.cuda.mem_get_info(i))}
            for i in range(torch.cuda.device_count())
        ]
    system = {
        "os": platform.system().lower(),
        "comfyui_version": f"API Graph {__version__}",
        "python_version": sys.version,
        "pytorch_version": torch.__version__,
        "embedded_python": False,
        "argv": [],
        "ram_total": 0,
        "ram_free": 0,
    }
    return {"system": system, "devices": devices}


def _memory(free: int, total: int) -> dict[str, int]:
    return {"vram_total": total, "vram_free": free, "torch_vram_total": total, "torch_vram_free": free}


@routes.get("/user.css")
async def no_css(request: web.Request) -> web.Response:
    return web.Response(text="", content_type="text/css")


@routes.get("/favicon.ico")
async def no_icon(request: web.Request) -> web.Response:
    return web.Response(status=204)


def _always(path: str, answer: object) -> None:
    """A route whose answer never changes: what ComfyUI has and this server does not."""

    @routes.get(path)
    async def _(request: web.Request) -> web.Response:
        return web.json_response(answer)


_always("/embeddings", [])
_always("/models", [])
_always("/models/{folder}", [])
_always("/experiment/models", [])
_always("/experiment/models/{folder}", [])
_always("/view_metadata/{folder}", {})
_always("/node_replacements", {})
_always("/internal/folder_paths", {})
_always("/internal/logs", "")
_always("/internal/logs/raw", {"entries": [], "size": {"cols": 80, "rows": 24}})


@routes.patch("/internal/logs/subscribe")
async def subscribe(request: web.Request) -> web.Response:
    return web.Response()
