"""How people say which layers they mean, against a naive reading."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.models.layers import layer_index, layer_list, layer_set, whole_numbers


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("last 4", [8, 9, 10, 11]),
        ("Last 1", [11]),
        ("last 40", list(range(12))),
        ("from 8", [8, 9, 10, 11]),
        ("FROM  0 ", list(range(12))),
        ("from -2", [10, 11]),
        (" all", list(range(12))),
        ("8,9", [8, 9]),
        ("8, 9 -1", [8, 9, 11]),
        ("11,8", [11, 8]),
        ("-1, 11", [11]),
        ("20", None),
        ("[3]", [3]),
        ("(3, 4)", [3, 4]),
        ("+3", [3]),
        ("8..11", [8, 9, 10, 11]),
        ("-4..-1", [8, 9, 10, 11]),
        ("-4 .. -1", [8, 9, 10, 11]),
        ("10..-1", [10, 11]),
        ("3..3", [3]),
        ("0, 5..7, -1", [0, 5, 6, 7, 11]),
        ("5..7 6..8", [5, 6, 7, 8]),
        ("[0..2]", [0, 1, 2]),
        (-1, [11]),
        ([0, -12, 5], [0, 5]),
        ((), None),
    ],
)
def test_layers_as_people_write_them(layers: Any, expected: list[int] | None) -> None:
    if expected is None:
        with pytest.raises(BadInput, match=r"layers: "):
            layer_list(layers, 12)
    else:
        assert layer_list(layers, 12) == expected
        assert layer_set(layers, 12) == frozenset(expected)


@pytest.mark.parametrize(("text", "expected"), [("20", [20]), ("14,15,17", [14, 15, 17]), (" 14 , 15 ", [14, 15])])
def test_layers_of_a_deep_model_as_older_graphs_have_them(text: str, expected: list[int]) -> None:
    assert layer_list(text, 40) == expected


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("last 0", "it does not name layers"),
        ("last", "it does not name layers"),
        ("last -1", "it does not name layers"),
        ("first 3", "it does not name layers"),
        ("last 4, 0", "it does not name layers"),
        ("1.5", "it does not name layers"),
        ("8-11", r"it does not name layers \(got '8-11'\).*8\.\.11"),
        ("8..", "it does not name layers"),
        ("..3", "it does not name layers"),
        ("1...3", "it does not name layers"),
        ("1..2..3", "it does not name layers"),
        ("auto", "it does not name layers"),
        ("", "there is no layer"),
        ("[]", "there is no layer"),
        ([], "there is no layer"),
        ("12", r"no such layer; it has 12 \(got 12\)\. Use 0 to 11, or -12 to -1"),
        ("from 12", "no such layer"),
        ("0..12", r"no such layer; it has 12 \(got 12\)"),
        ("-13..-1", r"no such layer; it has 12 \(got -13\)"),
        ([12], "no such layer"),
        (-13, "no such layer"),
        ("11..8", r"the range runs backwards \(got '11\.\.8'\)\. Write the lower layer first"),
        ("-1..-4", r"runs backwards .*they are 11 and 8"),
    ],
)
def test_layers_that_are_none(layers: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        layer_set(layers, 12, "fovea_layers")
    assert caught.value.input == "fovea_layers"


SPACES = st.sampled_from(["", " ", "  "])


@st.composite
def written(draw: st.DrawFn) -> tuple[str, int, list[int]]:
    """A text, how many layers the model has, and the layers meant: counted one by one, without any of the product."""
    count = draw(st.integers(1, 40))
    every = list(range(count))

    def say(layer: int) -> str:
        return draw(st.sampled_from([str(layer), str(layer - count)]))

    form = draw(st.sampled_from(["all", "last", "from", "list"]))
    if form == "all":
        return draw(st.sampled_from(["all", "ALL", " all "])), count, every
    if form == "last":
        number = draw(st.integers(1, 60))
        return f"last{' ' * draw(st.integers(1, 3))}{number}", count, [i for i in every if i >= count - number]
    if form == "from":
        first = draw(st.sampled_from(every))
        return f"From {say(first)}", count, [i for i in every if i >= first]
    texts, meant = [], []
    for _ in range(draw(st.integers(1, 5))):
        low, high = sorted(draw(st.tuples(st.sampled_from(every), st.sampled_from(every))))
        if draw(st.booleans()):
            texts.append(f"{say(low)}{draw(SPACES)}..{draw(SPACES)}{say(high)}")
            meant += [i for i in every if low <= i <= high]
        else:
            texts.append(say(low))
            meant.append(low)
    text = draw(st.sampled_from([",", ", ", " ", " , "])).join(texts)
    left, right = draw(st.sampled_from([("", ""), ("[", "]"), ("(", ")")]))
    return f"{left}{text}{right}", count, meant


@given(written())
def test_a_text_is_read_as_it_is_meant(given_text: tuple[str, int, list[int]]) -> None:
    text, count, meant = given_text
    assert layer_set(text, count) == set(meant)
    assert layer_list(text, count) == [layer for i, layer in enumerate(meant) if layer not in meant[:i]]


@given(st.text(alphabet="0123456789-+., []alstfrom", max_size=12), st.integers(1, 12))
def test_whatever_is_written_names_layers_of_the_model_or_is_refused(text: str, count: int) -> None:
    try:
        found = layer_list(text, count)
    except BadInput as error:
        assert error.input == "layers" and error.hint
    else:
        assert found and set(found) <= set(range(count)) and len(set(found)) == len(found)


@given(st.integers(-50, 50), st.integers(1, 40))
def test_one_layer(layer: int, count: int) -> None:
    every = list(range(count))
    try:
        expected = every[layer]
    except IndexError:
        with pytest.raises(BadInput, match="layer: the model has no such layer"):
            layer_index(layer, count, "layer")
    else:
        assert layer_index(layer, count, "layer") == expected


@given(st.lists(st.integers(-9999, 9999), min_size=1), st.sampled_from([",", " ", ", ", " ,, "]))
def test_whole_numbers_come_back(numbers: list[int], separator: str) -> None:
    assert whole_numbers(separator.join(map(str, numbers)), "heads") == numbers


@pytest.mark.parametrize("text", ["", "[]", "one", "1.5", "1..3", "all", "12345"])
def test_what_is_no_list_of_numbers_is_refused(text: str) -> None:
    with pytest.raises(BadInput, match="heads: it is no list of whole numbers"):
        whole_numbers(text, "heads")
