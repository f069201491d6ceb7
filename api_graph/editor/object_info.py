"""A node as ComfyUI's `/object_info` describes it (spec 1.1)."""

from __future__ import annotations

from typing import Any

from api_graph.comfy.inputs import input_types
from api_graph.editor import PACK
from api_graph.folders import Folders
from api_graph.registry import own_nodes
from api_graph.spec import NodeSpec


def node_info(spec: NodeSpec, folders: Folders) -> dict[str, Any]:
    """What the editor must know to draw the node."""
    inputs = _without_upload(input_types(spec, folders))
    return {
        "input": inputs,
        "input_order": {group: list(declared) for group, declared in inputs.items()},
        "is_input_list": spec.takes_lists,
        "output": [output.socket for output in spec.outputs],
        "output_is_list": [output.is_list for output in spec.outputs],
        "output_name": [output.name for output in spec.outputs],
        "output_tooltips": [output.description for output in spec.outputs],
        "output_node": spec.output,
        "name": spec.id,
        "display_name": spec.title,
        "description": spec.description,
        "python_module": f"custom_nodes.{PACK}" if spec.id in own_nodes() else "nodes",
        "category": spec.category,
        "search_aliases": list(spec.aliases),
    }


def _without_upload(inputs: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The editor draws an upload button by itself: what older ones sent for it must not take its place."""
    uploads = any(options.get("image_upload") for _, options in inputs["required"].values())
    optional = {name: drawn for name, drawn in inputs["optional"].items() if not (uploads and name == "upload")}
    return {**inputs, "optional": optional}
