"""Each part on a few scenes: its rows, its figures recounted from the items, and what must hold by construction."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable

import pytest

from api_graph.bench.answers import is_right
from api_graph.bench.scenes.answering import answers
from api_graph.bench.scenes.boxes import prompts
from api_graph.bench.scenes.heatmaps import CONTROLS, METHODS
from api_graph.bench.scenes.maps import all_maps, maps_part
from api_graph.bench.scenes.run import PARTS
from api_graph.bench.scenes.selection import named_objects
from api_graph.bench.scenes.setting import Setting
from api_graph.bench.scenes.steering import pairs
from api_graph.bench.scenes.table import Part, Row, cells
from api_graph.bench.scenes.ways import WAYS
from api_graph.demo.questions import KINDS
from api_graph.demo.scenes import TEST_SEEDS
from api_graph.lvlm import Request, attribute, find_heads
from api_graph.lvlm.heads.items import SCENE_SEEDS
from api_graph.lvlm.heads.profile import other_heads
from api_graph.lvlm.steer import Steering
from tests.bench.scenes.conftest import COUNT

Parts = Callable[[str], Part]


@pytest.fixture
def parts(all_parts: list[Part]) -> Parts:
    """Each part by its name."""
    return {part.name: part for part in all_parts}.__getitem__


def values(row: Row) -> dict[str, float]:
    return {figure.name: figure.value for figure in row.figures}


def rows(part: Part) -> dict[str, Row]:
    found = {row.name: row for row in part.rows}
    assert len(found) == len(part.rows)
    return found


@pytest.mark.parametrize("name", PARTS)
def test_what_every_part_holds_to(name: str, parts: Parts) -> None:
    """Names differ, figures are columns, shares lie in their intervals, and scores are of the part's items."""
    part = parts(name)
    for row in rows(part).values():
        assert {figure.name for figure in row.figures} <= set(part.columns)
        for figure in row.figures:
            assert figure.low is None or figure.high is None or figure.low <= figure.value <= figure.high
        if part.items:
            assert [(s.item, s.category) for s in row.scores] == [(i.name, i.category) for i in part.items]
            (first, *_) = part.columns
            assert statistics.fmean(s.score or 0 for s in row.scores) == pytest.approx(values(row)[first])
    assert {len(line) for line in cells(part)} == {1 + len(part.columns)}
    assert part.name == name and part.title and part.about.endswith(".")


def test_maps(parts: Parts, setting: Setting) -> None:
    part = parts("maps")
    assert list(rows(part)) == list(all_maps(setting))
    methods = ("Ψcls, last 4, cosine", "Ψcomp, cosine", "reference recipe, layer 3", "attention rollout", "centre")
    assert {*methods, "attention × gradient", "Ψ of the LVLM (eq. 8), layer 1", "random"} <= set(rows(part))
    assert values(rows(part)["Ψcls, last 4, cosine"])["pointing game"] == 1  # on these scenes
    # Most of the pixels are not the object's: a map that knows nothing has an average precision that is low.
    assert values(rows(part)["random"])["AP"] < 0.2 < values(rows(part)["Ψcls, last 4, cosine"])["AP"]


def test_maps_of_one_name(setting: Setting) -> None:
    assert [row.name for row in maps_part(setting, "rollout").rows] == ["attention rollout"]


def test_boxes(parts: Parts) -> None:
    """Without a prompt every box has the same feature, so the first is chosen: right where it is meant."""
    part = parts("boxes")
    assert list(rows(part)) == list(prompts())
    none = rows(part)["no prompt"]
    assert [score.answer for score in none.scores] == ["0"] * COUNT
    assert [score.score for score in none.scores] == [float(score.truth == "0") for score in none.scores]
    assert values(rows(part)["crop"])["right box"] == 1  # on these scenes


def test_named_objects_are_named_by_one_object_alone() -> None:
    for drawn, wanted in named_objects(TEST_SEEDS, 10):
        assert [o for o in drawn.objects if o.name == wanted.name] == [wanted]


def test_selection(parts: Parts) -> None:
    found = rows(parts("selection"))
    assert values(found["Box of the peak: IoU at least ½"])["value"] == 1  # on these scenes
    on, filled, boxed = (
        values(found[name])["value"]
        for name in (
            "Peaks: on the object",
            "Peaks: on the object, its holes filled",
            "Peaks, n = 1: in the object's box",
        )
    )
    assert on <= filled <= boxed
    for keep in ("peak", "all"):
        figures = values(found[f"Heatmap to mask, keep {keep}: mean IoU"])
        assert figures["best"] >= figures["value"] and 0.4 <= figures["best threshold"] <= 0.86


def test_questions(parts: Parts, setting: Setting) -> None:
    """Recounted: how often the model is right, and how often the commonest answer would be."""
    found = rows(parts("questions"))
    assert list(found) == [f"{kind}, {level}" for level in ("as trained", "harder") for kind in KINDS]
    asked = setting.asked("count", COUNT, "harder")
    said = answers(setting.lvlm, [Request(a.question.text, (a.scene.image,)) for a in asked])
    row = found["count, harder"]
    assert [score.answer for score in row.scores] == said
    assert values(row)["right"] == sum(is_right(s, a.question.answer) for s, a in zip(said, asked, strict=True)) / COUNT
    assert values(row)["commonest answer"] == Counter(a.question.answer for a in asked).most_common(1)[0][1] / COUNT
    assert values(found["colour, as trained"])["right"] == 1 > values(found["colour, as trained"])["blank image"]


