"""Two prompts for one graph are compared by what a run makes of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api_graph.registry import all_nodes


def essence(prompt: Mapping[str, Any]) -> dict[str, Any]:
    """What decides the outcome: the nodes that outputs need, with class, title, and the inputs that the class declares.

    The frontend sends more at times: values of widgets of its own (the upload button), and in 1.35.9 what is inside
    a bypassed subgraph, which nothing leads to. That version has names of its own for some nodes of ComfyUI.
    """
    needed: dict[str, Any] = {}
    waiting = [id for id, node in prompt.items() if all_nodes()[node["class_type"]].output]
    while waiting:
        id = waiting.pop()
        if id not in needed:
            needed[id] = _node(prompt[id])
            waiting.extend(_linked(needed[id]["inputs"]))
    return needed


def _node(node: Mapping[str, Any]) -> dict[str, Any]:
    spec = all_nodes()[node["class_type"]]
    inputs = {name: v for name, v in node["inputs"].items() if spec.input(name) is not None and name != "upload"}
    title = node["_meta"]["title"]
    return {"class_type": spec.id, "title": spec.title if title == spec.id else title, "inputs": inputs}


def _linked(inputs: Mapping[str, Any]) -> Iterator[str]:
    return (value[0] for value in inputs.values() if isinstance(value, list))
