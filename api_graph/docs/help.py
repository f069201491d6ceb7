"""A node's help page, which the editor shows beside the graph."""

from __future__ import annotations

from collections.abc import Sequence

from api_graph.docs.catalogue import Catalogue
from api_graph.docs.markdown import code, node_tables, plain
from api_graph.spec import NodeSpec


def help_page(spec: NodeSpec, words: Catalogue, graphs: Sequence[str] = ()) -> str:
    """Markdown: what the node does, what it takes and gives, and which of the shipped `graphs` have it."""
    lines = [f"# {plain(words.text(spec.title))}", "", plain(words.text(spec.description)), *node_tables(spec, words)]
    if graphs:
        named = ", ".join(code(name) for name in graphs)
        lines += ["", f"{words.phrase('Shipped graphs with this node:')} {named}"]
    return "\n".join(lines) + "\n"
