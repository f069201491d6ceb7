"""Saved graphs hold widget values by position and links by slot: each node's inputs and outputs, in order, stay.

Appended inputs and new nodes are fine. To take them into the snapshot:

    API_GRAPH_RENEW_SNAPSHOT=1 python -m pytest tests/spec/test_snapshot.py

What would break saved graphs is refused even then; who means it edits `tests/snapshots/nodes.json` by hand.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from api_graph import registry
from api_graph.spec import NodeSpec

SNAPSHOT = Path(__file__).parent.parent / "snapshots" / "nodes.json"
RENEW = "API_GRAPH_RENEW_SNAPSHOT"
BREAKS = "saved graphs break"

Shape = dict[str, list[Any]]


def shape_of(spec: NodeSpec) -> Shape:
    """What the files of users rely on."""
    inputs = [[i.name, i.socket, "required" if i.required else "optional"] for i in spec.inputs]
    return {"inputs": inputs, "outputs": [o.socket for o in spec.outputs]}


def current_nodes() -> dict[str, Shape]:
    has_core = find_spec("api_graph.nodes.core") is not None
    nodes = registry.all_nodes() if has_core else registry.own_nodes()
    return {id: shape_of(spec) for id, spec in sorted(nodes.items())}


def written(nodes: Mapping[str, Shape]) -> str:
    """One line per input: what a reader of a diff wants to see."""
    text = json.dumps(nodes, indent=1)
    return re.sub(r"\[\s+([^\[\]]+?)\s+\]", lambda found: f"[{' '.join(found[1].split())}]", text) + "\n"


def takes_all_of(now: str, saved: str) -> bool:
    """Whether an input still takes what it took; `AP_BOXES,BOUNDING_BOX` takes either."""
    return now == saved or {*saved.split(",")} < {*now.split(",")}


def breaks(saved: Mapping[str, Shape], now: Mapping[str, Shape]) -> list[str]:
    """What is no longer where saved graphs look for it."""
    found = [f"{id}: the node is gone" for id in saved if id not in now]
    for id in saved.keys() & now.keys():
        old, new = saved[id], now[id]
        for position, (name, socket, need) in enumerate(old["inputs"]):
            here = new["inputs"][position] if position < len(new["inputs"]) else None
            if here is None or here[0] != name or not takes_all_of(here[1], socket):
                found.append(f"{id}: input {position} was {name} ({socket}), and is {here[:2] if here else 'gone'}")
            elif need == "optional" and here[2] == "required":
                found.append(f"{id}: input {name} has lost its default")
        extra = new["inputs"][len(old["inputs"]) :]
        found += [f"{id}: the new input {name} needs a default" for name, _, need in extra if need == "required"]
        if new["outputs"][: len(old["outputs"])] != old["outputs"]:
            found.append(f"{id}: outputs were {old['outputs']}, and are {new['outputs']}")
    return sorted(found)


def test_saved_graphs_still_fit() -> None:
    saved, now = json.loads(SNAPSHOT.read_text("utf-8")), current_nodes()
    broken = breaks(saved, now)
    assert not broken, f"{BREAKS}:\n" + "\n".join(broken)
    if os.environ.get(RENEW):
        SNAPSHOT.write_text(written(now), "utf-8")
        return
    fresh = [id for id in now if saved.get(id) != now[id]]
    assert not fresh, f"new or grown nodes {fresh}: run `{RENEW}=1 python -m pytest tests/spec/test_snapshot.py`"


A = {"inputs": [["image", "IMAGE", "required"], ["size", "INT", "optional"]], "outputs": ["MASK"]}


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"A": A}, []),
        ({"A": A, "B": A}, []),
        ({"A": {**A, "inputs": [*A["inputs"], ["k", "INT", "optional"]]}}, []),
        ({"A": {**A, "outputs": ["MASK", "IMAGE"]}}, []),
        ({"A": {**A, "inputs": [["image", "IMAGE", "optional"], A["inputs"][1]]}}, []),
        ({"A": {**A, "inputs": [["image", "MASK,IMAGE", "required"], A["inputs"][1]]}}, []),
        ({}, ["A: the node is gone"]),
        ({"A": {**A, "inputs": [*A["inputs"], ["k", "INT", "required"]]}}, ["A: the new input k needs a default"]),
        ({"A": {**A, "inputs": A["inputs"][:1]}}, ["A: input 1 was size (INT), and is gone"]),
        (
            {"A": {**A, "inputs": A["inputs"][::-1]}},
            [
                "A: input 0 was image (IMAGE), and is ['size', 'INT']",
                "A: input 1 was size (INT), and is ['image', 'IMAGE']",
            ],
        ),
        (
            {"A": {**A, "inputs": [A["inputs"][0], ["size", "FLOAT", "optional"]]}},
            ["A: input 1 was size (INT), and is ['size', 'FLOAT']"],
        ),
        (
            {"A": {**A, "inputs": [A["inputs"][0], ["size", "INT", "required"]]}},
            ["A: input size has lost its default"],
        ),
        ({"A": {**A, "outputs": ["IMAGE", "MASK"]}}, ["A: outputs were ['MASK'], and are ['IMAGE', 'MASK']"]),
    ],
)
def test_what_breaks_saved_graphs(now: dict[str, Shape], said: list[str]) -> None:
    assert breaks({"A": A}, now) == said
