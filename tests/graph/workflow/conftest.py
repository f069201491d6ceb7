"""A few small nodes, and a pen that draws workflows of them, in both of the editor's schemas."""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import Field

from api_graph.registry import Registry, registry_of
from api_graph.sockets import AnyValue, Image, Mask, Socket
from api_graph.spec import Choices, Widget, node

Int = Annotated[Any, Socket("INT")]
"""A whole number that only a link can bring."""


class Both(NamedTuple):
    image: Image
    mask: Mask


@node("PInt", category="test", title="PInt")
def number(v: int = 1) -> int:
    """A whole number."""
    raise NotImplementedError


@node("PAdd", category="test", title="PAdd")
def add(a: Int, b: Int) -> int:
    """A sum."""
    raise NotImplementedError


@node("POut", category="test", title="POut", output=True)
def out(v: AnyValue) -> str:
    """Whatever is linked."""
    raise NotImplementedError


@node("CLIPTextEncode", category="test", title="CLIP Text Encode (Prompt)")
def encode(
    text: Annotated[str, Widget(multiline=True)], clip: Annotated[Any, Socket("CLIP")]
) -> Annotated[Any, Socket("CONDITIONING")]:
    """ComfyUI's own, as far as a workflow is concerned."""
    raise NotImplementedError


@node("TSample", category="test", title="Sample")
def sample(
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)],
    steps: int,
    sampler: Literal["euler", "heun"],
    image: Image,
    cfg: float = 8.0,
) -> Image:
    """A seed, and a link among the widgets."""
    raise NotImplementedError


@node("TLoad", category="test", title="Load")
def load(
    image: Annotated[str, Choices(tuple, open=True), Widget(upload=True)],
    channel: Literal["red", "alpha"],
    note: str = "",
    upload: str = "image",
) -> Image:
    """A file that can be uploaded, with a stand-in for the button's value as in nodes/core.py."""
    raise NotImplementedError


@node("TMix", category="test", title="Mix")
def mix(image: Image, strength: float, mask: Mask, other: Image | None = None) -> Both:
    """Two kinds of sockets."""
    raise NotImplementedError


@node("TMask", category="test", title="Mask")
def mask_of(image: Image) -> Mask:
    """Nothing passes through it when it is bypassed."""
    raise NotImplementedError


@node("TForced", category="test", title="Forced")
def forced(n: Int, text: str) -> str:
    """An INT that only takes links; editors once kept a value for it all the same."""
    raise NotImplementedError


@node("PreviewAny", category="test", title="Preview as Text", output=True)
def preview(source: AnyValue) -> str:
    """The editor gives it widgets of its own."""
    raise NotImplementedError


@pytest.fixture(scope="session")
def registry() -> Registry:
    return registry_of([number, add, out, encode, sample, load, mix, mask_of, forced, preview])


class Pen:
    """Draws one canvas, or the inside of one subgraph, which has the ids -10 and -20 at its boundary."""

    IN, OUT = -10, -20

    def __init__(self, schema: float) -> None:
        self.schema = schema
        self.nodes: dict[Any, dict[str, Any]] = {}
        self.links: list[dict[str, Any]] = []
        self.subgraphs: list[dict[str, Any]] = []

    def node(self, id: Any, type: str, values: Any = None, **fields: Any) -> Pen:
        saved = {"id": id, "type": type, "pos": [0, 0], "size": [210, 58], "flags": {}, "order": 0, "mode": 0}
        saved |= {"inputs": [], "outputs": [], "properties": {"Node name for S&R": type}}
        self.nodes[id] = saved | ({} if values is None else {"widgets_values": values}) | fields
        return self

    def link(self, origin: Any, target: Any, input: Any, type: str = "INT", slot: int = 0, widget: bool = False) -> Pen:
        """Links output number `slot` of `origin` to the input of that name; into a boundary by the slot's number."""
        id, target_slot = len(self.links) + 1, input
        if target != Pen.OUT:
            inputs = self.nodes[target]["inputs"]
            target_slot = len(inputs)
            converted = {"widget": {"name": input}} if widget else {}
            inputs.append({"name": input, "type": type, "link": id, **converted})
        ends = {"origin_id": origin, "origin_slot": slot, "target_id": target, "target_slot": target_slot, "type": type}
        self.links.append({"id": id, **ends})
        return self

    def subgraph(
        self, id: str, inside: Pen, inputs: dict[str, str] | None = None, outputs: dict[str, str] | None = None
    ) -> Pen:
        ends = [[{"id": name, "name": name, "type": t} for name, t in (one or {}).items()] for one in (inputs, outputs)]
        self.subgraphs.append(
            {"id": id, "version": 1, "name": f"Sub {id}", "inputNode": {"id": Pen.IN}, "outputNode": {"id": Pen.OUT}}
            | {"inputs": ends[0], "outputs": ends[1], "nodes": list(inside.nodes.values()), "links": inside.links}
            | ({"definitions": {"subgraphs": inside.subgraphs}} if inside.subgraphs else {})
        )
        return self

    def document(self) -> dict[str, Any]:
        definitions = {"definitions": {"subgraphs": self.subgraphs}} if self.subgraphs else {}
        document = {"nodes": list(self.nodes.values()), "groups": [], "config": {}, "extra": {}, **definitions}
        keys = ("id", "origin_id", "origin_slot", "target_id", "target_slot", "type")
        if self.schema == 0.4:
            links = [[link[key] for key in keys] for link in self.links]
            return {"last_node_id": 9, "last_link_id": 9, **document, "links": links, "version": 0.4}
        state = {"lastGroupId": 0, "lastNodeId": 9, "lastLinkId": 9, "lastRerouteId": 0}
        return {"state": state, **document, "links": self.links, "reroutes": [], "version": 1}


@pytest.fixture(params=[0.4, 1], ids=["schema 0.4", "schema 1"])
def pen(request: pytest.FixtureRequest):
    """`pen()` is a new Pen."""
    return lambda: Pen(request.param)
