"""The LVLM asked: what it can and cannot answer, where it looks, and what the strategies' wordings cost it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from api_graph.bench.answers import is_right
from api_graph.bench.scenes.answering import answers, answers_right, attention_maps, points_at_target
from api_graph.bench.scenes.heatmaps import Asked, Heatmaps, oracle_cut
from api_graph.bench.scenes.setting import LEVELS, Setting
from api_graph.bench.scenes.table import Item, Part, Row, Shown, scored
from api_graph.bench.scores import Figure, mean_figure, share_figure
from api_graph.demo.questions import KINDS, AskedScene
from api_graph.demo.scenes import COLOURS
from api_graph.demo.shapes import SHAPES
from api_graph.lvlm import Request
from api_graph.lvlm.strategies import Strategy, strategy_prompt, with_suffix
from api_graph.pixels.blend import alpha_blend
from api_graph.pixels.read import to_pil, to_tensor

ABOUT_ONE = ("colour", "shape", "exists", "side")


def questions_part(setting: Setting) -> Part:
    """Share of right answers per kind of question, of blank images, and of always giving the commonest answer."""
    rows = []
    for level in LEVELS:
        for kind in KINDS:
            asked = setting.asked(kind, setting.sizes.questions, level)
            items, count = items_of(asked), len(asked)
            said = answers(setting.lvlm, [Request(a.question.text, (a.scene.image,)) for a in asked])
            right = [is_right(text, a.question.answer) for text, a in zip(said, asked, strict=True)]
            blank = answers_right(setting.lvlm, asked, [(Image.new("RGB", a.scene.image.size, "grey"),) for a in asked])
            commonest = Counter(a.question.answer for a in asked).most_common(1)[0][1] / count
            figures = [share_figure("right", right), share_figure("blank image", blank)]
            figures.append(Figure("commonest answer", commonest, count))
            rows.append(Row(f"{kind}, {level}", figures, scored(items, [float(one) for one in right], said)))
    columns: dict[str, Shown] = {"right": "interval", "blank image": "share", "commonest answer": "share"}
    return Part(
        "questions",
        "What the LVLM can and cannot answer",
        f"{setting.sizes.questions} questions of each kind. As trained: 2 to 5 objects, at most 10 strokes of clutter; "
        "harder: 5 objects, 40 strokes. Blank image: the same questions about a grey picture. Commonest answer: given "
        "every time.",
        "question",
        columns,
        rows,
    )


def attention_part(setting: Setting) -> Part:
    """Pointing game of each layer's attention at the object asked for, mean over heads and the answer's tokens."""
    rows = []
    for level in LEVELS:
        asked = {kind: setting.asked(kind, setting.sizes.attention, level, targeted=True) for kind in ABOUT_ONE}
        for layer in range(setting.lvlm.layers):
            points = {k: points_at_target(attention_maps(setting.lvlm, a, layer), a) for k, a in asked.items()}
            rows.append(Row(f"layer {layer}, {level}", [share_figure(kind, right) for kind, right in points.items()]))
    return Part(
        "attention",
        "Where the LVLM looks while it answers",
        f"Pointing game of the attention of each layer, mean over heads and over the rows that predict the answer; "
        f"{setting.sizes.attention} questions of each kind.",
        "layer",
        dict.fromkeys(ABOUT_ONE, "interval"),
        rows,
    )


def strategies_part(setting: Setting) -> Part:
    """Questions about colours and shapes in the words of each strategy; annotation is by the true box."""
    count = setting.sizes.strategies
    asked = [a for kind in ("colour", "shape") for a in setting.asked(kind, count, "as trained", targeted=True)]
    items, heatmaps = items_of(asked), oracle_cut(setting, asked)
    plain = [(a.scene.image,) for a in asked]
    kept = annotated(asked, heatmaps, setting.strength)
    whole, hidden = annotated(asked, heatmaps, 1.0), annotated(asked, [1 - h for h in heatmaps], 1.0)
    both = [(*first, *second) for first, second in zip(plain, kept, strict=True)]
    tried: dict[str, tuple[Sequence[str], Sequence[tuple[Image.Image, ...]], str | None]] = {
        "the question alone": ([a.question.text for a in asked], plain, None),
        "single word or phrase": ([with_suffix(a.question.text, "word_or_phrase") for a in asked], plain, None),
        "the same in quotation marks": (
            [f'"{with_suffix(a.question.text, "word_or_phrase")}"' for a in asked],
            plain,
            None,
        ),
        "step by step": (_worded(asked, "step_by_step"), plain, None),
        "second round after a wrong answer": ([_after_wrong_answer(a) for a in asked], plain, None),
        "annotated, with the hint": (_worded(asked, "hint"), kept, None),
        "the original and the annotated image": ([a.question.text for a in asked], both, None),
        "evaluate: T where the box is kept": (_worded(asked, "evaluate"), whole, "T"),
        "evaluate: F where it is hidden": (_worded(asked, "evaluate"), hidden, "F"),
    }
    rows = []
    for name, (texts, shown, truth) in tried.items():
        said = answers(setting.lvlm, [Request(*one) for one in zip(texts, shown, strict=True)])
        right = [float(is_right(text, truth or a.question.answer)) for text, a in zip(said, asked, strict=True)]
        own = [replace(item, truth=truth) for item in items] if truth else items
        rows.append(Row(name, [mean_figure("right", right)], scored(own, right, said)))
    return Part(
        "strategies",
        "The strategies' wordings",
        f"{len(asked)} questions about colours and shapes, as trained; what is annotated, is by the true box.",
        "asked",
        {"right": "interval"},
        rows,
        items,
    )


def annotated(asked: Asked, heatmaps: Heatmaps, strength: float) -> list[tuple[Image.Image, ...]]:
    """The scenes darkened where their heatmaps (1, H, W) are low."""
    pairs = zip(asked, heatmaps, strict=True)
    return [(to_pil(alpha_blend(to_tensor(a.scene.image)[0], h, strength=strength))[0],) for a, h in pairs]


def items_of(asked: Asked) -> list[Item]:
    """What is asked, as items of a part; the category is the kind of question."""
    return [
        Item(f"{a.question.kind} {i}", a.question.text, a.question.answer, a.question.kind) for i, a in enumerate(asked)
    ]


def _worded(asked: Asked, strategy: Strategy) -> list[str]:
    return [strategy_prompt(a.question.text, strategy) for a in asked]


def _after_wrong_answer(asked: AskedScene) -> str:
    """The second round of a textual self-reflection; the wrong answer is the next colour or shape of the list."""
    options = tuple(COLOURS) if asked.question.kind == "colour" else SHAPES
    wrong = options[(options.index(asked.question.answer) + 1) % len(options)]
    return strategy_prompt(asked.question.text, "reflect", wrong)
