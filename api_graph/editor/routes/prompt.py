"""Sending a graph to be run, and stopping it."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING
from uuid import uuid4

from aiohttp import web

from api_graph.editor import limits
from api_graph.editor.routes.bodies import json_object, refusal
from api_graph.editor.state import state_of

if TYPE_CHECKING:
    from api_graph.editor.engine import Engine
    from api_graph.editor.jobs import Job
    from api_graph.editor.queue import PromptQueue

routes = web.RouteTableDef()

_HIGHEST = 2**53  # what a browser counts to
_ID = re.compile(r"[0-9a-zA-Z_.:-]{1,100}")


@routes.get("/prompt")
async def remaining(request: web.Request) -> web.Response:
    return web.json_response({"exec_info": {"queue_remaining": state_of(request).remaining}})


@routes.post("/prompt")
async def send(request: web.Request) -> web.Response:
    """Check a graph, and let what of it can run wait its turn."""
    state = state_of(request)
    body = await json_object(request)
    engine, queue = await state.engine(), await state.queue()
    from api_graph.editor.check import Refused
    from api_graph.editor.queue import QueueFull

    try:
        job, errors = await asyncio.to_thread(_job, body, request.content_length or 0, engine, queue)
        queue.put(job)
    except Refused as refused:
        return refusal(400, refused.error, refused.node_errors)
    except QueueFull:
        message = f"The queue is full: {limits.MOST_PENDING} prompts wait, or the memory for them is used up."
        return refusal(429, {"type": "queue_full", "message": message, "details": "Try again later.", "extra_info": {}})
    return web.json_response({"prompt_id": job.id, "number": job.number, "node_errors": errors})


def _job(body: dict[str, object], size: int, engine: Engine, queue: PromptQueue) -> tuple[Job, dict[str, object]]:
    """The job that a request asks for, and `node_errors` of what it leaves out. Raises Refused."""
    from api_graph.editor.check import Refused, check_prompt
    from api_graph.editor.faults import prompt_error
    from api_graph.editor.jobs import Job

    prompt, id = body.get("prompt"), body.get("prompt_id") or str(uuid4())
    if not isinstance(prompt, dict) or not prompt:
        raise Refused(prompt_error("no_prompt", "The request brings no graph."))
    if not isinstance(id, str) or not _ID.fullmatch(id) or queue.find(id) is not None:
        raise Refused(prompt_error("invalid_prompt_id", "The prompt's id is no id, or is taken."))
    wanted = body.get("partial_execution_targets")
    extra_data = body.get("extra_data")
    extra = extra_data.get("extra_pnginfo") if isinstance(extra_data, dict) else None
    extra = extra if isinstance(extra, dict) else {}
    checked = check_prompt(prompt, extra, engine.registry, engine.folders, wanted if isinstance(wanted, list) else None)
    client = body.get("client_id")
    job = Job(
        id=id,
        number=_number(body, queue),
        prompt=prompt,
        graph=checked.graph,
        targets=checked.targets,
        client=client if isinstance(client, str) else None,
        extra=extra,
        size=size,
    )
    return job, checked.node_errors


def _number(body: dict[str, object], queue: PromptQueue) -> float:
    """The job's place: what the request says, else after all others, or before them with `front`."""
    given = body.get("number")
    if isinstance(given, (int, float)) and not isinstance(given, bool) and abs(given) <= _HIGHEST:
        return given
    number = queue.next_number()
    return -number if body.get("front") is True else number


@routes.post("/interrupt")
async def interrupt(request: web.Request) -> web.Response:
    """Stop the prompt that runs; with a `prompt_id`, only that one."""
    id = (await json_object(request)).get("prompt_id")
    (await state_of(request).queue()).interrupt(id if isinstance(id, str) else None)
    return web.Response()


@routes.post("/free")
async def free(request: web.Request) -> web.Response:
    """Let go of models and of results in memory."""
    body = await json_object(request)
    engine = await state_of(request).engine()
    engine.free(models=body.get("unload_models") is True, results=body.get("free_memory") is True)
    return web.Response()
