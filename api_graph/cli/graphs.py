"""`api-graph graphs`: the graphs that come with the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api_graph.cli.console import print_json, print_table
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, Json


def graphs(as_json: Json = False, debug: Debug = False) -> int:
    """List the shipped graphs: what they take and give."""
    from api_graph.cli.library import shipped

    found = [_facts(name, file) for name, file in shipped().items()]
    if as_json:
        print_json(found)
    else:
        rows = [(g["name"], ", ".join(g["takes"]), ", ".join(g["gives"])) for g in found]
        print_table(("graph", "takes", "gives"), rows)
    return OK


def _facts(name: str, file: Path) -> dict[str, Any]:
    """A graph says itself what it is for: by what its author typed in and titled, and by its output nodes."""
    from api_graph.graph import read_graph, settable
    from api_graph.registry import all_nodes

    graph, registry = read_graph(file), all_nodes()
    short = [one.name for one in settable(graph, registry) if one.given and "." not in one.name]
    specs = {id: registry[node.class_type] for id, node in graph.nodes.items()}
    outputs = [graph.nodes[id].title or spec.title for id, spec in specs.items() if spec.output]
    return {"name": name, "file": file, "takes": short, "gives": outputs}
