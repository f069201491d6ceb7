"""What ComfyUI hands to a class, as a function takes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from api_graph.errors import BadInput
from api_graph.spec import NodeSpec

Values = dict[str, Any]


def single_values(spec: NodeSpec, values: Values) -> Values:
    """Undo INPUT_IS_LIST, which wraps every value, for the inputs that are no lists. Raises BadInput for several."""
    if not spec.takes_lists:
        return dict(values)
    return {name: list(v) if name in spec.lists else _only(name, v) for name, v in values.items()}


def _only(name: str, values: Sequence[Any]) -> Any:
    if len(values) != 1:
        raise BadInput(
            f"it takes one value, but a list of {len(values)} is linked to it",
            input=name,
            hint="Pick one of them before, or link something else.",
        )
    return values[0]
