"""Texts, sizes, JSON: the small parts that every command writes with."""

from __future__ import annotations

import io
import json
import math
from contextlib import redirect_stdout
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.cli.console import complain, human_size, one_line, parse_size, plain, print_json, print_table, printable
from api_graph.errors import BadInput


@pytest.mark.parametrize(
    ("count", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (2**30, "1.0 GiB"), (2**60, "1048576.0 TiB")]
)
def test_sizes_for_people(count: int, text: str) -> None:
    assert human_size(count) == text


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1024", 1024),
        ("0", 0),
        ("3B", 3),
        ("500M", 500 * 2**20),
        ("1.5 GiB", 3 * 2**29),
        ("2gb", 2**31),
        (" 1 T ", 2**40),
    ],
)
def test_sizes_from_people(text: str, count: int) -> None:
    assert parse_size(text) == count


@pytest.mark.parametrize("text", ["", "B", "much", "-1", "nan", "inf", "1X", "1e30", "M"])
def test_what_is_no_size(text: str) -> None:
    with pytest.raises(BadInput, match="is not a size"):
        parse_size(text)


@given(st.integers(0, 2**40))
def test_a_size_survives_within_its_rounding(count: int) -> None:
    assert parse_size(human_size(count)) == pytest.approx(count, rel=0.06)


@given(st.text())
def test_nothing_steers_the_terminal(text: str) -> None:
    assert all(c.isprintable() or c in "\n\t" for c in printable(text))
    assert one_line(text).isprintable()


def test_plain_texts_stay_as_they_are() -> None:
    assert printable("Ψ\tone\ntwo ") == "Ψ\tone\ntwo "
    assert one_line(" a\n b ") == "a b"


def test_complaints_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    complain("one\ntwo", "warning")
    assert capsys.readouterr() == ("", "warning: one two\n")


def test_what_json_cannot_hold(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({"nan": math.nan, "inf": [math.inf], "path": Path("a"), "t": torch.zeros(2, 3), 1: b"x", "text": "Ψ"})
    out = capsys.readouterr().out
    assert out.isascii()
    assert json.loads(out) == {
        "nan": None,
        "inf": [None],
        "path": "a",
        "t": {"type": "Tensor", "shape": [2, 3]},
        "1": {"type": "bytes"},
        "text": "Ψ",
    }


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON)
def test_json_stays_as_it_is(value: object) -> None:
    assert plain(value) == value


def test_a_row_of_a_table_is_a_line_however_wide(capsys: pytest.CaptureFixture[str]) -> None:
    wide = "word " * 100
    print_table(("name", "what"), [("[b]", wide), ("two\nlines", "")])
    assert capsys.readouterr().out.splitlines() == [
        "name       what",
        "[b]        " + wide.strip(),
        "two lines",
    ]


class Screen(io.StringIO):
    """Stands for a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("width", range(20, 130, 10))
def test_no_terminal_makes_a_table_a_ladder(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Words stay whole, all of them are there, and no line is longer than the terminal is wide."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "dumb")
    rows = [("api_clip", "image, query", "where the question points"), ("rec_foveal", "", "the best of five boxes")]
    with redirect_stdout(Screen()) as screen:
        print_table(("graph", "takes", "gives"), rows)
    shown = screen.getvalue().splitlines()
    assert all(len(line) <= width for line in shown)
    words = {word for row in rows for cell in row for word in cell.replace(",", " ").split()}
    assert words <= {word.strip(",:") for line in shown for word in line.split()}
    assert len(shown) <= 3 + len(rows) * 4


def test_a_narrow_terminal_gets_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setenv("TERM", "dumb")
    with redirect_stdout(Screen()) as screen:
        print_table(("name", "takes", "gives"), [("a", "one thing and another one too", ""), ("b", "x" * 20, "y" * 20)])
    lines = [line.rstrip() for line in screen.getvalue().splitlines()]
    assert lines == [
        "a",
        "  takes: one thing and another",
        "  one too",
        "b",
        f"  takes: {'x' * 20}",
        f"  gives: {'y' * 20}",
    ]
