"""`api-graph new`: a graph of your own, from a shipped one."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api_graph.cli.console import complain, one_line, print_json, print_table, say
from api_graph.cli.exits import OK
from api_graph.cli.export import not_a_folder, write_text
from api_graph.cli.options import Debug, Json, Setting, parse_settings, shipped_names
from api_graph.errors import BadInput
from api_graph.files import expanded

if TYPE_CHECKING:
    from api_graph.graph import Graph
    from api_graph.registry import Registry


def new(
    graph: Annotated[
        str | None,
        typer.Argument(
            metavar="GRAPH", help="A shipped graph; all of them are listed if left out.", autocompletion=shipped_names
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", metavar="FILE", help="The file to write; default: GRAPH.json.")
    ] = None,
    set_: Setting = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Make a graph of your own from a shipped one, with other values in it."""
    from api_graph.graph import read_graph, set_inputs, validate
    from api_graph.registry import described_nodes
    from api_graph.settings import meant_graphs, shipped

    if graph is None:
        return _list(as_json=as_json)
    if graph not in shipped():
        hint = f"{meant_graphs(graph, most=3)}`api-graph new` lists them."
        raise BadInput("there is no shipped graph of this name", input="GRAPH", value=graph, hint=hint)
    file = Path(f"{graph}.json") if out is None else out
    not_a_folder(file)
    if os.path.lexists(expanded(file)) and not force:
        hint = "Name another file with --out, or replace it with --force."
        raise BadInput("there is such a file already", input="--out", value=str(file), hint=hint)
    registry, values = described_nodes(), parse_settings(set_ or ())
    made = set_inputs(read_graph(shipped()[graph], registry), registry, {}, values)
    validate(made, registry)
    write_text(file, json.dumps(made.to_api(), indent=2) + "\n")
    for name in _out_of_reach(made, registry, values):
        complain(f"{name} names a file that a saved graph may not read: set it again when you run the graph", "warning")
    if as_json:
        print_json({"ok": True, "graph": graph, "file": file, "nodes": len(made.nodes)})
        return OK
    name = shlex.quote(str(file))
    say(one_line(f"{file}: {len(made.nodes)} nodes, as in {graph}."))
    say(one_line(f"Run it with `api-graph run {name}`; `api-graph check {name}` lists what can be set in it."))
    return OK


def _list(*, as_json: bool) -> int:
    """The graphs that there are, by what they do."""
    from api_graph.draw.cards import GROUPS

    cards = [(group.title, name, card) for group in GROUPS for name, card in group.cards.items()]
    if as_json:
        print_json([{"name": name, "group": title, **card._asdict()} for title, name, card in cards])
    else:
        print_table(("graph", "what it does"), [(name, card.what) for _, name, card in cards])
        say("\n`api-graph new GRAPH` makes one of them a file of yours; `api-graph explain GRAPH` says how it works.")
    return OK


def _out_of_reach(graph: Graph, registry: Registry, values: Mapping[str, str]) -> Iterator[str]:
    """The names in `values` that now hold the path of a file outside the folders in which a graph's files are looked
    for.
    """
    from api_graph.folders import inside
    from api_graph.graph import settable
    from api_graph.settings import model_folders

    named = {name: one for one in reversed(settable(graph, registry)) for name in one.names}
    for name, value in values.items():
        if name in named and os.path.exists(expanded(value)):
            loads = registry[graph.nodes[named[name].node].class_type].model
            within = [inside(folder, value) for folder in (model_folders() if loads else (Path.cwd(),))]
            if not any(path is not None and path.exists() for path in within):
                yield name
