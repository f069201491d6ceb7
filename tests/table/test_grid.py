"""A grid: every row with every combination of settings, as rows of their own; what their images share is done once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph import map_graph, read_results
from api_graph.clip.tower import ClsTower
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.executor import Executor, MemoryCache
from api_graph.folders import Folders
from api_graph.graph import GraphError, read_graph, set_inputs
from api_graph.registry import all_nodes
from api_graph.settings import shipped
from api_graph.table.chunks import Chunks
from api_graph.table.export import flat_columns
from api_graph.table.grid import Grid, grid_of
from api_graph.table.merge import merge_shards
from api_graph.table.rows import Row, open_table
from api_graph.table.verify import verify
from tests.table.runs import GRAPH, picture, rows_of, table
from tests.table.tables import table_of

PLAIN = {
    "1": {"class_type": "APLoadImage", "inputs": {"image": "0.png"}, "_meta": {"title": "image"}},
    "2": {"class_type": "ImageCrop", "inputs": {"image": ["1", 0], "width": 8, "height": 9, "x": 1, "y": 2}},
    "3": {"class_type": "APSaveImage", "inputs": {"images": ["2", 0], "filename_prefix": "same"}},
}
"""A graph without a model."""
WHOLE = read_graph(json.loads(shipped()[GRAPH].read_text("utf-8")))
AXES: dict[str, list[Any]] = {
    "start_layer": [-1, -2, -4],
    "kernel_size": [1, 7],
    "interpolation": ["bicubic", "nearest"],
}


def grid(**values: Any) -> dict[str, Any]:
    return {name: list(own) for name, own in grid_of(WHOLE, all_nodes(), values).values.items()}


@pytest.fixture
def images(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images each forward pass of the tower had."""
    seen: list[int] = []
    run = ClsTower.run

    def counted(tower: ClsTower, pixel_values: Any, *args: Any, **named: Any) -> Any:
        seen.append(len(pixel_values))
        return run(tower, pixel_values, *args, **named)

    monkeypatch.setattr(ClsTower, "run", counted)
    return seen


def pictures(folder: Path, rows: Sequence[Any]) -> dict[tuple[Any, ...], list[bytes]]:
    """By a row's values the bytes of its files."""
    return {
        tuple(row.values.values()): [file.read_bytes() for files in row.files.values() for file in files]
        for row in rows
    }


# ------------------------------------------------------------------------------------------ what is typed


def test_values_have_the_type_of_their_input() -> None:
    assert grid(kernel_size="1, 7,15") == {"kernel_size": [1, 7, 15]}
    assert grid(**{"11.opacity": "0,1,.5"}) == {"11.opacity": [0.0, 1.0, 0.5]}
    assert [type(value) for value in grid(**{"11.opacity": [0, 1]})["11.opacity"]] == [float, float]
    assert grid(query='["a cat, sitting", ""]') == {"query": ["a cat, sitting", ""]}
    assert grid(query="a cat, a dog") == {"query": ["a cat", "a dog"]}
    assert grid(**{"Mean filter.kernel_size": "3"}) == {"Mean filter.kernel_size": [3]}


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"kernel_sise": "1"}, "kernel_sise"),
        ({"kernel_size": "1,two"}, "kernel_size"),
        ({"kernel_size": "1,99999"}, "out of range"),
        ({"kernel_size": [1, 2.5]}, "kernel_size"),
        ({"kernel_size": "1,,3"}, "empty value"),
        ({"kernel_size": ""}, "empty value"),
        ({"kernel_size": []}, "no list of values"),
        ({"kernel_size": "[1, 3"}, "JSON list"),
        ({"11.opacity": "1,1.0"}, "twice"),
        ({"kernel_size": "1", "Mean filter.kernel_size": "3"}, "the same input as kernel_size"),
        ({"interpolation": "bicubic,fuzzy"}, "fuzzy"),
        ({"Mean filter.heatmap": "1"}, "linked"),
        ({"kernel_size": list(range(1, 2000, 2)), "11.opacity": [i / 200 for i in range(200)]}, "200,000 settings"),
    ],
)
def test_a_wrong_grid_is_refused(values: dict[str, Any], said: str) -> None:
    with pytest.raises((BadInput, GraphError), match=said):
        grid(**values)


