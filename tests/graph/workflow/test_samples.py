"""Files that the official editors saved, against the graphs that the same editors sent for them."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from api_graph.graph import read_graph
from api_graph.graph.workflow import workflow_to_api
from api_graph.registry import Registry, all_nodes

SAMPLES = Path(__file__).parents[2] / "golden" / "workflows"
NAMES = ("bypass", "dynprompt", "group", "mute", "primitive", "reroute", "subgraph")
DRAWN = json.loads((SAMPLES / "editor_1.58.1.json").read_text())
EDITORS = ("1.35.9", "1.58.1")


def saved(name: str, editor: str) -> dict[str, Any]:
    return json.loads((SAMPLES / f"{name}_frontend_{editor}.json").read_text())["workflow"]


def sent(name: str) -> dict[str, Any]:
    """Of a text with choices the editor sends one at random; here it stays as it was typed."""
    prompt = json.loads((SAMPLES / f"{name}_expected_prompt.json").read_text())
    if name == "dynprompt":
        prompt["1"]["inputs"]["text"] = "a {red|blue} cat // c"
    return prompt


def as_schema_1(document: dict[str, Any]) -> dict[str, Any]:
    document = copy.deepcopy(document)
    keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
    document["links"] = [dict(zip(keys, link, strict=True)) for link in document["links"]]
    return {**document, "version": 1, "state": {}, "reroutes": []}


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("editor", EDITORS)
def test_what_the_editor_saves_becomes_what_it_sends(name: str, editor: str, registry: Registry) -> None:
    document = saved(name, editor)
    assert workflow_to_api(document, registry) == sent(name)
    assert workflow_to_api(as_schema_1(document), registry) == sent(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_workflow_is_kept_as_it_was_read(name: str, registry: Registry) -> None:
    document = saved(name, "1.58.1")
    kept = copy.deepcopy(document)
    graph = read_graph(document, registry)
    assert graph.to_api() == sent(name)
    assert graph.extra == {"workflow": kept}


@pytest.mark.parametrize("name", DRAWN)
def test_promoted_widgets_modes_and_primitives_of_comfyuis_own_nodes(name: str) -> None:
    """Saved and sent by editor 1.58.1, over this pack's stand-ins."""
    drawn = DRAWN[name]
    for document in (drawn["workflow"], as_schema_1(drawn["workflow"])):
        assert workflow_to_api(document, all_nodes()) == drawn["prompt"]
