"""Signatures that no editor could draw: each is refused at import, naming the node and the parameter."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from inspect import Parameter, Signature
from typing import TYPE_CHECKING, Annotated, Any, Literal

import pytest
from pydantic import Field
from torch import Tensor

from api_graph.context import Context
from api_graph.errors import SpecError
from api_graph.registry import registry_of
from api_graph.sockets import Image, Mask, Socket
from api_graph.spec import Choices, Odd, Widget, node, spec_of

if TYPE_CHECKING:
    from fractions import Fraction

NO_LINK_DEFAULT = "a link has no default; an optional one is written `T | None = None`."
BOUNDS = "ge and le go with int and float."
SEED = "a seed is an int with ge=0 and le=2**32 - 1; the editor adds a control to it."
COMBO = "a combo is a Literal of strings, or a str with Choices."
PLAIN = "a node's parameters are plain, named ones."


def said_of(function: Callable[..., Any], **more: Any) -> str:
    with pytest.raises(SpecError) as refused:
        node("APBad", category="c", title="t", **more)(function)
    return str(refused.value)


def said_of_parameter(hint: Any, default: Any = Parameter.empty, name: str = "x") -> str:
    """What is said of a node whose one parameter has this annotation."""

    def function(*values: Any) -> None:
        """Do."""

    parameter = Parameter(name, Parameter.POSITIONAL_OR_KEYWORD, default=default)
    function.__signature__ = Signature([parameter])  # type: ignore[attr-defined]
    function.__annotations__ = {name: hint, "return": None}
    return said_of(function)


@pytest.mark.parametrize(
    ("hint", "default", "problem"),
    [
        (Tensor, ..., f"{Tensor!r} is neither a widget type, nor a socket, nor a list of a socket."),
        (dict, ..., "<class 'dict'> is neither a widget type, nor a socket, nor a list of a socket."),
        (Any, ..., "typing.Any is neither a widget type, nor a socket, nor a list of a socket."),
        (int | str, ..., "int | str is neither a widget type, nor a socket, nor a list of a socket."),
        (list[dict], ..., "list[dict] is not a socket."),
        (dict | None, None, "<class 'dict'> is not a socket."),
        (Image, None, NO_LINK_DEFAULT),
        (Image | None, ..., NO_LINK_DEFAULT),
        (list[Image], [], NO_LINK_DEFAULT),
        (str | None, "text", NO_LINK_DEFAULT),
        (Annotated[Mask, Widget()], ..., "Widget, Choices, Odd and Check belong to typed values, not to links."),
        (
            Annotated[list[str], Choices(list)],
            ...,
            "Widget, Choices, Odd and Check belong to typed values, not to links.",
        ),
        (Annotated[Image, Field(ge=0)], ..., BOUNDS),
        (Annotated[list[float], Field(ge=0, le=1)], ..., BOUNDS),
        (Annotated[str, Field(ge=0)], ..., BOUNDS),
        (Annotated[bool, Field(le=1)], ..., BOUNDS),
        (Literal[1, 2], ..., COMBO),
        (Annotated[Literal["a"], Choices(list)], ..., COMBO),
        (Annotated[int, Choices(list)], ..., "Choices goes with str."),
        (Annotated[int, "help"], ..., "'help' in Annotated is none of Socket, Field, Widget, Choices, Odd, Check."),
        (Annotated[int, Widget(), Widget()], ..., "Widget is given twice."),
        (Annotated[int, Field(default=3)], ..., "the default is written once, after `=`, not in Field."),
        (Annotated[int, Field(default=3)], 3, "the default is written once, after `=`, not in Field."),
        (Annotated[int, Field(ge=1)], 0, "its default 0 breaks its own rule."),
        (Annotated[float, Field(le=1)], 1.5, "its default 1.5 breaks its own rule."),
        (int, True, "its default True breaks its own rule."),
        (int, "7", "its default '7' breaks its own rule."),
        (float, float("nan"), "its default nan breaks its own rule."),
        (str, None, "its default None breaks its own rule."),
        (Literal["a", "b"], "c", "its default 'c' breaks its own rule."),
        (Annotated[int, Field(ge=-(2**53) - 1)], ..., "-9007199254740993 is more than JSON holds exactly."),
    ],
)
def test_parameters(hint: Any, default: Any, problem: str) -> None:
    default = Parameter.empty if default is ... else default
    assert said_of_parameter(hint, default) == f"node APBad, parameter 'x': {problem}"


@pytest.mark.parametrize("rule", [{"gt": 0}, {"lt": 1}, {"multiple_of": 2}, {"max_length": 3}, {"pattern": "a"}])
def test_rules_that_no_editor_knows(rule: dict[str, Any]) -> None:
    kind = str if "max_length" in rule or "pattern" in rule else int
    said = said_of_parameter(Annotated[kind, Field(**rule)])
    assert said.startswith("node APBad, parameter 'x': ")
    assert said.endswith(": an editor knows ge and le only (a step goes into Widget).")


@pytest.mark.parametrize("name", ["seed", "noise_seed"])
@pytest.mark.parametrize(
    "hint",
    [
        int,
        float,
        Annotated[int, Field(ge=0)],
        Annotated[int, Field(le=10)],
        Annotated[int, Field(ge=1, le=10)],
        Annotated[int, Field(ge=0, le=2**32)],
    ],
)
def test_a_seed_that_is_none(name: str, hint: Any) -> None:
    assert said_of_parameter(hint, name=name) == f"node APBad, parameter '{name}': {SEED}"


@pytest.mark.parametrize(
    ("hint", "default"),
    [
        (Annotated[int, Odd()], 3),  # nothing to count the step from
        (Annotated[int, Field(ge=2), Odd()], 3),
        (Annotated[int, Field(ge=1), Odd(), Widget(step=4)], 3),
        (Annotated[float, Field(ge=1), Odd()], 3.0),
    ],
)
def test_odd_numbers_that_an_editor_could_not_step_to(hint: Any, default: Any) -> None:
    assert "Odd goes with an int" in said_of_parameter(hint, default)
    assert "its default 4 " in said_of_parameter(Annotated[int, Field(ge=1), Odd()], 4)


def test_a_name_that_exists_for_checkers_only() -> None:
    def late(x: Fraction) -> None:
        """Do."""

    assert said_of(late) == (
        "node APBad: its annotation names something unknown at run time (name 'Fraction' is not defined)."
    )


def test_no_annotation() -> None:
    def bare(x) -> None:
        """Do."""

    assert said_of(bare) == "node APBad, parameter 'x': it has no type annotation."


def test_parameters_without_a_name_of_their_own() -> None:
    def many(*images: Image) -> None:
        """Do."""

    def named(**images: Image) -> None:
        """Do."""

    def nameless(images: Image, /) -> None:
        """Do."""

    assert [said_of(f) for f in (many, named, nameless)] == [f"node APBad, parameter 'images': {PLAIN}"] * 3


def test_two_contexts() -> None:
    def twice(a: Context, b: Context) -> None:
        """Do."""

    assert said_of(twice) == "node APBad, parameter 'b': a node takes one Context."


def test_no_docstring() -> None:
    def silent(x: int) -> None: ...

    assert said_of(silent) == "node APBad: it has no docstring; the first paragraph is what a user reads."


@pytest.mark.parametrize(
    ("hint", "problem"),
    [
        (tuple[Image, Mask], "several outputs are a NamedTuple, so that each has a name."),
        (tuple, "several outputs are a NamedTuple, so that each has a name."),
        (Tensor, f"{Tensor!r} is not a socket."),
        (dict, "<class 'dict'> is not a socket."),
        (list[dict], "list[dict] is not a socket."),
        (Annotated[Tensor, "IMAGE"], f"{Annotated[Tensor, 'IMAGE']!r} is not a socket."),
    ],
)
def test_outputs(hint: Any, problem: str) -> None:
    def function() -> None:
        """Do."""

    function.__annotations__ = {"return": hint}
    assert said_of(function) == f"node APBad, parameter 'return': {problem}"


def test_no_return_annotation() -> None:
    def open_ended(x: int):
        """Do."""

    assert said_of(open_ended) == "node APBad, parameter 'return': say what it returns (None for nothing)."


@pytest.mark.parametrize("name", ["image", "missing"])
def test_a_fingerprint_of_what_is_no_widget(name: str) -> None:
    def fingerprint(folders: Any) -> dict[str, str]:
        return {}

    def shows(image: Image) -> None:
        """Show."""

    fingerprint.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter(n, Parameter.POSITIONAL_OR_KEYWORD) for n in ("folders", name)]
    )
    assert said_of(shows, fingerprint=fingerprint) == (
        f"node APBad, parameter '{name}': the fingerprint reads it, but it is no widget of the node."
    )


# ------------------------------------------------------------------------------------------ batched forms


def blur(image: Image, context: Context, radius: float = 1.0, mask: Mask | None = None) -> Image:
    """Blur."""
    return image


def takes_all(image: Sequence[Tensor], context: Sequence[Context], *, radius: float, mask: Tensor | None) -> list[None]:
    return [None for _ in image]


def forgets_radius(image, context, *, mask): ...
def forgets_the_context(image, *, radius, mask): ...
def misspells(image, context, *, radius, mask, raduis): ...
def swallows(image, context, *, radius, mask, **rest): ...
def by_place(image, context, mask, radius, /): ...
def takes_one_image(image: Tensor, context, *, radius, mask): ...
def takes_radii(image: Sequence[Tensor], context: Sequence[Context], *, radius: Sequence[float], mask): ...
def takes_any_context(image: Sequence[Tensor], context: Sequence[Any], *, radius, mask): ...


@pytest.mark.parametrize(
    ("form", "parameter", "problem"),
    [
        (forgets_radius, "radius", "does not take it"),
        (forgets_the_context, "context", "does not take it"),
        (misspells, "raduis", "takes it, but it is no input of the node"),
        (swallows, "rest", "takes it, but it is no input of the node"),
        (by_place, "image", "takes it, but it is no input of the node"),
        (takes_one_image, "image", f"takes {Tensor!r} instead of {Sequence[Tensor]}"),
        (takes_radii, "radius", f"takes {Sequence[float]} instead of {float}"),
        (takes_any_context, "context", f"takes {Sequence[Any]} instead of {Sequence[Context]}"),
    ],
)
def test_a_batched_form_takes_exactly_what_its_node_takes(form: Any, parameter: str, problem: str) -> None:
    assert said_of(blur, batched=form, over=("image",)) == (
        f"node APBad, parameter '{parameter}': its batched form {form.__name__} {problem}."
    )
    assert spec_of(node("APGood", category="c", title="t", batched=takes_all, over=("image",))(blur)).over == ("image",)


def test_what_a_batched_form_runs_over_is_said() -> None:
    together = "node APBad: batched and over go together: over names the inputs in which calls may differ."
    assert said_of(blur, batched=takes_all) == together
    assert said_of(blur, over=("image",)) == together
    assert said_of(blur, batched=takes_all, over=("images",)) == (
        "node APBad, parameter 'images': the batched form runs over it, but it is no input of the node."
    )


@pytest.mark.parametrize(
    ("over", "name"), [(("image",), "image"), (("image",), "radius"), (("image", "radius"), "rad")]
)
def test_what_goes_at_once_is_a_value_that_the_batched_form_runs_over(over: tuple[str, ...], name: str) -> None:
    problem = "at_once names values in which the calls of a batched form may differ: those in over."
    assert said_of(blur, batched=takes_all, over=over, at_once=(name,)) == f"node APBad, parameter '{name}': {problem}"


def test_a_batched_form_of_an_output_node_runs_over_every_input() -> None:
    assert said_of(blur, batched=takes_all, over=("image", "mask"), output=True) == (
        "node APBad, parameter 'radius': an output node's batched form is called once for all: over names every input."
    )


def test_a_rowwise_node_has_no_batched_form_and_no_context() -> None:
    def fade(image: Image) -> Image:
        """Fade."""
        return image

    def fade_all(image: Sequence[Tensor]) -> list[Tensor]:
        return [*image]

    assert said_of(blur, rowwise=True) == (
        "node APBad, parameter 'context': many calls of a rowwise node are one call, which has no context of its own."
    )
    assert said_of(fade, rowwise=True, over=("image",)) == (
        "node APBad: over says what a batched form runs over, and a rowwise node needs none."
    )
    assert said_of(fade, rowwise=True, batched=fade_all) == (
        "node APBad: a node is rowwise or has a batched form, not both."
    )


def test_what_an_output_keeps_is_plain() -> None:
    def show(text: str, context: Context) -> Image:
        """Show."""
        raise NotImplementedError

    problem = "an output with store shows texts and gives plain values, which are kept beside them."
    assert said_of(show, output=True, store=True) == f"node APBad: {problem}"


# ------------------------------------------------------------------------------------------ registries


def test_a_plain_function_is_no_node() -> None:
    with pytest.raises(SpecError, match=r"is not a node: put @node\(\.\.\.\) on it\.$"):
        spec_of(len)


def test_one_id_is_one_node() -> None:
    def one(x: int) -> None:
        """Do."""

    def two(x: int) -> None:
        """Do."""

    functions = [node("APSame", category="c", title="t")(f) for f in (one, two)]
    with pytest.raises(SpecError, match=r"^two nodes are called APSame: .*one.* and .*two.*$"):
        registry_of(functions)


def test_a_spec_error_is_a_type_error() -> None:
    assert issubclass(SpecError, TypeError)


def test_sockets_are_named_not_classed() -> None:
    other = Annotated[object, Socket("IMAGE")]

    def takes(image: other) -> None:  # type: ignore[valid-type]
        """Do."""

    takes.__annotations__ = {"image": other, "return": None}
    assert spec_of(node("APOther", category="c", title="t")(takes)).inputs[0].socket == "IMAGE"


def test_what_is_needed_depends_on_inputs_and_the_rest_may_be_absent() -> None:
    def undecided(nothing: str) -> list[str]:
        return []

    def decided(a: str) -> list[str]:
        return []

    def function(a: str, b: Mask) -> None:
        """Takes b, come what may."""

    with pytest.raises(SpecError, match="parameter 'nothing': what is needed depends on it, but it is no input"):
        node("X", category="c", title="t", needs=undecided)(function)
    with pytest.raises(SpecError, match="parameter 'b': it may stay uncomputed, so it is written"):
        node("X", category="c", title="t", needs=decided)(function)