def test_all_wrong_values_are_said_at_once() -> None:
    with pytest.raises(GraphError) as caught:
        grid(kernel_size="one", start_layer="-1,x", opacity="2", **{"11.opacity": "2"})
    assert [fault.input for fault in caught.value.faults] == ["kernel_size", "start_layer", "opacity", "opacity"]


# ------------------------------------------------------------------------------------------ rows


@given(
    st.lists(st.lists(st.integers(0, 9), min_size=1, max_size=3, unique=True), min_size=1, max_size=3),
    st.integers(1, 3),
)
def test_every_row_has_every_combination_settings_innermost(values: list[list[int]], count: int) -> None:
    own = Grid({f"s{place}": each for place, each in enumerate(values)})
    found = own.over(open_table([{"image": f"{number}.png"} for number in range(count)]))
    rows = list(found)
    expected = [
        {"image": f"{number}.png", **{f"s{place}": value for place, value in enumerate(combination)}}
        for number in range(count)
        for combination in product(*values)
    ]
    assert [row.values for row in rows] == expected
    assert [row.number for row in rows] == list(range(found.count())) and found.count() == count * own.size
    assert len({row.key for row in rows}) == len(rows)
    assert found.columns == ("image", *own.values)


def test_a_key_is_of_the_rows_content_and_its_settings() -> None:
    rows = [{"image": "a.png"}, {"image": "b.png"}, {"image": "a.png"}]
    few = {json.dumps([dict(row.values), row.key[20:]]): row.key for row in Grid({"k": [1, 3]}).over(open_table(rows))}
    more = Grid({"k": [5, 3, 1]}).over(open_table([{"image": "c.png"}, *rows]))
    many = {json.dumps([dict(row.values), row.key[20:]]): row.key for row in more}
    assert len(few) == 6 and few.items() <= many.items()


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet", "python"])
def test_settings_are_columns_of_the_results(kind: str, tmp_path: Path) -> None:
    table(tmp_path, rows_of(2, 1))
    source = table_of(tmp_path, kind, [{"image": f"{tmp_path}/pics/{i}.png", "id": str(i)} for i in range(2)])
    own = {"filename_prefix": ["a", "b"], "width": [3, 4]}
    out = tmp_path / "out"
    list(map_graph(PLAIN, source, output=out, grid=own, input_folders=[tmp_path], cache=False))
    found = read_results(out)
    assert [tuple(row.values.values())[1:] for row in found] == [
        (str(i), prefix, level) for i in range(2) for prefix in "ab" for level in (3, 4)
    ]
    kinds = {column.name: column.kind for column in flat_columns(found)}
    assert (kinds["filename_prefix"], kinds["width"]) == ("text", "int")
    names = [name for row in found for files in row.names.values() for name in files]
    assert len(set(names)) == 8 and "_a_3_" in names[0]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"inputs": {"filename_prefix": "x"}}, r'inputs\["filename_prefix"\] sets it, too'),
        ({"columns": {"Save images as PNG.filename_prefix": "id"}}, "the column id sets it, too"),
        ({"grid": {"id": ["a"]}}, "no such input"),
    ],
)
def test_what_sets_an_input_twice_is_refused(more: dict[str, Any], said: str, tmp_path: Path) -> None:
    table(tmp_path, [{"image": "pics/0.png", "id": "1"}])
    asked = {"grid": {"filename_prefix": ["a", "b"]}, **more}
    with pytest.raises((BadInput, GraphError), match=said):
        map_graph(PLAIN, tmp_path / "rows.jsonl", output=tmp_path / "out", **asked)
    assert not (tmp_path / "out").exists()


