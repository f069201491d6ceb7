"""A graph in words: order, what is set, what feeds what, and what nothing needs."""

from __future__ import annotations

from typing import Any

import pytest

from api_graph.draw.explain import SetValue, Wire, explained
from api_graph.graph import GraphError, read_graph
from api_graph.registry import Registry, all_nodes
from api_graph.settings import shipped

GRAPH: dict[str, Any] = {
    "unused": {"class_type": "TNumber", "inputs": {"value": 1}},
    "save": {"class_type": "TSave", "inputs": {"image": ["mix", 0]}},
    "mix": {
        "class_type": "TBlend",
        "inputs": {
            "image": ["7", 0],
            "mask": ["7", 1],
            "strength": ["unused 2", 0],
            "recipe": "reference",
            "seed": 3,
            "note": "two\nlines",
        },
        "_meta": {"title": "mixed"},
    },
    "unused 2": {"class_type": "TNumber", "inputs": {"value": 0.5}},
    "7": {"class_type": "TLoad", "inputs": {"image": "cat.png", "frame": 0}},
}


def test_the_steps_of_a_graph(registry: Registry) -> None:
    load, number, mix, save, unused = explained(read_graph(GRAPH), registry)
    assert [one.id for one in (number, load)] == ["unused 2", "7"] or [one.id for one in (load, number)] == [
        "unused 2",
        "7",
    ]
    first, second = (load, number) if load.id == "7" else (number, load)
    assert (first.title, first.name, first.class_type, first.does) == ("Load image",) * 2 + ("TLoad", "Load a picture")
    assert first.settings == (SetValue("image", "cat.png", None, required=True),)  # frame is at its default
    assert second.settings == (SetValue("value", 0.5, None, required=True),)
    assert (mix.number, mix.title, mix.name, mix.output, mix.runs) == (3, "mixed", "Blend", False, True)
    assert mix.settings == (
        SetValue("recipe", "reference", "paper", required=False),
        SetValue("note", "two\nlines", "", required=False),
    )
    assert mix.wires == (
        Wire("image", first.number, "Load image", "image"),
        Wire("mask", first.number, "Load image", "mask"),
        Wire("strength", second.number, "Number", ""),
    )
    assert (save.number, save.output, save.wires) == (4, True, (Wire("image", 3, "mixed", ""),))
    assert (unused.id, unused.number, unused.runs) == ("unused", 5, False)


def test_true_is_not_the_number_one(registry: Registry) -> None:
    with pytest.raises(GraphError):
        explained(
            read_graph({**GRAPH, "7": {"class_type": "TLoad", "inputs": {"image": "a", "frame": True}}}), registry
        )


def test_a_graph_that_cannot_run_is_refused(registry: Registry) -> None:
    with pytest.raises(GraphError, match="TNothing"):
        explained(read_graph({"1": {"class_type": "TNothing", "inputs": {}}}), registry)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_graph_can_be_explained(name: str) -> None:
    registry = all_nodes()
    graph = read_graph(shipped()[name], registry)
    steps = explained(graph, registry)
    assert {step.id for step in steps} == graph.nodes.keys()
    assert [step.number for step in steps] == list(range(1, len(steps) + 1))
    for step in steps:
        assert step.does and not step.does.endswith(".")
        assert all(wire.step < step.number for wire in step.wires)
        assert len(step.wires) == len(graph.nodes[step.id].links())
        assert all(one.required or one.value != one.default for one in step.settings)
