"""`verify` passes on what a finished run has left, and names whatever is taken from it."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from api_graph.errors import BadInput
from api_graph.table.journal import line_of
from api_graph.table.manifest import read_manifest
from api_graph.table.map import map_graph
from api_graph.table.verify import Verification, verify
from tests.table.runs import PLAIN, picture, records

ROWS = 6


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pictures 0.png .. 5.png, a graph, and the results of a finished run."""
    folder = tmp_path_factory.mktemp("finished")
    for number in range(ROWS):
        picture(folder / f"pics/{number}.png", number)
    (folder / "graph.json").write_text(json.dumps(PLAIN))
    (folder / "rows.csv").write_text("image,more\n" + "".join(f"pics/{n}.png,x\n" for n in range(ROWS)))
    run(folder)
    return folder


@pytest.fixture
def folder(finished: Path, tmp_path: Path) -> Path:
    """A copy of it, with all times."""
    shutil.copytree(finished, tmp_path / "copy")
    run(tmp_path / "copy")  # it has the same table at another place
    return tmp_path / "copy"


def run(folder: Path, rows: object = None, **options: object) -> None:
    table = folder / "rows.csv" if rows is None else rows
    list(map_graph(folder / "graph.json", table, output=folder / "out", cache=False, **options))  # type: ignore[arg-type]


def kinds(found: Verification) -> dict[str, int]:
    return {kind: count for kind, count in found.counts.items() if count}


def written(folder: Path, row: int = 0) -> Path:
    (record,) = (record for record in records(folder / "out") if record["row"] == row)
    return folder / "out" / record["files"]["2"][0]


def with_its_times(path: Path, content: bytes) -> None:
    stat = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def without_line(path: Path, number: int) -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:number] + lines[number + 1 :]))


def test_what_is_finished_is_whole(folder: Path) -> None:
    found = verify(folder / "out", depth="content", graph=True)
    assert (found.ok, found.rows, found.lines, found.failed, found.notes) == (True, ROWS, ROWS, 0, [])
    assert found.sentence() == "every row has its line, and every file is there with its size"


def flipped(path: Path, at: int) -> bytes:
    content = bytearray(path.read_bytes())
    content[at] ^= 1
    return bytes(content)


BREAKS: dict[str, tuple[Callable[[Path], object], dict[str, int]]] = {
    "a line": (lambda f: without_line(f / "out/results.jsonl", 2), {"lost": 1}),
    "the journal": (lambda f: (f / "out/results.jsonl").unlink(), {"lost": ROWS}),
    "the end of the last line": (lambda f: os.truncate(f / "out/results.jsonl", -1 + size(f)), {"lost": 1}),
    "a written file": (lambda f: written(f).unlink(), {"missing": 1}),
    "its last byte": (lambda f: os.truncate(written(f), written(f).stat().st_size - 1), {"damaged": 1}),
    "another byte": (lambda f: written(f).write_bytes(flipped(written(f), 60)), {"damaged": 1}),
    "an input": (lambda f: (f / "pics/1.png").unlink(), {"gone": 1}),
    "another input": (lambda f: picture(f / "pics/1.png", 99), {"changed": 1}),
    "the manifest": (lambda f: (f / "out/manifest.json").unlink(), {"manifest": 1}),
    "half of it": (lambda f: os.truncate(f / "out/manifest.json", 300), {"manifest": 1}),
    "another graph in it": (lambda f: edit(f / "out/manifest.json", b'"same"', b'"sane"'), {"manifest": 1, "graph": 1}),
    "the graph": (lambda f: edit(f / "graph.json", b'"same"', b'"other"'), {"graph": 1}),
    "the table": (lambda f: (f / "rows.csv").unlink(), {"table": 1}),
    "a new row": (lambda f: edit(f / "rows.csv", b"image,more\n", b"image,more\npics/2.png,y\n"), {"lost": 1}),
    "another row": (lambda f: edit(f / "rows.csv", b"pics/2.png", b"pics/3.png"), {"lost": 1}),
    "a line twice": (lambda f: twice(f / "out/results.jsonl"), {"twice": 1}),
    "no line": (lambda f: edit(f / "out/results.jsonl", b'{"row": 3,', b'{"row": ?,'), {"line": 1, "lost": 1}),
}


def size(folder: Path) -> int:
    return (folder / "out/results.jsonl").stat().st_size


def edit(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def twice(path: Path) -> None:
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[0])


@pytest.mark.parametrize("what", BREAKS)
def test_what_is_taken_or_changed_is_found(folder: Path, what: str) -> None:
    broken, expected = BREAKS[what]
    broken(folder)
    assert kinds(verify(folder / "out", graph=True)) == expected


def test_a_byte_with_its_old_time_is_found_by_content(folder: Path) -> None:
    with_its_times(written(folder), flipped(written(folder), 60))
    assert verify(folder / "out").ok
    assert kinds(verify(folder / "out", depth="content")) == {"damaged": 1}
    with_its_times(folder / "pics/1.png", flipped(folder / "pics/1.png", 60))
    assert kinds(verify(folder / "out", depth="content")) == {"damaged": 1, "changed": 1}


def test_another_time_alone_is_no_fault(folder: Path) -> None:
    for path in (written(folder), folder / "pics/1.png"):
        os.utime(path, (1, 1))
    assert verify(folder / "out").ok
    cheap = verify(folder / "out", depth="stat")
    assert (cheap.ok, cheap.untold) == (True, 2)
    assert cheap.sentence() == "2 files with another time than their lines say: `api-graph verify` lists them"


