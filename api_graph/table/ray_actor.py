"""What runs on the machines of a Ray cluster: an actor with a worker of its own, and how rows come and go as texts.

`RayActor` is sent to them by its text, not by its name, so that a machine can be told first where this package lies.
That is why nothing of the package is imported before.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from api_graph.table.row import Row
    from api_graph.table.worker import Worker

MOST_ATTEMPTS = 4


class RayActor:
    """Takes blocks of rows; the worker starts with the first, and its models are loaded there.

    `home` is what `home_of_driver` gave, `job` the job as JSON. An error that no other attempt would mend is an answer,
    too: raised, Ray would try again.
    """

    def __init__(self, home: dict[str, Any], job: dict[str, Any], chunk_size: int | None) -> None:
        self._home, self._job, self._chunk_size = home, job, chunk_size
        self._worker: Worker | None = None
        self._warned: list[str] = []

    def __call__(self, block: Any) -> Any:
        """From a table with a row per row to one with a single cell: all that came of them."""
        import pyarrow as pa

        texts = block["row"].to_pylist()
        try:
            with counted_attempt(f"{self._job['run_id']}-{json.loads(texts[0])[1]}", len(texts)):
                told = {"done": self._done(texts)}
        except Exception as error:
            told = {"failed": f"{type(error).__name__}: {error}"}
        warned, self._warned = self._warned, []
        return pa.table({"told": [json.dumps({**told, "warned": warned})]})

    def _done(self, texts: list[str]) -> list[dict[str, Any]]:
        worker = self._started()
        from api_graph.table.local import run_local

        worker.cancelled.clear()
        return [asdict(done) for done in run_local(worker, map(unpacked, texts), self._chunk_size)]

    def _started(self) -> Worker:
        if self._worker is None:
            move_in(self._home)
            from api_graph.errors import ApiGraphWarning
            from api_graph.table.job import Job
            from api_graph.table.worker import Worker

            warnings.simplefilter("always", ApiGraphWarning)
            warnings.showwarning = self._note
            self._worker = Worker(Job(**self._job))
        return self._worker

    def _note(self, message: Warning | str, category: type[Warning], *details: Any, **more: Any) -> None:
        """A warning of ours goes to the driver; a library's stays where nobody reads it."""
        from api_graph.errors import ApiGraphWarning

        if issubclass(category, ApiGraphWarning):
            self._warned.append(str(message))


@contextmanager
def counted_attempt(name: str, rows: int) -> Iterator[None]:
    """Raises RuntimeError where earlier attempts have ended their processes: Ray would try again for ever."""
    mark = os.path.join(tempfile.gettempdir(), f"api-graph-{name}")
    with open(mark, "ab") as file:
        file.write(b".")
        attempt = file.tell()
    try:
        if attempt > MOST_ATTEMPTS:
            raise RuntimeError(f"a block of {rows} rows has ended its process {MOST_ATTEMPTS} times (out of memory?)")
        yield
    finally:
        os.unlink(mark)


def home_of_driver() -> dict[str, Any]:
    """Where this package lies, which version it is, and what else of this process its workers should find."""
    import api_graph

    ours = {name: value for name, value in os.environ.items() if name.startswith(("API_GRAPH_", "HF_"))}
    keys = {value for name, value in ours.items() if name.endswith("_KEY_ENV")}
    return {
        "package": os.path.dirname(os.path.dirname(os.path.abspath(api_graph.__file__))),
        "version": api_graph.__version__,
        "folder": os.getcwd(),
        "environment": {**ours, **{name: os.environ[name] for name in keys if name in os.environ}},
    }


def move_in(home: dict[str, Any]) -> None:
    """Make this process find what the driver finds. Raises ImportError without the driver's version of this package."""
    for name, value in home["environment"].items():
        os.environ.setdefault(name, value)
    with suppress(OSError):  # relative paths in the graph are meant from there; a node without it has to do without
        os.chdir(home["folder"])
    if os.path.isdir(os.path.join(home["package"], "api_graph")) and home["package"] not in sys.path:
        sys.path.insert(0, home["package"])
    import api_graph

    if api_graph.__version__ != home["version"]:
        raise ImportError(f"a machine of the cluster has api-graph {api_graph.__version__}, not {home['version']}")


def packed(row: Row) -> str:
    """The row as a text."""
    fault = None if row.fault is None else [row.fault.problem, row.fault.input, row.fault.value, row.fault.hint]
    return json.dumps([row.number, row.key, dict(row.values), fault], default=repr)


def unpacked(text: str) -> Row:
    """The row of such a text."""
    from api_graph.errors import BadInput
    from api_graph.table.row import Row

    number, key, values, fault = json.loads(text)
    if fault is None:
        return Row(number, key, values)
    problem, input, value, hint = fault
    return Row(number, key, values, BadInput(problem, input=input, value=value, hint=hint))
