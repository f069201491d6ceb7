"""Maps as numbers: what is kept is what the nodes gave, whatever stops a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from api_graph import map_graph, read_results
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.executor import Executor
from api_graph.geometry import Geometry
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.settings import headless_folders
from api_graph.sockets import Attribution
from api_graph.table.maps import as_numbers, read_maps, write_map_table, write_npz
from api_graph.table.merge import merge_shards
from api_graph.table.rows import Row
from api_graph.table.verify import verify
from tests.table import runs

parquet = pytest.importorskip("pyarrow.parquet")
KINDS = ("npz", "parquet")
PRECISIONS = ("float16", "float32")


def ran(folder: Path, out: str = "out", count: int = 6, **more: Any) -> Path:
    rows = runs.table(folder, runs.rows_of(count, 2))
    for result in map_graph(runs.GRAPH, rows, output=folder / out, cache=False, **more):
        assert result.ok, result.error
    return folder / out


@pytest.fixture(scope="module")
def graph() -> Mapping[str, str]:
    """By the titles that results have for them, the ids of the nodes that give maps."""
    found = open_graph(runs.GRAPH)
    registry = all_nodes()
    ids = [
        id
        for id, node in found.nodes.items()
        if any(output.socket == "AP_ATTRIBUTION" for output in registry[node.class_type].outputs)
    ]
    assert len(ids) == 2
    return {found.nodes[id].title or registry[found.nodes[id].class_type].title: id for id in ids}


@pytest.mark.parametrize("kind", KINDS)
def test_they_are_what_the_nodes_gave(tmp_path: Path, kind: str, graph: Mapping[str, str]) -> None:
    """The same picture and question, run alone, with the nodes' outputs asked for."""
    out = ran(tmp_path, maps=kind)
    rows = list(read_results(out))
    assert len(rows) == 12
    for row in (rows[0], rows[7]):
        alone = open_graph(runs.GRAPH)
        for node in alone.nodes.values():
            if node.class_type == "APLoadImage":
                node.inputs["image"] = row.values["image"]  # type: ignore[index]
            if node.class_type == "APText":
                node.inputs["text"] = row.values["query"]  # type: ignore[index]
        folders = headless_folders(tmp_path / "alone", (tmp_path,))
        result = Executor(registry=all_nodes()).run(alone, folders, targets=list(graph.values())).raise_failures()
        assert row.maps.keys() == graph.keys()
        for title, id in graph.items():
            (given,) = [v for v in result.outputs[id].values.values() if isinstance(v, Attribution)]
            (saved,) = row.maps[title]
            assert saved.values.dtype == np.float32 and saved.geometry == given.geometry[0]
            np.testing.assert_allclose(saved.values, given.values[0].numpy(), atol=1e-5)


def test_both_kinds_say_the_same(tmp_path: Path) -> None:
    outs = {(k, p): ran(tmp_path, f"{k}-{p}", maps=k, map_precision=p) for k in KINDS for p in PRECISIONS}
    results = [list(read_results(out)) for out in outs.values()]
    for first, *others in zip(*results, strict=True):
        for (kind, precision), other in zip(list(outs)[1:], others, strict=True):
            for title, (saved,) in other.maps.items():
                assert saved.values.dtype == precision, kind
                wanted = first.maps[title][0].values.astype(np.float32) if precision == "float16" else None
                if wanted is not None:
                    assert np.array_equal(saved.values, first.maps[title][0].values)
    for half, whole in zip(results[0], results[1], strict=True):
        for title, (saved,) in whole.maps.items():
            np.testing.assert_allclose(half.maps[title][0].values, saved.values, rtol=2**-10, atol=1e-7)


