"""Chunks of a table: how many rows go together, and when the results that rows share can be dropped."""

from __future__ import annotations

import threading
from array import array
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from api_graph.executor.last_steps import saves
from api_graph.graph import Graph, GraphNode, Link, execution_order
from api_graph.spec import NodeSpec
from api_graph.table.embedded import bytes_of
from api_graph.table.rows import Row

FIRST = 8
MOST = 128
LAST = 16
_GROWTH = 4


_PIXEL = {"IMAGE": 12, "MASK": 4}
"""Bytes of a pixel, by socket."""
_EIGHT_BITS = 3
_WRITTEN = {"IMAGE": 7, "MASK": 2}
"""Bytes of a pixel on its way to a file: 8 bits, and the encoder's own copy."""
_WORKING = 48
"""Bytes of a pixel that a node takes while it works, as far as no result has them."""
_WORKING_IN_BLOCKS = 24
"""The same of nodes that treat a map row by row, and of those that read, save or prepare pictures of 8 bits."""


class PixelBytes(NamedTuple):
    """Bytes that a row takes for each pixel of its picture.

    Its results are `held` while it waits for others, and `last` are those of its last steps while these are done;
    `working` is what nodes take besides. That is the most if every picture and mask in the graph has the size of the
    one that is read.
    """

    held: int = 0
    last: int = 0
    working: int = _WORKING


def bytes_per_pixel(graph: Graph, registry: Mapping[str, NodeSpec]) -> PixelBytes:
    """What a row of the graph takes."""
    specs = {id: registry[node.class_type] for id, node in graph.nodes.items()}
    order = execution_order(graph, [id for id, spec in specs.items() if spec.output and not spec.preview])
    links = {id: {v.node for v in graph.nodes[id].inputs.values() if isinstance(v, Link)} for id in order}
    readers = {id: [other for other in order if id in links[other]] for id in order}
    last: set[str] = set()
    for id in reversed(order):
        if all(reader in last for reader in readers[id]) and (saves(specs[id]) or (readers[id] and specs[id].rowwise)):
            last.add(id)
    first = [id for id in order if id not in last]
    held = _most_held(first, links, {id: readers[id] for id in first}, specs, graph)
    own = _most_held([id for id in order if id in last], links, readers, specs, graph)
    in_blocks = all(specs[id].eight_bits or not _read(specs[id], graph.nodes[id]) for id in first)
    return PixelBytes(held, own, _WORKING_IN_BLOCKS if in_blocks else _WORKING)


def _most_held(
    order: Sequence[str],
    links: Mapping[str, Collection[str]],
    readers: Mapping[str, Collection[str]],
    specs: Mapping[str, NodeSpec],
    graph: Graph,
) -> int:
    """The most bytes of a pixel that results of these nodes have at one time; each is held until all have read it."""
    left, held = {id: len(readers[id]) for id in order}, dict[str, int]()
    now = most = 0
    for id in order:
        if specs[id].output:  # it hands on what it was given
            most = max(most, now + sum(_WRITTEN[socket] for socket in _read(specs[id], graph.nodes[id])))
        else:
            image = _EIGHT_BITS if specs[id].eight_bits else _PIXEL["IMAGE"]
            bytes_of = {**_PIXEL, "IMAGE": image}
            held[id] = sum(bytes_of.get(output.socket, 0) for output in specs[id].outputs)
            now += held[id]
            most = max(most, now)
        for parent in left.keys() & links[id]:
            left[parent] -= 1
            if not left[parent]:
                now -= held.get(parent, 0)
    return most


def _read(spec: NodeSpec, node: GraphNode) -> list[str]:
    """The sockets of the pictures and masks that are linked to a node."""
    return [one.socket for one in spec.inputs if one.socket in _PIXEL and isinstance(node.inputs.get(one.name), Link)]


