"""What other programs may know of the nodes: JSON Schema of saved graphs, and plain descriptions for docs and CLI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api_graph.spec.model import Choices, InputSpec, NodeSpec, OutputSpec

Schema = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def node_schema(spec: NodeSpec) -> Schema:
    """JSON Schema (2020-12) of one node of this class, as it stands in a graph in ComfyUI's API format.

    Dynamic combos are listed now, without what lies in the folders of a run. Keys beside the inputs are open: ComfyUI
    leaves notes of its own there.
    """
    return {"$schema": DIALECT, **_node(spec), "$defs": {"link": _link()}}


def graph_schema(registry: Mapping[str, NodeSpec]) -> Schema:
    """JSON Schema (2020-12) of a graph in ComfyUI's API format over these nodes: node by id.

    It says what each node may hold. Whether links lead somewhere and sockets fit is for `api_graph.graph` to check.
    """
    return {
        "$schema": DIALECT,
        "type": "object",
        "minProperties": 1,
        "additionalProperties": {
            "type": "object",
            "properties": {"class_type": {"enum": list(registry)}},
            "required": ["class_type", "inputs"],
            "allOf": [_rule(spec) for spec in registry.values()],
        },
        "$defs": {"link": _link()},
    }


def describe(spec: NodeSpec) -> dict[str, Any]:
    """All that a reader wants to know of a node, as JSON: for `api-graph nodes` and the node reference."""
    flags = {"output": spec.output, "store": spec.store, "model": spec.model, "waits": spec.waits}
    return {
        "id": spec.id,
        "title": spec.title,
        "category": spec.category,
        "description": spec.description,
        "aliases": list(spec.aliases),
        "version": spec.version,
        **flags,
        "batched": spec.batched is not None,
        "takes_lists": spec.takes_lists,
        "inputs": [_input_facts(spec, declared) for declared in spec.inputs],
        "outputs": [_output_facts(output) for output in spec.outputs],
    }


def _link() -> Schema:
    return {
        "description": "A link: the id of the node that it comes from, and which of its outputs.",
        "type": "array",
        "prefixItems": [{"type": "string"}, {"type": "integer", "minimum": 0}],
        "minItems": 2,
        "maxItems": 2,
    }


def _rule(spec: NodeSpec) -> Schema:
    is_this = {"properties": {"class_type": {"const": spec.id}}, "required": ["class_type"]}
    return {"if": is_this, "then": _node(spec)}


def _node(spec: NodeSpec) -> Schema:
    return {
        "title": spec.title,
        "description": spec.description,
        "type": "object",
        "properties": {
            "class_type": {"const": spec.id},
            "inputs": {
                "type": "object",
                "properties": {i.name: _input(spec, i) for i in spec.inputs},
                "required": [i.name for i in spec.inputs if i.required],
                "additionalProperties": False,
            },
            "_meta": {"type": "object", "properties": {"title": {"type": "string"}}},
        },
        "required": ["class_type", "inputs"],
    }


def _input(spec: NodeSpec, declared: InputSpec) -> Schema:
    """A literal, a link, or either; a file that enters the cache key is always a literal."""
    link: Schema = {"$ref": "#/$defs/link"}
    if not declared.is_widget:
        # A list that is a value is written {"__value__": [...]}, an object too.
        taken: Schema = {"anyOf": [link, {"type": "object"}]} if declared.takes_json else link
        return {**taken, "description": declared.description} if declared.description else taken
    literal = _literal(declared)
    return literal if declared.name in spec.fingerprinted else {"anyOf": [literal, link]}


def _literal(declared: InputSpec) -> Schema:
    assert declared.adapter is not None
    schema = declared.adapter.json_schema()
    if declared.odd:
        schema["not"] = {"multipleOf": 2}
    if isinstance(declared.choices, Choices):
        complete = not declared.choices.open and declared.choices.inside is None
        schema["enum" if complete else "examples"] = list(declared.options())
    if not declared.required:
        schema["default"] = declared.default
    return schema


def _input_facts(spec: NodeSpec, declared: InputSpec) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "name": declared.name,
        "socket": declared.socket,
        "required": declared.required,
        "list": declared.is_list,
        "literal": declared.is_widget,
        "link": declared.name not in spec.fingerprinted,
        "description": declared.description,
    }
    if not declared.required:
        facts["default"] = declared.default
    for name, bound in (("minimum", declared.minimum), ("maximum", declared.maximum)):
        if bound is not None:
            facts[name] = bound
    if declared.odd:
        facts["odd"] = True
    if declared.choices is not None:
        facts["choices"] = list(declared.options())
        facts["open"] = isinstance(declared.choices, Choices) and declared.choices.open
    return facts


def _output_facts(output: OutputSpec) -> dict[str, Any]:
    return {
        "name": output.name,
        "socket": output.socket,
        "list": output.is_list,
        "description": output.description,
    }