def test_a_column_of_the_same_name_is_refused(tmp_path: Path) -> None:
    table(tmp_path, [{"image": "pics/0.png", "filename_prefix": "1"}])
    with pytest.raises(BadInput, match="a column of this name"):
        map_graph(PLAIN, tmp_path / "rows.jsonl", output=tmp_path / "out", grid={"filename_prefix": ["a"]})


# ------------------------------------------------------------------------------------------ the folder


def run(folder: Path, out: str, own: Mapping[str, Any], **more: Any) -> list[Any]:
    rows = map_graph(PLAIN, folder / "rows.jsonl", output=folder / out, grid=own, cache=False, **more)
    return sorted(rows, key=lambda row: row.number)


def test_a_stopped_run_goes_on_and_shards_give_the_same(tmp_path: Path) -> None:
    table(tmp_path, rows_of(7, 1))
    own = {"filename_prefix": ["a", "b"], "width": [1, 4, 9]}
    assert len(run(tmp_path, "whole", own)) == 42
    stopped = map_graph(PLAIN, tmp_path / "rows.jsonl", output=tmp_path / "cut", grid=own, cache=False)
    before = {row.key for row in islice(stopped, 13)}
    stopped.close()
    assert before.isdisjoint(row.key for row in run(tmp_path, "cut", own))
    for part in range(1, 5):
        run(tmp_path, "shards", own, shard=f"{part}/4")
    merge_shards(tmp_path / "shards")
    whole = pictures(tmp_path, list(read_results(tmp_path / "whole")))
    for name in ("whole", "cut", "shards"):
        found = list(read_results(tmp_path / name))
        assert [row.number for row in found] == list(range(42))
        assert pictures(tmp_path, found) == whole
        assert verify(tmp_path / name).ok and verify(tmp_path / name).rows == 42


def test_what_is_lost_is_done_again(tmp_path: Path) -> None:
    table(tmp_path, rows_of(3, 1))
    own = {"filename_prefix": ["a", "b"]}
    lost = run(tmp_path, "out", own)[3]
    next(file for files in lost.files.values() for file in files).unlink()
    assert verify(tmp_path / "out").counts["missing"] == 1
    with pytest.warns(ApiGraphWarning, match="1 row is done again"):
        again = run(tmp_path, "out", own)
    assert [row.key for row in again] == [lost.key]
    assert verify(tmp_path / "out").ok


def test_failed_settings_are_run_once_more_alone(tmp_path: Path) -> None:
    picture(tmp_path / "0.png", 0)
    table(tmp_path, [{"filename_prefix": name} for name in "ab"])
    own = {"image": ["0.png", "1.png"], "width": [3, 4]}
    more = {"input_folders": [tmp_path]}
    assert [row.ok for row in run(tmp_path, "out", own, **more)] == [True, True, False, False] * 2
    with pytest.warns(ApiGraphWarning, match="^4 rows failed before: retry_failed=True does them again "):
        assert run(tmp_path, "out", own, **more) == []
    picture(tmp_path / "1.png", 1)
    again = run(tmp_path, "out", own, retry_failed=True, **more)
    assert {(row.number, row.ok) for row in again} == {(2, True), (3, True), (6, True), (7, True)}
    assert verify(tmp_path / "out").ok and len(read_results(tmp_path / "out")) == 8


def test_the_limit_counts_rows_of_the_table(tmp_path: Path) -> None:
    table(tmp_path, rows_of(5, 1))
    own = {"filename_prefix": ["a", "b", "c"]}
    assert len(run(tmp_path, "out", own, limit=2)) == 6
    assert verify(tmp_path / "out").ok and verify(tmp_path / "out").rows == 6
    assert len(run(tmp_path, "out", own, limit=3)) == 3


