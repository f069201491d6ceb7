"""V*Bench without letters: by maps, the mass in the targets and the peak; and by the losses of the options."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api_graph.bench.declare import Response, Scored
from api_graph.bench.kinds.targets import VSTAR_MAPS, read_heatmap
from api_graph.bench.readers.questions import Question
from api_graph.bench.scores import ItemScore, read_figures, read_scores
from tests.benching.sets import SETS
from tests.cli.conftest import Cli
from tests.tasks.files import complaint

# Two targets, 2 x 2 and 3 x 1 pixels, in a picture of 8 x 4.
QUESTION = Question(
    "1", (), "?", "?", facts={"boxes": [[0.0, 0.0, 2.0, 2.0], [5.0, 3.0, 8.0, 4.0]], "size": [8, 4], "category": "a"}
)


def response(path: Path, levels: np.ndarray) -> Response:
    Image.fromarray(levels).save(path)
    return Response(path.name, {"files": [path]})


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_mass_and_peak_by_hand(tmp_path: Path, kind: type) -> None:
    levels = np.zeros((4, 8), dtype=kind)
    levels[0, 1], levels[3, 7], levels[3, 4] = 100, 60, 40  # two inside, one beside
    given = response(tmp_path / "a.png", levels)
    assert VSTAR_MAPS.score(QUESTION, given).score == pytest.approx(160 / 200)
    flat = response(tmp_path / "b.png", np.full((4, 8), 7, dtype=kind))
    assert VSTAR_MAPS.score(QUESTION, flat).score == pytest.approx(7 / 32)
    none = response(tmp_path / "c.png", np.zeros((4, 8), dtype=kind))
    assert VSTAR_MAPS.score(QUESTION, none).score == 0
    half = response(tmp_path / "d.png", np.array([[0, 0, 0, 0], [0, 0, 0, 9]], dtype=kind))  # a map of 4 x 2 pixels
    # Its centres are at 1, 3, 5, 7 and 1, 3 of the picture: one lies in the first target, two in the second.
    assert VSTAR_MAPS.score(QUESTION, half).score == 1
    scored = [
        Scored(QUESTION, given, ItemScore(str(place), place, value, "a", "", ()))
        for place, (given, value) in enumerate(((given, 0.8), (flat, 7 / 32), (half, 1.0)))
    ]
    found = {figure.name: figure.value for figure in VSTAR_MAPS.figures(scored)}
    assert found["mass in the targets"] == pytest.approx((0.8 + 7 / 32 + 1) / 3)
    assert found["peak in a target"] == 1
    assert found["area of the targets"] == pytest.approx((7 / 32 + 7 / 32 + 3 / 8) / 3)


def test_pictures_that_are_no_heatmaps(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "rgb.png")
    assert "a heatmap is a grey picture (got 'rgb.png')" in complaint(read_heatmap, tmp_path / "rgb.png")
    (tmp_path / "text.png").write_text("no picture")
    assert "this heatmap cannot be read" in complaint(read_heatmap, tmp_path / "text.png")
    assert VSTAR_MAPS.score(QUESTION, Response("", {})).score is None


def test_maps_of_the_demo_clip(cli: Cli, tmp_path: Path) -> None:
    SETS["vstar"](tmp_path / "data")
    ran = cli("bench", "vstar-maps", "--data", "data", "--graph", "api_clip_map", "--out", "out")
    assert ran.code == 0, ran.err
    folder = tmp_path / "out" / "api_clip_map"
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    shares: dict[str, float] = {}
    for line in lines:
        (file,) = line["results"]["Heatmap"]["files"]
        (found,) = (folder / "files").rglob(Path(file).name)
        values = np.asarray(Image.open(found), dtype=float)
        shares[line["values"]["item"]] = values[2:8, 1:6].sum() / values.sum()  # x 1, y 2, 5 wide and 6 high
    scores = read_scores(folder)
    assert {score.item: score.score for score in scores} == pytest.approx(shares) and len(scores) == 20
    figures = {figure.name: figure.value for figure in read_figures(folder)}
    assert figures["mass in the targets"] == pytest.approx(sum(shares.values()) / 20)
    assert figures["area of the targets"] == pytest.approx(30 / 1200)
    assert "mass in the targets: relative_position" in figures
    again = cli("bench", "score", "out", "--json")
    assert again.code == 0 and again.json["graphs"]["api_clip_map"][0]["value"] == figures["mass in the targets"]
    refused = cli("bench", "vstar-maps", "--data", "data", "--graph", "lvlm_ask", "--out", "two")
    assert refused.code == 2 and "no node of the graph saves a heatmap" in refused.err


def test_the_option_of_least_loss(cli: Cli, tmp_path: Path) -> None:
    """The demo LVLM's losses, and the share of items whose first option, the right one, has the least."""
    SETS["vstar"](tmp_path / "data")
    ran = cli("bench", "vstar-losses", "--data", "data", "--graph", "lvlm_options", "--out", "out")
    assert ran.code == 0, ran.err
    folder = tmp_path / "out" / "lvlm_options"
    table = [json.loads(line) for line in (tmp_path / "out" / "table.jsonl").read_text().splitlines()]
    lines = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    rights = {}
    for line in lines:
        row = next(row for row in table if row["item"] == line["values"]["item"])
        assert row["prompt"] == row["query"] and row["options"].split("\n") == list(row["choices"].values())
        found = line["results"]["Choose option"]
        assert len(found["losses"]) == len(row["choices"])
        least = int(np.argmin(found["losses"]))
        assert (found["place"], found["option"]) == (least, list(row["choices"].values())[least])
        rights[row["item"]] = float(least == 0)
    assert {score.item: score.score for score in read_scores(folder)} == rights and len(rights) == 20
    figures = {figure.name: figure.value for figure in read_figures(folder)}
    assert figures["accuracy"] == pytest.approx(sum(rights.values()) / 20)
    refused = cli("bench", "vstar-losses", "--data", "data", "--graph", "lvlm_ask", "--out", "two")
    assert refused.code == 2 and "no node of the graph chooses among given answers" in refused.err


def test_options_that_are_the_same(cli: Cli, tmp_path: Path) -> None:
    SETS["vstar"](tmp_path / "data")
    file = sorted((tmp_path / "data").rglob("*.json"))[0]
    file.write_text(json.dumps({**json.loads(file.read_text()), "options": ["red", "red "]}))
    refused = cli("bench", "vstar-losses", "--data", "data", "--graph", "lvlm_options", "--out", "out")
    assert refused.code == 2 and f"two options of {file.parent.name}/{file.stem} are the same" in refused.err