class Chunks:
    """Cuts a stream of rows into chunks, large enough to fill a model's batches and small enough for the memory.

    `pixels_of` says how large a row's picture is, before it is read, and `bytes_per_pixel` what that will take. What
    rows hold besides, `learn` is told. Of a chunk, as many rows as there are `workers` work at a time. The chunks that
    run at the same time, at most `at_once`, hold `memory` bytes together, which `in_use` counts; one that needs more
    than that runs alone, and has one row. Pictures that lie inside the table take half of that at most while they wait.
    The first chunks are small. The last ones are small too, down to LAST rows, so that there are enough of them to the
    end. `fixed` is a size that the user has set; None derives it from the memory. `settings` is how many rows each row
    of the table has become, by a grid: they share most of their work, and go together, where memory has room and they
    are at most MOST. `must_wait` says that the next row is still on its way: what is there goes first. With `alone` the
    first chunk has at most so many rows, and runs alone.
    """

    def __init__(
        self,
        rows: Iterator[Row],
        memory: int,
        at_once: int,
        fixed: int | None = None,
        pixels_of: Callable[[Row], int] = lambda row: 0,
        bytes_per_pixel: PixelBytes = PixelBytes(),  # noqa: B008
        settings: int = 1,
        workers: int = 1,
        must_wait: Callable[[], bool] = lambda: False,
        alone: int | None = None,
    ) -> None:
        self._settings = settings if settings <= MOST else 1
        whole = fixed and -(-fixed // self._settings) * self._settings
        self._rows, self._memory, self._at_once, self._fixed = rows, memory, at_once, whole
        self._pixels_of, self._pixel, self._workers, self._besides = pixels_of, bytes_per_pixel, workers, 0
        self._must_wait, self._alone = must_wait, alone
        self._ahead: deque[tuple[Row, int]] = deque()  # with the pixels of its picture
        self._running: dict[int, tuple[int, int]] = {}  # by the number of the first row: its bytes, and pixels per row
        self.size, self.in_use = max(FIRST, self._settings), 0

    def take(self) -> list[Row]:
        """The next chunk; empty when no rows are left, and when those that run leave it no room."""
        if self._alone is not None and self._running:
            return []
        enough = 2 * self._at_once * self.size if self._fixed is None else self._fixed + 1  # to see where a row ends
        ended = self._read_ahead(enough)
        size = self._fixed or self.size
        if self._fixed is None and ended:  # the rows are coming to their end: share them out
            size = min(size, max(LAST, self._settings, -(-len(self._ahead) // (2 * self._at_once))))
        count, pixels, needed = self._fitting(size if self._alone is None else min(size, self._alone))
        if not count or (self._running and self.in_use + needed > self._memory):
            return []
        chunk = [self._ahead.popleft()[0] for _ in range(count)]
        self._running[chunk[0].number] = needed, pixels // count
        self.in_use += needed
        return chunk

    def _read_ahead(self, enough: int) -> bool:
        """Read so many rows, as far as there is room for the pictures that they bring. Says if there are no more."""
        room = self._memory // 2 - sum(_bytes_inside(row) for row, _ in self._ahead)
        while len(self._ahead) < enough and room >= 0:
            if (self._ahead or self._running) and self._must_wait():
                return False
            row = next(self._rows, None)
            if row is None:
                return True
            self._ahead.append((row, self._pixels_of(row)))
            room -= _bytes_inside(row)
        return False

    def _fitting(self, size: int) -> tuple[int, int, int]:
        """How many of the rows ahead make the next chunk, at most `size`, their pixels, and the bytes that they need.

        It ends between two rows of the table, unless there is no room for all settings of the first.
        """
        count = held = pixels = largest = needed = 0
        whole = (0, 0, 0)
        for row, own in islice(self._ahead, size):
            if count and self._begins(row, self._ahead[count - 1][0]):
                whole = count, pixels, needed
            held += self._besides + own * self._pixel.held
            largest = max(largest, own)
            working = (self._pixel.last + self._pixel.working) * largest * min(count + 1, self._workers)
            if count and held + working > self._memory // self._at_once and self._fixed is None:
                break
            count, pixels, needed = count + 1, pixels + own, held + working
        is_whole = (
            count == len(self._ahead) or not count or self._begins(self._ahead[count][0], self._ahead[count - 1][0])
        )
        return (count, pixels, needed) if is_whole or not whole[0] else whole

    def _begins(self, row: Row, before: Row) -> bool:
        """Whether the two are of different rows of the table."""
        return row.number // self._settings != before.number // self._settings

    def learn(self, chunk: Sequence[Row], bytes_per_row: int) -> None:
        """A chunk has run, and its rows held this much memory each: adapt the size of the next ones."""
        self._alone = None
        needed, pixels = self._running.pop(chunk[0].number)
        self.in_use -= needed
        self._besides = max(bytes_per_row - pixels * (self._pixel.held + self._pixel.last), 0)
        self.size = min(MOST, self.size * _GROWTH)


def _bytes_inside(row: Row) -> int:
    """Bytes of the pictures that a row brings along."""
    inside = sum(map(bytes_of, row.pictures.values()))
    return inside + sum(file.state.size or 0 for file in row.remote.values()) if row.remote else inside


@dataclass(frozen=True)
class _Group:
    """Nodes that depend on the same `columns`. `left` counts the rows to come, by digest of their values there."""

    columns: tuple[str, ...]
    nodes: tuple[str, ...]
    digests: NDArray[np.int64]  # sorted, without duplicates
    left: NDArray[np.int32]


class ReferenceCounts:
    """Counts how many rows to come need each shared result, so that the last of them can drop it.

    The counts are made from the table beforehand and take 12 bytes for each distinct value, or combination of values,
    that rows share. `nodes` are ids of nodes by the columns that they depend on. `transient` are the nodes of which no
    two rows share a result: their results need not be kept at all.
    """

    def __init__(self, nodes: Mapping[frozenset[str], Collection[str]], rows: Iterable[Row]) -> None:
        self._lock = threading.Lock()
        self._groups: list[_Group] = []
        found = [(tuple(sorted(columns)), tuple(ids), array("q")) for columns, ids in nodes.items()]
        for row in rows:
            for columns, _, digests in found:
                digests.append(_digest(row, columns))
        transient: set[str] = set()
        for columns, ids, digests in found:
            distinct, counts = np.unique(np.asarray(digests, dtype=np.int64), return_counts=True)
            if len(distinct) == len(digests):
                transient.update(ids)
            else:
                self._groups.append(_Group(columns, ids, distinct, counts.astype(np.int32)))
        self.transient = frozenset(transient)

    def finish(self, row: Row) -> list[str]:
        """Count a finished row. Returns the ids of the nodes whose results for it no row to come needs."""
        unneeded: list[str] = []
        with self._lock:
            for group in self._groups:
                index = int(np.searchsorted(group.digests, _digest(row, group.columns)))
                group.left[index] -= 1
                if not group.left[index]:
                    unneeded += group.nodes
        return unneeded


def _digest(row: Row, columns: Iterable[str]) -> int:
    """A hash of 64 bits. Should two values share it, results are dropped late, or early and made again."""
    return hash(tuple(repr(row.values.get(column)) for column in columns))
