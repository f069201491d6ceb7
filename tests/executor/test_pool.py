"""Loader nodes and the model pool."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch

from api_graph.executor import DiskCache, MemoryCache, ModelPool
from api_graph.folders import Folders
from api_graph.spec import node


@dataclass(frozen=True, eq=False)
class Model:
    socket: ClassVar[str] = "TEST_MODEL"

    weight: torch.nn.Parameter
    device: str


def _weights(folders: Folders, name: str, device: str) -> Mapping[str, Any]:
    return {"weights": name.lower()}


@pytest.fixture
def zoo(lab):
    """The lab with a loader, and two nodes that use what it loads."""

    @node("Load", category="test", title="Load", model=True, fingerprint=_weights)
    def load(name: str = "a", device: str = "cpu") -> Model:
        """Load a model."""
        assert not torch.is_inference_mode_enabled()
        lab.calls["Load"] += 1
        return Model(torch.nn.Parameter(torch.ones(3)), device)

    @node("Use", category="test", title="Use", store=True)
    def use(model: Model, by: int = 1) -> int:
        """Three times a number."""
        assert torch.is_inference_mode_enabled()
        lab.calls["Use"] += 1
        return int(model.weight.sum()) * by

    @node("Where", category="test", title="Where", output=True)
    def where(model: Model) -> str:
        """Where a model lies."""
        return model.device

    lab.nodes += [load, use, where]
    return lab


GRAPH: dict[str, Any] = {
    "1": ("Load", {}),
    "2": ("Use", {"model": ["1", 0]}),
    "3": ("Load", {"name": "a", "device": "cpu"}),
    "4": ("Use", {"model": ["3", 0], "by": 2}),
    "5": ("Show", {"value": ["2", 0], "other": ["4", 0]}),
}


def test_two_loaders_of_one_model_load_it_once(zoo, actions):
    executor = zoo.executor()
    result = zoo.run(executor, GRAPH)
    assert (zoo.calls["Load"], executor.pool.loads, len(executor.pool)) == (1, 1, 1)
    assert actions(result)["3"] == "pool"
    zoo.run(executor, GRAPH)
    assert (zoo.calls["Load"], zoo.calls["Use"]) == (1, 4)


def test_another_device_is_another_model_but_the_same_result(zoo):
    executor = zoo.executor()
    graph = {
        "1": ("Load", {}),
        "2": ("Where", {"model": ["1", 0]}),
        "3": ("Load", {"device": "cuda"}),
        "4": ("Where", {"model": ["3", 0]}),
        "5": ("Use", {"model": ["1", 0]}),
        "6": ("Use", {"model": ["3", 0]}),
        "7": ("Show", {"value": ["5", 0], "other": ["6", 0]}),
    }
    result = zoo.run(executor, graph)
    assert [result.outputs[i].values for i in "24"] == [{"string": "cpu"}, {"string": "cuda"}]
    assert (zoo.calls["Load"], zoo.calls["Use"]) == (2, 1)


@pytest.mark.parametrize("kind", ["memory", "disk"])
def test_no_model_is_loaded_when_all_that_it_feeds_is_cached(zoo, tmp_path, actions, kind):
    def caches():
        return {"disk": DiskCache(tmp_path / "cache")} if kind == "disk" else {"memory": memory}

    memory = MemoryCache()
    zoo.run(zoo.executor(**caches()), GRAPH)
    result = zoo.run(zoo.executor(**caches()), GRAPH)  # an empty pool, as in a new process
    assert zoo.calls["Load"] == 1
    assert actions(result) == {"1": "unneeded", "2": kind, "3": "unneeded", "4": kind, "5": "ran"}


def test_models_are_written_nowhere_and_weigh_nothing_in_memory(zoo, tmp_path):
    memory, disk = MemoryCache(), DiskCache(tmp_path / "cache")
    result = zoo.run(zoo.executor(memory=memory, disk=disk), {"1": ("Load", {})}, targets=["1"])
    assert result.outputs["1"].values["test_model"].weight.requires_grad
    assert (len(memory), disk.info().entries, result.steps[0].bytes) == (0, 0, 0)


def test_a_full_pool_lets_go_of_the_model_used_longest_ago(zoo):
    executor = zoo.executor(pool=ModelPool(capacity=2))
    for name in ("a", "b", "a", "c", "a", "b"):
        zoo.run(executor, {"1": ("Load", {"name": name}), "2": ("Where", {"model": ["1", 0]})})
    assert executor.pool.loads == 4  # a, b, c, and b again
    executor.pool.clear()
    assert len(executor.pool) == 0


def test_two_runs_at_once_load_a_model_once(zoo):
    inside, second = threading.Event(), threading.Event()

    @node("Slow", category="test", title="Slow", model=True)
    def slow() -> Model:
        """Is still loading when the second run asks."""
        zoo.calls["Slow"] += 1
        inside.set()
        assert second.wait(60)
        return Model(torch.nn.Parameter(torch.ones(1)), "cpu")

    zoo.nodes.append(slow)
    executor = zoo.executor()
    graph = zoo.graph({"1": ("Slow", {}), "2": ("Where", {"model": ["1", 0]})})

    def listen(event):
        if event.kind == "started" and inside.is_set():
            second.set()

    with ThreadPoolExecutor(2) as threads:
        runs = [threads.submit(executor.run, graph, zoo.folders)]
        assert inside.wait(60)
        runs.append(threads.submit(executor.run, graph, zoo.folders, listener=listen))
        for run in runs:
            run.result().raise_failures()
    assert (zoo.calls["Slow"], executor.pool.loads) == (1, 1)


def test_a_model_that_cannot_be_loaded_is_tried_again(zoo):
    broken = [True]

    @node("Broken", category="test", title="Broken", model=True)
    def load() -> Model:
        """Loads at the second attempt."""
        if broken.pop() if broken else False:
            raise OSError("no connection")
        return Model(torch.nn.Parameter(torch.ones(1)), "cpu")

    zoo.nodes.append(load)
    executor = zoo.executor()
    graph = {"1": ("Broken", {}), "2": ("Where", {"model": ["1", 0]})}
    assert str(zoo.run(executor, graph).failures[0]) == 'node 1 "Broken": OSError: no connection'
    zoo.run(executor, graph).raise_failures()


def test_rows_share_one_load(zoo):
    rows = [{"1": ("Load", {}), "2": ("Use", {"model": ["1", 0], "by": i})} for i in range(20)]
    results = zoo.rows(zoo.executor(), rows, targets=["2"])
    assert [r.outputs["2"].values["int"] for r in results] == [3 * i for i in range(20)]
    assert zoo.calls["Load"] == 1