def test_others_read_them_too(tmp_path: Path, graph: Mapping[str, str]) -> None:
    out = ran(tmp_path, "npz", maps="npz")
    first = next(iter(read_results(out)))
    (file,) = (first.maps_file and [out / first.maps_file]) or []
    with np.load(file) as arrays:
        assert {*arrays} == {f"{id}.0" for id in graph.values()} | {"about"}
    out = ran(tmp_path, "table", maps="parquet")
    table = parquet.read_table(out / "maps").to_pylist()
    assert len(table) == 12 * len(graph)
    for line in table:
        assert len(line["values"]) == line["height"] * line["width"]
        assert line["node"] in graph.values() and len(json.loads(line["geometry"])) == 6
    assert {(line["row"], line["node"]) for line in table} == {(r, n) for r in range(12) for n in graph.values()}


def values() -> st.SearchStrategy[float]:
    return st.floats(width=32, allow_subnormal=False)


@given(
    st.lists(st.lists(st.lists(values(), min_size=6, max_size=6), min_size=1, max_size=3), min_size=1, max_size=4),
    st.sampled_from(PRECISIONS),
)
@settings(max_examples=40, deadline=None)
def test_what_is_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, given: Sequence[Sequence[Sequence[float]]], precision: Any
) -> None:
    """Any values, NaN and infinity among them, in maps of several shapes for one node."""
    folder = tmp_path_factory.mktemp("maps")
    maps: dict[str, list[Attribution]] = {}
    for number, each in enumerate(given):
        shapes = [(2, 3), (3, 2), (1, 6)]
        maps[str(number)] = [
            Attribution(torch.tensor(flat).reshape(1, *shapes[i]), (Geometry(9 + i, 8, 0.5, 0.0, 9.5, 8.0),))
            for i, flat in enumerate(each)
        ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ApiGraphWarning)
        numbers = as_numbers(maps, precision)
    write_npz(folder / "x.npz", numbers)
    key = "0" * 20
    table = write_map_table(folder, [(Row(3, key, {}), numbers), (Row(4, f"{key}-2", {}), numbers)], precision)
    for found in (read_maps(folder / "x.npz", key), read_maps(table, key), read_maps(table, f"{key}-2")):
        assert found.keys() == maps.keys()
        for id, saved in found.items():
            for one, wanted in zip(saved, maps[id], strict=True):
                expected = wanted.values[0].numpy()
                if precision == "float16":
                    finite = np.isfinite(expected)
                    expected = np.where(finite, np.clip(expected, -65504, 65504), expected).astype(np.float16)
                np.testing.assert_array_equal(one.values, expected)
                assert one.geometry == wanted.geometry[0] and one.values.dtype == precision


def test_what_float16_does_not_hold_is_told() -> None:
    large = {"1": [Attribution(torch.tensor([[[1e6, -1e6, 2.0]]]), (Geometry.whole(3, 1),))]}
    with pytest.warns(ApiGraphWarning, match="beyond 65,504"):
        (found,) = as_numbers(large, "float16")["1"]
    assert found.values.tolist() == [[65504, -65504, 2]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("how", ["gone", "cut", "other bytes"])
def test_what_is_lost_is_done_again(tmp_path: Path, kind: str, how: str) -> None:
    out = ran(tmp_path, maps=kind, memory=2**22)
    before = {row.key: row.maps for row in read_results(out)}
    row = next(row for row in read_results(out) if row.number == 5)
    assert row.maps_file is not None
    path, content = out / row.maps_file, (out / row.maps_file).read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(content[:-40] if how == "cut" else content[:60] + b"\0\0\0\0" + content[64:])
        if how == "cut":
            with pytest.raises(BadInput, match="the maps cannot be read"):
                _ = next(row for row in read_results(out) if row.number == 5).maps
    found = verify(out)
    rows = sum(line["maps"] == row.maps_file for line in runs.records(out))
    assert rows == 1 if kind == "npz" else 1 < rows < 12
    assert found.counts["missing" if how == "gone" else "damaged"] == rows
    with pytest.warns(ApiGraphWarning, match="done again: files that they wrote are"):
        again = list(map_graph(runs.GRAPH, tmp_path / "rows.jsonl", output=out, cache=False))
    assert len(again) == rows and verify(out, depth="content").ok
    for row in read_results(out):
        for title, (saved,) in row.maps.items():
            np.testing.assert_allclose(saved.values, before[row.key][title][0].values, atol=1e-5)


@pytest.mark.skipif(os.name != "posix", reason="forks and signals as POSIX has them")
@pytest.mark.parametrize("kind", KINDS)
def test_killed_at_random_moments(tmp_path: Path, kind: str) -> None:
    runs.table(tmp_path, runs.rows_of(15, 3))
    options = json.dumps({"maps": kind, "map_precision": "float16"})
    command = [sys.executable, "-m", "tests.table.kill_often", str(tmp_path), "5", "11", options]
    surroundings = runs.surroundings(tmp_path / "cache")
    done = subprocess.run(command, capture_output=True, text=True, cwd=runs.ROOT, env=surroundings, check=False)
    assert done.returncode == 0, done.stderr
    out = tmp_path / "out"
    assert verify(out, depth="content").ok
    rows = list(read_results(out))
    assert len(rows) == 45 and all(len(row.maps) == 2 for row in rows)
    named = {row.maps_file for row in rows}
    there = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.suffix in (".npz", ".parquet")}
    assert there == named  # nothing is left of what was killed
    assert not list(out.rglob("*.part"))


