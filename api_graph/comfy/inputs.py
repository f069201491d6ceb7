"""How ComfyUI's editor draws a node's inputs: INPUT_TYPES (spec/comfyui, section 1.2)."""

from __future__ import annotations

from api_graph.comfy.host import host_folders
from api_graph.context import SaveContext
from api_graph.errors import SpecError
from api_graph.folders import Folders
from api_graph.spec import Choices, InputSpec, NodeSpec
from api_graph.spec.model import WIDGET_SOCKETS

HIDDEN = {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"}
"""What ComfyUI hands to nodes that save: the graph in API format, and the editor's own workflow."""

_UNBOUNDED = 2**53  # what JavaScript holds exactly


InputType = tuple[str | list[str], dict[str, object]]
"""Type (a socket, or the entries of a combo) and options of one input."""


def input_types(spec: NodeSpec, folders: Folders | None = None) -> dict[str, dict[str, InputType]]:
    """`{"required": ..., "optional": ...}`, a new dictionary at each call.

    Combos list what lies in `folders`; by default in ComfyUI's own.
    """
    types: dict[str, dict[str, InputType]] = {"required": {}, "optional": {}}
    for declared in spec.inputs:
        group = types["required" if declared.required else "optional"]
        group[declared.name] = input_type(declared, folders, socketless=declared.name in spec.fingerprinted)
        if declared.name in spec.lazy:
            group[declared.name][1]["lazy"] = True
    return types


def hidden_inputs(spec: NodeSpec) -> dict[str, dict[str, str]]:
    """`{"hidden": ...}` for nodes that save, else {}. Raises SpecError where an input has a hidden input's name."""
    if spec.context is None or not issubclass(spec.context[1], SaveContext):
        return {}
    for name in HIDDEN:
        if spec.input(name) is not None:
            raise SpecError(f"node {spec.id}, parameter '{name}': ComfyUI hands the saved graph over by that name.")
    return {"hidden": dict(HIDDEN)}


def input_type(declared: InputSpec, folders: Folders | None = None, *, socketless: bool = False) -> InputType:
    """Type and options of one input.

    A `socketless` widget takes no link: what it names (a file) must be known before the run, for the cache key.
    """
    options: dict[str, object] = {"tooltip": declared.description} if declared.description else {}
    if not declared.is_widget:
        if declared.socket in WIDGET_SOCKETS:
            options["forceInput"] = True
        return declared.socket, options
    if not declared.required:
        options["default"] = declared.default
    if socketless:
        options["socketless"] = True
    if declared.widget.advanced:
        options["advanced"] = True
    options |= _widget_options(declared)
    return (_entries(declared, folders) if declared.socket == "COMBO" else declared.socket), options


def _entries(declared: InputSpec, folders: Folders | None) -> list[str]:
    # Only dynamic combos look into folders: ComfyUI asks often.
    if not isinstance(declared.choices, Choices):
        return list(declared.options())
    return list(declared.options(host_folders() if folders is None else folders))


def _widget_options(declared: InputSpec) -> dict[str, object]:
    if declared.socket in ("INT", "FLOAT"):
        return _number_options(declared)
    widget = declared.widget
    if declared.socket == "STRING":
        options: dict[str, object] = {"multiline": True} if widget.multiline else {}
        return options | ({"placeholder": widget.placeholder} if widget.placeholder else {})
    if declared.socket == "COMBO":
        return {"image_upload": True} if widget.upload else {}
    return {"label_on": widget.labels[0], "label_off": widget.labels[1]} if widget.labels else {}


def _number_options(declared: InputSpec) -> dict[str, object]:
    # Where no bounds are given the editor takes 0 and 2048 for them, and changes what the user types.
    options: dict[str, object] = {
        "min": -_UNBOUNDED if declared.minimum is None else declared.minimum,
        "max": _UNBOUNDED if declared.maximum is None else declared.maximum,
    }
    if declared.widget.step is not None:
        options["step"] = declared.widget.step
    elif declared.socket == "FLOAT":
        options["round"] = False  # else the editor rounds to its own step, 0.5
    if declared.widget.slider:
        options["display"] = "slider"
    return options
