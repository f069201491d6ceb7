"""Shards become one table: in its order, each row once, nothing lost."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.table.journal import read_records
from api_graph.table.manifest import read_manifest
from api_graph.table.merge import MergeReport, merge_shards
from api_graph.table.output import output_lock
from api_graph.table.shards import Shard

from .conftest import key_of, manifest, record, write_journal

END = "2025-01-01T11:00:00+00:00"
TOTALS = {
    "rows": 5,
    "ok": 5,
    "failed": 0,
    "seconds": 2.0,
    "node_seconds": {"1": 0.5, "9": 1.0},
    "ran": {"1": 5, "9": 4},
    "cached": {"9": 1},
}


def write_shard(root: Path, shard: Shard, records: list[dict[str, Any]], **changed: Any) -> Path:
    folder = shard.folder(root)
    write_journal(folder, records)
    manifest(**{"shard": str(shard), "finished": END, "totals": TOTALS, **changed}).write(folder)
    return folder


def write_two(root: Path, **second: Any) -> None:
    """Ten rows in two shards, each in some order of completion; row 7 has failed."""
    write_shard(root, Shard(1, 2), [record(number) for number in (3, 0, 4, 1, 2)])
    write_shard(root, Shard(2, 2), [record(number, ok=number != 7) for number in (9, 8, 7, 6, 5)], **second)


def test_rows_stand_in_the_order_of_the_table(tmp_path: Path) -> None:
    write_two(tmp_path, device="cuda", started="2025-01-01T09:00:00", finished="2025-01-01T12:00:00")
    assert merge_shards(tmp_path) == MergeReport(tmp_path, ("1/2", "2/2"), (), 10, 9, 1)
    assert list(read_records(tmp_path)) == [record(number, ok=number != 7) for number in range(10)]
    merged = read_manifest(tmp_path)
    assert merged is not None
    assert (merged.shard, merged.device, merged.graph_name) == (None, "cpu, cuda", "api_clip")
    assert (merged.started, merged.finished) == ("2025-01-01T09:00:00", "2025-01-01T12:00:00")
    assert merged.arguments == {"merged": ["1/2", "2/2"]}
    assert merged.totals == {
        "rows": 10,
        "ok": 9,
        "failed": 1,
        "seconds": 4.0,
        "node_seconds": {"1": 1.0, "9": 2.0},
        "ran": {"1": 10, "9": 8},
        "cached": {"9": 2},
    }


def test_done_again_it_gives_the_same(tmp_path: Path) -> None:
    write_two(tmp_path, arguments={"shard": "2/2", "batch": 8})
    first = merge_shards(tmp_path)
    files = {name: (tmp_path / name).read_bytes() for name in ("results.jsonl", "manifest.json")}
    assert merge_shards(tmp_path) == first
    assert {name: (tmp_path / name).read_bytes() for name in files} == files
    assert sorted(path.name for path in tmp_path.iterdir() if path.name != ".lock") == [
        "manifest.json",
        "results.jsonl",
        "shards",
    ]


@given(st.integers(0, 40), st.integers(1, 6), st.integers())
def test_any_table_in_any_number_of_parts(
    tmp_path_factory: pytest.TempPathFactory, count: int, of: int, seed: int
) -> None:
    root = tmp_path_factory.mktemp("out")
    shuffled = random.Random(seed)
    for index in range(1, of + 1):
        rows = list(Shard(index, of).range(count))
        shuffled.shuffle(rows)
        write_shard(root, Shard(index, of), [record(number) for number in rows], rows={"count": count})
    assert merge_shards(root).rows == count
    assert [each["row"] for each in read_records(root)] == list(range(count))


def test_row_numbers_of_a_table_that_was_sorted_anew(tmp_path: Path) -> None:
    """A resumed shard keeps its results' old row numbers: two rows may say the same, and both stay."""
    write_shard(tmp_path, Shard(1, 2), [record(4), record(0)], rows={"count": 4})
    write_shard(tmp_path, Shard(2, 2), [record(0, key=key_of(99)), record(7)], rows={"count": 4})
    assert merge_shards(tmp_path).rows == 4
    assert [(each["row"], each["key"]) for each in read_records(tmp_path)] == [
        (0, key_of(0)),
        (0, key_of(99)),
        (4, key_of(4)),
        (7, key_of(7)),
    ]


def test_ten_shards_come_in_the_order_of_numbers(tmp_path: Path) -> None:
    for index in range(1, 12):
        write_shard(tmp_path, Shard(index, 11), [], rows={"count": 0})
    assert merge_shards(tmp_path).shards == tuple(f"{index}/11" for index in range(1, 12))


