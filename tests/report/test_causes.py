"""Failures by cause: what belongs to the row is taken out of its message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.report import causes as module
from api_graph.report.causes import Cause, Causes, generalised
from api_graph.report.row import ReportRow

LONG = "what stands on the sign behind the second tree from the left, " * 3


def counted(*failures: tuple[str, dict[str, Any]], where: str = "image") -> list[Cause]:
    causes = Causes()
    for number, (message, values) in enumerate(failures):
        causes.add(number, where, message, values, lambda n=number: row(n))
    return causes.by_count()


def row(number: int) -> ReportRow:
    return ReportRow(number, False, [], [], "", "", None, "", [])


@pytest.mark.parametrize(
    ("message", "values", "general"),
    [
        ("no file (got 'cat.png').", {"image": "cat.png"}, "no file (got ⟨image⟩)."),
        ("no file /data/cat.png.", {"image": "cat.png"}, "no file /data/⟨image⟩."),
        ("concatenate cat.png", {"what": "cat"}, "concatenate cat.png"),
        ("it is 'cat', a cat", {"what": "cat"}, "it is ⟨what⟩, a cat"),
        ("the cats and cat", {"what": "cats"}, "the ⟨what⟩ and cat"),
        ("no cat.png here", {"a": "cat.", "b": "cat.png"}, "no ⟨b⟩ here"),
        ("(got 300000).", {"size": 300000}, "(got ⟨size⟩)."),
        ("twice: name.png, name.png", {"image": "name.png"}, "twice: ⟨image⟩, ⟨image⟩"),
        ("(got 'it\\'s \"it\"').", {"q": 'it\'s "it"'}, "(got ⟨q⟩)."),
        ('(got "it\'s \\"it\\"").', {"q": 'it\'s "it"'}, "(got ⟨q⟩)."),
        (r'(got "a\nline")', {"q": "a\nline"}, "(got ⟨q⟩)"),
        ("empty", {"q": ""}, "empty"),
    ],
)
def test_values_become_columns(message: str, values: dict[str, Any], general: str) -> None:
    assert generalised(message, values) == general


def test_a_long_value_is_known_where_the_error_shortens_it() -> None:
    message = str(BadInput("is too long", input="query", value=LONG, hint="Shorten it."))
    assert "…" in message
    assert generalised(message, {"query": LONG}) == "query: is too long (got ⟨query⟩). Shorten it."


def test_a_long_value_is_known_where_it_is_cut_at_its_end() -> None:
    assert generalised(f'at "{LONG[:79]}…": no', {"query": LONG}) == "at ⟨query⟩: no"


@given(st.lists(st.text(min_size=4, max_size=120), min_size=2, max_size=8))
def test_messages_that_quote_their_rows_are_one_cause(texts: list[str]) -> None:
    failures = [(str(BadInput("is no good", input="query", value=text)), {"query": text}) for text in texts]
    clear = [text for text in texts if text in "query: is no good (got '')."]
    found = counted(*failures)
    assert sum(cause.count for cause in found) == len(texts)
    assert len(found) <= 1 + len(clear)


def test_numbers_do_not_part_a_cause_and_are_shown_where_all_agree() -> None:
    same, differing = counted(("needs 3 channels", {}), ("needs 3 channels", {}), ("line 7: bad", {}))
    assert (same.message, same.count) == ("needs 3 channels", 2)
    assert (differing.message, differing.count) == ("line 7: bad", 1)
    (cause,) = counted(("line 7, column 1.5: bad", {}), ("line 12, column 3: bad", {}))
    assert (cause.message, cause.count) == ("line #, column #: bad", 2)


def test_two_nodes_are_two_causes() -> None:
    causes = Causes()
    for number, where in enumerate(["image", "query", "query"]):
        causes.add(number, where, "is empty", {}, lambda n=number: row(n))
    assert [(cause.where, cause.count) for cause in causes.by_count()] == [("query", 2), ("image", 1)]


def test_rows_of_a_cause_are_a_sample() -> None:
    (cause,) = counted(*[("bad", {})] * 1000)
    numbers = [row.number for row in cause.rows.ordered()]
    assert (cause.count, len(numbers)) == (1000, module.MOST_ROWS)
    assert numbers[0] < 120 and numbers[-1] > 880


def test_beyond_a_bound_causes_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_CAUSES", 2)
    causes = Causes()
    for number, message in enumerate(["a", "b", "c", "d", "a"]):
        causes.add(number, "", message, {}, lambda n=number: row(n))
    assert [(cause.message, cause.count) for cause in causes.by_count()] == [("a", 2), ("b", 1)]
    assert causes.uncounted == 2
