"""The whole benchmark: the same figures twice, and files that say what was measured."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from api_graph.bench.scenes import (
    FULL,
    PARTS,
    QUICK,
    Part,
    Setting,
    Sizes,
    check_folder,
    chosen_parts,
    document,
    run_parts,
    sizes_for,
    write_parts,
)
from api_graph.bench.scores import read_figures, read_scores
from api_graph.demo.scenes import TEST_SEEDS, VALIDATION_SEEDS
from api_graph.errors import BadInput
from tests.bench.scenes.conftest import COUNT


def test_the_same_figures_twice(setting: Setting, all_parts: list[Part]) -> None:
    """With models that are loaded anew, and whatever torch's threads are outside."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        again = list(run_parts(Setting(sizes=setting.sizes)))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
    assert [part.name for part in all_parts] == list(PARTS)
    for one, other in zip(all_parts, again, strict=True):
        assert one == other


def test_parts_by_name() -> None:
    assert chosen_parts(()) == list(PARTS)
    assert chosen_parts(("pointing", "maps", "maps")) == ["maps", "pointing"]
    with pytest.raises(BadInput, match=r"--part: there is no such part \(got 'map'\)\. There are: maps, selection"):
        chosen_parts(("maps", "map"))


def test_sizes() -> None:
    assert sizes_for() == QUICK and sizes_for(full=True) == FULL
    assert sizes_for(limit=7) == Sizes(7, 7, 7, 7, 7, 7, 7)
    assert (QUICK.maps, QUICK.boxes) == (200, 200)
    with pytest.raises(BadInput, match="--limit: --full says how many, too"):
        sizes_for(full=True, limit=7)


def test_scenes_that_nothing_has_seen() -> None:
    assert Setting().range == TEST_SEEDS
    assert Setting(seeds="validation").range == VALIDATION_SEEDS
    levels = {level: Setting().asked("colour", 5, level) for level in ("as trained", "harder")}
    assert {len(a.scene.objects) for a in levels["harder"]} == {5}
    assert {len(a.scene.objects) for a in levels["as trained"]} <= {2, 3, 4, 5}


def test_files(setting: Setting, all_parts: list[Part], tmp_path: Path) -> None:
    parts, out = all_parts, tmp_path / "new"
    write_parts(out, parts, setting, {"api-graph": "1"})
    facts = json.loads((out / "bench.json").read_text("utf-8"))
    assert (facts["format"], facts["benchmark"], facts["parts"]) == (1, "scenes", list(PARTS))
    assert (facts["versions"], facts["setting"]["sizes"]["maps"]) == ({"api-graph": "1"}, COUNT)
    for part in parts:
        scored = [row for row in part.rows if row.scores]
        assert len((out / part.name / "table.jsonl").read_text("utf-8").splitlines()) == len(part.items)
        if not scored:
            assert not (out / part.name / "bench.json").exists()
            continue
        own = json.loads((out / part.name / "bench.json").read_text("utf-8"))
        assert own["benchmark"] == f"scenes: {part.name}"
        assert [graph["row"] for graph in own["graphs"].values()] == [row.name for row in scored]
        for name, row in zip(own["graphs"], scored, strict=True):
            assert read_scores(out / part.name / name) == list(row.scores)
            assert read_figures(out / part.name / name) == list(row.figures)
    text = (out / "scores.md").read_text("utf-8")
    assert text == document(parts, setting)
    assert "tiny" in text and all(f"## {part.title}\n" in text for part in parts)
    figures = sum(len(row.figures) for part in parts for row in part.rows)
    assert len((out / "scores.csv").read_text("utf-8").splitlines()) == 1 + figures
    assert (out / "scores.tex").read_text("utf-8").count(r"\begin{tabular}") == len(parts)


def test_other_models_are_not_called_tiny() -> None:
    assert "tiny" not in document([], Setting(clip_name="ViT-B-32", lvlm_name="llava"))
    assert "CLIP ViT-B-32, LVLM llava" in document([], Setting(clip_name="ViT-B-32", lvlm_name="llava"))


def test_another_benchmark_is_not_written_over(tmp_path: Path) -> None:
    check_folder(tmp_path)
    write_parts(tmp_path, [], Setting(), {})
    check_folder(tmp_path)
    for text in ('{"benchmark": "pope"}', "[]", '"scenes"'):
        (tmp_path / "bench.json").write_text(text, "utf-8")
        with pytest.raises(BadInput, match="--out: the files of another benchmark are in it"):
            check_folder(tmp_path)
    (tmp_path / "bench.json").write_text("{", "utf-8")
    with pytest.raises(BadInput, match=r"bench\.json"):
        check_folder(tmp_path)
