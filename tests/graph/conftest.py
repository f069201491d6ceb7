"""A few small nodes, and graphs that use them."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import Field

from api_graph.graph import Graph, find_faults, read_graph
from api_graph.registry import Registry, registry_of
from api_graph.sockets import AnyValue, Image, Mask, Socket
from api_graph.spec import Choices, node


class Picture(NamedTuple):
    image: Image
    mask: Mask


@node("TLoad", category="test", title="Load image", fingerprint=lambda folders, image: {"image": image})
def load(image: Annotated[str, Choices(lambda: ["cat.png", "dog.png"], open=True)]) -> Picture:
    """Load a picture."""
    raise NotImplementedError


@node("TBlur", category="test", title="Mean filter")
def blur(
    heatmap: Mask, kernel_size: Annotated[int, Field(ge=1, le=255, description="Side of the window.")] = 15
) -> Mask:
    """Smooth a heatmap."""
    raise NotImplementedError


@node("TBlend", category="test", title="Blend")
def blend(
    image: Image,
    heatmap: Mask | None = None,
    strength: Annotated[float, Field(ge=0, le=1)] = 1.0,
    recipe: Literal["paper", "reference"] = "paper",
    invert: bool = False,
    note: str = "",
) -> Image:
    """Blend a heatmap onto an image."""
    raise NotImplementedError


@node("TText", category="test", title="Text")
def text(text: str) -> str:
    """A text."""
    raise NotImplementedError


@node("TInt", category="test", title="Integer")
def integer(value: int = 1) -> int:
    """A whole number."""
    raise NotImplementedError


@node("TAdd", category="test", title="Add")
def add(a: int, b: int) -> int:
    """A sum."""
    raise NotImplementedError


@node("TEither", category="test", title="Either")
def either(x: Annotated[Any, Socket("INT, FLOAT")]) -> Annotated[Any, Socket("STRING,MASK")]:
    """A union of sockets on both sides."""
    raise NotImplementedError


@node("TChoose", category="test", title="Choose")
def choose(
    file: Annotated[str, Choices(lambda: [f"model {i}.safetensors" for i in range(30)])],
    other: Annotated[str, Choices(list)] = "",
) -> str:
    """A text out of a list."""
    raise NotImplementedError


@node("TAll", category="test", title="All")
def all_of(images: list[Image]) -> Image:
    """All images at once."""
    raise NotImplementedError


@node("TSave", category="test", title="Save", output=True)
def save(images: Image, prefix: str = "api") -> None:
    """Save images."""
    raise NotImplementedError


@node("TShow", category="test", title="Show", output=True)
def show(value: AnyValue) -> None:
    """Show whatever is linked."""
    raise NotImplementedError


@pytest.fixture(scope="session")
def registry() -> Registry:
    return registry_of([load, blur, blend, text, integer, add, either, choose, all_of, save, show])


@pytest.fixture
def api() -> dict[str, Any]:
    """A graph without fault, in API format."""
    return {
        "1": {"class_type": "TLoad", "inputs": {"image": "cat.png"}, "_meta": {"title": "image"}},
        "2": {
            "class_type": "TBlur",
            "inputs": {"heatmap": ["1", 1], "kernel_size": 3},
            "_meta": {"title": "Mean filter"},
        },
        "3": {
            "class_type": "TBlend",
            "inputs": {"image": ["1", 0], "heatmap": ["2", 0], "strength": 0.5, "recipe": "reference"},
            "_meta": {"title": "Alpha blend"},
        },
        "4": {"class_type": "TText", "inputs": {"text": "a cat"}, "_meta": {"title": "query"}},
        "5": {"class_type": "TSave", "inputs": {"images": ["3", 0], "prefix": "out"}, "_meta": {"title": "Save"}},
        "6": {"class_type": "TShow", "inputs": {"value": ["4", 0]}, "_meta": {"title": "Show"}},
    }


@pytest.fixture
def graph(api: dict[str, Any]) -> Graph:
    return read_graph(api)


@pytest.fixture
def faults_of(registry: Registry):
    """The faults of an API graph, as lines; an output node is added, so that its absence is none of them."""

    def faults_of(api: dict[str, Any]) -> list[str]:
        shown = (
            {"class_type": "TText", "inputs": {"text": ""}},
            {"class_type": "TShow", "inputs": {"value": ["shown", 0]}},
        )
        complete = {**api, "shown": shown[0], "show": shown[1]}
        return [str(fault) for fault in find_faults(read_graph(complete), registry)]

    return faults_of
