"""A profile of heads: what each head of one model does, and which of them are chosen by it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Literal, NamedTuple, TypeAlias, get_args
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.lvlm.decoder import decoder_of, text_config
from api_graph.lvlm.heads.record import HeadScores, Measure, ModelFacts, ProfileRecord, read_record, write_record
from api_graph.lvlm.model import LvlmModel
from api_graph.notebook import counted, one_line

By = Literal["gaze", "image", "entropy", "sinks"]
"""What heads are ranked by.

gaze: most weight on the region that is asked about (Gaze Heads). image: most weight on the image. entropy: of the heads
with at least the mean weight on the image, the lowest spatial entropy (localization heads). sinks: most weight on those
of the image's tokens that are no attention sinks (VAR).
"""

Unit = Literal["heads", "layers"]
"""Whether single heads are chosen, or whole layers, which rank by the means of their heads."""

Draw = Literal["best", "random", "all"]
"""best: the highest in the ranking. random: as many of the others, by chance. all: every head."""

Places: TypeAlias = "Mapping[int, Sequence[int]]"
"""Layer -> heads."""

_TENTH = 10
_SAMPLE = 32

_fingerprints: WeakKeyDictionary[nn.Module, str] = WeakKeyDictionary()


class RankedHead(NamedTuple):
    """One head in a ranking; `score` is the measure that it ranks by."""

    layer: int
    head: int
    score: float

    def __str__(self) -> str:
        return f"layer {self.layer}, head {self.head}: {self.score:.4g}"


class RankedLayer(NamedTuple):
    """One layer in a ranking; `score` is the mean over its heads of the measure that it ranks by."""

    layer: int
    score: float

    def __str__(self) -> str:
        return f"layer {self.layer}: {self.score:.4g}"


@dataclass(frozen=True, eq=False)
class HeadProfile:
    """What each head of one model does, and which of them are chosen.

    `record` has the measures and how they were made. The `count` best by `by` are chosen, of all `unit`s; 0 is a tenth
    of all, at least one. `draw` has the controls: as many others by chance (of `seed`), or all. Raises BadInput for
    more than there are.
    """

    socket: ClassVar[str] = "AP_HEAD_PROFILE"

    record: ProfileRecord
    by: By = "gaze"
    count: int = 0
    unit: Unit = "heads"
    draw: Draw = "best"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, choices in (("by", get_args(By)), ("unit", get_args(Unit)), ("draw", get_args(Draw))):
            if getattr(self, name) not in choices:
                hint = f"Use one of {', '.join(choices)}."
                raise BadInput("there is no such choice", input=name, value=getattr(self, name), hint=hint)
        total = len(self.record.layers if self.unit == "layers" else self.record.heads)
        if isinstance(self.count, bool) or not isinstance(self.count, int) or not 0 <= self.count <= total:
            problem = f"the profile has {total} {self.unit} to choose from"
            raise BadInput(problem, input="count", value=self.count, hint="0 is a tenth of all, at least one.")

    def __repr__(self) -> str:
        return one_line(self, self.record.model.name, f"{counted(self.number, 'head')} by {self.by}", self.draw)

    @classmethod
    def load(cls, path: str | os.PathLike[str], model: LvlmModel | None = None) -> HeadProfile:
        """The profile in a file. Raises BadInput for any other file, and where it is of another model than `model`."""
        found = cls(read_record(path))
        if model is not None:
            found.check_model(model)
        return found

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the profile to a file; which heads are chosen is no part of it."""
        write_record(self.record, path)

    def chosen(
        self,
        by: By | None = None,
        count: int | None = None,
        *,
        unit: Unit | None = None,
        draw: Draw | None = None,
        seed: int | None = None,
    ) -> HeadProfile:
        """The same profile with another choice of heads; None leaves a setting as it is."""
        given = {"by": by, "count": count, "unit": unit, "draw": draw, "seed": seed}
        return replace(self, **{name: value for name, value in given.items() if value is not None})

    @property
    def heads(self) -> dict[int, tuple[int, ...]]:
        """The chosen heads of each layer, in ascending order."""
        return {**self._heads}

    @property
    def places(self) -> list[tuple[int, int]]:
        """Layer and number of each chosen head, in ascending order."""
        return [(layer, head) for layer, heads in self._heads.items() for head in heads]

    @cached_property  # every request that is steered by it asks for it
    def _heads(self) -> dict[int, tuple[int, ...]]:
        everything = _by_layer([one.place for one in self.record.heads])
        if self.draw == "all":
            return everything
        best = self._best(everything)
        return best if self.draw == "best" else self._others(best, everything)

    def _best(self, everything: Places) -> dict[int, tuple[int, ...]]:
        if self.unit == "layers":
            own = [one.layer for one in self.layer_ranking()[: self._amount(len(self.record.layers))]]
            return {layer: tuple(everything[layer]) for layer in sorted(own)}
        ranked = self.ranking()[: self._amount(len(self.record.heads))]
        return _by_layer([(one.layer, one.head) for one in ranked])

    def _others(self, best: Places, everything: Places) -> dict[int, tuple[int, ...]]:
        if self.unit == "heads":
            return other_heads(best, everything, self.seed, input="count")
        layers = other_heads({0: list(best)}, {0: list(everything)}, self.seed, input="count", what="layers")[0]
        return {layer: tuple(everything[layer]) for layer in layers}

    def _amount(self, total: int) -> int:
        return self.count or max(1, round(total / _TENTH))

    @property
    def number(self) -> int:
        """How many heads are chosen."""
        return len(self.places)

    def ranking(self, by: By | None = None) -> list[RankedHead]:
        """All heads, the first choice first; equal ones in the order of layers and heads."""
        score, order = _RANKINGS[by or self.by]
        least = sum(one.image_share for one in self.record.heads) / len(self.record.heads)
        ranked = sorted(self.record.heads, key=lambda one: order(one, least))
        return [RankedHead(one.layer, one.head, score(one)) for one in ranked]

    def layer_ranking(self, by: By | None = None) -> list[RankedLayer]:
        """All layers with attention, the first choice first: as the ranking of heads, by the means over a layer's."""
        score, order = _RANKINGS[by or self.by]
        means = [self._mean(one.layer) for one in self.record.layers]
        least = sum(one.image_share for one in means) / len(means)
        return [RankedLayer(one.layer, score(one)) for one in sorted(means, key=lambda one: order(one, least))]

    def _mean(self, layer: int) -> HeadScores:
        """A layer as one head that has the means of all."""
        own = [one for one in self.record.heads if one.layer == layer]
        means = {name: sum(getattr(one, name) for one in own) / len(own) for name in get_args(Measure)}
        return HeadScores(layer=layer, head=0, **means)

    def values(self, measure: Measure = "gaze") -> Tensor:
        """A measure of every head, float32 (L, H); NaN in layers without attention."""
        found = torch.full((self.record.model.layers, self.record.model.heads), float("nan"))
        for one in self.record.heads:
            found[one.layer, one.head] = getattr(one, measure)
        return found

    def check_model(self, model: LvlmModel) -> None:
        """Raise BadInput, which names both, where this is the profile of another model."""
        own = self.record.model
        if fingerprint_of(model.module) != own.fingerprint:
            raise BadInput(
                f"the profile is of {own}, and this is {facts_of(model)}",
                input="profile",
                hint="Find the heads of this model (Find heads, or `api-graph find-heads`); a quantized or retrained "
                "one is another.",
            )

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors (none) and JSON from which `from_storage` builds an equal profile."""
        choice: list[Json] = [self.by, self.count, self.unit, self.draw, self.seed]
        return {}, {"record": self.record.model_dump_json(), "choice": choice}

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: Mapping[str, object]) -> HeadProfile:
        record, choice = meta["record"], meta["choice"]
        assert isinstance(record, str) and isinstance(choice, Sequence)
        return cls(ProfileRecord.model_validate_json(record), *choice)


_Score: TypeAlias = "Callable[[HeadScores], float]"
_Order: TypeAlias = "Callable[[HeadScores, float], tuple[bool, float, int, int]]"


def _falling(score: _Score) -> tuple[_Score, _Order]:
    return score, lambda one, least: (False, -score(one), *one.place)


_RANKINGS: dict[By, tuple[_Score, _Order]] = {
    "gaze": _falling(lambda one: one.gaze),
    "image": _falling(lambda one: one.image_share),
    "entropy": (lambda one: one.entropy, lambda one, least: (one.image_share < least, one.entropy, *one.place)),
    "sinks": _falling(lambda one: one.image_share * (1 - one.sink_share)),
}
"""By criterion what a head scores, and its place in the ranking, told by the mean weight on the image too."""


def other_heads(
    chosen: Places, everything: Places, seed: int, *, input: str = "heads", what: str = "heads"
) -> dict[int, tuple[int, ...]]:
    """As many of the heads that are not chosen, of any layer, drawn by chance: a control for those that are.

    Raises BadInput, naming `input`, where there are not so many.
    """
    taken = {(layer, head) for layer, heads in chosen.items() for head in heads}
    others = [(layer, head) for layer, heads in everything.items() for head in heads if (layer, head) not in taken]
    if len(others) < len(taken):
        raise BadInput(
            f"{len(taken)} {what} are chosen, and there are {len(others)} others to draw from",
            input=input,
            value=len(taken),
            hint=f"Choose at most half of the {what}.",
        )
    order = torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))
    return _by_layer([others[place] for place in order[: len(taken)].tolist()])


def _by_layer(places: Sequence[tuple[int, int]]) -> dict[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for layer, head in sorted(places):
        found.setdefault(layer, []).append(head)
    return {layer: tuple(heads) for layer, heads in found.items()}


# ------------------------------------------------------------------------------------------ whose heads they are


def head_count(module: nn.Module) -> int:
    """How many heads each layer of the decoder has."""
    return int(getattr(text_config(module), "num_attention_heads"))  # noqa: B009 - configs share no type


def facts_of(model: LvlmModel) -> ModelFacts:
    """What a profile says of a model, and by what it is known again."""
    revision = getattr(model.config, "_commit_hash", None)
    return ModelFacts(
        name=_public_name(model.name)[:512],
        family=model.model_type[:64],
        revision=None if revision is None else str(revision)[:512],
        dtype=str(model.dtype).removeprefix("torch."),
        layers=len(decoder_of(model.module).layers),
        heads=head_count(model.module),
        fingerprint=fingerprint_of(model.module),
    )


def _public_name(name: str) -> str:
    """A model's name; of a folder the last part alone: a profile is handed on, and where it lies is nobody's affair."""
    return os.path.basename(os.path.normpath(name)) if os.path.isdir(name) else name


def fingerprint_of(module: nn.Module) -> str:
    """sha256 over the shapes of all weights and a sample of each, in hexadecimal; computed once for each network.

    Samples are rounded to bfloat16 and names do not count: one checkpoint has one fingerprint in float32 and bfloat16,
    in a folder and from the hub, and under every version of transformers.
    """
    if module not in _fingerprints:
        parts = sorted(_digest(weights) for weights in module.parameters())
        _fingerprints[module] = hashlib.sha256(b"".join(parts)).hexdigest()
    return _fingerprints[module]


def _digest(weights: Tensor) -> bytes:
    flat = weights.detach().flatten()
    sample = flat[:: max(1, len(flat) // _SAMPLE)].cpu()
    if sample.is_floating_point():
        sample = sample.bfloat16().view(torch.int16)
    return hashlib.sha256(repr(tuple(weights.shape)).encode() + sample.contiguous().numpy().tobytes()).digest()
