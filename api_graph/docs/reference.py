"""The reference of all nodes, one Markdown page."""

from __future__ import annotations

from api_graph.docs.catalogue import Catalogue
from api_graph.docs.markdown import code, node_tables, plain
from api_graph.registry import Registry
from api_graph.spec import NodeSpec

_INTRODUCTION = """\
# Nodes

Written from the nodes' own signatures by `tools/make_docs.py`. `api-graph nodes NAME` says the same, and lists what the
combos hold on your machine. INT, FLOAT, STRING, BOOLEAN and COMBO are typed or linked; all else is linked."""


def reference(registry: Registry) -> str:
    """All nodes by category, in the registry's order: description, inputs and outputs of each."""
    by_category: dict[str, list[NodeSpec]] = {}
    for spec in registry.values():
        by_category.setdefault(spec.category, []).append(spec)
    lines = [_INTRODUCTION, ""]
    for category, specs in by_category.items():
        titles = ", ".join(f"[{plain(spec.title)}](#{spec.id.lower()})" for spec in specs)
        lines.append(f"* {plain(category)}: {titles}")
    for category, specs in by_category.items():
        lines += ["", f"## {plain(category)}"]
        for spec in specs:
            lines += _section(spec)
    return "\n".join(lines) + "\n"


def _section(spec: NodeSpec) -> list[str]:
    # The heading's own anchor would be that of its title, and titles are not unique: an id is.
    heading = f'### <a id="{spec.id.lower()}"></a>{plain(spec.title)}'
    facts = [code(spec.id)]
    if spec.output:
        facts.append("output node")
    if spec.aliases:
        facts.append(f"also found as {', '.join(map(plain, spec.aliases))}")
    return ["", heading, "", f"{plain(spec.description)} ({'; '.join(facts)})", *node_tables(spec, Catalogue())]
