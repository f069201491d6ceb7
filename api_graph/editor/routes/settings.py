"""The editor's settings: what users change, over what suits this server."""

from __future__ import annotations

import json
from pathlib import Path

from aiohttp import web

from api_graph.editor.routes.bodies import disk_errors, json_body, json_object
from api_graph.editor.state import state_of
from api_graph.files import whole_file

routes = web.RouteTableDef()

_DEFAULTS: dict[str, object] = {
    # Of ComfyUI's nodes there are few here: the editor's own first graph would be met with a dialog over everything.
    "Comfy.Workflow.ShowMissingNodesWarning": False,
    "Comfy.Workflow.ShowMissingModelsWarning": False,
    "Comfy.TutorialCompleted": True,
    # News of ComfyUI's releases come from elsewhere, and are not about this server.
    "Comfy.Notification.ShowVersionUpdates": False,
}
_MOST_BYTES = 1 << 20


@routes.get("/settings")
async def all_settings(request: web.Request) -> web.Response:
    return web.json_response(_DEFAULTS | _saved(_file(request)))


@routes.get("/settings/{id}")
async def setting(request: web.Request) -> web.Response:
    return web.json_response((_DEFAULTS | _saved(_file(request))).get(request.match_info["id"]))


@routes.post("/settings")
async def set_many(request: web.Request) -> web.Response:
    return _save(_file(request), await json_object(request))


@routes.post("/settings/{id}")
async def set_one(request: web.Request) -> web.Response:
    return _save(_file(request), {request.match_info["id"]: await json_body(request)})


def _file(request: web.Request) -> Path:
    return state_of(request).workspace.user / "comfy.settings.json"


def _saved(file: Path) -> dict[str, object]:
    try:
        saved = json.loads(file.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}  # not there yet; or damaged, and then the defaults let the page open
    return saved if isinstance(saved, dict) else {}


def _save(file: Path, changed: dict[str, object]) -> web.Response:
    data = json.dumps(_saved(file) | changed, indent=2).encode()
    if len(data) > _MOST_BYTES:
        raise web.HTTPRequestEntityTooLarge(_MOST_BYTES, len(data), text="too many settings")
    with disk_errors(), whole_file(file) as written:
        written.write(data)
    return web.Response()
