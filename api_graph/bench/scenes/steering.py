"""Steerability: two objects fit the question, and the answer must be about the one that is pointed at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api_graph.bench.answers import is_right
from api_graph.bench.scenes.answering import answers
from api_graph.bench.scenes.setting import LEVELS, Setting
from api_graph.bench.scenes.table import Item, Part, Row, Shown, scored
from api_graph.bench.scenes.ways import PLAIN, WAYS, Place, Way
from api_graph.bench.scores import share_figure
from api_graph.demo.questions import UNANSWERABLE, AskedScene
from api_graph.demo.scenes import COLOURS, Scene, SceneObject, scene
from api_graph.lvlm import LvlmModel


@dataclass(frozen=True, eq=False)
class Pair:
    """A scene with two objects of one shape and of different colours; `pointed` is pointed at, `other` is not."""

    scene: Scene
    pointed: SceneObject
    other: SceneObject

    @property
    def question(self) -> str:
        return f"What colour is the {self.pointed.shape}?"


def pairs(seeds: range, count: int) -> list[Pair]:
    """Two for each of the first `count` scenes that have such objects: each of both is pointed at in turn."""
    (objects, clutter), found = LEVELS["as trained"], list[Pair]()
    for seed in seeds:
        if len(found) >= 2 * count:
            break
        drawn = scene(seed, objects, clutter=clutter)
        for one in drawn.objects:
            alike = [o for o in drawn.objects if o.shape == one.shape]
            if len(alike) == 2 and alike[0].colour != alike[1].colour:
                found += [Pair(drawn, *alike), Pair(drawn, alike[1], alike[0])]
                break
    return found


def steering_part(setting: Setting) -> Part:
    """Ambiguous questions, and what pointing does to one that is not ambiguous: at its object, and at another."""
    columns: dict[str, Shown] = {"obeyed": "interval", "the other": "share"}
    columns |= dict.fromkeys(("broken", "right, at its object", "right, at another"), "interval")
    twins, asked = pairs(setting.range, setting.sizes.steering), _unambiguous(setting)
    items = [
        Item(f"scene {i // 2}, object {i % 2}", pair.question, pair.pointed.colour) for i, pair in enumerate(twins)
    ]
    rows = [_row(setting.lvlm, way, twins, items, asked) for way in (PLAIN, *WAYS)]
    return Part(
        "steering",
        "Steerability: does the answer follow where it is pointed?",
        f"{len(twins)} questions “What colour is the SHAPE?” about {len(twins) // 2} scenes with exactly two of that "
        "shape, in two colours; each is pointed at in turn, by its true box or mask. Obeyed: the answer is the colour "
        "of the one that is pointed at; the other: that of its twin; broken: neither one colour nor "
        f"“{UNANSWERABLE}”. Beside them {len(asked)} questions about the only object of a shape: still right while "
        "that is pointed at, and while another object is.",
        "way of pointing",
        columns,
        rows,
        items,
    )


def _unambiguous(setting: Setting) -> list[AskedScene]:
    return setting.asked("colour", setting.sizes.steering, "as trained", targeted=True)


def _row(model: LvlmModel, way: Way, twins: Sequence[Pair], items: Sequence[Item], asked: Sequence[AskedScene]) -> Row:
    said = answers(model, [way.request(p.question, Place.of(p.scene, p.pointed)) for p in twins])
    obeyed = [is_right(text, p.pointed.colour) for text, p in zip(said, twins, strict=True)]
    other = [is_right(text, p.other.colour) for text, p in zip(said, twins, strict=True)]
    broken = [not any(is_right(text, sound) for sound in (*COLOURS, UNANSWERABLE)) for text in said]
    figures = [share_figure("obeyed", obeyed), share_figure("the other", other), share_figure("broken", broken)]
    for name, at in (("right, at its object", True), ("right, at another", False)):
        places = [Place.of(a.scene, _one(a, asked_for=at)) for a in asked]
        found = answers(model, [way.request(a.question.text, p) for a, p in zip(asked, places, strict=True)])
        figures.append(share_figure(name, [is_right(t, a.question.answer) for t, a in zip(found, asked, strict=True)]))
    return Row(way.name, figures, scored(items, [float(one) for one in obeyed], said))


def _one(asked: AskedScene, *, asked_for: bool) -> SceneObject:
    """The object that a question is about, or the first that it is not about."""
    return next(o for o in asked.scene.objects if (o is asked.question.target) is asked_for)
