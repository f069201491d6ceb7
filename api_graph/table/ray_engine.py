"""The engine of many machines: Ray Data streams blocks of rows through actors, each with a worker of its own.

Every machine must see the output folder and the rows' files under the same paths, and have this package installed. An
actor that dies is started anew and its block is run again: a block gives all its records at once, or none.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Any

from api_graph.errors import BadInput
from api_graph.table.job import Job
from api_graph.table.local import run_local
from api_graph.table.row import Row
from api_graph.table.worker import Done, Worker

_LARGEST_BLOCK = 256
_BLOCKS_PER_ACTOR = 8


@dataclass(frozen=True)
class RayWishes:
    """How many `actors`, with how many GPUs each (a fraction shares one), on the cluster at `address`.

    Without an address the cluster that this process is connected to already, else one is started on this machine.
    """

    actors: int = 1
    gpus_per_actor: float = 0.0
    address: str | None = None

    def __post_init__(self) -> None:
        if self.actors < 1:
            raise BadInput("must be at least 1", input="concurrency", value=self.actors)
        if self.gpus_per_actor < 0:
            raise BadInput("must not be negative", input="gpus_per_actor", value=self.gpus_per_actor)


def run_on_ray(
    job: Job, wishes: RayWishes, rows: Iterator[Row], chunk_size: int | None = None
) -> Generator[Done, None, None]:
    """What came of each block of rows, in order of completion. Raises BadInput without Ray, or without a cluster."""
    pending = [_packed(row) for row in rows]
    if not pending:
        return
    with _cluster(wishes):
        import pyarrow as pa
        import ray.data

        size = max(1, min(_LARGEST_BLOCK, -(-len(pending) // (wishes.actors * _BLOCKS_PER_ACTOR))))
        stream = iter(pending)
        blocks = [pa.table({"row": block}) for block in iter(lambda: list(islice(stream, size)), [])]
        done = ray.data.from_arrow(blocks).map_batches(
            _Actor,
            fn_constructor_kwargs={"job": job.to_json(), "chunk_size": chunk_size},
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=wishes.actors),
            num_gpus=wishes.gpus_per_actor or None,
            num_cpus=_processors_each(wishes),
        )
        for batch in done.iter_batches(batch_size=None, batch_format="pyarrow"):
            for text in pa.table(batch)["done"].to_pylist():
                yield Done(**json.loads(text))


class _Actor:
    """Lives in a process of its own, with the model that it loads for its first block."""

    def __init__(self, job: dict[str, Any], chunk_size: int | None) -> None:
        self._worker, self._chunk_size = Worker(Job(**job)), chunk_size

    def __call__(self, block: Any) -> Any:
        import pyarrow as pa

        self._worker.cancelled.clear()
        rows = [_unpacked(text) for text in block["row"].to_pylist()]
        done = [json.dumps(asdict(done)) for done in run_local(self._worker, iter(rows), self._chunk_size)]
        return pa.table({"done": done})


def _packed(row: Row) -> str:
    fault = None if row.fault is None else [row.fault.problem, row.fault.input, row.fault.value, row.fault.cure]
    return json.dumps([row.number, row.key, dict(row.values), fault])


def _unpacked(text: str) -> Row:
    number, key, values, fault = json.loads(text)
    if fault is None:
        return Row(number, key, values)
    problem, input, value, cure = fault
    return Row(number, key, values, BadInput(problem, input=input, value=value, cure=cure))


@contextmanager
def _cluster(wishes: RayWishes) -> Iterator[None]:
    """A connection to the cluster; one that was begun here is ended here."""
    try:
        import ray
        import ray.data
    except ImportError:
        raise BadInput(
            "Ray is not installed", input="--engine", value="ray", cure="pip install 'api-graph[ray]'"
        ) from None
    ours = not ray.is_initialized()
    if ours:
        try:
            ray.init(address=wishes.address, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, ValueError) as error:
            raise BadInput(
                f"there is no cluster ({error})",
                input="--ray-address",
                value=wishes.address,
                cure="`ray start --head` starts one; leave the address out for one on this machine.",
            ) from error
    context = ray.data.DataContext.get_current()
    bars, context.enable_progress_bars = context.enable_progress_bars, False
    try:
        yield
    finally:
        context.enable_progress_bars = bars
        if ours:
            ray.shutdown()


def _processors_each(wishes: RayWishes) -> int:
    """Processors of an actor: its share of this machine's, so that its threads find some."""
    return max(1, (os.cpu_count() or 1) // wishes.actors)
