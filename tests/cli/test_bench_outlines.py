"""ImageNet-Segmentation with the demo CLIP: the figures, counted anew from the heatmaps that were saved."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api_graph.bench.scores import read_figures, read_scores
from api_graph.demo.scenes import scene
from tests.cli.conftest import Cli
from tests.tasks.files import write

pytest.importorskip("h5py")
from tests.benching.outlines import Outlined, write_mat

N = 20


def made(folder: Path) -> list[Outlined]:
    """Scenes of one to three things, each asked for its first."""
    scenes = [scene(seed, (1, 3)) for seed in range(N)]
    names = sorted({one.objects[0].name for one in scenes})
    write(folder / "words.txt", "".join(f"n{i:08}\t{name}, so called\n" for i, name in enumerate(names)))
    outlined = [
        Outlined(
            np.asarray(one.image.convert("RGB")),
            np.asarray(one.objects[0].mask) > 0,
            f"n{names.index(one.objects[0].name):08}_{seed}",
        )
        for seed, one in enumerate(scenes)
    ]
    write_mat(folder / "gtsegs_ijcv.mat", outlined)
    return outlined


def precision(values: np.ndarray, truth: np.ndarray) -> float:
    """Average precision by its definition: the sum over each level of the share found anew, times the precision."""
    found, before = 0.0, 0.0
    for level in np.unique(values)[::-1]:
        taken = values >= level
        recall = truth[taken].sum() / truth.sum()
        found, before = found + (recall - before) * truth[taken].mean(), recall
    return found


def test_the_figures_are_those_of_the_heatmaps(cli: Cli, tmp_path: Path) -> None:
    known = {f"{i}_{one.name}": one for i, one in enumerate(made(tmp_path / "data"))}
    ran = cli("bench", "imagenet-segmentation", "--data", "data", "--graph", "api_clip_map", "--out", "out")
    assert ran.code == 0, ran.err
    folder = tmp_path / "out" / "api_clip_map"
    precisions, right, total = {}, 0, 0
    shared, joined = np.zeros(2), np.zeros(2)
    for line in map(json.loads, (folder / "results.jsonl").read_text().splitlines()):
        item = line["values"]["item"]
        assert line["values"]["query"].startswith("a photo of a ")
        values = np.asarray(Image.open(folder / line["results"]["Heatmap"]["files"][0]), dtype=float)
        truth = known[item].mask
        precisions[item] = precision(values, truth)
        unit = (values - values.min()) / (values.max() - values.min())
        inside = unit > unit.mean()
        right, total = right + (inside == truth).sum(), total + truth.size
        for k, (a, b) in enumerate([(~inside, ~truth), (inside, truth)]):
            shared[k] += (a & b).sum()
            joined[k] += (a | b).sum()
    scores = {score.item: score.score for score in read_scores(folder)}
    assert scores == pytest.approx(precisions) and len(scores) == N
    figures = {figure.name: figure for figure in read_figures(folder)}
    assert figures["mean average precision"].value == pytest.approx(sum(precisions.values()) / N)
    assert figures["pixel accuracy"].value == pytest.approx(right / total)
    assert figures["mean IoU"].value == pytest.approx((shared / joined).mean())
    assert figures["mean average precision"].value > 0.3  # the demo CLIP looks at what it is asked for
    again = cli("bench", "score", "out", "--json")
    assert again.json["graphs"]["api_clip_map"][0]["value"] == figures["mean average precision"].value


def test_maps_of_another_size_are_refused(cli: Cli, tmp_path: Path) -> None:
    made(tmp_path / "data")
    words = ("bench", "imagenet-segmentation", "--data", "data", "--graph", "api_clip_map", "--out", "out")
    assert cli(*words, "--limit", "1").code == 0
    folder = tmp_path / "out" / "api_clip_map"
    file = folder / json.loads((folder / "results.jsonl").read_text())["results"]["Heatmap"]["files"][0]
    with Image.open(file) as whole:
        smaller = whole.resize((10, 10))
    smaller.save(file)
    refused = cli("bench", "score", "out")
    assert refused.code == 2 and "does not have its picture's" in refused.err
