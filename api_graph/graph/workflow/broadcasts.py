"""Links that nobody drew: the pack *Use Everywhere* sends a value to inputs that fit, and saves to which as `ue_links`.

Each graph and subgraph has its own, under `extra`: `{"downstream": node, "downstream_slot": 1, "upstream": node,
"upstream_slot": 0, "controller": the node that sends, "type": "IMAGE"}`. The pack makes them links before a run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from api_graph.graph.faults import NO_VALUE, Fault
from api_graph.graph.workflow.model import BROADCASTERS, Node, SavedLink

_HINT = (
    "In ComfyUI, with the pack installed, convert the Use Everywhere links to real ones (in the menu of the node or of "
    "the canvas) and save the file, or export it with Export (API)."
)


def follow_broadcasts(
    extra: object, nodes: dict[str, Node], links: dict[str, SavedLink], sent: Iterator[SavedLink | None]
) -> list[Fault]:
    """Turn what is sent into links, in place; a fault for each node that sends if the file does not say where to.

    An input keeps a link that was drawn, unless that comes from a node that does not run: the pack sees it as free.
    """
    if not isinstance(extra, Mapping) or not isinstance(extra.get("ue_links"), list):
        return [_untold(node) for node in nodes.values() if _sends(node)]
    for link in sent:
        target = nodes.get(link.target) if link else None
        if link is None or link.id in links or not _free(link, target, nodes, links):
            continue
        links[link.id] = link
        if target is not None and link.target_slot < len(target.inputs):
            slot = replace(target.inputs[link.target_slot], link=link.id)
            inputs = (*target.inputs[: link.target_slot], slot, *target.inputs[link.target_slot + 1 :])
            nodes[target.id] = replace(target, inputs=inputs)
    return []


def _sends(node: Node) -> bool:
    """Whether a node sends what is linked to it, or, where `ue_convert` is set, what it gives."""
    if not node.runs:
        return False
    linked = any(slot.link is not None for slot in node.inputs)
    return bool(node.properties.get("ue_convert")) or (node.type in BROADCASTERS and linked)


def _untold(node: Node) -> Fault:
    problem = "it sends a value to inputs that no link shows (Use Everywhere), and the file does not say to which"
    return Fault(node.id, node.title or node.type, node.type, None, NO_VALUE, problem, _HINT)


def _free(link: SavedLink, target: Node | None, nodes: Mapping[str, Node], links: Mapping[str, SavedLink]) -> bool:
    """Whether the link's end takes it: nothing that runs feeds it yet."""
    if target is None or link.target_slot >= len(target.inputs):
        return True
    drawn = links.get(target.inputs[link.target_slot].link or "")
    origin = nodes.get(drawn.origin) if drawn else None
    return drawn is None or (origin is not None and not origin.runs)
