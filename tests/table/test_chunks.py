"""How many rows go together, from the first to the last; how many rows still need a result that they share."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from api_graph.graph import GraphNode, Link, read_graph
from api_graph.registry import all_nodes
from api_graph.settings import shipped
from api_graph.table.chunks import FIRST, LAST, MOST, Chunks, PixelBytes, ReferenceCounts, bytes_per_pixel
from api_graph.table.rows import Row

MANY = 1 << 40  # bytes


def rows(count: int) -> Iterator[Row]:
    return (Row(number, f"{number:064x}", {}) for number in range(count))


def sizes(chunks: Chunks, bytes_per_row: int = 1) -> list[int]:
    found = []
    while chunk := chunks.take():
        found.append(len(chunk))
        chunks.learn(chunk, bytes_per_row)
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
        chunks.learn(chunk, bytes_per_row)
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


PER_PIXEL, WORKING = 30, 48  # bytes


def pixels_of(row: Row) -> int:
    return 500_000 if row.number == 50 else 10_000


def numbers(chunk: list[Row]) -> list[int]:
    return [row.number for row in chunk]


def test_the_first_chunk_has_no_more_rows_than_their_pictures_leave_room_for() -> None:
    room = 3 * 10_000 * PER_PIXEL + 10_000 * WORKING  # three rows, one of which works
    chunks = Chunks(rows(100), 4 * room, 4, None, pixels_of, PixelBytes(PER_PIXEL))
    taken = [chunks.take() for _ in range(5)]
    assert list(map(numbers, taken)) == [[0, 1, 2], [3, 4, 5], [6, 7, 8], [9, 10, 11], []]  # the fifth has to wait
    assert chunks.in_use == 4 * room
    chunks.learn(taken[2], 10_000 * PER_PIXEL)
    assert numbers(chunks.take()) == [12, 13, 14]


def test_a_large_row_among_small_ones_runs_alone() -> None:
    chunks = Chunks(rows(100), 2_000_000, 4, None, pixels_of, PixelBytes(PER_PIXEL))  # the large one takes 39 MB
    running: list[list[Row]] = []
    seen: list[int] = []
    while True:
        while chunk := chunks.take():
            running.append(chunk)
            assert chunks.in_use <= 2_000_000 or (len(running) == 1 and numbers(chunk) == [50])
        if not running:
            break
        seen += numbers(done := running.pop(0))
        chunks.learn(done, max(map(pixels_of, done)) * PER_PIXEL)
    assert seen == list(range(100))


def test_what_rows_hold_besides_their_pictures_is_learned() -> None:
    chunks = Chunks(rows(100), 4_000_000, 4, None, pixels_of, PixelBytes(PER_PIXEL))
    first = chunks.take()  # at most 1 MB: one row takes 0.3 and 0.48 while it works
    assert numbers(first) == [0]
    chunks.learn(first, 0)
    second = chunks.take()
    assert numbers(second) == [1]
    chunks.learn(second, 10_000 * PER_PIXEL + 9_000_000)  # ten boxes, say
    assert numbers(chunks.take()) == [2]
    assert chunks.in_use == 10_000 * (PER_PIXEL + WORKING) + 9_000_000
    assert chunks.take() == []


def test_as_many_rows_work_as_there_are_workers() -> None:
    pixel = PixelBytes(PER_PIXEL, 20, WORKING)
    room = 5 * 10_000 * PER_PIXEL + 3 * 10_000 * (20 + WORKING)  # five rows, three of which work
    chunks = Chunks(rows(100), 4 * room, 4, None, pixels_of, pixel, workers=3)
    first = chunks.take()
    assert numbers(first) == [0, 1, 2, 3, 4] and chunks.in_use == room
    chunks.learn(first, 10_000 * (PER_PIXEL + 20))  # no more than was known
    assert numbers(chunks.take()) == [5, 6, 7, 8, 9] and chunks.in_use == room


def test_a_pixel_is_counted_for_every_picture_that_lies_there_at_one_time() -> None:
    # The picture in 8 bits and its mask wait. Of the last steps, the overlay on its way to a file takes most.
    graph = read_graph(json.loads(shipped()["api_clip_map"].read_text("utf-8")))
    assert bytes_per_pixel(graph, all_nodes()) == (3 + 4, 3 + 7, 24)
    # Without the overlay: the map before and after the filter.
    nodes = {id: node for id, node in graph.nodes.items() if id not in ("11", "12")}
    assert bytes_per_pixel(replace(graph, nodes=nodes), all_nodes()) == (3 + 4, 4 + 4, 24)
    # A node that takes floats makes them of the picture, and what it gives waits for the file.
    nodes = {
        **{id: node for id, node in graph.nodes.items() if id not in ("8", "9", "10", "11", "12")},
        "20": GraphNode("20", "APDrawBox", {"image": Link("1", 0)}),
        "21": GraphNode("21", "APSaveImage", {"images": Link("20", 0)}),
    }
    assert bytes_per_pixel(replace(graph, nodes=nodes), all_nodes()) == (3 + 4 + 12, 7, 48)


def test_references_are_counted_down() -> None:
    rows = [Row(i, f"{i}", {"image": image, "query": i}) for i, image in enumerate("aab")]
    nodes = {frozenset({"image"}): ["1", "4"], frozenset({"query"}): ["2"], frozenset({"image", "query"}): ["6"]}
    references = ReferenceCounts(nodes, rows)
    assert references.transient == {"2", "6"}
    assert [references.finish(row) for row in rows] == [[], ["1", "4"], ["1", "4"]]
