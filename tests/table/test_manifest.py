"""What was run, and whether it is the same as before."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from api_graph.errors import BadInput
from api_graph.table.manifest import check_same, read_manifest

from .conftest import GRAPH, manifest

ROOT = Path(__file__).parents[2]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    written = manifest(shard="2/8", totals={"rows": 1}, finished="2025-01-02", set={"query": "é"})
    written.write(tmp_path / "deep")
    assert read_manifest(tmp_path / "deep") == written
    document = json.loads((tmp_path / "deep" / "manifest.json").read_bytes())
    assert list(document) == [
        *("format", "graph", "graph_name", "rows", "set", "columns", "inputs", "shard", "versions", "device"),
        *("arguments", "started", "finished", "totals", "results", "bindings", "names", "defaults", "grid", "controls"),
        "fingerprint",
    ]
    assert (document["format"], document["graph"], document["shard"]) == (2, GRAPH, "2/8")
    assert re.fullmatch("[0-9a-f]{64}", document["fingerprint"])
    assert document["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))


def test_versions_are_told_without_imports() -> None:
    script = "import sys; from api_graph.table.manifest import versions; versions(); print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torch", "transformers", "open_clip"} & set(ran.stdout.split())


def test_there_is_none(tmp_path: Path) -> None:
    assert read_manifest(tmp_path) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 3}', '{"format": 2}', '{"format": 1}', "\ud800"])
def test_one_that_cannot_be_used(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    with pytest.raises(BadInput, match=r"^the manifest (cannot be read|is not of format 2|has no usable) .*Restore it"):
        read_manifest(tmp_path)


def test_one_of_wrong_types(tmp_path: Path) -> None:
    manifest().write(tmp_path)
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "graph": 3}))
    with pytest.raises(BadInput, match="has no usable 'graph'"):
        read_manifest(tmp_path)


def changed(**parts: Any) -> dict[str, Any]:
    graph = copy.deepcopy(GRAPH)
    graph["9"].update(parts)
    return graph


def test_titles_and_order_do_not_count() -> None:
    graph = dict(reversed(changed(_meta={"title": "Smooth"}).items()))
    reordered = manifest(graph=graph, columns={"a": "x", "b": "y"})
    assert reordered.fingerprint == manifest(columns={"b": "y", "a": "x"}).fingerprint
    check_same(manifest(), manifest(graph=graph, started="later", device="cuda"))


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"graph": changed(inputs={"heatmap": ["1", 0], "kernel_size": 17})}, "9.kernel_size was 15 and is 17"),
        ({"graph": changed(inputs={"heatmap": ["1", 0]})}, "9.kernel_size was 15 and is not set"),
        ({"graph": changed(inputs={**GRAPH["9"]["inputs"], "new": "x"})}, "9.new was not set and is 'x'"),
        ({"graph": changed(inputs={"heatmap": ["1", 1], "kernel_size": 15})}, "9.heatmap was ['1', 0] and is ['1', 1]"),
        ({"graph": changed(class_type="APResize")}, "node 9 was a APMeanFilter and is a APResize"),
        ({"graph": {"1": GRAPH["1"]}}, "node 9 is gone"),
        ({"graph": {**GRAPH, "12": GRAPH["9"]}}, "node 12 is new"),
        ({"columns": {"image": "file"}}, "column of image was 'image' and is 'file'"),
        ({"columns": {}}, "column of image was 'image' and is not set"),
        ({"columns": {"image": "image", "query": "q"}}, "column of query was not set and is 'q'"),
    ],
)
def test_what_differs_is_named(new: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        check_same(manifest(), manifest(**new))
    assert str(caught.value) == (
        f"--out: this folder has results of something else: {said}. "
        "Name another folder, or give the graph, its values and the columns as before."
    )


def test_many_differences_are_counted() -> None:
    with pytest.raises(BadInput, match=r"node 4 is new; and 3 more\. Name"):
        check_same(manifest(graph={}), manifest(graph={str(n): GRAPH["1"] for n in range(8)}))


def test_one_and_one_point_nought_are_told_apart() -> None:
    """The fingerprints differ, and Python's `==` would not say where."""
    new = manifest(graph=changed(inputs={"heatmap": ["1", 0], "kernel_size": 15.0}))
    with pytest.raises(BadInput, match=r"9\.kernel_size was 15 and is 15\.0"):
        check_same(manifest(), new)


# ------------------------------------------------------------------------------------------ what columns set

SETS = {"image": ["1", "image"], "query": None}


def example(name: str) -> dict[str, Any]:
    graph = copy.deepcopy(GRAPH)
    graph["1"]["inputs"]["image"] = name
    return graph


def test_an_example_that_every_row_replaces_does_not_count() -> None:
    old, new = manifest(bindings=SETS), manifest(graph=example("other.png"), bindings=SETS)
    assert old.fingerprint == new.fingerprint
    check_same(old, new)
    check_same(manifest(), new)  # version 0.1 did not say what the columns set
    other = changed(inputs={"heatmap": ["1", 0], "kernel_size": 17})
    assert manifest(graph=other, bindings=SETS).fingerprint != old.fingerprint
    with pytest.raises(BadInput, match=re.escape("9.kernel_size was 15 and is 17")):
        check_same(manifest(), manifest(graph=other, bindings=SETS))


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        # The rows of one of the two do not set it: the graph's own value counts.
        ({"bindings": SETS}, {"bindings": {"query": None}}, "1.image was 'star.png' and is 'other.png'"),
        ({"bindings": {"query": None}}, {"bindings": SETS}, "1.image was 'star.png' and is 'other.png'"),
        # A row without a value has the graph's own.
        ({"bindings": SETS}, {"bindings": SETS, "arguments": {"keep_null": True}}, "1.image was 'star.png' and is"),
        ({}, {}, "1.image was 'star.png' and is 'other.png'"),
    ],
)
def test_an_example_that_some_row_may_have_counts(old: dict[str, Any], new: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        check_same(manifest(**old), manifest(graph=example("other.png"), **new))


@pytest.mark.parametrize(
    ("new", "said"),
    [
        ({"image": ["1", "image"], "query": ["2", "text"]}, "the column query has set nothing and sets 2.text"),
        ({"image": ["9", "image"], "query": None}, "the column image has set 1.image and sets 9.image"),
    ],
)
def test_a_column_that_sets_something_else_is_named(new: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput, match=re.escape(said)):
        check_same(manifest(bindings=SETS), manifest(bindings=new))
    check_same(manifest(bindings=SETS), manifest(bindings={**SETS, "more": ["9", "kernel_size"]}))


def test_format_1_is_read(tmp_path: Path) -> None:
    manifest(results={"9": "Filter"}, bindings=SETS).write(tmp_path)
    path = tmp_path / "manifest.json"
    document = {
        name: value for name, value in json.loads(path.read_text()).items() if name not in ("results", "bindings")
    }
    graph = {**GRAPH, "12": {"class_type": "APShowText", "inputs": {"value": "x"}, "_meta": {"title": "Answer"}}}
    path.write_text(json.dumps({**document, "format": 1, "graph": graph}))
    old = read_manifest(tmp_path)
    assert old is not None and (old.bindings, old.results) == ({}, {"12": "Answer"})