@pytest.mark.parametrize("kind", KINDS)
def test_shards(tmp_path: Path, kind: str) -> None:
    for shard in ("1/2", "2/2"):
        ran(tmp_path, shard=shard, maps=kind)
    assert all(len(row.maps) == 2 for row in read_results(tmp_path / "out"))
    merge_shards(tmp_path / "out")
    assert verify(tmp_path / "out").ok
    rows = list(read_results(tmp_path / "out"))
    assert [row.number for row in rows] == list(range(12)) and all(len(row.maps) == 2 for row in rows)
    for number, shard in enumerate(("1/2", "2/2")):  # a shard that goes on leaves its neighbour's files alone
        ran(tmp_path, shard=shard, maps=kind)
        assert verify(tmp_path / "out").ok, number


def test_a_folder_keeps_them(tmp_path: Path) -> None:
    out = ran(tmp_path, maps="npz", map_precision="float16", limit=2)
    ran(tmp_path)
    assert all(row.maps["Normalize map"][0].values.dtype == np.float16 for row in read_results(out))
    with pytest.raises(BadInput, match="maps was 'npz' and is 'parquet'"):
        ran(tmp_path, maps="parquet")
    plain = ran(tmp_path, "plain", limit=2)
    with pytest.raises(BadInput, match="maps was None and is 'npz'"):
        ran(tmp_path, "plain", maps="npz")
    assert all(row.maps == {} for row in read_results(plain))


def test_what_cannot_be() -> None:
    rows = [{"image": "1.png", "query": "?"}]
    with pytest.raises(BadInput, match="none of its nodes gives a map"):
        map_graph(runs.PLAIN, rows, maps="npz")
    with pytest.raises(BadInput, match="no maps are kept as numbers"):
        map_graph(runs.GRAPH, rows, map_precision="float16")


@pytest.mark.parametrize("kind", KINDS)
def test_a_grid_has_maps_of_each_setting(tmp_path: Path, kind: str) -> None:
    out = ran(tmp_path, count=2, maps=kind, grid={"start_layer": [-1, -2]})
    rows = list(read_results(out))
    assert len(rows) == 8 and verify(out).ok
    assert not np.array_equal(rows[0].maps["Normalize map"][0].values, rows[1].maps["Normalize map"][0].values)


def test_a_failed_row_has_none(tmp_path: Path) -> None:
    rows = runs.table(tmp_path, runs.rows_of(3, 1))
    (tmp_path / "pics" / "1.png").write_bytes(b"no picture")
    results = list(map_graph(runs.GRAPH, rows, output=tmp_path / "out", cache=False, maps="npz"))
    assert {result.number: len(result.maps) for result in results} == {0: 2, 1: 0, 2: 2}
    assert verify(tmp_path / "out").ok
