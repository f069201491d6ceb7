"""An executor's events as ComfyUI's messages, in ComfyUI's order (spec 5.2)."""

from __future__ import annotations

import time
from collections.abc import Callable

from api_graph.editor.jobs import Job, now_ms
from api_graph.errors import ApiGraphError
from api_graph.executor import Event, NodeError, RunResult
from api_graph.json_values import Json

Tell = Callable[[str, dict[str, object], "str | None"], None]
Message = tuple[str, dict[str, object]]

_PROGRESS_EVERY = 0.05  # seconds between two messages about one node's progress
_MOST_STATES = 500  # nodes in a `progress_state`; of a larger graph the last ones


class EventPublisher:
    """Tells one job's story to the page that sent it, and keeps in the job what stays of interest."""

    def __init__(self, job: Job, tell: Tell) -> None:
        self._job, self._tell = job, tell
        self._states: dict[str, dict[str, object]] = {}
        self._found: list[Event] | None = []  # what is known before anything runs; None once that was told
        self._last_progress = 0.0
        self._reloaded = False  # a page that reloads may hear of results before it has the nodes to show them in
        self._running: str | None = None

    # ------------------------------------------------------------------------------------------ the run as a whole

    def start(self) -> None:
        """The job begins."""
        self._note("execution_start")

    def finish(self, result: RunResult) -> None:
        """The job is over: all went well, or some nodes failed while the others were run."""
        self._say_found()
        if self._reloaded:
            for type, data in self._shown():
                self._say(type, data)
        if not result.failures:
            self._job.status = "completed"
            self._note("execution_success")
        else:
            self._fail(result.failures, executed=[step.node for step in result.steps if step.action == "ran"])

    def interrupt(self) -> None:
        """The job was stopped."""
        self._job.status = "cancelled"
        node = self._running
        self._note(
            "execution_interrupted",
            node_id=node,
            node_type=self._class_type(node),
            executed=list(self._states),
        )

    def crash(self, error: Exception) -> None:
        """Not a node failed, but what runs them."""
        self._job.status = "failed"
        self._job.error = _error_data(self._running or "", "", f"{type(error).__name__}: {error}", error, [])
        self._note("execution_error", **self._job.error)

    def _fail(self, failures: list[NodeError], executed: list[str]) -> None:
        first, *others = failures
        cause = first.__cause__ or first
        said = str(cause) if isinstance(cause, ApiGraphError) else f"{type(cause).__name__}: {cause}"
        text = "\n".join([said, *map(str, others)])  # the page names the first node itself
        self._job.status = "failed"
        self._job.error = _error_data(first.node, first.class_type, text, cause, executed)
        self._note("execution_error", **self._job.error)

    def _note(self, type: str, **data: object) -> None:
        """Tell, and remember."""
        message = {"prompt_id": self._job.id, **data, "timestamp": now_ms()}
        self._job.messages.append((type, message))
        self._say(type, message)

    # ------------------------------------------------------------------------------------------ node by node

    def __call__(self, event: Event) -> None:
        """An executor's listener."""
        if self._found is not None and event.kind in ("cached", "failed"):
            self._found.append(event)
            return
        self._say_found()
        if event.kind == "started":
            self._started(event)
        elif event.kind == "progress":
            self._progress(event)
        else:
            self._ended(event)

    def _say_found(self) -> None:
        """What the executor found before it ran anything: results in its caches, nodes that cannot run."""
        if self._found is None:
            return
        found, self._found = self._found, None
        cached = {event.node for event in found if event.kind == "cached"}
        self._note("execution_cached", nodes=_behind(self._job, cached))
        for event in found:
            if event.kind == "cached":
                self._show(event)
            else:
                self._ended(event)

    def _started(self, event: Event) -> None:
        self._running = event.node
        self._state(event.node, "running", 0, 1)
        self._say("executing", {"node": event.node, "display_node": event.node, "prompt_id": self._job.id})

    def _progress(self, event: Event) -> None:
        now = time.monotonic()
        if event.done < event.total and now - self._last_progress < _PROGRESS_EVERY:
            return
        self._last_progress = now
        self._state(event.node, "running", event.done, event.total)
        progress = {"value": event.done, "max": event.total, "prompt_id": self._job.id, "node": event.node}
        self._say("progress", progress)

    def _ended(self, event: Event) -> None:
        if event.kind == "done":
            self._show(event)
        self._state(event.node, "error" if event.kind == "failed" else "finished", 1, 1)

    def _show(self, event: Event) -> None:
        if event.ui:
            self._job.outputs[event.node] = event.ui
            self._say("executed", self._executed(event.node, event.ui))

    def _state(self, node: str, state: str, value: int, most: int) -> None:
        self._states.pop(node, None)
        self._states[node] = {
            "value": value,
            "max": most,
            "state": state,
            "node_id": node,
            "prompt_id": self._job.id,
            "display_node_id": node,
            "parent_node_id": None,
            "real_node_id": node,
        }
        if len(self._states) > _MOST_STATES:
            del self._states[next(iter(self._states))]
        self._say("progress_state", {"prompt_id": self._job.id, "nodes": dict(self._states)})

    def _say(self, type: str, data: dict[str, object]) -> None:
        if self._job.client is not None:
            self._tell(type, data, self._job.client)

    def _class_type(self, node: str | None) -> str:
        return self._job.graph.nodes[node].class_type if node is not None else ""

    # ------------------------------------------------------------------------------------------ a page that reloads

    def so_far(self) -> list[Message]:
        """What a page that opens in the middle of the run must hear to go on from here."""
        self._reloaded = True
        told: list[Message] = [*self._job.messages, *self._shown()]
        told.append(("progress_state", {"prompt_id": self._job.id, "nodes": dict(self._states)}))
        if self._running is not None:
            node = self._running
            told.append(("executing", {"node": node, "display_node": node, "prompt_id": self._job.id}))
        return told

    def _shown(self) -> list[Message]:
        """All that the job's nodes have shown."""
        return [("executed", self._executed(node, ui)) for node, ui in list(self._job.outputs.items())]

    def _executed(self, node: str, ui: dict[str, list[Json]]) -> dict[str, object]:
        return {"node": node, "display_node": node, "output": ui, "prompt_id": self._job.id}


def _behind(job: Job, cached: set[str]) -> list[str]:
    """The cached nodes, and those that nobody needs because of them."""
    needed: set[str] = set()
    waiting = list(job.targets)
    while waiting:
        id = waiting.pop()
        if id not in needed and id not in cached:
            needed.add(id)
            waiting.extend(link.node for link in job.graph.nodes[id].links().values())
    return [id for id in job.graph.nodes if id not in needed]


def _error_data(node: str, class_type: str, text: str, cause: BaseException, executed: list[str]) -> dict[str, object]:
    return {
        "node_id": node,
        "node_type": class_type,
        "executed": executed,
        "exception_message": text,
        "exception_type": type(cause).__name__,
        "traceback": [],
        "current_inputs": {},
        "current_outputs": [],
    }
