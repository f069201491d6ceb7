"""A node with everything that a page shows, and the script that writes the pages."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import Field

from api_graph.registry import Registry, registry_of
from api_graph.sockets import Image, Mask
from api_graph.spec import Choices, node


class Parts(NamedTuple):
    image: Annotated[Image, Field(description="What is <left>.")]
    masks: list[Mask]


@node("TCut", category="test.er/cut", title="Cut * out", aliases=("snip",))
def cut(
    images: Annotated[list[Image], Field(description="One | several.")],
    model: Annotated[str, Choices(lambda: ["depends on the machine"])],
    sides: Annotated[int, Field(ge=3, le=2**32 - 1, description="At least `3`.")] = 4,
    gain: Annotated[float, Field(ge=0.5)] = 1.5,
    mode: Literal["in_out", "a|b"] = "in_out",
    mask: Mask | None = None,
    label: str = 'a "b"',
    loud: bool = False,
) -> Parts:
    """Cut something out."""
    raise NotImplementedError


@node("TShow", category="other", title="Show", output=True)
def show(image: Image) -> None:
    """Show it."""
    raise NotImplementedError


@pytest.fixture(scope="session")
def make_docs() -> dict[str, Any]:
    """The names in `tools/make_docs.py`."""
    return runpy.run_path(str(Path(__file__).parents[2] / "tools" / "make_docs.py"))


@pytest.fixture
def registry() -> Registry:
    return registry_of([cut, show])
