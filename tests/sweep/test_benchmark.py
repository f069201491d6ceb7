"""A benchmark's grid: the figures of its graphs by their settings, as they stand in the folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api_graph.bench.scores import Figure, write_figures
from api_graph.benching.folder import Bench, GraphRun
from api_graph.errors import BadInput
from api_graph.sweep.scores import sweep_scores


def folder_of(path: Path, settings: list[dict[str, Any]], *, graphs: str | list[str] = "g.json") -> Path:
    """A benchmark's folder with a graph for each setting: figure a is .1, .2, .. of 10 items, b has no interval."""
    bench = Bench("pope")
    for place, own in enumerate(settings):
        name = f"g{place}"
        graph = graphs if isinstance(graphs, str) else graphs[place]
        bench = bench.with_graph(GraphRun(name, graph, {"labels": "x\ny", **own}, answer="Answer"))
        value = (place + 1) / 10
        figures = [Figure("a", value, 10 + place, value - 0.05, value + 0.05), Figure("b", 3.0, 10)]
        (path / name).mkdir(parents=True)
        write_figures(path / name, [*figures, Figure("c: x", 1 - value, 5, 0.0, 1.0)])
    bench.write(path)
    return path


def test_figures_by_their_settings(tmp_path: Path) -> None:
    grid = [{"k": k, "mode": mode} for k in ("7", "1") for mode in ("minmax", "none")]
    found = sweep_scores(folder_of(tmp_path, grid))
    assert (found.figure, found.percent, found.fixed) == ("a", True, {})
    assert found.axes == {"k": [7, 1], "mode": ["minmax", "none"]}
    assert [(s.settings, s.mean, s.count) for s in found.scores] == [
        ({"k": 7, "mode": "minmax"}, 0.1, 10),
        ({"k": 7, "mode": "none"}, 0.2, 11),
        ({"k": 1, "mode": "minmax"}, 0.3, 12),
        ({"k": 1, "mode": "none"}, 0.4, 13),
    ]
    assert [(s.low, s.high) for s in found.scores] == [
        pytest.approx((s.mean - 0.05, s.mean + 0.05)) for s in found.scores
    ]
    assert [s.mean for s in sweep_scores(tmp_path, "c: x").scores] == pytest.approx([0.9, 0.8, 0.7, 0.6])
    one = sweep_scores(tmp_path, at={"k": 1})
    assert one.axes == {"mode": ["minmax", "none"]} and one.fixed == {"k": 1}
    assert [s.mean for s in one.scores] == [0.3, 0.4]
    assert sweep_scores(tmp_path, at={"k": "1"}).scores == one.scores


def test_graphs_are_a_setting_too(tmp_path: Path) -> None:
    found = sweep_scores(folder_of(tmp_path, [{"k": 1}, {"k": 1}], graphs=["a.json", "b"]))
    assert found.axes == {"graph": ["a", "b"]}


@pytest.mark.parametrize(
    ("settings", "asked", "said"),
    [
        ([{"k": 1}, {"j": 1}], {}, "some have no value for j, k"),
        ([{"k": "1"}, {"k": 1}], {}, "two graphs have the same settings"),
        ([{"k": 1}, {"k": 2}], {"figure": "b"}, "no interval.*a, c: x"),
        ([{"k": 1}, {"k": 2}], {"figure": "z"}, "no such figure.*a, c: x"),
        ([{"k": 1}, {"k": 2}], {"truth": "answer"}, "scores its own items"),
        ([{"k": 1}, {"k": 2}], {"at": {"k": 3}}, "k has no such value"),
        ([{"k": 1}, {"k": 2}], {"at": {"labels": "x"}}, "the grid has no such input"),
        ([{"k": 1, "m": 1}, {"k": 2, "m": 2}], {"at": {"k": 1, "m": 2}}, "no graph has these settings"),
    ],
)
def test_what_cannot_be_drawn(tmp_path: Path, settings: list[Any], asked: Any, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        sweep_scores(folder_of(tmp_path, settings), **asked)


def test_a_graph_that_has_not_been_scored(tmp_path: Path) -> None:
    (folder_of(tmp_path, [{"k": 1}, {"k": 2}]) / "g1" / "figures.json").unlink()
    with pytest.raises(BadInput, match=r"the graph g1 has no figures.*bench score"):
        sweep_scores(tmp_path)
