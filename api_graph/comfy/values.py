"""Values as ComfyUI hands them to a class: made single, checked (VALIDATE_INPUTS), and told apart (IS_CHANGED)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from inspect import Parameter, Signature

from torch import Tensor

from api_graph.comfy.host import host_folders
from api_graph.errors import BadInput, shown
from api_graph.lvlm.remote import Endpoint
from api_graph.spec import Choices, InputSpec, NodeSpec

Values = dict[str, object]


def single_values(spec: NodeSpec, values: Values) -> Values:
    """Undo INPUT_IS_LIST, which wraps every value, for the inputs that are no lists. Raises BadInput for several."""
    if not spec.takes_lists:
        return dict(values)
    given: Values = {}
    for name, wrapped in values.items():
        assert isinstance(wrapped, list | tuple)  # INPUT_IS_LIST
        if name not in spec.lists and len(wrapped) != 1:
            raise BadInput(
                f"it takes one value, but a list of {len(wrapped)} is linked to it",
                input=name,
                hint="Pick one of them before, or link something else.",
            )
        given[name] = list(wrapped) if name in spec.lists else wrapped[0]
    return given


def change_mark(spec: NodeSpec, values: Values) -> str:
    """ComfyUI's IS_CHANGED: equal for equal content, whatever the file is called.

    Never raises: ComfyUI would take that for "always changed", for all nodes downstream too. What is wrong with a file
    that cannot be read is said when the node runs; until then the mark stands for just that.
    """
    try:
        return digest(fingerprint(spec, values))
    except Exception as error:
        return digest({"unreadable": {name: repr(values.get(name)) for name in spec.fingerprinted}, "why": repr(error)})


def settings_mark(spec: NodeSpec, values: Values) -> str | None:
    """Equal for two loader nodes that load the same; None where settings have no text, or results are no one object.

    The literals count beside the fingerprint: a model's numbers do not depend on its device, but where it lies does.
    """
    if spec.named_outputs or not all(declared.is_widget for declared in spec.inputs):
        return None
    literals = {declared.name: values.get(declared.name, declared.default) for declared in spec.inputs}
    return digest([spec.id, literals, fingerprint(spec, values)])


def asked_mark(spec: NodeSpec, values: Values) -> str:
    """Equal for two calls of a node with equal inputs, tensors and endpoints too."""
    mark = hashlib.sha256(f"{spec.id} {spec.version}".encode())
    for declared in spec.inputs:
        value = values.get(declared.name, declared.default)
        if isinstance(value, Endpoint):
            value = value.profile.fingerprint(value.model)
        if isinstance(value, Tensor):
            mark.update(f"{declared.name} {value.dtype} {tuple(value.shape)}".encode())
            mark.update(value.detach().cpu().contiguous().numpy().tobytes())
        else:
            mark.update(f"{declared.name} {value!r}\0".encode("utf-8", "surrogatepass"))
    return mark.hexdigest()


def fingerprint(spec: NodeSpec, values: Values) -> Mapping[str, object]:
    """What of its inputs a node really reads (file contents, resolved names); {} for a node that reads no files."""
    if spec.fingerprint is None:
        return {}
    defaults = {declared.name: declared.default for declared in spec.inputs}
    return spec.fingerprint(host_folders(), **{n: values.get(n, defaults[n]) for n in spec.fingerprinted})


def digest(value: object) -> str:
    """sha256 of a JSON value in canonical form."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def checked_inputs(spec: NodeSpec) -> tuple[InputSpec, ...]:
    """The inputs that may hold more than their combo lists: open choices, and files that were uploaded just now."""
    return tuple(i for i in spec.inputs if i.widget.upload or (isinstance(i.choices, Choices) and i.choices.open))


def validator(spec: NodeSpec) -> Callable[..., bool | str]:
    """The function of a VALIDATE_INPUTS: it answers True, or says in one line what is wrong.

    Naming an input there takes ComfyUI's own check of it away, so only `checked_inputs` are named.
    """
    checked = checked_inputs(spec)

    def validate(cls: type, **values: object) -> bool | str:
        given = single_values(spec, values)
        faults = [_fault(spec, declared, given[declared.name]) for declared in checked if declared.name in given]
        return "; ".join(f for f in faults if f) or True

    # ComfyUI looks at the names in the signature to see which inputs to pass.
    positional = Parameter.POSITIONAL_OR_KEYWORD
    names = [Parameter("cls", positional), *(Parameter(i.name, positional, default=None) for i in checked)]
    validate.__signature__ = Signature(names)  # type: ignore[attr-defined]
    return validate


def _fault(spec: NodeSpec, declared: InputSpec, value: object) -> str | None:
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
