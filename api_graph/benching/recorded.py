"""What a benchmark records besides the answers: each prompt as it was asked, and which models with what precision."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from api_graph.benching.answers import ASKERS, SHOWING
from api_graph.json_values import Json

if TYPE_CHECKING:
    from api_graph.graph import Graph, GraphNode
    from api_graph.registry import Registry
    from api_graph.spec.model import NodeSpec
    from api_graph.table.plan import TablePlan


def with_prompts_shown(graph: Graph) -> Graph:
    """The graph with a Show text node for each prompt that other nodes make: results have them word for word.

    They stand under "Prompt of" and the title of the node that asks. A prompt that is typed into the node needs none.
    """
    from api_graph.graph import GraphNode, Link

    added: dict[str, GraphNode] = {}
    for id, node in graph.nodes.items():
        prompt = node.inputs.get("question")
        if node.class_type in ASKERS and isinstance(prompt, Link):
            title = f"Prompt of {node.title or 'Query LVLM'}"
            added[f"{id}-prompt"] = GraphNode(f"{id}-prompt", SHOWING, {"value": prompt}, title)
    return replace(graph, nodes={**graph.nodes, **added})


def identity_of(plan: TablePlan, registry: Registry) -> dict[str, Json]:
    """By title what the graph's loaders load: the choices made there, and the weights and precision that these mean.

    A model that cannot be found is told by the rows that need it; here it has its choices alone.
    """
    from api_graph.errors import BadInput
    from api_graph.settings import headless_folders

    job = plan.job
    folders = headless_folders(job.output, job.inputs, frozenset(job.trusted), keep_answers=True)
    folders = replace(folders, models=tuple(map(Path, job.models)))
    found: dict[str, Json] = {}
    for id, node in job.graph.items():
        spec = registry.get(node["class_type"])
        if spec is None or not spec.model or spec.fingerprint is None:
            continue
        chosen = {i.name: node["inputs"].get(i.name, i.default) for i in spec.inputs if i.is_widget}
        chosen = {name: value for name, value in chosen.items() if not isinstance(value, list)}
        try:
            known = _fingerprint(spec, chosen, folders)
        except BadInput:
            known = {}
        found[node.get("_meta", {}).get("title") or id] = json.loads(json.dumps({**chosen, **known}, default=str))
    return found


def _fingerprint(spec: NodeSpec, chosen: Mapping[str, object], folders: object) -> dict[str, object]:
    """Weights and precision, as cache keys have them: `precision` is no longer "auto"."""
    if spec.fingerprint is None or not set(spec.fingerprinted) <= set(chosen):
        return {}
    known = spec.fingerprint(folders, **{name: chosen[name] for name in spec.fingerprinted})
    return {name: str(value).removeprefix("torch.") if name == "precision" else value for name, value in known.items()}
