"""The nodes' names and tooltips in the languages of the editor (spec/comfyui, section 6)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api_graph.docs.catalogue import Catalogue, words
from api_graph.registry import Registry
from api_graph.spec import InputSpec, NodeSpec, OutputSpec


def locale_files(registry: Registry, catalogue: Catalogue) -> dict[str, dict[str, Any]]:
    """The JSON documents of one language by file name, as they lie in `locales/LANGUAGE/`."""
    categories = sorted(words(registry)["categories"])
    return {
        "main.json": {"nodeCategories": {key(one): catalogue.category(one) for one in categories}},
        "nodeDefs.json": {key(spec.id): _node(spec, catalogue) for spec in registry.values()},
    }


def key(name: str) -> str:
    """A name as the editor looks it up: a dot would mean an object within an object."""
    return name.replace(".", "_")


def _node(spec: NodeSpec, catalogue: Catalogue) -> dict[str, Any]:
    return {
        "display_name": catalogue.text(spec.title),
        "description": catalogue.text(spec.description),
        "inputs": {key(one.name): _slot(one, catalogue) for one in spec.inputs},
        "outputs": _outputs(spec.outputs, catalogue),
    }


def _outputs(outputs: Sequence[OutputSpec], catalogue: Catalogue) -> dict[str, Any]:
    return {str(slot): _slot(one, catalogue) for slot, one in enumerate(outputs)}


def _slot(one: InputSpec | OutputSpec, catalogue: Catalogue) -> dict[str, str]:
    name = {"name": catalogue.name(one.name)}
    return name | ({"tooltip": catalogue.text(one.description)} if one.description else {})
