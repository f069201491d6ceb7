"""`--memory` holds from the first batch: rows are sized by the headers of their pictures before any is read."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from PIL import Image

from api_graph import map_graph
from api_graph.pixels.read import opened
from api_graph.table import worker
from api_graph.table.chunks import Chunks
from api_graph.table.rows import Row
from benchmarks import memory

MIB = 1 << 20


def picture(folder: Path, name: str, size: tuple[int, int]) -> None:
    Image.effect_noise((64, 64), 60).convert("RGB").resize(size).save(folder / name)


Taken = list[list[int]]


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    """The numbers of the rows of each chunk that was taken."""
    found: Taken = []
    take = Chunks.take

    def noted(chunks: Chunks) -> list[Row]:
        chunk = take(chunks)
        found.extend([[row.number for row in chunk]] if chunk else [])
        return chunk

    monkeypatch.setattr(Chunks, "take", noted)
    return found


def run(table: list[dict[str, object]], folder: Path, memory: int, keep: tuple[str, ...] = ()) -> None:
    given = [folder]
    results = map_graph(
        "api_clip_map", table, output=folder / "out", cache=False, memory=memory, input_folders=given, keep=keep
    )
    assert [result.error for result in results] == [None] * len(table)


def test_small_rows_go_together_and_a_large_one_goes_alone(tmp_path: Path, taken: Taken) -> None:
    picture(tmp_path, "small.png", (40, 30))
    picture(tmp_path, "large.png", (800, 600))  # 16 MB for its results alone
    table: list[dict[str, object]] = [{"image": "small.png", "query": f"thing {i}"} for i in range(6)]
    table[3]["image"] = "large.png"
    run(table, tmp_path, 16 * MIB)
    assert taken == [[0, 1, 2], [3], [4, 5]]


def test_a_picture_that_stands_in_the_graph_counts_too(tmp_path: Path, taken: Taken) -> None:
    """example.png of 480×320 pixels: with 34 bytes each, and 48 for the row that works, 13 MB for one row."""
    run([{"query": f"thing {i}"} for i in range(3)], tmp_path, 16 * MIB, keep=("image",))
    assert taken == [[0], [1], [2]]


def test_headers_are_read_once_for_rows_that_share_a_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    picture(tmp_path, "small.png", (40, 30))
    read: list[str] = []
    monkeypatch.setattr(worker, "opened", lambda path: read.append(Path(path).name) or opened(path))
    run([{"image": "small.png", "query": f"thing {i}"} for i in range(5)], tmp_path, 1 << 30)
    assert read == ["small.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="the peak can be set back on Linux alone")
def test_the_peak_of_many_rows_is_little_above_that_of_one(tmp_path: Path) -> None:
    first = memory.made_table(tmp_path / "first", [(64, 64)])
    alone = memory.made_table(tmp_path / "alone", [(2400, 2000)])
    many = memory.made_table(tmp_path / "many", [(2400, 2000)] * 5)
    one = memory.in_own_process(alone, first, tmp_path / "1", 64 * MIB)["bytes"]
    assert one > 64 * MIB  # 163 MB for its results
    assert memory.in_own_process(many, first, tmp_path / "2", 64 * MIB)["bytes"] <= 1.3 * one
