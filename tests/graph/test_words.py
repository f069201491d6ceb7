"""Names and values in messages."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.graph.words import as_json, closest, listed, one_line


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ("é", '"é"'),
        (["1", 0], '["1", 0]'),
        (object(), "<object>"),
        ("x" * 200, '"' + "x" * 78 + "…"),
    ],
)
def test_values_stand_as_in_a_file(value: Any, text: str) -> None:
    assert as_json(value) == text


def test_an_integer_that_python_will_not_write() -> None:
    assert as_json(10**5000) == "<int>"


def test_a_long_list_ends_in_its_length() -> None:
    assert listed(["a", "b"]) == '"a", "b"'
    assert listed([str(i) for i in range(11)]).endswith('"9", … (11 in all)')
    assert listed([str(i) for i in range(10)]).endswith('"8", "9"')


@given(st.text())
def test_one_line_is_short_and_printable(text: str) -> None:
    line = one_line(text)
    assert len(line) <= 80
    assert line.isprintable()


def test_the_closest_name() -> None:
    known = ["kernel_size", "ViT-B-16.laion2b_s34b_b88k.safetensors", "x" * 60]
    assert closest("kernelsize", known) == "kernel_size"
    assert closest("KERNEL_SIZE", known) == "kernel_size"
    assert closest("vit-b-16", known) == known[1]
    assert closest("Vi", known) is None
    assert closest("x" * 59, known) == "x" * 60
    assert closest("x" * 61, known) is None  # comparing long names takes long
