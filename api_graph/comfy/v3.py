"""NodeSpec -> ComfyUI's V3 class (`comfy_api.latest`), from the very declaration that the V1 class has.

The pack exports V1: ComfyUI prefers NODE_CLASS_MAPPINGS where both are there, and V1 lacks nothing that a node here
needs. This module keeps the way open, and a test compares both in a real ComfyUI, node by node.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from api_graph.comfy.classes import asks_endpoints, execute, execute_beside_others, missing_inputs
from api_graph.comfy.inputs import HIDDEN, hidden_inputs, input_types
from api_graph.comfy.values import change_mark, checked_inputs, single_values, validator
from api_graph.registry import registry_of
from api_graph.spec import NodeSpec

_OWN_OPTIONS = {"tooltip", "lazy"}
"""Options that an input of V3 takes by name; all others travel as they are."""


def v3_classes(functions: Iterable[Callable[..., object]]) -> dict[str, type]:
    """The V3 class of each node, by id. Raises ImportError without ComfyUI, SpecError when two claim one id."""
    return {id: v3_class(spec) for id, spec in registry_of(functions).items()}


def v3_class(spec: NodeSpec) -> type:
    """The V3 class of one node. Raises ImportError without ComfyUI 0.8 or newer."""
    from comfy_api.latest import io  # pyright: ignore[reportMissingImports]

    def define_schema(cls: type) -> object:
        return _schema(io, spec)

    def given(cls: Any, values: dict[str, object]) -> dict[str, object]:
        hidden = hidden_inputs(spec).get("hidden", {})
        handed = {name: getattr(cls.hidden, name, None) for name in hidden}
        return {**values, **({name: [value] for name, value in handed.items()} if spec.takes_lists else handed)}

    def run(cls: Any, **values: object) -> object:
        return execute(spec, given(cls, values))

    async def run_beside_others(cls: Any, **values: object) -> object:
        return await execute_beside_others(spec, given(cls, values))

    body: dict[str, object] = {
        "__doc__": spec.description,
        "__module__": __name__,
        "define_schema": classmethod(define_schema),
        "execute": classmethod(run_beside_others if asks_endpoints(spec) else run),
    }
    if spec.fingerprint is not None:
        body["fingerprint_inputs"] = classmethod(lambda cls, **values: change_mark(spec, single_values(spec, values)))
    if spec.needs is not None:
        body["check_lazy_status"] = classmethod(lambda cls, **values: missing_inputs(spec, values))
    if checked_inputs(spec):
        body["validate_inputs"] = classmethod(validator(spec))
    return type(spec.id, (io.ComfyNode,), body)


def _schema(io: Any, spec: NodeSpec) -> object:
    groups = input_types(spec)
    declared = [(name, *typed, group) for group in ("required", "optional") for name, typed in groups[group].items()]
    return io.Schema(
        node_id=spec.id,
        display_name=spec.title,
        category=spec.category,
        description=spec.description,
        search_aliases=list(spec.aliases),
        is_input_list=spec.takes_lists,
        is_output_node=spec.output,
        hidden=[io.Hidden[name] for name in HIDDEN if name in hidden_inputs(spec).get("hidden", {})],
        inputs=[_input(io, name, kind, options, group == "optional") for name, kind, options, group in declared],
        outputs=[
            io.Custom(o.socket).Output(o.name, display_name=o.name, tooltip=o.description, is_output_list=o.is_list)
            for o in spec.outputs
        ],
    )


def _input(io: Any, name: str, kind: str | list[str], options: dict[str, object], optional: bool) -> object:
    """An input of V3 whose type and options read as those of V1 do."""
    own = {option: value for option, value in options.items() if option in _OWN_OPTIONS}
    rest = {option: value for option, value in options.items() if option not in _OWN_OPTIONS}
    if isinstance(kind, list):
        return io.Combo.Input(name, options=kind, optional=optional, extra_dict=rest, **own)
    return io.Custom(kind).Input(name, optional=optional, extra_dict=rest, **own)
