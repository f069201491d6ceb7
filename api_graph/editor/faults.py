"""What is wrong with a graph, in the form in which ComfyUI says it, so that the editor marks the right node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from api_graph.comfy.inputs import input_type
from api_graph.graph import NO_VALUE, Fault, Graph, Link
from api_graph.registry import Registry
from api_graph.spec import InputSpec

_MOST_FAULTS = 200  # shown at once

_MESSAGES = {
    "required_input_missing": "Required input is missing",
    "bad_linked_input": "Bad linked input",
    "return_type_mismatch": "Return type mismatch between linked nodes",
    "invalid_input_type": "Input has a value of the wrong type",
    "value_smaller_than_min": "Value is smaller than the minimum",
    "value_bigger_than_max": "Value is bigger than the maximum",
    "value_not_in_list": "Value is not in the list",
    "custom_validation_failed": "The value cannot be used",
    "dependency_cycle": "Nodes feed each other in a circle",
}


def prompt_error(type: str, message: str, details: str = "", **extra: object) -> dict[str, object]:
    """ComfyUI's `error` object."""
    return {"type": type, "message": message, "details": details, "extra_info": extra}


def node_errors(
    faults: Iterable[Fault], graph: Graph, registry: Registry, dependent: Mapping[str, list[str]]
) -> dict[str, object]:
    """ComfyUI's `node_errors`: by node, with the outputs that cannot be had because of it."""
    by_node: dict[str, list[Fault]] = {}
    for fault in list(faults)[:_MOST_FAULTS]:
        by_node.setdefault(fault.node, []).append(fault)
    return {
        node: {
            "errors": [_error(fault, graph, registry) for fault in found],
            "dependent_outputs": dependent.get(node, []),
            "class_type": found[0].class_type,
        }
        for node, found in by_node.items()
    }


def _error(fault: Fault, graph: Graph, registry: Registry) -> dict[str, object]:
    spec = registry.get(fault.class_type)
    declared = spec.input(fault.input) if spec is not None and fault.input is not None else None
    type = _type(fault, declared, graph)
    details = f"{fault.problem}.{' ' if fault.hint else ''}{fault.hint}"
    extra: dict[str, object] = {}
    if fault.input is not None:
        extra["input_name"] = fault.input
    if declared is not None:
        extra["input_config"] = input_type(declared)
    if fault.value is not NO_VALUE:
        extra["received_value"] = fault.value
    link = graph.nodes[fault.node].inputs.get(fault.input or "")
    if isinstance(link, Link):
        extra["linked_node"] = [link.node, link.output]
        if type == "return_type_mismatch":
            extra["received_type"] = registry[graph.nodes[link.node].class_type].outputs[link.output].socket
    return prompt_error(type, _MESSAGES[type], details, **extra)


def _type(fault: Fault, declared: InputSpec | None, graph: Graph) -> str:
    """Which of ComfyUI's errors the fault is."""
    if fault.input is None:
        return "dependency_cycle"
    if fault.value is NO_VALUE:
        return "required_input_missing"
    if declared is None:
        return "custom_validation_failed"
    value = graph.nodes[fault.node].inputs.get(fault.input)
    if isinstance(value, Link):
        return "return_type_mismatch" if " does not fit " in fault.problem else "bad_linked_input"
    if isinstance(fault.value, list):
        return "bad_linked_input"
    return _literal_type(fault, declared)


def _literal_type(fault: Fault, declared: InputSpec) -> str:
    value = fault.value
    if fault.problem == "out of range":
        too_small = declared.minimum is not None and value < declared.minimum
        return "value_smaller_than_min" if too_small else "value_bigger_than_max"
    if declared.widget.upload and isinstance(value, str):
        return "custom_validation_failed"
    if declared.socket == "COMBO" and isinstance(value, str):
        return "value_not_in_list"
    return "invalid_input_type"
