"""`api-graph graphs`: the graphs that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api_graph.cli.console import print_json, print_table
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, Json


def graphs(as_json: Json = False, debug: Debug = False) -> int:
    """List the shipped graphs: what they take and give."""
    from api_graph.settings import shipped

    found = [_facts(name, file) for name, file in shipped().items()]
    if as_json:
        print_json(found)
    else:
        rows = [(g["name"], ", ".join(g["takes"]), ", ".join(g["gives"])) for g in found]
        print_table(("graph", "takes", "gives"), rows)
    return OK


def _facts(name: str, file: Path) -> dict[str, Any]:
    """A graph says itself what it is for: by the sources that its author titled, and by its output nodes."""
    from api_graph.graph import read_graph, settable
    from api_graph.registry import all_nodes

    registry = all_nodes()
    graph = read_graph(file, registry)
    titled = [one for one in settable(graph, registry) if one.given and one.name == one.title]
    outputs = [node for node in graph.nodes.values() if registry[node.class_type].output]
    return {
        "name": name,
        "file": file,
        "takes": [one.name for one in titled if not graph.nodes[one.node].links()],
        "gives": [node.title or registry[node.class_type].title for node in outputs],
    }
