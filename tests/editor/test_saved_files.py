"""Files that the official frontend has saved are read as the prompts that it sends for them.

`saved/VERSION/NAME.json` is what the frontend of that version saved, NAME.prompt.json what it sent. Both are made by
driving it: API_GRAPH_RENEW_SAVED=1 pytest tests/editor/browser/test_saved.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api_graph.graph import read_graph, validate
from api_graph.registry import all_nodes
from tests.editor.prompts import essence

SAVED = Path(__file__).parent / "saved"
FILES = sorted(path for path in SAVED.glob("*/*.json") if not path.name.endswith(".prompt.json"))


def test_files_of_both_frontends_are_there() -> None:
    names = [{path.stem for path in FILES if path.parent.name == version} for version in ("1.35.9", "1.58.1")]
    assert names[0] == names[1] >= {"plain", "reroute", "bypass", "mute", "primitive", "subgraph_nested"}


@pytest.mark.parametrize("file", FILES, ids=lambda file: f"{file.stem}-{file.parent.name}")
def test_a_saved_file_is_read_as_the_frontend_sends_it(file: Path) -> None:
    graph = read_graph(file, all_nodes())
    validate(graph, all_nodes())
    sent = json.loads(file.with_suffix(".prompt.json").read_text("utf-8"))
    for node in sent.values():  # as it would send it today: a node without a title has that of its class,
        spec = all_nodes()[node["class_type"]]
        for appended in (one for one in spec.inputs if one.is_widget and not one.required):  # and its newest inputs
            node["inputs"].setdefault(appended.name, appended.default)
        if node["_meta"]["title"] == spec.formerly:
            node["_meta"]["title"] = spec.title
    assert essence(graph.to_api()) == essence(sent)
