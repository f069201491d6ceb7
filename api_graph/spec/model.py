"""NodeSpec: all that is known of a node, and the only place where it is known."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Annotated, Any, Literal

from api_graph.errors import SpecError
from api_graph.folders import Folders
from api_graph.json_values import Json

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class _Required(Enum):
    REQUIRED = "REQUIRED"

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required.REQUIRED
"""The default of an input that has none. An enum's member stays itself when it travels to another process."""

SPEC_ATTRIBUTE = "__node_spec__"
"""Where `@node` leaves the NodeSpec of a function."""

WIDGET_SOCKETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
"""Sockets that an editor draws as a widget unless it is told that only a link will do."""
PLAIN_SOCKETS = ("INT", "FLOAT", "STRING", "BOOLEAN")
"""Sockets whose values JSON can express."""
JSON_SOCKETS = ("BOUNDING_BOX",)
"""Sockets of ComfyUI that no widget draws, and whose values are JSON all the same: one may stand in a graph."""
_NUMBERS = ("INT", "FLOAT", "BOOLEAN")
_TYPES: Mapping[str, type] = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


@dataclass(frozen=True)
class Widget:
    """How the editor draws an input. It never validates: a step must not reject a value that comes from code.

    `labels` are what a switch shows for (True, False).
    """

    multiline: bool = False
    placeholder: str = ""
    step: float | None = None
    slider: bool = False
    upload: bool = False
    advanced: bool = False
    labels: tuple[str, str] | None = None


@dataclass(frozen=True)
class Odd:
    """An INT that must be odd, as the side of a window that has a centre."""


@dataclass(frozen=True)
class Check:
    """What tells before a run whether a node will take a typed value: it raises BadInput, as the node would.

    It is asked of values in the graph that are not the default, and must be quick; of what rows set, the node tells.
    """

    refuse: Callable[[Any], object]


@dataclass(frozen=True)
class Choices:
    """A combo whose entries are listed when they are asked for; `inside` adds what lies in the folders of whoever asks.

    With `open=True` the list only suggests: other texts are passed on, and the node says what is wrong with them.
    """

    list: Callable[[], Sequence[str]]
    open: bool = False
    inside: Callable[[Folders], Sequence[str]] | None = None


@dataclass(frozen=True)
class InputSpec:
    """One input of a node.

    `is_widget`: a literal value may stand in the graph; a `list[str]` or `str | None` is a link all the same. `odd`: an
    INT that must be. `refuse` is that of its `Check`. `required`: it has no default. `takes_json`: it is a link, and an
    object or a list of JSON may stand in its place.
    """

    name: str
    socket: str
    default: Any = REQUIRED
    is_list: bool = False
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] | Choices | None = None
    widget: Widget = Widget()
    odd: bool = False
    refuse: Callable[[Any], object] | None = field(default=None, compare=False, repr=False)
    is_widget: bool = field(default=False, compare=False, repr=False)
    required: bool = field(init=False, compare=False, repr=False)
    takes_json: bool = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "required", self.default is REQUIRED)
        object.__setattr__(self, "takes_json", not {*self.socket.split(",")}.isdisjoint(JSON_SOCKETS))

    @cached_property  # a pack has hundreds of inputs, and a graph sets a few
    def adapter(self) -> TypeAdapter[object] | None:
        """What validates a literal strictly, as the type that was declared does; links have none."""
        if not self.is_widget:
            return None
        from pydantic import ConfigDict, Field, TypeAdapter

        kind: Any = _TYPES.get(self.socket, str)
        if isinstance(self.choices, tuple):
            kind = Literal[self.choices]
        ruled: Any = Annotated[kind, Field(ge=self.minimum, le=self.maximum, description=self.description or None)]
        return TypeAdapter(ruled, config=ConfigDict(strict=True, allow_inf_nan=False))

    def options(self, folders: Folders | None = None) -> tuple[str, ...]:
        """The entries of a combo, now, with those that lie in `folders`."""
        if not isinstance(self.choices, Choices):
            return self.choices or ()
        found = self.choices.inside(folders) if folders is not None and self.choices.inside else ()
        return (*self.choices.list(), *found)


@dataclass(frozen=True)
class OutputSpec:
    """One output of a node. `type` is the annotated class: it knows how its values are stored."""

    name: str
    socket: str
    is_list: bool = False
    description: str = ""
    type: Any = field(default=None, compare=False, repr=False)

    def value_of(self, given: Sequence[object]) -> object:
        """What several calls gave together: the value, or the list where there is one."""
        return list(given) if self.is_list or len(given) != 1 else given[0]


@dataclass(frozen=True)
class Reference:
    """A function of a module, by its place: imported when it is first called."""

    place: str

    def __call__(self, *given: Any, **named: Any) -> Any:
        return resolve_name(self.place)(*given, **named)


BatchedForm = Callable[..., Sequence[object]]
"""The same work for many calls at once; see `NodeSpec`."""