def test_more_values_join_and_other_inputs_are_refused(tmp_path: Path) -> None:
    table(tmp_path, rows_of(2, 1))
    run(tmp_path, "out", {"filename_prefix": ["a", "b"]})
    assert [row.values["filename_prefix"] for row in run(tmp_path, "out", {"filename_prefix": ["c", "b", "a"]})] == [
        "c"
    ] * 2
    assert verify(tmp_path / "out").ok and len(read_results(tmp_path / "out")) == 6
    for other in ({}, {"width": [1]}, {"filename_prefix": ["a"], "width": [1]}):
        with pytest.raises(BadInput, match="begun with filename_prefix, and not with"):
            run(tmp_path, "out", other)
    run(tmp_path, "shards", {"filename_prefix": ["a", "b"]}, shard="1/2")
    with pytest.raises(BadInput, match="filename_prefix='a','b', and not with filename_prefix='a','c'"):
        run(tmp_path, "shards", {"filename_prefix": ["a", "c"]}, shard="1/2")


# ------------------------------------------------------------------------------------------ work that is shared


@given(
    settings=st.integers(1, 40),
    count=st.integers(1, 400),
    fixed=st.none() | st.integers(1, 50),
    skipped=st.integers(0, 30),
)
def test_chunks_end_between_rows_of_the_table(settings: int, count: int, fixed: int | None, skipped: int) -> None:
    rows: Iterator[Row] = (Row(number, f"{number:064x}", {}) for number in range(skipped, count))
    chunks, found = Chunks(rows, 1 << 40, 4, fixed, settings=settings), list[list[Row]]()
    while chunk := chunks.take():
        found.append(chunk)
        chunks.learn(chunk, 1)
    assert [row.number for chunk in found for row in chunk] == list(range(skipped, count))
    owners = [{row.number // settings for row in chunk} for chunk in found]
    assert sum(map(len, owners)) == len(set().union(*owners))


@pytest.mark.parametrize("how", [{}, {"batch_size": 1}, {"chunk_size": 5}, {"cache": True}], ids=str)
def test_one_forward_serves_all_settings_of_an_image_and_each_is_as_alone(
    how: dict[str, Any], images: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api_graph.table import map as maps

    monkeypatch.setenv("API_GRAPH_CACHE", str(tmp_path / "cache"))
    rows = table(tmp_path, rows_of(4, 1))
    given, size = dict(how), how.get("chunk_size")
    given.pop("chunk_size", None)
    if size is not None:
        whole = maps.plan_of
        monkeypatch.setattr(maps, "plan_of", lambda *a, **k: replace(whole(*a, **k), chunk_size=size))
    options = {"cache": False, "metadata": False, **given}
    found = list(map_graph(GRAPH, rows, output=tmp_path / "grid", grid=AXES, **options))
    assert len(found) == 4 * 12 and all(row.ok for row in found)
    assert sum(images) == 4
    by_settings = pictures(tmp_path, found)
    for own in [
        dict(zip(AXES, each, strict=True)) for each in ((-1, 7, "nearest"), (-2, 1, "bicubic"), (-4, 7, "bicubic"))
    ]:
        alone = map_graph(GRAPH, rows, own, output=tmp_path / f"one{own['start_layer']}", cache=False, metadata=False)
        for row in alone:
            name = (*row.values.values(), *own.values())
            assert [file.read_bytes() for files in row.files.values() for file in files] == by_settings[name]


def test_a_run_without_any_cache_shares_the_forward_too(images: list[int], tmp_path: Path) -> None:
    rows, registry = rows_of(2, 1), all_nodes()
    table(tmp_path, rows)
    graphs = [
        set_inputs(WHOLE, registry, {**row, "start_layer": layer, "kernel_size": size})
        for row in rows
        for layer in (-1, -3)
        for size in (1, 7)
    ]
    folders = Folders(inputs=(tmp_path,), output=tmp_path / "out", temp=tmp_path / "temp")
    for memory in (None, MemoryCache(1 << 30, 0)):
        images.clear()
        Executor(memory, None).run_rows(graphs, folders)
        assert sum(images) == 2
