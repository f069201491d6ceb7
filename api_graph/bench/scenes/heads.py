"""Which heads to steer: the best of a profile beside as many others by chance, on scenes that did not find them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import get_args

from api_graph.bench.answers import is_right
from api_graph.bench.scenes.answering import answers
from api_graph.bench.scenes.setting import Setting
from api_graph.bench.scenes.steering import Pair, pairs
from api_graph.bench.scenes.table import Item, Part, Row, Shown, scored
from api_graph.bench.scores import Figure, mean_figure, share_figure
from api_graph.lvlm import HeadProfile, LvlmModel, Request, find_heads
from api_graph.lvlm.heads.items import SCENE_SEEDS
from api_graph.lvlm.heads.profile import By
from api_graph.lvlm.steer import Heads, Steering

DRAWS = 8
SHARES = (16, 8, 4)
"""A sixteenth of all heads, an eighth, a quarter."""

_COLUMNS: Mapping[str, Shown] = {
    "obeyed": "interval",
    "the other": "share",
    "lowest draw": "share",
    "highest draw": "share",
    "draws below": "count",
}


def heads_part(setting: Setting) -> Part:
    """Ambiguous questions, the model steered through a few heads: the best by each criterion, others, and all."""
    profile = find_heads(setting.lvlm, scenes=2 * setting.sizes.steering, seeds=SCENE_SEEDS)
    twins = pairs(setting.range, setting.sizes.steering)
    items = [
        Item(f"scene {i // 2}, object {i % 2}", pair.question, pair.pointed.colour) for i, pair in enumerate(twins)
    ]
    total = len(profile.record.heads)
    asked = _Asked(setting.lvlm, twins, items)
    rows = [asked.row("not pointed at all", None), asked.row(f"all {total} heads", "all")]
    for count in dict.fromkeys(max(1, total // share) for share in SHARES):
        rows += _rows_of(asked, profile, count)
    return Part(
        "heads",
        "Which heads to steer?",
        f"The {len(twins)} questions of the steering table, the true box the fovea at the default strength. Heads were "
        f"ranked over {profile.record.made.items} other scenes. By chance: as many that are not the best by gaze, the "
        f"mean of {DRAWS} draws, and the lowest and the highest of these. Draws below: through how many of them fewer "
        "questions are obeyed than through the best.",
        "steered heads",
        _COLUMNS,
        rows,
        items,
    )


class _Asked:
    """The questions, to be answered through different heads."""

    def __init__(self, model: LvlmModel, twins: Sequence[Pair], items: Sequence[Item]) -> None:
        self._model, self._twins, self._items = model, twins, items

    def said(self, heads: Heads | None) -> list[str]:
        """The answers, steered through these heads; None for not at all."""
        steerings = [None if heads is None else Steering.of([p.pointed.box], heads=heads) for p in self._twins]
        requests = [
            Request(pair.question, (pair.scene.image,), steering=steering)
            for pair, steering in zip(self._twins, steerings, strict=True)
        ]
        return answers(self._model, requests)

    def obeyed(self, said: Sequence[str]) -> list[bool]:
        """Which answers are about the object that is pointed at."""
        return [is_right(text, pair.pointed.colour) for text, pair in zip(said, self._twins, strict=True)]

    def other(self, said: Sequence[str]) -> list[bool]:
        """Which are about its twin."""
        return [is_right(text, pair.other.colour) for text, pair in zip(said, self._twins, strict=True)]

    def row(self, name: str, heads: Heads | None, draws: Sequence[float] | None = None) -> Row:
        """The row of some heads; `draws` are the shares that are obeyed through others."""
        said = self.said(heads)
        right = self.obeyed(said)
        figures = [share_figure("obeyed", right), share_figure("the other", self.other(said))]
        if draws is not None:
            figures.append(Figure("draws below", sum(one < figures[0].value for one in draws), len(draws)))
        return Row(name, figures, scored(self._items, [float(one) for one in right], said))

    def drawn(self, name: str, draws: Sequence[Sequence[str]]) -> Row:
        """The row of several draws: an item's score is the share of them through which it is obeyed."""
        right, other = ([of(said) for said in draws] for of in (self.obeyed, self.other))
        means = [sum(own) / len(draws) for own in zip(*right, strict=True)]
        shares = [sum(own) / len(own) for own in right]
        figures = [
            mean_figure("obeyed", means),
            Figure("the other", sum(map(sum, other)) / sum(map(len, other)), len(means)),
            Figure("lowest draw", min(shares), len(draws)),
            Figure("highest draw", max(shares), len(draws)),
        ]
        return Row(name, figures, scored(self._items, means))


def _rows_of(asked: _Asked, profile: HeadProfile, count: int) -> list[Row]:
    """So many heads: others by chance, and the best by each criterion that chooses them differently."""
    few = profile.chosen("gaze", count)
    said = [asked.said(few.chosen(draw="random", seed=seed)) for seed in range(DRAWS)]
    shares = [sum(asked.obeyed(one)) / len(one) for one in said]
    word = "head" if count == 1 else "heads"
    best: dict[tuple[object, ...], list[By]] = {}
    for by in get_args(By):
        best.setdefault(tuple(profile.chosen(by, count).heads.items()), []).append(by)
    rows = [
        asked.row(f"the best {count} {word} by {_joined(names)}", profile.chosen(names[0], count), shares)
        for names in best.values()
    ]
    return [*rows, asked.drawn(f"{count} other {word} by chance", said)]


def _joined(names: Sequence[str]) -> str:
    return "every criterion" if len(names) == len(get_args(By)) else " and ".join(names)
