"""NodeSpec: all that is known of a node, and the only place where it is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from typing import Any

from pydantic import TypeAdapter

from api_graph.context import DeferredWork
from api_graph.folders import Folders


class _Required(Enum):
    REQUIRED = "REQUIRED"

    def __repr__(self) -> str:
        return "REQUIRED"


REQUIRED: Any = _Required.REQUIRED
"""The default of an input that has none. An enum's member stays itself when it travels to another process."""

WIDGET_SOCKETS = ("INT", "FLOAT", "STRING", "BOOLEAN", "COMBO")
"""Sockets that an editor draws as a widget unless it is told that only a link will do."""


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
class Choices:
    """A combo whose entries are listed when they are asked for; `inside` adds what lies in the folders of whoever asks.

    With `open=True` the list only suggests: other texts are passed on, and the node says what is wrong with them.
    """

    list: Callable[[], Sequence[str]]
    open: bool = False
    inside: Callable[[Folders], Sequence[str]] | None = None


@dataclass(frozen=True)
class InputSpec:
    """One input of a node. `adapter` validates a literal strictly; links have none."""

    name: str
    socket: str
    default: Any = REQUIRED
    is_list: bool = False
    description: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] | Choices | None = None
    widget: Widget = Widget()
    adapter: TypeAdapter[Any] | None = field(default=None, compare=False, repr=False)

    @property
    def required(self) -> bool:
        return self.default is REQUIRED

    @property
    def is_widget(self) -> bool:
        """Whether a literal value may stand in the graph. A `list[str]` or `str | None` is a link all the same."""
        return self.adapter is not None

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


@dataclass(frozen=True)
class NodeSpec:
    """A node: its function, what it takes and gives, and how an executor may treat it.

    `version`      raised when the meaning changes; part of the cache key.
    `output`       a root of execution; it acts on the world (saves, shows) and is never served from a cache.
    `preview`      an output that only shows: over the rows of a table it is left out.
    `store`        small, typed results that are worth keeping on disk.
    `model`        the result is a model: held by the model pool, never on disk.
    `waits`        it waits on files or the network: rows may run in threads.
    `rowwise`      it treats each map or picture of a batch by itself: many calls may be one call with a larger batch.
    `batched`      the same work for many calls at once: a list of keyword mappings in, each with every input, and a
                   list of results out, with an exception in the place of a call that failed. That of an output node
                   is called once for all, so it must not raise when some of it is done; it may give a `DeferredWork`.
    `fingerprint`  `(folders, **literals) -> dict` of what enters the cache key in place of those literals: the content
                   of the file that a name means, the precision that "auto" means.
    `needs`        `(**some inputs) -> names` of the other links that these make necessary; a host that asks first
                   (ComfyUI's lazy inputs) computes no more, and the function gets None for the rest.
    """

    id: str
    function: Callable[..., Any]
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
    batched: Callable[[Sequence[Mapping[str, Any]]], Sequence[Any] | DeferredWork] | None = None
    fingerprint: Callable[..., Mapping[str, Any]] | None = None
    fingerprinted: tuple[str, ...] = ()
    needs: Callable[..., Sequence[str]] | None = None
    lazy: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    context: tuple[str, type] | None = None
    named_outputs: bool = False

    @cached_property
    def _by_name(self) -> dict[str, InputSpec]:
        return {i.name: i for i in self.inputs}

    def input(self, name: str) -> InputSpec | None:
        """The input called `name`, or None."""
        return self._by_name.get(name)

    @cached_property
    def lists(self) -> frozenset[str]:
        """The inputs that are lists."""
        return frozenset(i.name for i in self.inputs if i.is_list)

    @property
    def takes_lists(self) -> bool:
        """Whether the node gets every input as a list (ComfyUI's INPUT_IS_LIST)."""
        return bool(self.lists)

    def unpack(self, result: Any) -> tuple[Any, ...]:
        """What the function returned, as one value per output."""
        if self.named_outputs:
            return tuple(result)
        return (result,) if self.outputs else ()
