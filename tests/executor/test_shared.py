"""Several runs at once over one executor, as those of a table are: each step once, one of them computing."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch
from torch import nn

from api_graph.context import Context
from api_graph.executor.shared import ComputeLock, SharedResources, torch_threads
from api_graph.spec import node


@dataclass(frozen=True)
class Weights:
    socket: ClassVar[str] = "TEST_WEIGHTS"

    network: nn.Module


def number_graph(lab: Any, value: int) -> Any:
    return lab.graph({"1": ("Number", {"value": value}), "2": ("Show", {"value": ["1", 0]})})


def test_one_run_computes_at_a_time_and_while_it_waits_another_does(lab):
    inside: list[int] = []
    most: list[int] = []
    waited_together = threading.Barrier(3, timeout=10)

    @node("Compute", category="test", title="Compute")
    def compute(context: Context, value: int) -> int:
        """Notes how many are here."""
        inside.append(value)
        most.append(len(inside))
        time.sleep(0.02)
        inside.remove(value)
        with context.waiting():
            waited_together.wait()  # all three get here only if none of them keeps the others out
        return value

    lab.nodes.append(compute)
    executor, lock = lab.executor(), ComputeLock()

    def run(value: int) -> Any:
        graph = lab.graph({"1": ("Compute", {"value": value}), "2": ("Show", {"value": ["1", 0]})})
        with lock.inside() as turn:
            return executor.run_rows([graph], lab.folders, shared=SharedResources(turn))[0]

    with ThreadPoolExecutor(3) as threads:
        assert all(not result.failures for result in threads.map(run, range(3)))
    assert max(most) == 1


def test_the_run_that_began_first_goes_on_first_each_time():
    lock, told = ComputeLock(), []
    away, back = threading.Event(), threading.Event()

    def first() -> None:
        with lock.inside() as turn:
            with turn.outside():
                away.set()
                back.wait(10)
            told.append("first")

    def waits_for(number: int) -> None:
        until = time.monotonic() + 10
        while len(lock._waiting) < number:
            assert time.monotonic() < until
            time.sleep(0.001)

    def third() -> None:
        with lock.inside():
            told.append("third")

    with ThreadPoolExecutor(2) as threads:
        one = threads.submit(first)
        assert away.wait(10)
        with lock.inside():  # the second
            other = threads.submit(third)
            waits_for(1)
            back.set()
            waits_for(2)
            told.append("second")
        one.result()
        other.result()
    assert told == ["second", "first", "third"]


@pytest.mark.parametrize(("inputs", "threads"), [(2**12, 3), (2**12 - 1, 1)])
def test_a_large_model_computes_with_threads_of_its_own_number(lab, inputs, threads):
    used: dict[str, int] = {}

    @node("Weights", category="test", title="Weights", model=True)
    def weights() -> Weights:
        """A model."""
        return Weights(nn.Linear(inputs, 2**12, bias=False))  # 64 MiB, or a little less

    @node("Encode", category="test", title="Encode")
    def encode(model: Weights) -> int:
        """Notes the threads."""
        used["model"] = torch.get_num_threads()
        return 1

    @node("After", category="test", title="After")
    def after(value: int) -> int:
        """Notes them, too."""
        used["else"] = torch.get_num_threads()
        return value + 1

    lab.nodes += [weights, encode, after]
    graph = lab.graph({"1": ("Weights", {}), "2": ("Encode", {"model": ["1", 0]}), "3": ("After", {"value": ["2", 0]})})
    before = torch.get_num_threads()
    with ComputeLock().inside() as turn, torch_threads(1):
        shared = SharedResources(turn, model_threads=3)
        (result,) = lab.executor().run_rows([graph], lab.folders, targets=["3"], shared=shared)
    assert not result.failures
    assert used == {"model": threads, "else": 1} and torch.get_num_threads() == before
