"""Translations of the words in the nodes' contracts, by their English."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from api_graph.registry import Registry
from api_graph.spec import NodeSpec

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


@cache
def chinese() -> Catalogue:
    """Simplified Chinese: `zh.json`, in which a line is added for every new text of a node."""
    document = json.loads(resources.files("api_graph.docs").joinpath("zh.json").read_text("utf-8"))
    return Catalogue(**{kind: document[kind] for kind in KINDS})


def words(registry: Registry) -> dict[str, set[str]]:
    """All that a catalogue must have for these nodes, by kind."""
    found: dict[str, set[str]] = {kind: set() for kind in KINDS}
    found["phrases"] |= set(PHRASES)
    for spec in registry.values():
        found["categories"] |= set(spec.category.split("/"))
        found["names"] |= {one.name for one in (*spec.inputs, *spec.outputs)}
        found["texts"] |= set(_texts(spec))
    return found


def _texts(spec: NodeSpec) -> Iterator[str]:
    texts = (spec.title, spec.description, *(one.description for one in (*spec.inputs, *spec.outputs)))
    yield from (text for text in texts if text)
