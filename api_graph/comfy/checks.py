"""ComfyUI's VALIDATE_INPUTS, for the inputs whose list of choices does not decide.

Naming an input there takes ComfyUI's own check of it away, so only those inputs are named.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import Parameter, Signature
from typing import Any

from api_graph.comfy.host import host_folders
from api_graph.comfy.values import single_values
from api_graph.errors import BadInput, shown
from api_graph.spec import Choices, InputSpec, NodeSpec


def checked_inputs(spec: NodeSpec) -> tuple[InputSpec, ...]:
    """The inputs that may hold more than their combo lists: open choices, and files that were uploaded just now."""
    return tuple(i for i in spec.inputs if i.widget.upload or (isinstance(i.choices, Choices) and i.choices.open))


def validator(spec: NodeSpec) -> Callable[..., Any]:
    """The function of a VALIDATE_INPUTS: it answers True, or says in one line what is wrong."""
    checked = checked_inputs(spec)

    def validate(cls: type, **values: Any) -> bool | str:
        given = single_values(spec, values)
        faults = [_fault(spec, declared, given[declared.name]) for declared in checked if declared.name in given]
        return "; ".join(f for f in faults if f) or True

    # ComfyUI looks at the names in the signature to see which inputs to pass.
    positional = Parameter.POSITIONAL_OR_KEYWORD
    names = [Parameter("cls", positional), *(Parameter(i.name, positional, default=None) for i in checked)]
    validate.__signature__ = Signature(names)  # type: ignore[attr-defined]
    return validate


def _fault(spec: NodeSpec, declared: InputSpec, value: Any) -> str | None:
    """What is wrong with one value. A link arrives as None: its value is not known yet."""
    if value is None:
        if declared.name in spec.fingerprinted:
            return str(BadInput("it takes no link", input=declared.name, hint="Type the value into the node."))
        return None
    if not isinstance(value, str):
        return f"{declared.name}: a text is wanted, not {shown(value)}."
    if declared.widget.upload:
        try:
            host_folders().input_file(value, input=declared.name)
        except BadInput as error:
            return str(error)
    return None
