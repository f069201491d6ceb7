"""The graphs that come with the package, and graphs by name or path."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.files import expanded
from api_graph.settings import shipped_graphs


def shipped() -> dict[str, Path]:
    """Files of the shipped graphs by name."""
    return {path.stem: path for path in sorted(shipped_graphs().glob("*.json"))}


def find_graph(name: str) -> Path:
    """The file that `name` means: a path, or the name of a shipped graph. Raises BadInput for neither."""
    path, graphs = expanded(name), shipped()
    if os.path.isfile(path) or (os.path.exists(path) and name not in graphs):
        return path
    if name in graphs:
        return graphs[name]
    near = get_close_matches(name, graphs, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    raise BadInput(
        "there is no such file, and no shipped graph of this name",
        input="graph",
        value=name,
        hint=f"{meant}`api-graph graphs` lists the shipped ones.",
    )
