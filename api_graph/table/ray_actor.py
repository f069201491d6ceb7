"""What runs on the machines of a Ray cluster: an actor with a worker of its own. Rows and results are sent as texts.

`RayActor` is sent to the machines by its code, not by its name, so that a machine can first be told where this package
is. This is why nothing of the package is imported at the top.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:
    from api_graph.table.rows import Row
    from api_graph.table.worker import Worker

MOST_ATTEMPTS = 4


class Home(TypedDict):
    """Where the driver's package is and which version it has; its current folder, and variables of its environment."""

    package: str
    version: str
    folder: str
    environment: Mapping[str, str]


class RayActor:
    """Takes blocks of rows. The first block starts the worker, which loads its models then.

    `home` is from `home_of_driver`; `job` has the fields of the Job. An error that another attempt would not avoid is
    returned, because Ray would retry after an exception.
    """

    def __init__(self, home: Home, job: Mapping[str, Any], chunk_size: int | None) -> None:
        self._home, self._job, self._chunk_size = home, job, chunk_size
        self._worker: Worker | None = None
        self._warned: list[str] = []

    def __call__(self, block: Any) -> Any:
        """Run a block: an Arrow table with a row as text in each cell of its column `row`.

        Returns an Arrow table with one cell, `reply`: the finished chunks, or the error, and the warnings, as JSON.
        """
        import pyarrow as pa

        texts = block["row"].to_pylist()
        try:
            with counted_attempt(f"{self._job['run_id']}-{json.loads(texts[0])[1]}", len(texts)):
                reply: dict[str, object] = {"done": self._run(texts)}
        except Exception as error:
            reply = {"failed": f"{type(error).__name__}: {error}"}
        warned, self._warned = self._warned, []
        return pa.table({"reply": [json.dumps({**reply, "warned": warned})]})

    def _run(self, texts: list[str]) -> list[dict[str, object]]:
        worker = self._started_worker()
        from api_graph.table.worker import run_local

        worker.cancelled.clear()
        return [asdict(chunk) for chunk in run_local(worker, map(row_from_text, texts), self._chunk_size)]

    def _started_worker(self) -> Worker:
        if self._worker is None:
            move_in(self._home)
            from api_graph.errors import ApiGraphWarning, each_kind_once
            from api_graph.table.options import Job
            from api_graph.table.worker import Worker

            warnings.simplefilter("always", ApiGraphWarning)
            warnings.showwarning = self._note_warning
            self._once = each_kind_once()  # as long as the actor lives
            self._once.__enter__()
            self._worker = Worker(Job(**self._job))
        return self._worker

    def _note_warning(self, message: Warning | str, category: type[Warning], *details: object, **more: object) -> None:
        """Keep a warning of this package for the driver. Those of libraries are dropped: nobody would see them."""
        from api_graph.errors import ApiGraphWarning

        if issubclass(category, ApiGraphWarning):
            self._warned.append(str(message))


@contextmanager
def counted_attempt(name: str, rows: int) -> Iterator[None]:
    """Raise RuntimeError if MOST_ATTEMPTS earlier attempts have ended their process. Ray would retry forever."""
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


def home_of_driver() -> Home:
    """What the actors need to know of this process to find this package, its settings and its files."""
    import api_graph

    ours = {name: value for name, value in os.environ.items() if name.startswith(("API_GRAPH_", "HF_"))}
    keys = {value for name, value in ours.items() if name.endswith("_KEY_ENV")}
    return {
        "package": os.path.dirname(os.path.dirname(os.path.abspath(api_graph.__file__))),
        "version": api_graph.__version__,
        "folder": os.getcwd(),
        "environment": {**ours, **{name: os.environ[name] for name in keys if name in os.environ}},
    }


def move_in(home: Home) -> None:
    """Make this process find what the driver finds. Raises ImportError if this package has another version here."""
    for name, value in home["environment"].items():
        os.environ.setdefault(name, value)
    with suppress(OSError):  # relative paths in the graph start there; a machine without the folder does without
        os.chdir(home["folder"])
    if os.path.isdir(os.path.join(home["package"], "api_graph")) and home["package"] not in sys.path:
        sys.path.insert(0, home["package"])
    import api_graph

    if api_graph.__version__ != home["version"]:
        raise ImportError(f"a machine of the cluster has api-graph {api_graph.__version__}, not {home['version']}")


def row_to_text(row: Row) -> str:
    """The row as a text."""
    fault = None if row.fault is None else [row.fault.problem, row.fault.input, row.fault.value, row.fault.hint]
    return json.dumps([row.number, row.key, dict(row.values), fault], default=repr)


def row_from_text(text: str) -> Row:
    """The row that `row_to_text` was given."""
    from api_graph.errors import BadInput
    from api_graph.table.rows import Row

    number, key, values, fault = json.loads(text)
    if fault is None:
        return Row(number, key, values)
    problem, input, value, hint = fault
    return Row(number, key, values, BadInput(problem, input=input, value=value, hint=hint))
