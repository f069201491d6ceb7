"""`api-graph export`: a graph in another form."""

from __future__ import annotations

import json
import os
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api_graph.cli.console import complain
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, GraphName, Setting, parse_settings
from api_graph.errors import BadInput, inputs_named
from api_graph.files import expanded, real_path, whole_file

if TYPE_CHECKING:
    from api_graph.graph import Graph
    from api_graph.registry import Registry


class Format(str, Enum):
    """What a graph can be written as."""

    api = "api"
    workflow = "workflow"
    python = "python"
    mermaid = "mermaid"
    png = "png"


def export(
    graph: GraphName,
    format: Annotated[
        Format,
        typer.Option(
            help="api: what runs. workflow: what the editor opens, laid out. python: a script. mermaid: a flowchart "
            "for Markdown. png: a picture that the editor opens too.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", metavar="FILE", help="The file to write; without it, stdout.", show_default=False),
    ] = None,
    set_: Setting = None,
    debug: Debug = False,
) -> int:
    """Write a graph in another form. A file of that name is replaced."""
    from api_graph.graph import read_graph, set_inputs
    from api_graph.registry import all_nodes
    from api_graph.settings import find_graph

    if format is Format.png and out is None:
        raise BadInput("a picture needs a file", input="--out", hint="Write for example --out graph.png.")
    if out is not None:
        not_a_folder(out)
    registry = all_nodes()
    values = parse_settings(set_ or ())
    source = find_graph(graph)
    read = set_inputs(read_graph(source, registry), registry, {}, values)
    if format is Format.png:
        assert out is not None
        _write_picture(read, registry, out)
    else:
        text = _text(read, registry, format, source.name, values)
        if out is None:
            print(text, end="")
            return OK
        write_text(out, text)
    complain(f"wrote {out}", kind="note")
    return OK


def _text(graph: Graph, registry: Registry, format: Format, name: str, values: dict[str, str]) -> str:
    from api_graph.draw import saved_workflow, to_mermaid, to_python

    if format is Format.mermaid:
        return to_mermaid(graph, registry)
    if format is Format.python:
        return to_python(graph, registry, name, _files_in(values))
    document = graph.to_api() if format is Format.api else saved_workflow(graph, registry)
    # In ASCII, so that no terminal's encoding can break it.
    return json.dumps(document, indent=2) + "\n"


def _files_in(values: dict[str, str]) -> list[str]:
    """The values that name a file: whoever types a path may read it, wherever it lies."""
    return [value for value in values.values() if os.path.exists(expanded(value))]


def _write_picture(graph: Graph, registry: Registry, out: Path) -> None:
    """A PNG that carries the graph in both of ComfyUI's forms, so that it opens in the editor and runs."""
    from api_graph.draw import saved_workflow, to_picture
    from api_graph.pixels.write import write_png

    embedded = {"prompt": graph.to_api(), "workflow": saved_workflow(graph, registry)}
    texts = {name: json.dumps(document) for name, document in embedded.items()}
    with inputs_named(path="--out"):
        write_png(expanded(out), to_picture(graph, registry), metadata=texts)


def not_a_folder(out: Path) -> None:
    """Raises BadInput where --out names a folder."""
    if os.path.isdir(expanded(out)):
        raise BadInput("is a folder, where a file is wanted", input="--out", value=str(out), hint="Name a file in it.")


def write_text(out: Path, text: str) -> None:
    """Write a file whole or not at all; missing folders are made."""
    path = expanded(out)
    target = path if path.exists() and not path.is_file() else real_path(path)  # a link stays a link, /dev/stdout too
    try:
        with whole_file(target) as file:
            file.write(text.encode())
    except OSError as error:
        problem = f"cannot be written: {error.strerror}"
        raise BadInput(problem, input="--out", value=str(out), hint="Name another file.") from None
