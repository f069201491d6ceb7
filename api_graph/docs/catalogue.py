"""Translations of the texts in the nodes' contracts, by their English, and the editor's files of a language."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from api_graph.json_values import JsonObject
from api_graph.registry import Registry
from api_graph.spec import InputSpec, NodeSpec, OutputSpec

KINDS = ("categories", "names", "texts", "phrases")

PHRASES = (
    "input",
    "output",
    "type",
    "default",
    "takes",
    "what it is",
    "required",
    "none",
    "list",
    "Shipped graphs with this node:",
)
"""What the pages say themselves, besides what the nodes do."""


@dataclass(frozen=True)
class Catalogue:
    """Words in one language: parts of categories, names of inputs and outputs, texts (titles, descriptions), phrases.

    What is not in it stays English, as everything does in an empty one.
    """

    categories: Mapping[str, str] = field(default_factory=dict)
    names: Mapping[str, str] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    phrases: Mapping[str, str] = field(default_factory=dict)

    def category(self, english: str) -> str:
        return self.categories.get(english, english)

    def name(self, english: str) -> str:
        return self.names.get(english, english)

    def text(self, english: str) -> str:
        return self.texts.get(english, english)

    def phrase(self, english: str) -> str:
        return self.phrases.get(english, english)

    def missing(self, registry: Registry) -> list[str]:
        """The English of these nodes and of the pages that stays English, as this catalogue lacks it."""
        needed = english_of(registry)
        return [english for kind in KINDS for english in sorted(needed[kind] - getattr(self, kind).keys())]

    def stale(self, registry: Registry) -> list[str]:
        """The English in this catalogue that neither these nodes nor the pages have."""
        needed = english_of(registry)
        return [english for kind in KINDS for english in sorted(getattr(self, kind).keys() - needed[kind])]


@cache
def chinese() -> Catalogue:
    """Simplified Chinese: `zh.json`. A node's text that has no line there is shown in English."""
    document = json.loads(resources.files("api_graph.docs").joinpath("zh.json").read_text("utf-8"))
    return Catalogue(**{kind: document[kind] for kind in KINDS})


def english_of(registry: Registry) -> dict[str, set[str]]:
    """All that a catalogue can translate of these nodes and of the pages, by kind."""
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    found["phrases"] |= set(PHRASES)
    for spec in registry.values():
        slots = (*spec.inputs, *spec.outputs)
        found["categories"] |= set(spec.category.split("/"))
        found["names"] |= {one.name for one in slots}
        found["texts"] |= {spec.title, spec.description, *(one.description for one in slots)} - {""}
    return found


# ----------------------------------------------------------------------------------- the editor's locale files


def locale_files(registry: Registry, catalogue: Catalogue) -> dict[str, JsonObject]:
    """The JSON documents of one language by file name, as they lie in `locales/LANGUAGE/` (spec/comfyui, section 6)."""
    categories = sorted(english_of(registry)["categories"])
    return {
        "main.json": {"nodeCategories": {_key(one): catalogue.category(one) for one in categories}},
        "nodeDefs.json": {_key(spec.id): _node(spec, catalogue) for spec in registry.values()},
    }


def _key(name: str) -> str:
    """A name as the editor looks it up: a dot would mean an object within an object."""
    return name.replace(".", "_")


def _node(spec: NodeSpec, catalogue: Catalogue) -> JsonObject:
    return {
        "display_name": catalogue.text(spec.title),
        "description": catalogue.text(spec.description),
        "inputs": {_key(one.name): _slot(one, catalogue) for one in spec.inputs},
        "outputs": {str(number): _slot(one, catalogue) for number, one in enumerate(spec.outputs)},
    }


def _slot(one: InputSpec | OutputSpec, catalogue: Catalogue) -> dict[str, str]:
    name = {"name": catalogue.name(one.name)}
    return name | ({"tooltip": catalogue.text(one.description)} if one.description else {})