def test_missing_and_unfinished_shards_are_named(tmp_path: Path) -> None:
    write_shard(tmp_path, Shard(1, 4), [record(0)])
    write_shard(tmp_path, Shard(3, 4), [record(5)], finished=None, totals=None)
    Shard(4, 4).folder(tmp_path).mkdir()
    with pytest.raises(BadInput, match=r"^shards are missing or not finished: 2/4, 3/4, 4/4 \(got .*--allow-missing"):
        merge_shards(tmp_path)
    assert not (tmp_path / "results.jsonl").exists()
    report = merge_shards(tmp_path, allow_missing=True)
    assert (report.missing, report.rows) == (("2/4", "3/4", "4/4"), 2)
    merged = read_manifest(tmp_path)
    assert merged is not None and merged.finished is None
    assert merged.totals is not None and merged.totals["seconds"] == 2.0
    write_shard(tmp_path, Shard(2, 4), [record(3)])
    assert merge_shards(tmp_path, allow_missing=True).rows == 3


def test_shards_with_fewer_lines_than_rows_are_named(tmp_path: Path) -> None:
    write_shard(tmp_path, Shard(1, 2), [record(number) for number in (0, 1, 3, 4)])  # the line of row 2 was lost
    write_shard(tmp_path, Shard(2, 2), [record(5)], arguments={"limit": 6})
    short = "1/2 has 4 of 5 rows, 2/2 has 1 of 5 rows (--limit 6)"
    with pytest.raises(BadInput, match=rf"^shards have fewer lines than rows: {re.escape(short)} .*--allow-missing"):
        merge_shards(tmp_path)
    assert not (tmp_path / "results.jsonl").exists()
    report = merge_shards(tmp_path, allow_missing=True)
    assert (", ".join(report.short), report.rows, report.missing) == (short, 5, ())
    merged = read_manifest(tmp_path)
    assert merged is not None and merged.finished is None


def test_a_shard_that_is_still_writing(tmp_path: Path) -> None:
    write_two(tmp_path, finished=None)
    with (Shard(2, 2).folder(tmp_path) / "results.jsonl").open("ab") as file:
        file.write(b'{"row": 10, "ke')
    assert merge_shards(tmp_path, allow_missing=True).rows == 10


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"columns": {"image": "file"}}, "column of image was 'image' and is 'file'"),
        ({"rows": {"count": 12}}, "the table had 10 rows, and then 12"),
    ],
)
def test_shards_that_do_not_belong_together(tmp_path: Path, second: dict[str, Any], said: str) -> None:
    write_two(tmp_path, **second)
    with pytest.raises(BadInput, match=rf"^shards 1/2 and 2/2 do not belong together: {said}"):
        merge_shards(tmp_path)


def test_shards_of_different_arrays(tmp_path: Path) -> None:
    write_two(tmp_path)
    write_shard(tmp_path, Shard(1, 3), [])
    with pytest.raises(BadInput, match=r"^shards 1/2 and 1/3 do not belong together: the table was cut into different"):
        merge_shards(tmp_path)


def test_a_row_that_stands_in_two_shards(tmp_path: Path) -> None:
    write_shard(tmp_path, Shard(1, 2), [record(0), record(1)])
    write_shard(tmp_path, Shard(2, 2), [record(5), record(6, key=key_of(1))])
    with pytest.raises(BadInput, match=rf"^row 6 of shard 2/2 \(key {key_of(1)}\) stands in another line, too"):
        merge_shards(tmp_path)
    assert not (tmp_path / "results.jsonl").exists()


def test_results_of_a_run_of_its_own_are_not_replaced(tmp_path: Path) -> None:
    write_two(tmp_path)
    write_journal(tmp_path, [record(0)])
    with pytest.raises(BadInput, match="the folder has results of a run without --shard"):
        merge_shards(tmp_path)
    manifest().write(tmp_path)
    (tmp_path / "results.jsonl").unlink()
    with pytest.raises(BadInput, match="the folder has results of a run without --shard"):
        merge_shards(tmp_path)


def test_no_shards(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "gone"):
        with pytest.raises(BadInput, match=r"^there are no shards in this folder"):
            merge_shards(folder)
    assert not (tmp_path / "gone").exists()


def test_while_a_run_writes_there(tmp_path: Path) -> None:
    write_two(tmp_path)
    with output_lock(tmp_path), pytest.raises(BadInput, match="another run is writing"):
        merge_shards(tmp_path)
