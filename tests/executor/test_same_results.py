"""The same graphs under every cache: whatever is cached, dropped, shared or damaged, the outputs are the same."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from api_graph.executor import DiskCache, Executor, MemoryCache, RunResult
from api_graph.folders import Folders
from api_graph.graph import read_graph
from api_graph.registry import registry_of
from api_graph.sockets import Mask
from api_graph.spec import node


@node("Constant", category="test", title="Constant")
def constant(value: int = 0) -> Mask:
    """A constant map."""
    return torch.full((1, 2, 2), float(value))


@node("Mix", category="test", title="Mix", store=True)
def mix(a: Mask, b: Mask, share: float = 0.5) -> Mask:
    """A weighted mean."""
    return a * share + b * (1 - share)


def _shift_all(a: Sequence[torch.Tensor], *, by: int) -> list[torch.Tensor]:
    return [shift(one, by) for one in a]


@node("Shift", category="test", title="Shift", store=True, batched=_shift_all, over=("a",))
def shift(a: Mask, by: int = 1) -> Mask:
    """Add a number; in batches."""
    return a + by


@node("Turn", category="test", title="Turn", waits=True)
def turn(a: Mask, b: Mask | None = None) -> Mask:
    """Transpose, and subtract; in threads."""
    return a.transpose(1, 2) - (0 if b is None else b)


@node("Stop", category="test", title="Stop", store=True)
def stop(a: Mask, above: int = 3) -> Mask:
    """Fails for large numbers."""
    if float(a.max()) > above:
        raise ValueError("too large")
    return a


REGISTRY = registry_of([constant, mix, shift, turn, stop])
FOLDERS = Folders((), Path("out"), Path("temp"))
CLASSES: dict[str, tuple[list[str], str | None]] = {  # links, and a literal
    "Constant": ([], "value"),
    "Mix": (["a", "b"], "share"),
    "Shift": (["a"], "by"),
    "Turn": (["a", "b"], None),
    "Stop": (["a"], "above"),
}

Nodes = dict[str, dict[str, Any]]


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[Nodes], list[str]]:
    """Rows of one graph, and the nodes that are asked for."""
    wiring: list[tuple[str, dict[str, Any]]] = []
    for i in range(draw(st.integers(1, 8))):
        kind = draw(st.sampled_from(sorted(CLASSES) if i else ["Constant"]))
        wiring.append((kind, {name: [str(draw(st.integers(0, i - 1))), 0] for name in CLASSES[kind][0]}))
    literals = [[draw(st.integers(0, 3)) for _ in wiring] for _ in range(draw(st.integers(1, 3)))]
    rows = [
        {
            str(i): {"class_type": kind, "inputs": {**links, **({CLASSES[kind][1]: v} if CLASSES[kind][1] else {})}}
            for i, ((kind, links), v) in enumerate(zip(wiring, values, strict=True))
        }
        for values in literals
    ]
    targets = draw(st.lists(st.sampled_from([str(i) for i in range(len(wiring))]), min_size=1, unique=True))
    return rows, targets


def _by_hand(nodes: Nodes, target: str) -> torch.Tensor | None:
    """The value of a node by plain recursion; None where it, or what it needs, fails."""
    arguments = dict(nodes[target]["inputs"])
    for name, value in arguments.items():
        if isinstance(value, list):
            arguments[name] = _by_hand(nodes, value[0])
            if arguments[name] is None:
                return None
    try:
        return REGISTRY[nodes[target]["class_type"]].function(**arguments)
    except ValueError:
        return None


def _plain(value: torch.Tensor | None) -> Any:
    return None if value is None else value.tolist()


def _values(results: list[RunResult], targets: list[str]) -> list[list[Any]]:
    return [[r.outputs[t].values["mask"].tolist() if t in r.outputs else None for t in targets] for r in results]


def _executors(folder: Path) -> list[Executor]:
    """Every kind of cache; those on one disk also meet each other's results."""
    disk, tiny = DiskCache(folder / "disk"), DiskCache(folder / "tiny", limit=1500)
    options: list[dict[str, Any]] = [
        {},
        {"memory": MemoryCache()},
        {"disk": disk},
        {"memory": MemoryCache(), "disk": disk},
        {"memory": MemoryCache(cpu_bytes=40), "disk": tiny, "threads": 2},
        {"memory": MemoryCache(cpu_bytes=0)},
    ]
    return [Executor(registry=REGISTRY, **o) for o in options]


@settings(max_examples=60)
@given(graphs())
def test_every_cache_gives_the_same(case):
    rows, targets = case
    read = [read_graph(row) for row in rows]
    expected = [[_plain(_by_hand(row, target)) for target in targets] for row in rows]
    with tempfile.TemporaryDirectory() as folder:
        for executor in _executors(Path(folder)):
            for _ in range(2):
                assert _values(executor.run_rows(read, FOLDERS, targets=targets), targets) == expected
            one_by_one = [executor.run(graph, FOLDERS, targets=targets) for graph in read]
            assert _values(one_by_one, targets) == expected
            assert executor.memory is None or not executor.memory._pins


def test_one_executor_serves_several_threads(tmp_path):
    rows: list[Nodes] = [
        {
            "0": {"class_type": "Constant", "inputs": {"value": v}},
            **{str(i): {"class_type": "Shift", "inputs": {"a": [str(i - 1), 0], "by": i}} for i in range(1, 12)},
        }
        for v in range(4)
    ]
    executor = Executor(registry=REGISTRY, memory=MemoryCache(cpu_bytes=200), disk=DiskCache(tmp_path, limit=10_000))
    with ThreadPoolExecutor(4) as threads:
        runs = [threads.submit(executor.run, read_graph(rows[i % 4]), FOLDERS, targets=["11"]) for i in range(40)]
        values = [run.result().raise_failures().outputs["11"].values["mask"] for run in runs]
    assert [float(v[0, 0, 0]) for v in values] == [i % 4 + sum(range(12)) for i in range(40)]
    assert executor.memory is not None and not executor.memory._pins


@pytest.mark.parametrize("damage", [b"", b"x" * 50])
def test_a_damaged_cache_gives_the_same(tmp_path, damage):
    nodes: Nodes = {
        "0": {"class_type": "Constant", "inputs": {"value": 1}},
        "1": {"class_type": "Shift", "inputs": {"a": ["0", 0], "by": 2}},
        "2": {"class_type": "Mix", "inputs": {"a": ["0", 0], "b": ["1", 0], "share": 0.25}},
    }
    graph, values = read_graph(nodes), []
    for _ in range(3):
        executor = Executor(registry=REGISTRY, disk=DiskCache(tmp_path))
        values += _values([executor.run(graph, FOLDERS, targets=["1", "2"])], ["1", "2"])
        for path in tmp_path.glob("??/*.safetensors"):
            path.write_bytes(damage)
        with pytest.warns(UserWarning, match="damaged"):
            values += _values([executor.run(graph, FOLDERS, targets=["1", "2"])], ["1", "2"])
    assert values == [[[[[3.0] * 2] * 2], [[[2.5] * 2] * 2]]] * 6
