"""The last steps of rows: which they are, that they go on beside the run, a row at a time, and end with it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from api_graph.context import SaveContext
from api_graph.errors import BadInput, Cancelled
from api_graph.executor import MemoryCache
from api_graph.executor.shared import ComputeLock, SharedResources
from api_graph.sockets import Mask
from api_graph.spec import node

PATIENCE = 20.0
"""Seconds for what must happen soon."""

Hook = Callable[[str, float], None]


@pytest.fixture
def made(lab) -> list[tuple[str, float, int]]:
    """What the nodes Flat, Half and Save did: their names, the value they saw, the thread."""
    return add_nodes(lab, lambda name, value: None)


def add_nodes(lab, hook: Hook) -> list[tuple[str, float, int]]:
    """A node that makes a map, one between that and the file, and one that saves; and one that calls back."""
    made: list[tuple[str, float, int]] = []

    def note(name: str, value: float) -> None:
        made.append((name, value, threading.get_ident()))
        hook(name, value)

    @node("Flat", category="test", title="Flat")
    def flat(value: float) -> Mask:
        """A map of one value."""
        note("Flat", value)
        return torch.full((1, 2, 2), value)

    @node("Half", category="test", title="Half", rowwise=True, store=True)
    def half(mask: Mask) -> Mask:
        """Half of it."""
        for value in mask[:, 0, 0].tolist():
            note("Half", value)
        return mask / 2

    @node("Save", category="test", title="Save", output=True, waits=True)
    def save(mask: Mask, context: SaveContext, name: str = "a") -> Mask:
        """A file with the value in it, with a number."""
        value = float(mask[0, 0, 0])
        note("Save", value)
        folder = context.folders.output
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}{len([*folder.iterdir()])}").write_text(str(value))
        return mask

    @node("Hook", category="test", title="Hook", output=True)
    def hooked(value: float) -> float:
        """Whatever the test wants."""
        note("Hook", value)
        return value

    lab.nodes += [flat, half, save, hooked]
    return made


def chain(value: float, **more: tuple[str, dict[str, Any]]) -> dict[str, tuple[str, dict[str, Any]]]:
    return {
        "1": ("Flat", {"value": value}),
        "2": ("Half", {"mask": ["1", 0]}),
        "3": ("Half", {"mask": ["2", 0]}),
        "4": ("Save", {"mask": ["3", 0]}),
        **more,
    }


def test_a_row_is_done_in_one_go_in_another_thread(lab, made) -> None:
    own = [replace(lab.folders, output=lab.folders.output / str(row)) for row in range(3)]
    graphs = [lab.graph(chain(float(value))) for value in (4, 8, 12)]
    results = lab.executor(threads=1).run_rows(graphs, own)
    assert not any(result.failures for result in results)
    here = threading.get_ident()
    first, later = made[:3], made[3:]
    assert [(name, value) for name, value, _ in first] == [("Flat", 4.0), ("Flat", 8.0), ("Flat", 12.0)]
    assert [(name, value) for name, value, _ in later] == [
        (name, value / by) for value in (4.0, 8.0, 12.0) for name, by in (("Half", 1), ("Half", 2), ("Save", 4))
    ]
    assert {thread for *_, thread in first} == {here} and here not in {thread for *_, thread in later}
    assert [(folder.output / "a0").read_text() for folder in own] == ["1.0", "2.0", "3.0"]


@pytest.mark.parametrize("threads", [1, 4])
def test_files_of_one_folder_are_numbered_in_the_order_of_the_rows(lab, made, threads: int) -> None:
    graph = [chain(float(value), **{"5": ("Save", {"mask": ["1", 0]})}) for value in range(8)]
    lab.rows(lab.executor(threads=threads), graph)
    found = [(lab.folders.output / f"a{number}").read_text() for number in range(16)]
    assert found == [str(value / 4) for value in range(8)] + [str(float(value)) for value in range(8)]


@pytest.mark.parametrize(
    ("more", "in_batches"),
    [
        ({}, []),
        ({"5": ("Hook", {"value": 1.0})}, []),  # another output beside it
        ({"5": ("Value", {"mask": ["3", 0]})}, ["Half", "Half"]),  # a reader that is no last step
        ({"5": ("Value", {"mask": ["2", 0]})}, ["Half"]),
        ({"5": ("Half", {"mask": ["2", 0]}), "6": ("Save", {"mask": ["5", 0]})}, []),
        ({"5": ("Value", {"mask": ["4", 0]})}, ["Half", "Half"]),  # a file's picture that is read on
    ],
)
def test_what_others_read_is_no_last_step(lab, made, more, in_batches: list[str]) -> None:
    @node("Value", category="test", title="Value", output=True)
    def value(mask: Mask) -> float:
        """Its value."""
        return float(mask[0, 0, 0])

    lab.nodes.append(value)
    (result,) = lab.rows(lab.executor(), [chain(4.0, **more)])
    assert not result.failures
    assert [name for name, _, thread in made if name == "Half" and thread == threading.get_ident()] == in_batches


def test_a_target_is_no_last_step(lab, made) -> None:
    (result,) = lab.rows(lab.executor(), [chain(4.0)], targets=["3"])
    assert result.outputs["3"].values["mask"][0, 0, 0] == 1
    assert [thread == threading.get_ident() for name, _, thread in made if name == "Half"] == [True, True]


def test_the_run_goes_on_meanwhile(lab) -> None:
    went_on = threading.Event()

    def hook(name: str, value: float) -> None:
        if name == "Hook":
            went_on.set()
        elif name == "Save":
            assert went_on.wait(PATIENCE), "the run waits for what could go on beside it"

    add_nodes(lab, hook)
    # The plain node comes later in the order of execution.
    (result,) = lab.rows(lab.executor(), [chain(4.0, **{"5": ("Hook", {"value": 2.0})})])
    assert not result.failures and result.outputs["5"].values == {"float": 2.0}


def test_others_compute_while_a_run_waits_for_its_last_steps(lab) -> None:
    lock, got_in = ComputeLock(), threading.Event()

    def other() -> None:
        with lock.inside():
            got_in.set()

    threads: list[threading.Thread] = []

    def hook(name: str, value: float) -> None:
        if name == "Save":
            threads.append(threading.Thread(target=other))
            threads[0].start()
            assert got_in.wait(PATIENCE), "the run keeps the compute lock while it waits"

    add_nodes(lab, hook)
    with lock.inside() as turn:
        (result,) = lab.rows(lab.executor(), [chain(4.0)], shared=SharedResources(turn))
    assert not result.failures
    threads[0].join(PATIENCE)


@pytest.mark.parametrize("at", ["Half", "Save"])
def test_a_row_that_fails_leaves_the_others_alone(lab, at: str) -> None:
    def hook(name: str, value: float) -> None:
        if (name, value) == (at, 8.0 if at == "Half" else 2.0):
            raise BadInput("this one is wrong")

    made = add_nodes(lab, hook)
    first, second = lab.rows(lab.executor(), [chain(4.0), chain(8.0)])
    assert not first.failures
    (failure,) = second.failures
    assert failure.node == {"Half": "2", "Save": "4"}[at] and "this one is wrong" in str(failure.__cause__)
    assert [name for name, value, _ in made if name == "Save"] == ["Save"] * (1 if at == "Half" else 2)
    steps = {step.node: step.action for step in second.steps}
    assert (steps["3"], steps["4"]) == (("blocked", "blocked") if at == "Half" else ("ran", "failed"))


def test_nothing_goes_on_behind_a_run_that_was_cancelled(lab) -> None:
    cancelled, begun, ended = threading.Event(), threading.Event(), threading.Event()

    def hook(name: str, value: float) -> None:
        if name == "Half":
            begun.set()
            assert cancelled.wait(PATIENCE)
            ended.set()
        elif name == "Hook":
            assert begun.wait(PATIENCE)
            cancelled.set()

    made = add_nodes(lab, hook)
    graph = chain(4.0, **{"5": ("Hook", {"value": 2.0})})
    with pytest.raises(Cancelled):
        lab.rows(lab.executor(), [graph, chain(8.0, **{"5": ("Hook", {"value": 2.0})})], cancelled=cancelled)
    assert ended.is_set() and not [name for name, *_ in made if name == "Save"]


def test_what_is_in_memory_is_not_made_again(lab, made) -> None:
    executor = lab.executor(memory=MemoryCache(cpu_bytes=1 << 20))
    lab.rows(executor, [chain(4.0)])
    lab.rows(executor, [chain(4.0)])
    assert [name for name, *_ in made] == ["Flat", "Half", "Half", "Save", "Save"]


def test_of_a_table_no_step_that_is_quickly_made_goes_to_disk(lab, made, cache) -> None:
    """And a run by itself keeps them, as it always did."""
    executor = lab.executor(disk=cache)
    with ComputeLock().inside() as turn:
        lab.rows(executor, [chain(4.0)], shared=SharedResources(turn))
    assert cache.info().entries == 0
    lab.rows(executor, [chain(4.0)])
    assert cache.info().entries == 2