def test_attention(parts: Parts, setting: Setting) -> None:
    """Recounted for one layer: the middle of the highest cell lies in the object's box."""
    found = rows(parts("attention"))
    assert len(found) == 2 * setting.lvlm.layers
    hits = 0
    for a in setting.asked("shape", COUNT, "as trained", targeted=True):
        (one,) = attribute(setting.lvlm, [Request(a.question.text, (a.scene.image,))], layers=2)
        cells_of = one.attribution.values[0]
        row, column = divmod(int(cells_of.argmax()), cells_of.shape[1])
        x, y = 160 * (column + 0.5) / cells_of.shape[1], 160 * (row + 0.5) / cells_of.shape[0]
        assert a.question.target is not None
        left, top, right, bottom = a.question.target.box
        hits += left <= x <= right and top <= y <= bottom
    assert values(found["layer 2, as trained"])["shape"] == hits / COUNT > 0


def test_strategies(parts: Parts) -> None:
    """The verdict T or F is the truth of the last two rows, the object's colour or shape of all others."""
    found = rows(parts("strategies"))
    truths = {name: {score.truth for score in row.scores} for name, row in found.items()}
    assert truths["evaluate: T where the box is kept"] == {"T"}
    assert truths["evaluate: F where it is hidden"] == {"F"}
    assert all("T" not in truth and "F" not in truth for name, truth in truths.items() if "evaluate" not in name)
    assert values(found["the question alone"])["right"] == 1  # on these scenes


def test_pointing(parts: Parts, setting: Setting) -> None:
    """Every method, control and way has its row, and what is gained and lost is what the items say."""
    part = parts("pointing")
    found, (plain, *others) = rows(part), part.rows
    assert {f"annotated: {name}" for name in (*METHODS, *CONTROLS)} <= set(found)
    assert {f"the true box: {way.name}" for way in WAYS} <= set(found)
    gazes = {"fovea: Ψcls", "annotated by Ψcls, which is the fovea too", "fovea: another object's box"}
    assert gazes <= set(found)
    first = found["fovea: the true box, for the first token alone"]
    asked = [a for kind in ("colour", "shape") for a in setting.asked(kind, COUNT, "harder", targeted=True)]
    boxes = [a.question.target.box for a in asked if a.question.target]
    steered = [
        Request(a.question.text, (a.scene.image,), steering=Steering.of([box], rows="first"))
        for a, box in zip(asked, boxes, strict=True)
    ]
    assert [score.answer for score in first.scores] == answers(setting.lvlm, steered)
    assert {"PAI: all of the image boosted, against no image", "VCD: against the image with noise"} <= set(found)
    assert values(found["fovea: another object's box"])["lost"] > 0
    assert {f"the found box: {way.name}" for way in WAYS if not way.by_mask} <= set(found)
    assert list(values(plain)) == ["right"] and len(plain.scores) == 2 * COUNT
    for row in others:
        pairs = [(a.score, b.score) for a, b in zip(plain.scores, row.scores, strict=True)]
        assert (values(row)["gained"], values(row)["lost"]) == (pairs.count((0, 1)), pairs.count((1, 0)))
    same = [score.answer for score in found["the true box: dimmed outside to ¼"].scores]
    assert len(same) == 2 * COUNT and all(same)
    # Where the verdict is not T, the answer is the one about the plain image.
    evaluated, shown = found["evaluate: annotated by Ψcls where that suffices"], found["annotated: Ψcls"]
    for one, a, b in zip(evaluated.scores, shown.scores, plain.scores, strict=True):
        assert one.answer in (a.answer, b.answer)


def test_heads(parts: Parts, setting: Setting) -> None:
    """Sixteen heads: one, two and four of them. Rows recounted, and the draws of one row run again by themselves."""
    part = parts("heads")
    found = rows(part)
    assert list(found)[:3] == ["not pointed at all", "all 16 heads", "the best 1 head by every criterion"]
    profile = find_heads(setting.lvlm, scenes=2 * COUNT, seeds=SCENE_SEEDS).chosen("gaze", 4)
    twins = pairs(setting.range, COUNT)

    def obeyed(heads: dict[int, tuple[int, ...]]) -> list[bool]:
        steered = [Steering.of([pair.pointed.box], heads=heads) for pair in twins]
        asked = [Request(p.question, (p.scene.image,), steering=one) for p, one in zip(twins, steered, strict=True)]
        return [is_right(text, p.pointed.colour) for text, p in zip(answers(setting.lvlm, asked), twins, strict=True)]

    (name,) = [name for name in found if name.startswith("the best 4 heads by gaze")]
    assert [score.score for score in found[name].scores] == [float(one) for one in obeyed(profile.heads)]
    everything = {layer: (0, 1, 2, 3) for layer in range(4)}
    draws = [obeyed(other_heads(profile.heads, everything, seed)) for seed in range(8)]
    shares = [sum(own) / len(own) for own in draws]
    chance = found["4 other heads by chance"]
    assert [score.score for score in chance.scores] == [sum(own) / 8 for own in zip(*draws, strict=True)]
    assert (values(chance)["lowest draw"], values(chance)["highest draw"]) == (min(shares), max(shares))
    assert values(found[name])["draws below"] == sum(one < values(found[name])["obeyed"] for one in shares)
    assert list(values(found["all 16 heads"])) == ["obeyed", "the other"]