@dataclass(frozen=True)
class NodeSpec:
    """A node: its function, what it takes and gives, and how an executor may treat it.

    `formerly`     the title in earlier versions, which saved graphs and scripts still use as a name.
    `version`      raised when the meaning changes; part of the cache key.
    `output`       a root of execution; it acts on the world (saves, shows). A cache serves it only where the host wants
                   nothing made again: what it saved, if that still stands, and what it showed, if it says `store`.
    `preview`      an output that only shows: over the rows of a table it is left out.
    `store`        small, typed results that are worth keeping on disk; of an output that nothing but shows texts.
    `model`        the result is a model: held by the model pool, never on disk.
    `waits`        it waits on files or the network: rows may run in threads.
    `rowwise`      it treats each map or picture of a batch by itself: many calls may be one call with a larger batch.
    `batched`      the same work for many calls at once, which agree in every input that is not in `over`. Its
                   parameters have the node's names: the inputs in `over` and the context are sequences with one element
                   per call, all others are what the calls share. It gives a list with one result per call, or with an
                   exception in the place of a call that failed. That of an output node is called once for all calls,
                   so it must not raise when some of it is done.
    `over`         the inputs in which calls that go together may differ; of a rowwise node its links.
    `at_once`      those in `over` of which one more value costs next to nothing: calls that differ in these alone
                   always go together, and count as one where batches are limited.
    `fingerprint`  `(folders, **literals) -> dict` of what enters the cache key in place of those literals: the content
                   of the file that a name means, the precision that "auto" means.
    `figures`      it computes numbers from what is linked to it: over a table they are kept, whoever reads them.
    `needs`        `(**some inputs) -> names` of the other links that these make necessary; a host that asks first
                   (ComfyUI's lazy inputs) computes no more, and the function gets None for the rest.
    `eight_bits`   its pictures (IMAGE) may be uint8 (B, H, W, 3), 8 bits as files have them, those that it gives where
                   those that it takes are: the executor makes floats of them for all other nodes.
    `prepare`      `(**some inputs) -> dict` of inputs of a call in another form, which the batched form takes in their
                   place: what needs no model to compute, done in threads while other runs compute.
    `estimate`     `(**some inputs) -> bytes` that a call makes, where a literal or a list may make it much more than
                   the inputs have. It is asked before the call, and must itself be quick.
    """

    id: str
    function: Callable[..., object]
    title: str
    category: str
    description: str
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    version: int = 1
    output: bool = False
    preview: bool = False
    store: bool = False
    model: bool = False
    waits: bool = False
    rowwise: bool = False
    batched: BatchedForm | None = None
    over: tuple[str, ...] = ()
    at_once: tuple[str, ...] = ()
    fingerprint: Callable[..., Mapping[str, Json]] | None = None
    fingerprinted: tuple[str, ...] = ()
    needs: Callable[..., Sequence[str]] | None = None
    estimate: Callable[..., int] | None = None
    estimated: tuple[str, ...] = ()
    eight_bits: bool = False
    prepare: Callable[..., Mapping[str, object]] | None = None
    prepared_from: tuple[str, ...] = ()
    lazy: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    formerly: str = ""
    context: tuple[str, type] | None = None
    named_outputs: bool = False
    lists: frozenset[str] = field(init=False, compare=False, repr=False)
    figures: bool = field(init=False, compare=False, repr=False)
    _by_name: Mapping[str, InputSpec] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "lists", frozenset(i.name for i in self.inputs if i.is_list))
        numbers = any(output.socket in _NUMBERS for output in self.outputs)
        object.__setattr__(self, "figures", numbers and not all(i.is_widget for i in self.inputs))
        object.__setattr__(self, "_by_name", {i.name: i for i in self.inputs})

    @property
    def summary(self) -> str:
        """The first sentence of the description, without its full stop."""
        return re.split(r"\.\s+(?=[A-Z])", self.description)[0].removesuffix(".")

    def input(self, name: str) -> InputSpec | None:
        """The input called `name`, or None."""
        return self._by_name.get(name)

    def is_own_title(self, title: str) -> bool:
        """Whether a node of this title has it from its class, and not from a person."""
        return title == self.title or (title == self.formerly != "")

    @property
    def takes_lists(self) -> bool:
        """Whether the node gets every input as a list (ComfyUI's INPUT_IS_LIST). `lists` names those that are lists."""
        return bool(self.lists)

    def unpack(self, result: object) -> tuple[object, ...]:
        """What the function returned, as one value per output."""
        if self.named_outputs and isinstance(result, tuple | list):
            return tuple(result)
        return (result,) if self.outputs else ()


def whole(spec: NodeSpec) -> NodeSpec:
    """The NodeSpec that the node's function carries, with the classes of its outputs: the node is imported for it."""
    known = spec.function
    return spec if not isinstance(known, Reference) else getattr(resolve_name(known.place), SPEC_ATTRIBUTE)


def spec_of(function: Callable[..., object]) -> NodeSpec:
    """The NodeSpec of a function that `@node` has described."""
    spec = getattr(function, SPEC_ATTRIBUTE, None)
    if not isinstance(spec, NodeSpec):
        raise SpecError(f"{function!r} is not a node: put @node(...) on it.")
    return spec
