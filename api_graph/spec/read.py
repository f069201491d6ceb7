"""`@node`: read a typed function's signature into a NodeSpec, or say why that cannot be done."""

from __future__ import annotations

import inspect
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, NoReturn, ParamSpec, TypeVar, Union, get_args, get_origin, get_type_hints

import annotated_types
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from api_graph.context import Context
from api_graph.errors import SpecError
from api_graph.json_values import Json
from api_graph.socket_names import Socket
from api_graph.spec.model import (
    PLAIN_SOCKETS,
    REQUIRED,
    SPEC_ATTRIBUTE,
    BatchedForm,
    Check,
    Choices,
    InputSpec,
    NodeSpec,
    Odd,
    OutputSpec,
    Widget,
)

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_WIDGET_TYPES: dict[object, str] = {int: "INT", float: "FLOAT", str: "STRING", bool: "BOOLEAN"}
_SEED_NAMES = ("seed", "noise_seed")
_LARGEST_SEED = 2**32 - 1
_JSON_NUMBER = 2**53  # what JavaScript holds exactly
_BOUNDS_MISPLACED = "ge and le go with int and float"


def node(
    id: str,
    *,
    category: str,
    title: str,
    version: int = 1,
    output: bool = False,
    preview: bool = False,
    store: bool = False,
    model: bool = False,
    waits: bool = False,
    rowwise: bool = False,
    batched: BatchedForm | None = None,
    over: Sequence[str] = (),
    at_once: Sequence[str] = (),
    fingerprint: Callable[..., Mapping[str, Json]] | None = None,
    needs: Callable[..., Sequence[str]] | None = None,
    estimate: Callable[..., int] | None = None,
    eight_bits: bool = False,
    prepare: Callable[..., Mapping[str, object]] | None = None,
    aliases: Sequence[str] = (),
    formerly: str = "",
) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Describe a typed function as a node, by NodeSpec's arguments; hand it back unchanged. Raises SpecError."""

    def describe(function: Callable[P, R]) -> Callable[P, R]:
        reader = _Reader(id, function)
        (inputs, context), (outputs, named) = reader.inputs(), reader.outputs()
        kind = partial(NodeSpec, output=output, preview=preview, store=store, model=model, waits=waits, rowwise=rowwise)
        spec = kind(
            id=id,
            function=function,
            title=title,
            category=category,
            description=reader.description(),
            inputs=inputs,
            outputs=outputs,
            version=version,
            batched=batched,
            over=reader.over(over, inputs, rowwise),
            at_once=tuple(at_once),
            fingerprint=fingerprint,
            fingerprinted=reader.fingerprinted(fingerprint, inputs),
            needs=needs,
            estimate=estimate,
            estimated=tuple(inspect.signature(estimate).parameters) if estimate else (),
            eight_bits=eight_bits,
            prepare=prepare,
            prepared_from=tuple(inspect.signature(prepare).parameters) if prepare else (),
            lazy=reader.lazy(needs, inputs),
            aliases=tuple(aliases),
            formerly=formerly,
            context=context,
            named_outputs=named,
        )
        setattr(function, SPEC_ATTRIBUTE, reader.checked(spec))
        return function

    return describe