def test_a_row_taken_out_of_the_table_is_told(folder: Path) -> None:
    edit(folder / "rows.csv", b"pics/2.png,x\n", b"")
    (folder / "pics/2.png").unlink()
    found = verify(folder / "out")
    assert found.ok and found.rows == ROWS - 1
    assert found.notes == [
        "the table had 6 rows, and has 5 now",
        "1 line is of a row that the table no longer has, or beyond the run's --limit",
    ]


def test_a_table_that_has_moved(folder: Path, tmp_path: Path) -> None:
    os.rename(folder / "pics", tmp_path / "pics")
    os.rename(folder / "rows.csv", tmp_path / "rows.csv")
    assert kinds(verify(folder / "out")) == {"table": 1, "gone": ROWS}
    assert verify(folder / "out", rows=tmp_path / "rows.csv").ok


def test_a_limit_counts(folder: Path) -> None:
    shutil.rmtree(folder / "out")
    run(folder, limit=2)
    found = verify(folder / "out")
    assert (found.ok, found.rows, found.lines) == (True, 2, 2)
    without_line(folder / "out/results.jsonl", 1)
    assert kinds(verify(folder / "out")) == {"lost": 1}


@pytest.mark.filterwarnings("ignore:1 line is of a row that this run does not have")
def test_failed_rows_are_counted_and_no_fault(folder: Path) -> None:
    edit(folder / "rows.csv", b"pics/5.png", b"none.png")
    run(folder)
    found = verify(folder / "out")
    assert (found.ok, found.rows, found.failed) == (True, ROWS, 1)


def test_a_folder_of_pictures(folder: Path) -> None:
    shutil.rmtree(folder / "out")
    run(folder, folder / "pics")
    assert verify(folder / "out").ok
    picture(folder / "pics/new.png", 9)
    found = verify(folder / "out")
    assert found.ok and found.notes == ["1 picture came after the last run: new rows"]
    (folder / "out/listing.jsonl").unlink()
    assert kinds(verify(folder / "out")) == {"table": 1, "lost": 1}


def test_rows_from_python_are_checked_by_their_numbers(folder: Path) -> None:
    shutil.rmtree(folder / "out")
    rows = [{"image": f"pics/{number}.png"} for number in range(ROWS)]
    run(folder, rows, input_folders=[folder])
    found = verify(folder / "out")
    assert found.ok and found.rows == ROWS and "by their numbers" in found.notes[0]
    without_line(folder / "out/results.jsonl", 4)
    missing = set(range(ROWS)) - {record["row"] for record in records(folder / "out")}
    assert verify(folder / "out").first["lost"] == [f"row {missing.pop()}"]


def test_lines_of_version_0_1(folder: Path) -> None:
    lines = records(folder / "out")
    for line in lines:
        del line["reads"], line["written"]
    (folder / "out/results.jsonl").write_bytes(b"".join(map(line_of, lines)))
    manifest = read_manifest(folder / "out")
    assert manifest is not None
    rows = {name: value for name, value in manifest.rows.items() if name != "path"}
    arguments = {name: value for name, value in manifest.arguments.items() if name != "graph"}
    replace(manifest, rows=rows, arguments=arguments).write(folder / "out")
    assert verify(folder / "out", graph=True).ok
    with_its_times(written(folder, 0), flipped(written(folder, 0), 60))
    os.truncate(written(folder, 1), written(folder, 1).stat().st_size - 12)
    written(folder, 2).write_bytes(b"")
    written(folder, 3).unlink()
    assert kinds(verify(folder / "out")) == {"damaged": 3, "missing": 1}
    assert kinds(verify(folder / "out", depth="stat")) == {"missing": 1}


def test_a_shard_of_another_number_of_rows_is_another_part(folder: Path) -> None:
    """It would have rows that its neighbours have done."""
    run(folder, shard="2/2", limit=4)
    kept = records(folder / "out/shards/2-of-2")
    with pytest.raises(BadInput, match=r"begun as a part of 4 rows, and of 6 it is another part \(got '2/2'\)"):
        run(folder, shard="2/2")
    assert records(folder / "out/shards/2-of-2") == kept
    run(folder, shard="2/2", limit=4)


def test_shards(folder: Path) -> None:
    shutil.rmtree(folder / "out")
    run(folder, shard="1/2")
    assert kinds(verify(folder / "out")) == {"shard": 1, "lost": 3}
    assert verify(folder / "out/shards/1-of-2").ok
    run(folder, shard="2/2", limit=4)  # rows 3 and 4, of which the first shard has one
    found = verify(folder / "out")
    assert kinds(found) == {"lost": 2, "twice": 1} and "shard 2/2 was cut by --limit 4" in found.notes
    shutil.rmtree(folder / "out/shards/2-of-2")
    run(folder, shard="2/2")
    assert verify(folder / "out").ok
    without_line(folder / "out/shards/2-of-2/results.jsonl", 0)
    assert kinds(verify(folder / "out")) == {"lost": 1}
    assert kinds(verify(folder / "out/shards/2-of-2")) == {"lost": 1}
    assert verify(folder / "out/shards/1-of-2").ok


def test_only_the_first_of_each_kind_are_listed(folder: Path) -> None:
    (folder / "rows.csv").write_text("image\n" + "".join(f"pics/{n}.png\n" for n in range(50)))
    found = verify(folder / "out")
    assert found.counts["lost"] == 50 and found.first["lost"] == [f"row {n}" for n in range(10)]


def test_no_results(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there are no results in it"):
        verify(tmp_path)
    with pytest.raises(BadInput, match="there is no such folder"):
        verify(tmp_path / "gone")
