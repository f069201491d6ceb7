"""Pages about the shipped graphs in Markdown: a card for each, with its picture, and a list of all."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from urllib.parse import quote

from api_graph.docs.pages import code
from api_graph.draw.cards import GROUPS, Card
from api_graph.draw.templates import template_name
from api_graph.graph import Graph, settable
from api_graph.registry import Registry

_GALLERY = """\
# Gallery

What each shipped graph makes of the example picture, or the graph itself where it makes no picture. The commands run as
they stand, with the tiny models that come with the package. For a picture of your own add `--set image=photo.jpg`, and
a checkpoint that knows photographs, as [models.md](models.md) names them. [graphs.md](graphs.md) is the same as a list.
`api-graph explain GRAPH` says step by step what a graph does, and `api-graph new GRAPH` makes it a file of your own.
"""

_GRAPHS = """\
# The shipped graphs

`api-graph run GRAPH` runs each of them, `api-graph explain GRAPH` says what it does step by step, `api-graph check
GRAPH` lists what it lets you set, and `api-graph export GRAPH --format mermaid` draws it. `api-graph new GRAPH` copies
it into a file of your own. In ComfyUI they are in the template browser. [gallery.md](gallery.md) shows each with a
picture, and says when to use it.
"""

PICTURES = "../example_workflows"
"""Where the pictures of the graphs lie, seen from docs/."""


def gallery(graphs: Mapping[str, Graph], registry: Registry) -> str:
    """A card for each of the shipped `graphs`: its picture, what it does, when to use it, its command."""
    lines = [_GALLERY]
    for group in GROUPS:
        lines += [f"## {group.title}", ""]
        lines += [group.about, ""] if group.about else []
        lines += ['<div class="grid cards" markdown>', ""]
        for name, card in group.cards.items():
            lines += _card(name, card, command(name, graphs[name], registry))
        lines += ["</div>", ""]
    return "\n".join(lines)


def graph_list() -> str:
    """All shipped graphs by group, a line each."""
    lines = [_GRAPHS]
    for group in GROUPS:
        lines += [f"## {group.title}", ""]
        lines += [group.about, ""] if group.about else []
        lines += ["| graph | what it does |", "|---|---|"]
        lines += [f"| {code(name)} | {card.what} |" for name, card in group.cards.items()]
        lines.append("")
    return "\n".join(lines[:-1]) + "\n"


def picture_of(name: str) -> str:
    """The address of a graph's picture, seen from docs/."""
    return f"{PICTURES}/{quote(template_name(name))}.jpg"


def command(name: str, graph: Graph, registry: Registry) -> str:
    """What runs the graph; its query, if it has one of one line, stands there to be changed."""
    for one in settable(graph, registry):
        query = one.given and one.name == one.title == "query" and not graph.nodes[one.node].links()
        if query and "\n" not in str(one.value):
            return f"api-graph run {name} --set query={shlex.quote(str(one.value))}"
    return f"api-graph run {name}"


def sentence(what: str) -> str:
    """`the mask, drawn` -> `The mask, drawn.`"""
    return f"{what[0].upper()}{what[1:]}".removesuffix(".") + "."


def _card(name: str, card: Card, command: str) -> list[str]:
    title = template_name(name).removesuffix(".app")
    return [
        f'*   <a id="{name}"></a>![What {name} makes]({picture_of(name)})',
        "",
        f"    **{title}** ({code(name)})",
        "",
        f"    {sentence(card.what)}",
        "",
        f"    *When:* {card.when}",
        "",
        "    ```sh",
        f"    {command}",
        "    ```",
        "",
    ]
