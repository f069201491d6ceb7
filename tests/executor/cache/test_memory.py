"""The memory cache against a plain model of it."""

from __future__ import annotations

from typing import NamedTuple
from unittest.mock import patch

import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.executor import MemoryCache
from api_graph.executor.cache.entry import Bytes, Entry, size_of
from api_graph.sockets import Mask
from api_graph.spec import node

LIMIT = Bytes(10, 6)


class Op(NamedTuple):
    kind: str
    key: str
    size: Bytes


OPS = st.lists(
    st.builds(
        Op,
        st.sampled_from(["put", "put", "put pinned", "get", "get pinned", "unpin", "clear"]),
        st.sampled_from("abcdef"),
        st.builds(Bytes, st.integers(0, 11), st.integers(0, 7)),
    ),
    max_size=60,
)


def _entry(size: Bytes) -> Entry:
    with patch("api_graph.executor.cache.entry.size_of", return_value=size):
        return Entry(([],))


class Model:
    """The same rules without speed: a list of (key, entry), oldest first, and a list of pins."""

    def __init__(self) -> None:
        self.held: list[tuple[str, Entry]] = []
        self.pins: list[str] = []

    def put(self, key: str, entry: Entry, *, pin: bool) -> None:
        self.pins += [key] * pin
        self.held = [(k, e) for k, e in self.held if k != key]
        if entry.size.cpu <= LIMIT.cpu and entry.size.gpu <= LIMIT.gpu:
            self.held.append((key, entry))
        self.shrink()

    def get(self, key: str, *, pin: bool) -> Entry | None:
        found = [(k, e) for k, e in self.held if k == key]
        self.pins += [key] * (pin and bool(found))
        self.held = [(k, e) for k, e in self.held if k != key] + found
        return found[0][1] if found else None

    def unpin(self, key: str) -> None:
        if key in self.pins:
            self.pins.remove(key)
        if key not in self.pins:
            self.shrink()

    def shrink(self) -> None:
        """Drop the oldest that is not pinned and takes of what is short, until nothing is short."""
        while True:
            short = [i for i in (0, 1) if sum(e.size[i] for _, e in self.held) > LIMIT[i]]
            victims = [k for k, e in self.held if k not in self.pins and any(e.size[i] for i in short)]
            if not short or not victims:
                return
            self.held = [(k, e) for k, e in self.held if k != victims[0]]


@given(OPS)
def test_it_behaves_like_the_model(ops):
    cache, model = MemoryCache(*LIMIT), Model()
    for op in ops:
        pin = op.kind.endswith("pinned")
        if op.kind.startswith("put"):
            entry = _entry(op.size)
            cache.put(op.key, entry, pin=pin)
            model.put(op.key, entry, pin=pin)
        elif op.kind.startswith("get"):
            assert cache.get(op.key, pin=pin) is model.get(op.key, pin=pin)
        elif op.kind == "unpin":
            cache.unpin(op.key)
            model.unpin(op.key)
        else:
            cache.clear()
            model.held.clear()
        assert list(cache._entries.items()) == model.held
        assert cache.used == tuple(sum(e.size[i] for _, e in model.held) for i in (0, 1))
        assert len(cache) == len(model.held)
        if not model.pins:
            assert cache.used.cpu <= LIMIT.cpu and cache.used.gpu <= LIMIT.gpu


def test_a_full_gpu_costs_no_results_that_lie_on_the_cpu():
    cache = MemoryCache(cpu_bytes=100, gpu_bytes=10)
    cache.put("cpu", _entry(Bytes(50, 0)))
    cache.put("gpu", _entry(Bytes(1, 8)))
    cache.put("new", _entry(Bytes(1, 8)))
    assert ("cpu" in cache, "gpu" in cache, "new" in cache) == (True, False, True)


def test_pinned_entries_may_exceed_the_budget_until_they_are_unpinned():
    cache = MemoryCache(cpu_bytes=10)
    for key in "abc":
        cache.put(key, _entry(Bytes(8, 0)), pin=True)
    assert cache.used.cpu == 24
    cache.unpin("b")
    assert ("a" in cache, "b" in cache, "c" in cache) == (True, False, True)
    cache.unpin("c")
    assert cache.used.cpu == 8


def test_a_cached_result_is_not_dropped_for_new_ones_while_it_is_still_to_be_read(lab):
    size = size_of([torch.zeros(1, 8, 8)]).cpu
    memory = MemoryCache(cpu_bytes=2 * size)
    executor = lab.executor(memory=memory)
    held = []

    @node("Grow", category="test", title="Grow")
    def grow(a: Mask, early: Mask | None = None) -> Mask:
        """A new map; looks into the cache when it has a second input."""
        if early is not None:
            held.append(key in memory)
        return a + 1

    lab.nodes.append(grow)
    early = {"1": ("Fill", {"value": 1, "side": 8})}
    lab.run(executor, early, targets=["1"])
    (key,) = memory._entries
    late = {
        "2": ("Fill", {"value": 2, "side": 8}),
        "3": ("Grow", {"a": ["2", 0]}),
        "4": ("Grow", {"a": ["3", 0]}),
        "5": ("Grow", {"a": ["4", 0], "early": ["1", 0]}),
    }
    lab.run(lab.executor(memory=memory), {**early, **late}, targets=["5"]).raise_failures()
    assert held == [True]
    assert memory.used.cpu <= 2 * size and not memory._pins


def test_a_run_under_a_tiny_budget_is_right_and_leaves_no_pins(lab):
    memory = MemoryCache(cpu_bytes=100)
    graph = {"0": ("Number", {"value": 1}), **{str(i): ("Add", {"a": [str(i - 1), 0]}) for i in range(1, 30)}}
    for _ in range(2):
        assert lab.run(lab.executor(memory=memory), graph, targets=["29"]).outputs["29"].values == {"int": 30}
    assert memory.used.cpu <= 100 and not memory._pins