class _Reader:
    """Reads one signature; every complaint names the node and the parameter."""

    def __init__(self, id: str, function: Callable[..., object]) -> None:
        self.id, self.function = id, function
        self.hints = self.hints_of(function, include_extras=True)

    def hints_of(self, function: Callable[..., object], *, include_extras: bool = False) -> dict[str, object]:
        try:
            return get_type_hints(function, include_extras=include_extras)
        except NameError as error:
            self.fail(None, f"its annotation names something unknown at run time ({error})")

    def fail(self, parameter: str | None, problem: str) -> NoReturn:
        where = f", parameter '{parameter}'" if parameter else ""
        raise SpecError(f"node {self.id}{where}: {problem}.")

    def description(self) -> str:
        doc = inspect.getdoc(self.function)
        if not doc:
            self.fail(None, "it has no docstring; the first paragraph is what a user reads")
        return " ".join(doc.split("\n\n")[0].split())

    def fingerprinted(self, fingerprint: Callable[..., object] | None, inputs: Sequence[InputSpec]) -> tuple[str, ...]:
        """Names of the inputs that `fingerprint` reads: it needs their literals, so they take no link."""
        if fingerprint is None:
            return ()
        names = tuple(inspect.signature(fingerprint).parameters)[1:]
        widgets = {i.name for i in inputs if i.is_widget}
        for name in names:
            if name not in widgets:
                self.fail(name, "the fingerprint reads it, but it is no widget of the node")
        return names

    def lazy(self, needs: Callable[..., object] | None, inputs: Sequence[InputSpec]) -> tuple[str, ...]:
        """Names of the links that may stay uncomputed: those that `needs` does not decide by."""
        if needs is None:
            return ()
        asked = tuple(inspect.signature(needs).parameters)
        for name in asked:
            if name not in {i.name for i in inputs}:
                self.fail(name, "what is needed depends on it, but it is no input of the node")
        names = tuple(i.name for i in inputs if not i.is_widget and i.name not in asked)
        for declared in inputs:
            if declared.name in names and declared.required:
                self.fail(declared.name, "it may stay uncomputed, so it is written `T | None = None`")
        return names

    # ------------------------------------------------------------------------------------------ batches

    def over(self, over: Sequence[str], inputs: Sequence[InputSpec], rowwise: bool) -> tuple[str, ...]:
        """Names of the inputs in which calls that go together may differ; of a rowwise node its links."""
        if rowwise and over:
            self.fail(None, "over says what a batched form runs over, and a rowwise node needs none")
        for name in over:
            if name not in {i.name for i in inputs}:
                self.fail(name, "the batched form runs over it, but it is no input of the node")
        return tuple(i.name for i in inputs if not i.is_widget) if rowwise else tuple(over)

    def checked(self, spec: NodeSpec) -> NodeSpec:
        """`spec`. Raises SpecError unless its batched form and its estimate, if there are, take what the node takes."""
        for name in spec.estimated:
            if spec.input(name) is None:
                self.fail(name, "its size is estimated from it, but it is no input of the node")
        for name in spec.prepared_from:
            if spec.input(name) is None:
                self.fail(name, "a call is prepared from it, but it is no input of the node")
        if spec.output and spec.store and not all(output.socket in PLAIN_SOCKETS for output in spec.outputs):
            self.fail(None, "an output with store shows texts and gives plain values, which are kept beside them")
        if spec.prepare is not None and spec.batched is None:
            self.fail(None, "calls are prepared for a batched form, and it has none")
        if spec.rowwise and spec.context is not None:
            self.fail(spec.context[0], "many calls of a rowwise node are one call, which has no context of its own")
        if spec.rowwise and spec.batched is not None:
            self.fail(None, "a node is rowwise or has a batched form, not both")
        for name in spec.at_once:
            if name not in spec.over or name not in {i.name for i in spec.inputs if i.is_widget}:
                self.fail(name, "at_once names values in which the calls of a batched form may differ: those in over")
        if spec.batched is None or not spec.over:
            if spec.batched is not None or (spec.over and not spec.rowwise):
                self.fail(None, "batched and over go together: over names the inputs in which calls may differ")
            return spec
        for declared in spec.inputs if spec.output else ():
            if declared.name not in spec.over:
                self.fail(declared.name, "an output node's batched form is called once for all: over names every input")
        form = f"its batched form {getattr(spec.batched, '__name__', spec.batched)}"
        context = () if spec.context is None else (spec.context[0],)
        wanted = (*(declared.name for declared in spec.inputs), *context)
        parameters = inspect.signature(spec.batched).parameters
        own, given = self.hints_of(self.function), self.hints_of(spec.batched)
        for name in wanted:
            if name not in parameters:
                self.fail(name, f"{form} does not take it")
        for name, parameter in parameters.items():
            if name not in wanted or parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                self.fail(name, f"{form} takes it, but it is no input of the node")
            several = name in spec.over or name in context
            expected = types.GenericAlias(Sequence, (own[name],)) if several else own[name]
            if given.get(name, expected) != expected and name not in spec.prepared_from:  # it takes another form
                self.fail(name, f"{form} takes {given[name]} instead of {expected}")
        return spec

    # ------------------------------------------------------------------------------------------ inputs

    def inputs(self) -> tuple[tuple[InputSpec, ...], tuple[str, type] | None]:
        specs: list[InputSpec] = []
        context: tuple[str, type] | None = None
        for name, parameter in inspect.signature(self.function).parameters.items():
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
                self.fail(name, "a node's parameters are plain, named ones")
            if name not in self.hints:
                self.fail(name, "it has no type annotation")
            hint = self.hints[name]
            if isinstance(hint, type) and issubclass(hint, Context):
                if context is not None:
                    self.fail(name, "a node takes one Context")
                context = (name, hint)
                continue
            default = REQUIRED if parameter.default is parameter.empty else parameter.default
            specs.append(self.input(name, hint, default))
        return tuple(specs), context

    def input(self, name: str, hint: object, default: object) -> InputSpec:
        base, extras = _split(_as_written(hint))
        field, widget, choices = self.extras(name, extras)
        description = (field.description or "") if field else ""
        inner, optional = _without_none(base)
        is_link = optional or get_origin(base) is list or self.socket_of(base, extras) is not None
        if not is_link:
            rules = self.only(name, Odd, extras) is not None, self.only(name, Check, extras)
            return self.widget_input(name, base, default, field, widget or Widget(), choices, rules)
        if default is not (None if optional else REQUIRED):
            self.fail(name, "a link has no default; an optional one is written `T | None = None`")
        if any(isinstance(extra, Widget | Choices | Odd | Check) for extra in extras):
            self.fail(name, "Widget, Choices, Odd and Check belong to typed values, not to links")
        if field is not None and field.metadata:
            self.fail(name, _BOUNDS_MISPLACED)
        socket, is_list = self.link(name, inner if optional or get_origin(base) is list else hint)
        return InputSpec(name, socket, default, is_list, description)

    def extras(self, name: str, extras: Sequence[object]) -> tuple[FieldInfo | None, Widget | None, Choices | None]:
        for extra in extras:
            if not isinstance(extra, Socket | FieldInfo | Widget | Choices | Odd | Check):
                self.fail(name, f"{extra!r} in Annotated is none of Socket, Field, Widget, Choices, Odd, Check")
        field = self.only(name, FieldInfo, extras)
        if field is not None and field.default is not PydanticUndefined:
            self.fail(name, "the default is written once, after `=`, not in Field")
        return field, self.only(name, Widget, extras), self.only(name, Choices, extras)

    def only(self, name: str, kind: type[T], extras: Sequence[object]) -> T | None:
        found = [extra for extra in extras if isinstance(extra, kind)]
        if len(found) > 1:
            self.fail(name, f"{kind.__name__} is given twice")
        return found[0] if found else None

    def widget_input(
        self,
        name: str,
        base: object,
        default: object,
        field: FieldInfo | None,
        widget: Widget,
        choices: Choices | None,
        rules: tuple[bool, Check | None] = (False, None),
    ) -> InputSpec:
        (odd, check), (minimum, maximum) = rules, self.bounds(name, field)
        entries: tuple[str, ...] | Choices | None = choices
        if get_origin(base) is Literal:
            entries = get_args(base)
            if not all(isinstance(e, str) for e in entries) or choices is not None:
                self.fail(name, "a combo is a Literal of strings, or a str with Choices")
            socket = "COMBO"
        elif base in _WIDGET_TYPES:
            socket = _WIDGET_TYPES[base]
            if choices is not None:
                if base is not str:
                    self.fail(name, "Choices goes with str")
                socket = "COMBO"
        else:
            self.fail(name, f"{base!r} is neither a widget type, nor a socket, nor a list of a socket")
        if (minimum is not None or maximum is not None) and socket not in ("INT", "FLOAT"):
            self.fail(name, _BOUNDS_MISPLACED)
        if odd and (socket != "INT" or minimum is None or minimum % 2 == 0 or widget.step not in (None, 2)):
            self.fail(name, "Odd goes with an int, an odd ge, and a step of 2, which editors count from it")
        if name in _SEED_NAMES and (socket != "INT" or minimum != 0 or maximum is None or maximum > _LARGEST_SEED):
            self.fail(name, "a seed is an int with ge=0 and le=2**32 - 1; the editor adds a control to it")
        description = (field.description or "") if field else ""
        declared = InputSpec(
            name,
            socket,
            default,
            False,
            description,
            minimum,
            maximum,
            entries,
            replace(widget, step=2) if odd else widget,
            odd,
            None if check is None else check.refuse,
            is_widget=True,
        )
        if default is not REQUIRED and declared.adapter is not None:
            try:
                declared.adapter.validate_python(default)
            except ValueError:
                self.fail(name, f"its default {default!r} breaks its own rule")
            if odd and isinstance(default, int) and default % 2 == 0:
                self.fail(name, f"its default {default!r} is even")
        return declared

    def bounds(self, name: str, field: FieldInfo | None) -> tuple[float | None, float | None]:
        bounds: dict[str, Any] = {}
        for rule in field.metadata if field else ():
            if isinstance(rule, annotated_types.Ge):
                bounds["ge"] = rule.ge
            elif isinstance(rule, annotated_types.Le):
                bounds["le"] = rule.le
            else:
                self.fail(name, f"{rule!r}: an editor knows ge and le only (a step goes into Widget)")
        for value in bounds.values():
            if isinstance(value, int) and abs(value) > _JSON_NUMBER:
                self.fail(name, f"{value} is more than JSON holds exactly")
        return bounds.get("ge"), bounds.get("le")

    # ------------------------------------------------------------------------------------------ links

    def socket_of(self, base: object, extras: Sequence[object]) -> str | None:
        """The socket that a type travels through, or None for a typed value."""
        named = next((e.name for e in extras if isinstance(e, Socket)), None)
        if named is not None:
            return named
        own = getattr(base, "socket", None) if isinstance(base, type) else None
        return own if isinstance(own, str) else None

    def link(self, name: str, hint: object) -> tuple[str, bool]:
        """Socket and whether it is a list, for `T` or `list[T]`."""
        is_list = get_origin(hint) is list
        base, extras = _split(get_args(hint)[0] if is_list else hint)
        socket = self.socket_of(base, extras) or _WIDGET_TYPES.get(base)
        if socket is None:
            self.fail(name, f"{hint!r} is not a socket")
        return socket, is_list

    # ------------------------------------------------------------------------------------------ outputs

    def outputs(self) -> tuple[tuple[OutputSpec, ...], bool]:
        if "return" not in self.hints:
            self.fail("return", "say what it returns (None for nothing)")
        hint = self.hints["return"]
        if hint is type(None):
            return (), False
        if get_origin(hint) is tuple or (isinstance(hint, type) and issubclass(hint, tuple)):
            names: tuple[str, ...] | None = getattr(hint, "_fields", None)
            if names is None:
                self.fail("return", "several outputs are a NamedTuple, so that each has a name")
            fields = get_type_hints(hint, include_extras=True)
            return tuple(self.output(name, fields[name]) for name in names), True
        return (self.output("", hint),), False

    def output(self, name: str, hint: object) -> OutputSpec:
        socket, is_list = self.link("return", hint)
        base, extras = _split(get_args(hint)[0] if is_list else hint)
        field = next((e for e in extras if isinstance(e, FieldInfo)), None)
        description = (field.description or "") if field else ""
        return OutputSpec(name or socket.lower().removeprefix("ap_"), socket, is_list, description, base)


def _split(hint: object) -> tuple[object, tuple[object, ...]]:
    """`Annotated[T, a, b]` -> (T, (a, b)); anything else -> (itself, ())."""
    if get_origin(hint) is Annotated:
        base, *extras = get_args(hint)
        return base, tuple(extras)
    return hint, ()


def _as_written(hint: object) -> object:
    """The annotation itself: Python 3.10 wraps that of a parameter whose default is None once more in Optional."""
    inner, optional = _without_none(hint)
    return inner if optional and _without_none(_split(inner)[0])[1] else hint


def _without_none(hint: object) -> tuple[object, bool]:
    """`T | None` -> (T, True)."""
    if get_origin(hint) in (Union, types.UnionType):
        rest = [a for a in get_args(hint) if a is not type(None)]
        if len(rest) == 1 and len(rest) < len(get_args(hint)):
            return rest[0], True
    return hint, False
