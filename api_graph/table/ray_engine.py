"""The engine of many machines: Ray Data streams blocks of rows through actors, each with a worker of its own.

All machines must see the output folder and the rows' files under the same paths. They must have this package, either
installed or where the driver has it. An actor that dies is replaced, and its block runs again; a block gives either all
its records or none.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice

from api_graph.errors import ApiGraphWarning, BadInput, RunStopped
from api_graph.table import ray_actor
from api_graph.table.options import Job
from api_graph.table.ray_actor import RayActor, home_of_driver, row_to_text
from api_graph.table.ray_cluster import RayOptions, Room, __getattr__, cluster  # noqa: F401  # RayWishes, its old name
from api_graph.table.rows import Row
from api_graph.table.worker import FinishedChunk

_LARGEST_BLOCK = 256
_BLOCKS_PER_ACTOR = 8


class RayFailed(RunStopped):
    """The cluster could not do its work. What was written before is kept."""


def run_on_ray(
    job: Job, options: RayOptions, rows: Iterator[Row], chunk_size: int | None = None
) -> Generator[FinishedChunk, None, None]:
    """Run all rows on a Ray cluster. Yields chunks; blocks of them come in order of completion.

    Raises BadInput if there is no Ray, no cluster, or no room on it. Raises RayFailed if its machines cannot run this
    package, or lose a block again and again.
    """
    texts = []
    for row in rows:
        if row.pictures:
            hint = (
                "Run without --ray, in shards if need be; or write the pictures as files, and their names as the rows."
            )
            raise BadInput("pictures inside a table are not sent to other machines", input="ROWS", hint=hint)
        texts.append(row_to_text(row))
    if not texts:
        return
    with cluster(options, sum(map(len, texts))) as room, _readable_errors():
        warned: set[str] = set()
        for reply in map(json.loads, _replies(job, room, texts, chunk_size)):
            for text in reply["warned"]:
                if text not in warned:
                    warned.add(text)
                    warnings.warn(text, ApiGraphWarning, stacklevel=2)
            if "failed" in reply:
                raise RayFailed(f"a Ray actor cannot go on: {reply['failed']}")
            for chunk in reply["done"]:
                yield FinishedChunk(**chunk)


def _replies(job: Job, room: Room, texts: list[str], chunk_size: int | None) -> Iterator[str]:
    """The actors' replies, one per block. Empties `texts`, because Ray holds the rows from then on."""
    import pyarrow as pa
    import ray.cloudpickle
    import ray.data

    size = max(1, min(_LARGEST_BLOCK, -(-len(texts) // (room.actors * _BLOCKS_PER_ACTOR))))
    size = -(-size // job.settings) * job.settings  # the settings of a row share its work
    stream = iter(texts)
    blocks = [pa.table({"row": block}) for block in iter(lambda: list(islice(stream, size)), [])]
    texts.clear()
    ray.cloudpickle.register_pickle_by_value(ray_actor)
    try:
        replies = ray.data.from_arrow(blocks).map_batches(
            RayActor,
            fn_constructor_kwargs={"home": home_of_driver(), "job": asdict(job), "chunk_size": chunk_size},
            batch_size=None,
            batch_format="pyarrow",
            compute=ray.data.ActorPoolStrategy(size=room.actors),
            num_cpus=room.processors,
            num_gpus=room.gpus or None,
        )
        del blocks
        for batch in replies.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
            yield from pa.table(batch)["reply"].to_pylist()
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
