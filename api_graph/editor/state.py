"""What one editor server holds together: its folders, its pages, its queue, its engine."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from aiohttp import web

from api_graph.editor.socket import Hub, Message
from api_graph.editor.workspace import Workspace

if TYPE_CHECKING:  # both need torch
    from api_graph.editor.engine import Engine
    from api_graph.editor.events import EventPublisher
    from api_graph.editor.jobs import Job
    from api_graph.editor.queue import PromptQueue

_PATIENCE = 5.0  # seconds that a run gets to stop when the server does


class EditorState:
    """Lives on one event loop. `load` gives the engine; it is called in a thread, while the page loads."""

    def __init__(self, workspace: Workspace, load: Callable[[], Engine]) -> None:
        self.workspace = workspace
        self.placing = asyncio.Lock()  # held by whoever looks for a free name in the input folder
        self.hub = Hub(asyncio.get_running_loop(), self._greeting)
        self._loading = asyncio.ensure_future(asyncio.to_thread(self._load, load))
        self._queue: PromptQueue | None = None
        self._engine: Engine | None = None
        self._publisher: EventPublisher | None = None

    async def engine(self) -> Engine:
        """The engine, once it is loaded."""
        await asyncio.shield(self._loading)
        assert self._engine is not None
        return self._engine

    async def queue(self) -> PromptQueue:
        """The queue, once there is an engine."""
        await asyncio.shield(self._loading)
        assert self._queue is not None
        return self._queue

    @property
    def remaining(self) -> int:
        """How many prompts are not over."""
        return 0 if self._queue is None else self._queue.remaining

    async def close(self) -> None:
        """Stop what runs, say goodbye to the pages."""
        if self._queue is not None:
            await asyncio.to_thread(self._queue.close, _PATIENCE)
        await self.hub.close()

    def _load(self, load: Callable[[], Engine]) -> None:
        from api_graph.editor.queue import PromptQueue

        self._engine = load()
        self._queue = PromptQueue(self._run, self._tell_status, self._tell_over)
        self._queue.start()

    # ------------------------------------------------------------------------------------------ in the queue's thread

    def _run(self, job: Job) -> None:
        from api_graph.editor.events import EventPublisher

        assert self._engine is not None
        self._publisher = EventPublisher(job, self.hub.send)
        self._engine.run(job, self._publisher)

    def _tell_status(self) -> None:
        self.hub.send(*self._status())

    def _tell_over(self, job: Job) -> None:
        if job.client is not None:
            self.hub.send("executing", {"node": None, "prompt_id": job.id}, job.client)

    # ------------------------------------------------------------------------------------------ pages that come

    def _status(self, **more: object) -> Message:
        return "status", {"status": {"exec_info": {"queue_remaining": self.remaining}}, **more}

    def _greeting(self, page: str) -> list[Message]:
        """What a page hears first; one that was reloaded in the middle of its run goes on from there."""
        told = [self._status(sid=page)]
        running = self._queue.unfinished()[0] if self._queue is not None else []
        if self._publisher is not None and any(job.client == page for job in running):
            told += self._publisher.so_far()
        return told


STATE = web.AppKey("state", EditorState)


def state_of(request: web.Request) -> EditorState:
    """The state of the server that got this request."""
    return request.app[STATE]
