"""The queue and the history: as lists of five (up to frontend 1.35), and as jobs (later ones)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from aiohttp import web

from api_graph.editor.routes.bodies import json_object, whole_number
from api_graph.editor.state import state_of

if TYPE_CHECKING:
    from api_graph.editor.jobs import Job

routes = web.RouteTableDef()

_MOST = 1000


@routes.get("/queue")
async def queue(request: web.Request) -> web.Response:
    running, pending = (await state_of(request).queue()).unfinished()
    rows = {"queue_running": [job.as_row() for job in running], "queue_pending": [job.as_row() for job in pending]}
    return web.json_response(rows)


@routes.post("/queue")
async def change_queue(request: web.Request) -> web.Response:
    """Take back all that waits (`clear`), or some of it (`delete`)."""
    body, waiting = await json_object(request), await state_of(request).queue()
    if body.get("clear") is True:
        waiting.remove_pending()
    for id in _ids(body.get("delete")):
        waiting.remove_pending(id)
    return web.Response()


@routes.get("/history")
async def history(request: web.Request) -> web.Response:
    done = (await state_of(request).queue()).history()
    most = whole_number(request.query.get("max_items"), _MOST, _MOST)
    first = whole_number(request.query.get("offset"), max(len(done) - most, 0), len(done))
    return web.json_response({job.id: job.as_history() for job in done[first : first + most]})


@routes.get("/history/{id}")
async def history_of(request: web.Request) -> web.Response:
    job = (await state_of(request).queue()).find(request.match_info["id"])
    return web.json_response({} if job is None or job.ended is None else {job.id: job.as_history()})


@routes.post("/history")
async def change_history(request: web.Request) -> web.Response:
    """Forget all that is over (`clear`), or some of it (`delete`)."""
    body, done = await json_object(request), await state_of(request).queue()
    if body.get("clear") is True:
        done.remove_history()
    for id in _ids(body.get("delete")):
        done.remove_history(id)
    return web.Response()


@routes.get("/jobs")
async def jobs(request: web.Request) -> web.Response:
    """A page of the jobs of some states: those that run, then those that wait, then the others, newest first."""
    known = await state_of(request).queue()
    running, pending = known.unfinished()
    found: Sequence[Job] = [*running, *pending, *reversed(known.history())]
    states = request.query.get("status", "")
    if states:
        found = [job for job in found if job.status in states.split(",")]
    if request.query.get("sort_order") == "asc":
        found = found[::-1]
    limit = whole_number(request.query.get("limit"), 200, _MOST) or _MOST
    offset = whole_number(request.query.get("offset"), 0, 10**9)
    shown = found[offset : offset + limit]
    pagination = {
        "offset": offset,
        "limit": limit,
        "total": len(found),
        "has_more": offset + len(shown) < len(found),
    }
    return web.json_response({"jobs": [job.as_summary() for job in shown], "pagination": pagination})


@routes.get("/jobs/{id}")
async def job_details(request: web.Request) -> web.Response:
    job = (await state_of(request).queue()).find(request.match_info["id"])
    if job is None:
        raise web.HTTPNotFound(text="there is no such job")
    return web.json_response(job.as_details())


@routes.post("/jobs/cancel")
async def cancel_jobs(request: web.Request) -> web.Response:
    """Stop jobs, or take them back; without ids, all."""
    body, known = await json_object(request), await state_of(request).queue()
    ids = body.get("job_ids", body.get("ids"))
    if ids is None:
        cancelled = known.remove_pending() | known.interrupt()
    else:
        cancelled = any([known.remove_pending(id) or known.interrupt(id) for id in _ids(ids)])
    return web.json_response({"cancelled": cancelled})


@routes.post("/jobs/{id}/cancel")
async def cancel_job(request: web.Request) -> web.Response:
    id, known = request.match_info["id"], await state_of(request).queue()
    return web.json_response({"cancelled": known.remove_pending(id) or known.interrupt(id)})


def _ids(given: object) -> list[str]:
    return [id for id in given if isinstance(id, str)] if isinstance(given, list) else []
