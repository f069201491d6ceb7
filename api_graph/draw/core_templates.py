"""Templates in which nodes of ComfyUI itself stand beside those of the pack: only ComfyUI can open them.

What those nodes declare is written here as ComfyUI 0.28 to 0.33 have it; a test compares it with a real ComfyUI.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from api_graph.draw.workflow import to_workflow
from api_graph.graph.model import Graph, GraphNode, Link
from api_graph.registry import Registry
from api_graph.spec import InputSpec, NodeSpec, OutputSpec

_BOX = {"x": 354, "y": 165, "width": 78, "height": 78, "metadata": {}}
"""The ring of the example picture, which is 480 by 320 pixels."""
_CHECKPOINT = "sam3.safetensors"
"""A name to begin with: ComfyUI asks which of the user's own it is."""


def _elsewhere(**_: object) -> object:
    raise NotImplementedError("this node runs in ComfyUI alone")


def _core(
    id: str, title: str, inputs: list[InputSpec], outputs: Mapping[str, str], *, output: bool = False
) -> NodeSpec:
    gives = tuple(OutputSpec(name, socket) for name, socket in outputs.items())
    return NodeSpec(id, _elsewhere, title, "ComfyUI", title, tuple(inputs), gives, output=output)


def _widget(name: str, socket: str, default: object) -> InputSpec:
    return InputSpec(name, socket, default, is_widget=True)


CORE_NODES = {
    spec.id: spec
    for spec in (
        _core(
            "CheckpointLoaderSimple",
            "Load Checkpoint",
            [InputSpec("ckpt_name", "COMBO", choices=(_CHECKPOINT,), is_widget=True)],
            {"MODEL": "MODEL", "CLIP": "CLIP", "VAE": "VAE"},
        ),
        _core(
            "SAM3_Detect",
            "SAM3 Detect",
            [
                InputSpec("model", "MODEL"),
                InputSpec("image", "IMAGE"),
                InputSpec("conditioning", "CONDITIONING", None),
                InputSpec("bboxes", "BOUNDING_BOX", None),
                InputSpec("positive_coords", "STRING", None),
                InputSpec("negative_coords", "STRING", None),
                _widget("threshold", "FLOAT", 0.5),
                _widget("refine_iterations", "INT", 2),
                _widget("individual_masks", "BOOLEAN", False),
            ],
            {"masks": "MASK", "bboxes": "BOUNDING_BOX"},
        ),
        _core("MaskPreview", "Preview Mask", [InputSpec("mask", "MASK")], {"mask": "MASK"}, output=True),
        _core(
            "CreateBoundingBoxes",
            "Create Bounding Boxes",
            [
                InputSpec("background", "IMAGE", None),
                InputSpec("bboxes", "BOUNDING_BOX,ARRAY,STRING", None),
                _widget("width", "INT", 480),
                _widget("height", "INT", 320),
                _widget("editor_state", "BOUNDING_BOXES", [_BOX]),
                _widget("last_incoming", "BOUNDING_BOXES", []),
            ],
            {"preview": "IMAGE", "bboxes": "BOUNDING_BOX", "elements": "ARRAY"},
            output=True,
        ),
    )
}
"""What ComfyUI's own nodes declare, as far as the templates use it."""


@dataclass(frozen=True)
class CoreTemplate:
    """A graph of the pack, `base`, to which ComfyUI's nodes are `added` by id; `without` says which nodes make room."""

    base: str
    added: Mapping[str, GraphNode]
    without: tuple[str, ...] = ()
    wires: Mapping[tuple[str, str], Link] = field(default_factory=dict)
    """Links into nodes of the base, by node and input."""


def _node(id: str, class_type: str, **inputs: object) -> GraphNode:
    return GraphNode(id, class_type, inputs, CORE_NODES[class_type].title)


CORE_TEMPLATES = {
    "With SAM3 - the outline of what I mean": CoreTemplate(
        "docs/recipes/points.json",
        {
            "17": _node("17", "CheckpointLoaderSimple", ckpt_name=_CHECKPOINT),
            "18": _node(
                "18",
                "SAM3_Detect",
                model=Link("17", 0),
                image=Link("1", 0),
                positive_coords=Link("10", 0),
                threshold=0.5,
                refine_iterations=2,
                individual_masks=False,
            ),
            "19": _node("19", "MaskPreview", mask=Link("18", 0)),
        },
    ),
    "With Create Bounding Boxes - foveal attention on what I draw": CoreTemplate(
        "graphs/classify_foveal.json",
        {"5": _node("5", "CreateBoundingBoxes", background=Link("1", 0))},
        without=("5",),
        wires={("6", "boxes"): Link("5", 1)},
    ),
}
"""By the name under which ComfyUI lists them."""


def core_graph(template: CoreTemplate, base: Graph) -> Graph:
    """The graph `base` of a template with ComfyUI's nodes in it."""
    nodes = {id: node for id, node in base.nodes.items() if id not in template.without} | dict(template.added)
    for (id, name), link in template.wires.items():
        nodes[id] = replace(nodes[id], inputs={**nodes[id].inputs, name: link})
    return replace(base, nodes=nodes)


def core_template(template: CoreTemplate, base: Graph, registry: Registry) -> dict[str, object]:
    """The template as ComfyUI's editor saves it."""
    return to_workflow(core_graph(template, base), {**registry, **CORE_NODES})
