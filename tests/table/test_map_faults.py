"""Rows that are broken fail, each for its own reason; the others are as if nothing had been wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from api_graph.table.map import map_graph
from tests.table.runs import GRAPH, picture, results, rows_of, table

SIDE = 96

Break = Callable[[Path, dict[str, object]], bytes]


def line(row: object) -> bytes:
    return json.dumps(row).encode()


def cut_short(path: Path, row: dict[str, object]) -> bytes:
    whole = (path / str(row["image"])).read_bytes()
    (path / "cut.png").write_bytes(whole[: len(whole) // 2])
    return line({**row, "image": "cut.png"})


def no_picture(path: Path, row: dict[str, object]) -> bytes:
    (path / "text.png").write_text("this is a text")
    return line({**row, "image": "text.png"})


def empty(path: Path, row: dict[str, object]) -> bytes:
    (path / "empty.png").touch()
    return line({**row, "image": "empty.png"})


def outside(path: Path, row: dict[str, object]) -> bytes:
    picture(path.parent / "outside.png", 1)
    return line({**row, "image": "../outside.png"})


FAULTS: dict[str, tuple[Break, str]] = {
    "missing": (lambda path, row: line({**row, "image": "missing.png"}), "missing.png"),
    "cut short": (cut_short, "cut.png"),
    "no picture": (no_picture, "text.png"),
    "empty": (empty, "empty.png"),
    "outside": (outside, "../outside.png"),
    "no JSON": (lambda path, row: b'{"image": ', "this is no JSON"),
    "no object": (lambda path, row: b'["a", "b"]', "a row is an object"),
    "no UTF-8": (lambda path, row: b'{"query": "\xff\xfe"}', "this is not UTF-8 text"),
    "out of range": (lambda path, row: line({**row, "kernel_size": 0}), "kernel_size"),
    "wrong type": (lambda path, row: line({**row, "query": 3}), "query"),
}


def pictures(folder: Path, count: int) -> None:
    for number in range(count):
        picture(folder / f"pics/{number}.png", number, SIDE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def test_ten_kinds_of_faults(folder: Path) -> None:
    rows = [{**row, "kernel_size": 15} for row in rows_of(40, 5)]
    pictures(folder, 40)
    clean = table(folder, rows, "clean.jsonl")
    lines, broken = clean.read_bytes().splitlines(), {}
    for index, (name, (how, _)) in zip(range(3, len(rows), len(rows) // len(FAULTS)), FAULTS.items(), strict=True):
        lines[index] = how(folder, rows[index])
        broken[index] = name
    (folder / "broken.jsonl").write_bytes(b"\n".join(lines))

    assert all(result.ok for result in map_graph(GRAPH, clean, output=folder / "a", cache=False))
    failed = {
        result.number: result.error
        for result in map_graph(GRAPH, folder / "broken.jsonl", output=folder / "b", cache=False)
        if not result.ok
    }
    assert set(failed) == set(broken)
    for index, name in broken.items():
        assert FAULTS[name][1] in (failed[index] or "")
        assert len((failed[index] or "").splitlines()) == 1
    whole, rest = results(folder / "a"), results(folder / "b")
    assert len(whole) == len(rest) == len(rows)
    assert {row: rest[row] for row in rest if row not in broken} == {r: whole[r] for r in whole if r not in broken}


@pytest.mark.parametrize("size", [1, 3, 7])
def test_results_do_not_depend_on_how_many_rows_go_together(folder: Path, size: int) -> None:
    pictures(folder, 16)
    path = table(folder, [{**row, "query": f"{row['query']} {'so ' * i}"} for i, row in enumerate(rows_of(16, 1))])
    list(map_graph(GRAPH, path, output=folder / "a", cache=False, batch_size=size))
    list(map_graph(GRAPH, path, output=folder / "b", cache=False))
    assert results(folder / "a") == results(folder / "b")


def test_a_picture_of_another_mode_or_size_is_no_fault(folder: Path) -> None:
    modes = ["RGB", "L", "1", "RGBA", "P", "CMYK"]
    for number, mode in enumerate(modes):
        ending = "tif" if mode == "CMYK" else "png"
        Image.linear_gradient("L").resize((30 + 9 * number, 40)).convert(mode).save(folder / f"{number}.{ending}")
    found = list(map_graph(GRAPH, folder, {"query": "a"}, output=folder.parent / "out", cache=False))
    assert [result.error for result in found] == [None] * len(modes)


def test_two_dots_in_a_file_s_name_are_no_fault(tmp_path: Path) -> None:
    picture(tmp_path / "0.png", 0)
    graph = {
        "1": {"class_type": "APLoadImage", "inputs": {"image": "0.png"}, "_meta": {"title": "image"}},
        "2": {"class_type": "APSaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "a..b"}},
    }
    (result,) = map_graph(graph, tmp_path, output=tmp_path / "out", cache=False)
    assert [path.name for path in result.files["2"]] == [f"0_{result.key[:8]}_a..b_00001_.png"]
    assert result.files["2"][0].is_file()
