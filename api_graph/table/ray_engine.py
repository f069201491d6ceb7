"""The engine of many machines: Ray Data streams blocks of rows through actors, each with a worker of its own.

Every machine must see the output folder and the rows' files under the same paths, and have this package: installed, or
where the driver has it. An actor that dies is started anew and its block is run again: a block gives all its records at
once, or none.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import islice

from api_graph.errors import ApiGraphWarning, RunStopped
from api_graph.table import ray_actor
from api_graph.table.job import Job
from api_graph.table.ray_actor import RayActor, home_of_driver, packed
from api_graph.table.ray_cluster import RayOptions, Room, cluster
from api_graph.table.row import Row
from api_graph.table.worker import Done

__all__ = ["RayFailed", "RayOptions", "run_on_ray"]

_LARGEST_BLOCK = 256
_BLOCKS_PER_ACTOR = 8


class RayFailed(RunStopped):
    """The cluster could not do its work; what was written before is kept."""


def run_on_ray(
    job: Job, options: RayOptions, rows: Iterator[Row], chunk_size: int | None = None
) -> Generator[Done, None, None]:
    """What came of each block of rows, in order of completion.

    Raises BadInput without Ray, without a cluster, or without room on it; RayFailed where its machines cannot run this
    package, or lose a block again and again.
    """
    texts = [packed(row) for row in rows]
    if not texts:
        return
    with cluster(options, sum(map(len, texts))) as room, _readable_errors():
        warned: set[str] = set()
        for told in map(json.loads, _told(job, room, texts, chunk_size)):
            for text in told["warned"]:
                if text not in warned:
                    warned.add(text)
                    warnings.warn(text, ApiGraphWarning, stacklevel=2)
            if "failed" in told:
                raise RayFailed(f"a Ray actor cannot go on: {told['failed']}")
            for done in told["done"]:
                yield Done(**done)


def _told(job: Job, room: Room, texts: list[str], chunk_size: int | None) -> Iterator[str]:
    """What the actors say, a text per block. Empties `texts`: the rows are Ray's then."""
    import pyarrow as pa
    import ray.cloudpickle
    import ray.data

    size = max(1, min(_LARGEST_BLOCK, -(-len(texts) // (room.actors * _BLOCKS_PER_ACTOR))))
    stream = iter(texts)
    blocks = [pa.table({"row": block}) for block in iter(lambda: list(islice(stream, size)), [])]
    texts.clear()
    ray.cloudpickle.register_pickle_by_value(ray_actor)
    try:
        told = ray.data.from_arrow(blocks).map_batches(
            RayActor,
            fn_constructor_kwargs={"home": home_of_driver(), "job": job.to_json(), "chunk_size": chunk_size},
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=room.actors),
            num_cpus=room.processors,
            num_gpus=room.gpus or None,
        )
        del blocks
        for batch in told.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield from pa.table(batch)["told"].to_pylist()
    finally:
        ray.cloudpickle.unregister_pickle_by_value(ray_actor)


@contextmanager
def _readable_errors() -> Iterator[None]:
    import ray.exceptions

    try:
        yield
    except ray.exceptions.RayError as error:
        reason = str(error).strip().splitlines()[0]
        raise RayFailed(
            f"Ray has given up ({type(error).__name__}: {reason}). Run it again: what is finished is kept."
        ) from error
