"""JSON Schema of nodes and graphs, held against a validator that knows nothing of ours; descriptions, by hand."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, NamedTuple

import pytest
from pydantic import Field

from api_graph.context import Context
from api_graph.registry import registry_of
from api_graph.sockets import Image, Mask
from api_graph.spec import Choices, Widget, describe, graph_schema, node, node_schema, spec_of

jsonschema = pytest.importorskip("jsonschema")


class Both(NamedTuple):
    image: Annotated[Image, Field(description="With the heatmap on it.")]
    texts: list[str]


@node(
    "APEverything",
    category="test/all",
    title="Everything",
    version=2,
    store=True,
    fingerprint=lambda folders, file: {"file": file},
    aliases=["all"],
)
def everything(
    image: Image,
    masks: Annotated[list[Mask], Field(description="One per image.")],
    file: Annotated[str, Choices(lambda: ["a.png"], open=True), Widget(upload=True)],
    context: Context,
    size: Annotated[int, Field(ge=1, le=9, description="Side.")] = 3,
    alpha: Annotated[float, Field(ge=0)] = 0.5,
    recipe: Literal["paper", "reference"] = "paper",
    name: Annotated[str, Choices(lambda: ["x", "y"])] = "x",
    query: str = "",
    invert: bool = False,
    background: Image | None = None,
) -> Both:
    """Do everything."""
    return Both(image, [])


@node("APNothing", category="test", title="Nothing", output=True)
def nothing() -> None:
    """Do nothing."""


GOOD = {
    "class_type": "APEverything",
    "inputs": {
        "image": ["1", 0],
        "masks": ["5:2", 1],
        "file": "b.png",
        "size": 9,
        "alpha": 0,
        "recipe": "reference",
        "name": "y",
        "query": ["4", 0],
        "invert": True,
        "background": ["1", 0],
    },
    "_meta": {"title": "All"},
    "is_changed": ["abc"],
}


def accepts(schema: dict[str, Any], instance: Any) -> bool:
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema).is_valid(instance)


def changed(**inputs: Any) -> dict[str, Any]:
    return {**GOOD, "inputs": {**GOOD["inputs"], **inputs}}


def without(name: str) -> dict[str, Any]:
    return {**GOOD, "inputs": {k: v for k, v in GOOD["inputs"].items() if k != name}}


@pytest.mark.parametrize(
    "good",
    [
        GOOD,
        without("size"),
        without("background"),
        changed(size=["3", 0]),
        changed(alpha=1e9),
        changed(name=["3", 0]),
        changed(file="anything at all"),
        {"class_type": "APEverything", "inputs": {"image": ["1", 0], "masks": ["1", 0], "file": ""}},
    ],
)
def test_good_nodes(good: dict[str, Any]) -> None:
    assert accepts(node_schema(spec_of(everything)), good)


@pytest.mark.parametrize(
    "bad",
    [
        *(without(name) for name in ("image", "masks", "file")),
        *(changed(size=v) for v in (0, 10, 2.5, "3", True, None, [3])),
        *(changed(alpha=v) for v in (-0.1, "0.5", True, None)),
        *(changed(recipe=v) for v in ("Paper", 1, None)),
        *(changed(name=v) for v in ("z", 1)),
        *(changed(query=v) for v in (1, None, {})),
        *(changed(invert=v) for v in (0, "true", None)),
        *(changed(image=v) for v in ("1", [1, 0], ["1", "0"], ["1"], ["1", 0, 0], ["1", -1], None)),
        *(changed(file=v) for v in (["1", 0], 3)),
        changed(background=None),
        changed(colour="red"),
        {**GOOD, "class_type": "APOther"},
        {"class_type": "APEverything"},
        {"inputs": GOOD["inputs"]},
        [],
        "APEverything",
    ],
)
def test_bad_nodes(bad: Any) -> None:
    assert not accepts(node_schema(spec_of(everything)), bad)


def test_the_schema_of_one_node() -> None:
    schema = node_schema(spec_of(everything))
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (schema["title"], schema["description"]) == ("Everything", "Do everything.")
    inputs = schema["properties"]["inputs"]
    assert inputs["required"] == ["image", "masks", "file"]
    assert inputs["additionalProperties"] is False
    assert "context" not in inputs["properties"]
    link = {"$ref": "#/$defs/link"}
    assert {name: inputs["properties"][name] for name in ("image", "masks", "file", "size", "name")} == {
        "image": link,
        "masks": {**link, "description": "One per image."},
        "file": {"type": "string", "examples": ["a.png"]},
        "size": {
            "anyOf": [{"type": "integer", "minimum": 1, "maximum": 9, "description": "Side.", "default": 3}, link]
        },
        "name": {"anyOf": [{"type": "string", "enum": ["x", "y"], "default": "x"}, link]},
    }
    assert json.loads(json.dumps(schema)) == schema


def test_a_combo_of_a_runs_own_folders_is_not_listed_to_the_end() -> None:
    @node("APInside", category="test", title="Inside")
    def inside(name: Annotated[str, Choices(lambda: ["x"], inside=lambda folders: ["y"])]) -> None:
        """Pick one."""

    schema = node_schema(spec_of(inside))
    assert schema["properties"]["inputs"]["properties"]["name"]["anyOf"][0] == {"type": "string", "examples": ["x"]}
    assert accepts(schema, {"class_type": "APInside", "inputs": {"name": "y"}})


def test_graphs() -> None:
    schema = graph_schema(registry_of([everything, nothing]))
    graph = {"1": GOOD, "2": {"class_type": "APNothing", "inputs": {}}}
    assert accepts(schema, graph)
    for bad in (
        {},
        {"1": changed(size=0)},
        {"1": {"class_type": "APUnknown", "inputs": {}}},
        {"1": {"class_type": "APNothing", "inputs": {"size": 3}}},
        {"1": GOOD, "2": 3},
        [GOOD],
    ):
        assert not accepts(schema, bad)


def test_a_description_says_everything_once() -> None:
    assert describe(spec_of(everything)) == {
        "id": "APEverything",
        "title": "Everything",
        "category": "test/all",
        "description": "Do everything.",
        "aliases": ["all"],
        "version": 2,
        "output": False,
        "store": True,
        "model": False,
        "waits": False,
        "batched": False,
        "takes_lists": True,
        "inputs": [
            facts("image", "IMAGE", literal=False),
            facts("masks", "MASK", literal=False, list=True, description="One per image."),
            facts("file", "COMBO", link=False, choices=["a.png"], open=True),
            facts("size", "INT", description="Side.", default=3, minimum=1, maximum=9),
            facts("alpha", "FLOAT", default=0.5, minimum=0),
            facts("recipe", "COMBO", default="paper", choices=["paper", "reference"], open=False),
            facts("name", "COMBO", default="x", choices=["x", "y"], open=False),
            facts("query", "STRING", default=""),
            facts("invert", "BOOLEAN", default=False),
            facts("background", "IMAGE", literal=False, default=None),
        ],
        "outputs": [
            {"name": "image", "socket": "IMAGE", "list": False, "description": "With the heatmap on it."},
            {"name": "texts", "socket": "STRING", "list": True, "description": ""},
        ],
    }


def facts(name: str, socket: str, **more: Any) -> dict[str, Any]:
    common = {"list": False, "literal": True, "link": True, "description": "", "required": "default" not in more}
    return {"name": name, "socket": socket, **common, **more}


def test_answers_are_json_and_the_callers_own() -> None:
    spec = spec_of(everything)
    for answer in (describe, node_schema, lambda spec: graph_schema({spec.id: spec})):
        before = json.dumps(answer(spec))
        spoil(answer(spec))
        assert json.dumps(answer(spec)) == before


def spoil(value: Any) -> None:
    """Empty whatever can be emptied."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        spoil(part)
    if isinstance(value, dict | list):
        value.clear()
