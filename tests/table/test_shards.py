"""Parts of a table."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.table.shards import Shard, parse_shard


@given(st.integers(0, 10_000), st.integers(1, 300))
def test_the_parts_are_the_table(count: int, of: int) -> None:
    parts = [Shard(index, of).range(count) for index in range(1, of + 1)]
    assert [number for part in parts for number in part] == list(range(count))
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_ten_rows_in_four_parts() -> None:
    assert [list(Shard(index, 4).range(10)) for index in (1, 2, 3, 4)] == [[0, 1], [2, 3, 4], [5, 6], [7, 8, 9]]


def test_a_part_is_read_as_it_is_written() -> None:
    shard = parse_shard("2/8")
    assert (shard, str(shard), shard.folder(Path("out"))) == (Shard(2, 8), "2/8", Path("out/shards/2-of-8"))


@pytest.mark.parametrize("text", ["", "2", "2/", "/8", "a/b", "2/8/1", "-1/8", "1.5/8", "²/8", "1/99999999999"])
def test_what_is_no_part(text: str) -> None:
    with pytest.raises(BadInput, match=r"^--shard: is no part of a table"):
        parse_shard(text)


@pytest.mark.parametrize(("text", "hint"), [("0/8", "--array=1-8"), ("9/8", "the last 8/8"), ("0/0", "example 1/8")])
def test_parts_that_there_are_not(text: str, hint: str) -> None:
    with pytest.raises(BadInput, match=hint):
        parse_shard(text)
