"""Shipped graphs, and small ones of own nodes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import Field

from api_graph.registry import Registry, registry_of
from api_graph.sockets import Image, Mask
from api_graph.spec import Choices, Widget, node


class Picture(NamedTuple):
    image: Image
    mask: Mask


@node("TLoad", category="test/in", title="Load image")
def load(image: Annotated[str, Choices(tuple, open=True), Widget(upload=True)], frame: int = 0) -> Picture:
    """Load a picture."""
    raise NotImplementedError


@node("TBlend", category="test", title="Blend")
def blend(
    image: Image,
    strength: Annotated[float, Field(ge=0.25, le=1)],
    mask: Mask | None = None,
    recipe: Literal["paper", "reference"] = "paper",
    seed: Annotated[int, Field(ge=0, le=9)] = 3,
    note: Annotated[str, Widget(multiline=True)] = "",
) -> Image:
    """Blend a mask onto an image."""
    raise NotImplementedError


@node("TNumber", category="test", title="Number")
def number(value: float) -> float:
    """A number."""
    raise NotImplementedError


@node("TSave", category="test/out", title="Save", output=True)
def save(image: Image, prefix: str = "a") -> None:
    """Save a picture."""
    raise NotImplementedError


@pytest.fixture
def registry() -> Registry:
    return registry_of([load, blend, number, save])


@pytest.fixture
def chain() -> dict[str, Any]:
    """A small graph in API format, with ids that are numbers and ids that are not."""
    return {
        "7": {"class_type": "TLoad", "inputs": {"image": "cat.png"}, "_meta": {"title": "image"}},
        "5:2": {"class_type": "TNumber", "inputs": {"value": 0.5}},
        "mix": {
            "class_type": "TBlend",
            "inputs": {"image": ["7", 0], "mask": ["7", 1], "strength": ["5:2", 0], "note": 'two\n"lines"'},
            "_meta": {"title": "Mix"},
        },
        "3": {"class_type": "TSave", "inputs": {"image": ["mix", 0]}},
        "4": {"class_type": "TSave", "inputs": {"image": ["mix", 0], "prefix": "b"}},
    }
