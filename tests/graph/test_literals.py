"""Texts from a command line, and the words in which a value is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.graph import parse_value
from api_graph.graph.literals import json_problem, literal_problem
from api_graph.registry import Registry
from api_graph.spec import InputSpec


def widget(socket: str, **facts: Any) -> InputSpec:
    """An input that a literal may stand at."""
    return InputSpec("x", socket, is_widget=True, **facts)


INT, FLOAT, BOOLEAN, STRING = (
    widget("INT"),
    widget("FLOAT"),
    widget("BOOLEAN"),
    widget("STRING"),
)


@pytest.mark.parametrize(
    ("spec", "text", "value"),
    [
        (INT, "7", 7),
        (INT, " -7 ", -7),
        (INT, "+007", 7),
        (FLOAT, "7", 7.0),
        (FLOAT, "-.5", -0.5),
        (FLOAT, "2.", 2.0),
        (FLOAT, "1e-3", 0.001),
        (BOOLEAN, "true", True),
        (BOOLEAN, "Yes", True),
        (BOOLEAN, "1", True),
        (BOOLEAN, "FALSE", False),
        (BOOLEAN, " no ", False),
        (BOOLEAN, "0", False),
        (STRING, " 7 ", " 7 "),
        (STRING, "", ""),
        (widget("COMBO", choices=("a",)), "paper", "paper"),
    ],
)
def test_texts(spec: InputSpec, text: str, value: Any) -> None:
    parsed = parse_value(text, spec)
    assert (parsed, type(parsed)) == (value, type(value))


@pytest.mark.parametrize("text", ["", "7.0", "1e3", "1_000", "0x10", "٣", "seven", "true", "9" * 5000])
def test_no_whole_number(text: str) -> None:
    with pytest.raises(BadInput, match=r"x: this is not a whole number \(got '.*\)\. Give a whole number\."):
        parse_value(text, INT)


@pytest.mark.parametrize("text", ["", ".", "nan", "inf", "-Infinity", "1e999", "1_0.5", "1,5", "50%"])
def test_no_number(text: str) -> None:
    with pytest.raises(BadInput, match=r"x: this is not a number \(got '.*'\)\. Give a number of at most 2\.5\."):
        parse_value(text, widget("FLOAT", maximum=2.5))


@pytest.mark.parametrize("text", ["", "2", "on", "y", "None"])
def test_neither_true_nor_false(text: str) -> None:
    with pytest.raises(
        BadInput, match=r"x: this is not true or false .* Give true or false \(yes, no, 1 and 0 do too\)"
    ):
        parse_value(text, BOOLEAN)


@pytest.mark.parametrize("spec", [InputSpec("x", "MASK"), InputSpec("x", "STRING", is_list=True)])
def test_a_link_cannot_be_typed(spec: InputSpec) -> None:
    with pytest.raises(BadInput, match=rf"x: no value can stand here .* It takes a link from a {spec.socket} output\."):
        parse_value("a", spec)


@given(st.integers(-(10**90), 10**90))
def test_whole_numbers_come_back(value: int) -> None:
    assert parse_value(str(value), INT) == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_come_back(value: float) -> None:
    assert parse_value(repr(value), FLOAT) == value


@given(st.text() | st.sampled_from(["1", "true", "1e5", "-0"]), st.sampled_from([INT, FLOAT, BOOLEAN, STRING]))
def test_any_text_is_a_value_of_the_right_type_or_bad_input(text: str, spec: InputSpec) -> None:
    try:
        value = parse_value(text, spec)
    except BadInput:
        return
    assert type(value) is {"INT": int, "FLOAT": float, "BOOLEAN": bool, "STRING": str}[spec.socket]


VALUES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.lists(st.integers(), max_size=2)
)


@given(VALUES)
def test_types_are_strict(registry: Registry, value: Any) -> None:
    """Exactly JSON's own types are taken, and a whole number is a number too."""
    taken = {"value": [int], "invert": [bool], "note": [str]}
    for class_type, name in (("TInt", "value"), ("TBlend", "invert"), ("TBlend", "note")):
        spec = registry[class_type].input(name)
        assert spec is not None
        assert (literal_problem(value, spec) is None) == (type(value) in taken[name])


@given(st.integers(-3, 3) | st.floats(-3, 3))
def test_ranges_include_their_ends(registry: Registry, value: float) -> None:
    strength = registry["TBlend"].input("strength")
    assert strength is not None
    assert (literal_problem(value, strength) is None) == (0 <= value <= 1)


@given(st.recursive(VALUES, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=2), inner), max_leaves=8))
def test_json_that_every_program_reads(value: Any) -> None:
    try:
        strict = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        assert json_problem(value) is not None
        return
    assert json_problem(value) is None
    assert json.loads(strict) == value
