"""What a saved node's widgets hold, by input: the file keeps a list in the editor's order, with extras of its own.

A seed is followed by what happens to it after a run ("randomize"), some combos by that and a filter, and the required
widgets of a node that loads a file by the value of its upload button ("image").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api_graph.graph.words import listed
from api_graph.graph.workflow.model import InputSlot, Node
from api_graph.spec import InputSpec, NodeSpec
from api_graph.spec.model import WIDGET_SOCKETS

_CONTROLS = ("fixed", "increment", "decrement", "randomize", "increment-wrap")
SEEDS = ("seed", "noise_seed")
_UPLOAD_BUTTON, _BUTTON_VALUE = "upload", "image"
_EDITORS_OWN = ("control_after_generate", "control_filter_list", _UPLOAD_BUTTON)
_SHOWS_RESULTS = ("PreviewAny",)  # the editor gives it widgets for what it showed last

HINT = "It was saved with another version of the node. Open the file in the editor, look at the values, save it again."


class Misfit(Exception):
    """The values are not those of this class. The text says how."""


def drawn_inputs(spec: NodeSpec) -> list[InputSpec]:
    """A node's inputs in the editor's order: the required ones first. The upload button's is the editor's own."""
    button = _UPLOAD_BUTTON if uploads(spec) else None
    return sorted((one for one in spec.inputs if one.name != button), key=lambda one: not one.required)


def slots(node: Node, spec: NodeSpec | None) -> list[InputSlot]:
    """All slots that the editor gives the node; the file leaves out widgets that nothing feeds."""
    saved = {slot.name: slot for slot in node.inputs}
    if spec is None:
        return list(node.inputs)
    declared = {one.name: one.socket for one in drawn_inputs(spec) if one.name not in spec.fingerprinted}
    return [saved.pop(name, InputSlot(name, socket)) for name, socket in declared.items()] + list(saved.values())


def widget_values(node: Node, spec: NodeSpec) -> dict[str, object]:
    """The value of each widget; its default if an older file has none. Raises Misfit."""
    given = _given(node, spec)
    widgets = [one for one in drawn_inputs(spec) if one.is_widget]
    values = {one.name: one.default for one in widgets if not one.required}
    return values | {one.name: given[one.name] for one in widgets if given.get(one.name) is not None}


def _given(node: Node, spec: NodeSpec) -> Mapping[str, object]:
    if node.named is not None:
        unknown = [name for name in node.named if spec.input(name) is None and not _is_editors_own(name, spec)]
        if not unknown:
            return node.named
        if not node.values:
            raise Misfit(f"it holds values for {listed(unknown)}, which {spec.id} does not have")
    return node.values if isinstance(node.values, Mapping) else _aligned(node.values, spec)


def _is_editors_own(name: str, spec: NodeSpec) -> bool:
    return name in _EDITORS_OWN or name.startswith("$$") or spec.id in _SHOWS_RESULTS


def _aligned(values: Sequence[object], spec: NodeSpec) -> dict[str, object]:
    """Values by name. Editors of before 2025 kept one for each input that only took links, too."""
    widgets = [one for one in drawn_inputs(spec) if one.is_widget]
    by_name, left_over = _walk(values, widgets, spec)
    if left_over and spec.id not in _SHOWS_RESULTS:
        with_links = [one for one in drawn_inputs(spec) if one.is_widget or one.socket in WIDGET_SOCKETS]
        by_name, still_left_over = _walk(values, with_links, spec)
        if still_left_over or len(by_name) < len(with_links):
            has = f"the widgets {listed([one.name for one in widgets])}" if widgets else "no widgets"
            raise Misfit(f"it holds {left_over} too many values: {spec.id} has {has}")
    return by_name


def _walk(values: Sequence[object], widgets: Sequence[InputSpec], spec: NodeSpec) -> tuple[dict[str, object], int]:
    """Values by name, and how many are left over."""
    last_required = next((one.name for one in reversed(widgets) if one.required), None)
    buttons = int(uploads(spec) and _BUTTON_VALUE in values)
    spare = len(values) - len(widgets) - buttons
    by_name: dict[str, object] = {}
    at = 0
    for one in widgets[: len(values)]:
        if at == len(values):
            break
        by_name[one.name] = values[at]
        controls = _controls(one, values, at + 1, spare)
        at, spare = at + 1 + controls, spare - controls
        if one.name == last_required and spare >= 0 and buttons and values[at : at + 1] == [_BUTTON_VALUE]:
            at, buttons = at + 1, 0
    if buttons and values[at : at + 1] == [_BUTTON_VALUE]:  # newer editors put it last
        at += 1
    return by_name, sum(value is not None for value in values[at:])


def _controls(one: InputSpec, values: Sequence[object], at: int, spare: int) -> int:
    """How many values after a widget's own are the editor's: they say what happens to it after a run."""
    if one.socket not in ("INT", "COMBO") or at >= len(values) or values[at] not in _CONTROLS:
        return 0
    if one.socket == "COMBO":
        return 2 if spare >= 2 and at + 1 < len(values) and isinstance(values[at + 1], str) else min(max(spare, 0), 1)
    return 1 if spare > 0 or one.name in SEEDS else 0


def uploads(spec: NodeSpec) -> bool:
    """Whether the editor draws an upload button, which has a value of its own."""
    return any(one.widget.upload and one.required for one in spec.inputs)
