"""Folders of version 0.1, and folders that have lost their manifest."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from api_graph import ApiGraphWarning, map_graph, read_results
from api_graph.errors import BadInput
from api_graph.report.page import write_report
from api_graph.table.manifest import read_manifest
from api_graph.table.merge import merge_shards
from api_graph.table.verify import verify

from .runs import picture, records

GRAPH = {
    "1": {"class_type": "APLoadImage", "inputs": {"image": "example.png"}, "_meta": {"title": "image"}},
    "2": {"class_type": "APText", "inputs": {"text": "example"}, "_meta": {"title": "query"}},
    "3": {"class_type": "APShowText", "inputs": {"value": ["2", 0]}, "_meta": {"title": "Said"}},
    "4": {"class_type": "APSaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "shown"}},
}
ROWS = [{"image": f"{number}.png", "query": f"question {number}"} for number in range(6)]
OF_FORMAT_2 = ("results", "bindings", "names", "reads", "written")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number in range(len(ROWS)):
        picture(tmp_path / f"{number}.png", number)
    return tmp_path


def run(pictures: Path, out: Path, rows: list[dict[str, str]] = ROWS, graph: Any = GRAPH, **more: Any) -> list[int]:
    """The numbers of the rows that a run has done."""
    found = map_graph(graph, rows, output=out, cache=False, input_folders=[pictures], **more)
    return [row.number for row in found]


def made_by_0_1(folder: Path) -> None:
    """Turn a folder into one that version 0.1 could have written."""
    path = folder / "manifest.json"
    document = {name: value for name, value in json.loads(path.read_text()).items() if name not in OF_FORMAT_2}
    graph = {id: {"class_type": node["class_type"], "inputs": node["inputs"]} for id, node in document["graph"].items()}
    decisive = json.dumps({"graph": graph, "columns": document["columns"]}, sort_keys=True, separators=(",", ":"))
    fingerprint = hashlib.sha256(decisive.encode("ascii")).hexdigest()
    path.write_text(json.dumps({**document, "format": 1, "fingerprint": fingerprint}, indent=1))
    lines = [
        {name: value for name, value in line.items() if name not in {*OF_FORMAT_2, "fingerprint"}}
        for line in records(folder)
    ]
    (folder / "results.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.fixture
def old(pictures: Path) -> Path:
    """A folder that version 0.1 has left half done."""
    out = pictures / "out"
    assert run(pictures, out, ROWS[:3], names="") == [0, 1, 2]
    made_by_0_1(out)
    return out


def test_it_is_read_as_it_is(old: Path) -> None:
    before = {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}
    rows = list(read_results(old))
    assert [row.results["Said"] for row in rows] == [{"text": f"question {n}"} for n in range(3)]
    assert all(row.results["Save images as PNG"]["files"][0].is_file() for row in rows)
    assert before == {path: path.read_bytes() for path in old.rglob("*") if path.is_file()}


def test_it_is_continued_with_lines_of_both_kinds(pictures: Path, old: Path) -> None:
    renamed = json.loads(json.dumps(GRAPH))
    renamed["3"]["_meta"]["title"] = "Another title"
    renamed["1"]["inputs"]["image"] = "another example.png"
    assert run(pictures, old, graph=renamed) == [3, 4, 5]
    assert ["results" in line for line in records(old)] == [False] * 3 + [True] * 3
    assert [row.results["Said"]["text"] for row in read_results(old)] == [f"question {n}" for n in range(6)]
    names = {Path(name).name for line in records(old) for name in line["files"]["4"]}
    assert names == {"shown_00001_.png"}
    manifest = read_manifest(old)
    assert manifest is not None and (manifest.names, manifest.results["3"]) == ("", "Said")
    assert run(pictures, old, graph=renamed) == []


def test_it_is_verified(pictures: Path, old: Path) -> None:
    (pictures / "rows.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in ROWS))
    before = verify(old, rows=pictures / "rows.jsonl")
    assert {kind: count for kind, count in before.counts.items() if count} == {"lost": 3}
    assert run(pictures, old) == [3, 4, 5]
    assert verify(old, rows=pictures / "rows.jsonl").ok


def test_its_report_is_written(old: Path) -> None:
    assert write_report(old).summary.ok == 3


def test_another_graph_and_names_are_refused(pictures: Path, old: Path) -> None:
    other = {**GRAPH, "4": {**GRAPH["4"], "inputs": {"images": ["1", 0], "filename_prefix": "other"}}}
    with pytest.raises(BadInput, match=r"4\.filename_prefix was 'shown' and is 'other'"):
        run(pictures, old, graph=other)
    with pytest.raises(BadInput, match=r"named by numbers alone, as in version 0\.1"):
        run(pictures, old, names="{key}")


def test_shards_of_both_versions_are_merged(pictures: Path) -> None:
    out = pictures / "out"
    assert run(pictures, out, shard="1/2", names="") == [0, 1, 2]
    made_by_0_1(out / "shards" / "1-of-2")
    assert run(pictures, out, shard="2/2") == [3, 4, 5]
    assert merge_shards(out).ok == 6
    assert ["results" in line for line in records(out)] == [False] * 3 + [True] * 3
    assert [row.results["Said"]["text"] for row in read_results(out)] == [f"question {n}" for n in range(6)]
    assert {Path(name).name for line in records(out) for name in line["files"]["4"]} == {"shown_00001_.png"}


# ------------------------------------------------------------------------------------------ without a manifest


def test_without_a_manifest_it_is_adopted_or_refused(pictures: Path, old: Path) -> None:
    (old / "manifest.json").unlink()
    lines = (old / "results.jsonl").read_bytes()
    with pytest.raises(BadInput, match=r"no manifest\.json says what graph gave it .*--adopt"):
        run(pictures, old)
    assert (old / "results.jsonl").read_bytes() == lines and not (old / "manifest.json").exists()
    assert [row.results["3"] for row in read_results(old)] == [{"text": f"question {n}"} for n in range(3)]
    with pytest.warns(
        ApiGraphWarning, match=r"^3 results were adopted\. Whether this graph gave them cannot be checked"
    ):
        assert run(pictures, old, adopt=True) == [3, 4, 5]
    assert not (old / "results.left.jsonl").exists()
    manifest = read_manifest(old)
    assert manifest is not None and manifest.names == ""  # as version 0.1 began it
    assert [row.results["Said"]["text"] for row in read_results(old)] == [f"question {n}" for n in range(6)]


def test_lines_of_other_rows_are_put_aside(pictures: Path) -> None:
    out = pictures / "out"
    run(pictures, out)
    before = (out / "results.jsonl").read_bytes().splitlines()
    for kept in (4, 2):
        (out / "manifest.json").unlink()
        with pytest.warns(ApiGraphWarning, match=f"{kept} results were adopted; 2 of other rows or of another"):
            assert run(pictures, out, ROWS[:kept], adopt=True) == []
    both = [(out / name).read_bytes().splitlines() for name in ("results.jsonl", "results.left.jsonl")]
    assert [len(lines) for lines in both] == [2, 4] and sorted([*both[0], *both[1]]) == sorted(before)
    manifest = read_manifest(out)
    assert manifest is not None and manifest.names == "{image.stem}_{query.slug}_{key:8}"


def test_lines_of_another_graph_are_put_aside(pictures: Path) -> None:
    """Since format 2 a line names its graph, so that a folder without a manifest cannot mix two."""
    out, other = (
        pictures / "out",
        {**GRAPH, "4": {**GRAPH["4"], "inputs": {"images": ["1", 0], "filename_prefix": "x"}}},
    )
    assert run(pictures, out, ROWS[:4]) == [0, 1, 2, 3]
    (out / "manifest.json").unlink()
    with pytest.warns(
        ApiGraphWarning,
        match=r"^0 results were adopted; 4 of other rows or of another graph went to ",
    ):
        assert run(pictures, out, graph=other, adopt=True) == list(range(6))
    (out / "manifest.json").unlink()
    with pytest.warns(ApiGraphWarning, match=r"^6 results were adopted\.$"):
        assert run(pictures, out, graph=other, adopt=True) == []


def test_a_damaged_line_is_not_adopted(pictures: Path, old: Path) -> None:
    (old / "manifest.json").unlink()
    with (old / "results.jsonl").open("ab") as file:
        file.write(b"{}\n")
    with pytest.raises(BadInput, match="line 4 of the results cannot be used: it is damaged"):
        run(pictures, old, adopt=True)
    assert not (old / "manifest.json").exists()


def test_adopt_changes_nothing_where_a_manifest_is(pictures: Path, old: Path) -> None:
    other = {**GRAPH, "4": {**GRAPH["4"], "inputs": {"images": ["1", 0], "filename_prefix": "other"}}}
    with pytest.raises(BadInput, match="filename_prefix"):
        run(pictures, old, graph=other, adopt=True)
    assert run(pictures, old, adopt=True) == [3, 4, 5]
    assert run(pictures, pictures / "new", adopt=True) == list(range(6))
