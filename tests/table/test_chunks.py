"""How many rows go together, from the first to the last; how many rows still need a result that they share."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from api_graph.table.chunks import FIRST, LAST, MOST, Chunks, ReferenceCounts
from api_graph.table.rows import Row

MANY = 1 << 40  # bytes


def rows(count: int) -> Iterator[Row]:
    return (Row(number, f"{number:064x}", {}) for number in range(count))


def sizes(chunks: Chunks, bytes_per_row: int = 1) -> list[int]:
    found = []
    while chunk := chunks.take():
        found.append(len(chunk))
        chunks.learn(bytes_per_row)
    return found


def test_chunks_grow_to_the_most_and_get_smaller_at_the_end() -> None:
    found = sizes(Chunks(rows(3000), MANY, at_once=4))
    assert found[:4] == [FIRST, 4 * FIRST, MOST, MOST]
    # fewer than 8 chunks of the most are left: an eighth of them each time
    left = 3000
    for size in found[:-1]:
        assert size >= LAST or left <= LAST or size == FIRST
        left -= size
    tail = found[found.index(MOST) :]
    assert tail == sorted(tail, reverse=True)
    assert found[-2] == LAST and found[-1] <= LAST


@given(count=st.integers(0, 3000), at_once=st.integers(1, 6), bytes_per_row=st.integers(1, 1 << 20))
def test_every_row_comes_once_and_in_order(count: int, at_once: int, bytes_per_row: int) -> None:
    chunks, numbers = Chunks(rows(count), 1 << 24, at_once), []
    while chunk := chunks.take():
        numbers += [row.number for row in chunk]
        chunks.learn(bytes_per_row)
        assert len(chunk) <= max(FIRST, LAST, (1 << 24) // at_once // bytes_per_row)
    assert numbers == list(range(count))


def test_a_size_that_was_set_stays() -> None:
    assert sizes(Chunks(rows(25), MANY, 4, fixed=10)) == [10, 10, 5]


def test_rows_that_need_much_memory_go_one_by_one() -> None:
    found = sizes(Chunks(rows(20), 1000, at_once=4), bytes_per_row=251)
    assert found == [FIRST, *[1] * 12]


def test_no_more_rows_are_read_ahead_than_fill_two_chunks_each() -> None:
    read = []

    def noted() -> Iterator[Row]:
        for row in rows(1000):
            read.append(row)
            yield row

    Chunks(noted(), MANY, at_once=4).take()
    assert len(read) == 2 * 4 * FIRST


def test_references_are_counted_down() -> None:
    rows = [Row(i, f"{i}", {"image": image, "query": i}) for i, image in enumerate("aab")]
    nodes = {frozenset({"image"}): ["1", "4"], frozenset({"query"}): ["2"], frozenset({"image", "query"}): ["6"]}
    references = ReferenceCounts(nodes, rows)
    assert references.transient == {"2", "6"}
    assert [references.finish(row) for row in rows] == [[], ["1", "4"], ["1", "4"]]
