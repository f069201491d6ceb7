"""What a run of the scenes' benchmark shares: the two models, the scenes' seeds, how many, and how strong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from api_graph.clip.load import load_clip
from api_graph.clip.model import ClipModel
from api_graph.demo.questions import AskedScene, asked_scenes
from api_graph.demo.scenes import TEST_SEEDS, VALIDATION_SEEDS
from api_graph.errors import BadInput
from api_graph.lvlm import LvlmModel, load_lvlm

Seeds = Literal["test", "validation"]
Level = Literal["as trained", "harder"]

LEVELS: Mapping[Level, tuple[tuple[int, int], tuple[int, int]]] = {
    "as trained": ((2, 5), (0, 10)),
    "harder": ((5, 5), (40, 40)),
}
"""The fewest and most objects, and strokes of clutter. Harder: neither model was trained on more than ten strokes."""

STRENGTH = 0.8
"""Of annotation; picked on validation scenes."""


@dataclass(frozen=True)
class Sizes:
    """How many scenes each part has; `questions` are of each kind."""

    maps: int = 200
    boxes: int = 200
    questions: int = 200
    attention: int = 100
    pointing: int = 100
    strategies: int = 100
    steering: int = 100


QUICK = Sizes()
FULL = Sizes(maps=500, boxes=300, questions=500, attention=200, pointing=500, strategies=250, steering=500)


def sizes_for(*, full: bool = False, limit: int | None = None) -> Sizes:
    """What `--full` or `--limit N` asks for; QUICK without either. Raises BadInput for both."""
    if full and limit is not None:
        raise BadInput("--full says how many, too", input="--limit", value=limit, hint="Leave one of them out.")
    if limit is not None:
        return Sizes(limit, limit, limit, limit, limit, limit, limit)
    return FULL if full else QUICK


@dataclass(frozen=True)
class Setting:
    """Models by their names (or folders), which seeds, and how many scenes. Models are loaded when they are needed."""

    clip_name: str = "demo"
    lvlm_name: str = "demo"
    seeds: Seeds = "test"
    sizes: Sizes = QUICK
    strength: float = STRENGTH

    @cached_property
    def clip(self) -> ClipModel:
        return load_clip(self.clip_name, device="cpu")

    @cached_property
    def lvlm(self) -> LvlmModel:
        return load_lvlm(self.lvlm_name, device="cpu")

    @property
    def range(self) -> range:
        """The scenes' seeds: neither the demo models' training nor the choice of any setting has seen the test ones."""
        return TEST_SEEDS if self.seeds == "test" else VALIDATION_SEEDS

    def asked(self, kind: str, count: int, level: Level, *, targeted: bool = False) -> list[AskedScene]:
        """Scenes with a question of a kind."""
        objects, clutter = LEVELS[level]
        return asked_scenes(self.range, kind, count, objects=objects, clutter=clutter, targeted=targeted)
