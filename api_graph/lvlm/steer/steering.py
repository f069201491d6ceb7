"""How a model is steered: which fovea, by which rule, how strongly, in which layers, heads and rows."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import pairwise
from typing import ClassVar, Literal, TypeAlias, TypedDict, get_args

from torch import nn

from api_graph.arguments import typed
from api_graph.errors import BadInput, inputs_named, shown, warn_of_kind
from api_graph.lvlm.decoder import attention_modules, checked_layer, decoder_of
from api_graph.lvlm.heads.profile import HeadProfile, head_count, other_heads
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.steer.fovea import AsFovea, Fovea, as_foveas
from api_graph.models.layers import Layers, layer_list, whole_numbers
from api_graph.notebook import counted, one_line

Mode = Literal["boost", "suppress", "boost_suppress", "proportional", "scale", "redistribute"]
"""What happens to the score s of an image token of weight w, at strength b.

boost: s + b·w. suppress: s − b·(1 − w). boost_suppress: s + b·(2w − 1). proportional: s + b·w·|s| (PAI). scale:
s·(1 + (b − 1)·w), a factor b where w is 1 (AdaptVis). redistribute: after the softmax, attention sinks among the image
tokens keep the share b of their weight, and the rest goes to the other image tokens by w times their weight (VAR).
"""

Rows = Literal["last", "first", "decode", "after_image", "all"]
"""Which queries are steered: "last", those that predict the answer's tokens, the prompt's last one among them; "first",
that one alone; "decode", all but that one; "after_image", every query after the prompt's last image token; "all".
"""

Preset = Literal["PAI", "AdaptVis sharpen", "AdaptVis smooth", "VAR", "Prompt Highlighter", "Gaze Heads"]
"""Published methods whose settings `steer_preset` knows."""

Heads: TypeAlias = str | Sequence[int] | Mapping[int, Sequence[int]] | HeadProfile
"""`"all"`, numbers (a list, or a text such as "0, 3"), or for each layer its own: a profile, or {layer: heads}."""

STRENGTHS: dict[Mode, float] = {
    "boost": 5.0,
    "suppress": 5.0,
    "boost_suppress": 5.0,
    "proportional": 0.2,
    "scale": 1.5,
    "redistribute": 0.6,
}
"""The strength of each mode where none is given: those of the trial on the demo model, of PAI, AdaptVis and VAR."""

BREAKING = 20.0
"""From this strength on, in all heads of all layers, answers are known to break."""


@dataclass(frozen=True)
class SinkRule:
    """Which image tokens are attention sinks, and which rows give their weight away (VAR).

    A token is a sink in a layer where one of `dims` of the layer's normalised input exceeds `threshold` in size; None
    for the dims that are largest in layer after layer of this model. A head's row is changed where sinks have at most
    `most_share` of the image's weight, and the image at least `least_mass` of all.
    """

    dims: tuple[int, ...] | None = None
    threshold: float = 20.0
    most_share: float = 0.5
    least_mass: float = 0.2


class SteerSettings(TypedDict, total=False):
    """The settings of a `Steering` without its fovea, as `ask` takes them too."""

    mode: Mode
    strength: float | None
    layers: Layers
    heads: Heads
    rows: Rows


@dataclass(frozen=True, eq=False)
class Steering:
    """Everything that says how an answer is steered; `api_graph.lvlm.steer` says how it is applied.

    `foveas`: fovea i belongs to picture i of the request; None, or none, leaves a picture unsteered. `schedule` has
    later targets: (n, foveas) in the place of these from the answer's token n on, n rising. `strength` None is the
    mode's own. `layers` is what `layer_list` reads, and `sinks` belongs to redistribute. With `other_heads`, a seed, as
    many heads that are not chosen are steered in their place, of any layer and drawn by chance: a control. Raises
    BadInput for values out of range.
    """

    socket: ClassVar[str] = "AP_STEERING"

    foveas: tuple[Fovea | None, ...]
    mode: Mode = "boost_suppress"
    strength: float | None = None
    layers: Layers = "all"
    heads: Heads = "all"
    rows: Rows = "last"
    sinks: SinkRule = SinkRule()
    schedule: tuple[tuple[int, tuple[Fovea | None, ...]], ...] = ()
    other_heads: int | None = None

    def __post_init__(self) -> None:
        for name, choices in (("mode", get_args(Mode)), ("rows", get_args(Rows))):
            if getattr(self, name) not in choices:
                hint = f"Use one of {', '.join(choices)}."
                raise BadInput("there is no such choice", input=name, value=getattr(self, name), hint=hint)
        _check_strength(self.mode, self.amount)
        starts = [0, *(start for start, _ in self.schedule)]
        if any(later <= earlier for earlier, later in pairwise(starts)):
            raise BadInput(
                "targets come one after the other, the first of the schedule after at least one token",
                input="schedule",
                value=starts[1:],
            )

    def __repr__(self) -> str:
        defaults = {one.name: one.default for one in fields(self)}
        own = {name: getattr(self, name) for name in ("mode", "strength", "layers", "heads", "rows", "other_heads")}
        said = [f"{name}={shown(value)}" for name, value in own.items() if value != defaults[name]]
        later = counted(len(self.schedule), "later target") if self.schedule else ""
        return one_line(self, counted(sum(one is not None for one in self.foveas), "fovea"), *said, later)

    @classmethod
    def of(
        cls,
        fovea: AsFovea,
        *,
        schedule: Sequence[tuple[int, AsFovea]] = (),
        **settings: object,
    ) -> Steering:
        """From a fovea as `ask` takes it, and a schedule of (token, fovea). `settings` are those of `SteerSettings`."""
        later = tuple((start, as_foveas(given)) for start, given in map(_checked_target, _listed(schedule)))
        return cls(as_foveas(fovea), schedule=later, **settings)  # pyright: ignore[reportArgumentType]

    @classmethod
    def tour(cls, foveas: Sequence[Fovea | None], every: int, **settings: object) -> Steering:
        """From one box to the next: each is the target for `every` tokens of the answer, the last one to its end.

        The boxes of the first picture come first; while one is the target, the other pictures are not steered. A fovea
        that is no boxes is one target.
        """
        alone = [
            (*[None] * i, part) for i, fovea in enumerate(foveas) if fovea is not None for part in fovea.parts()
        ] or [()]
        later = tuple((step * every, target) for step, target in enumerate(alone) if step)
        return cls(alone[0], schedule=later, **settings)  # pyright: ignore[reportArgumentType]

    def of_each(self, pictures: int) -> list[Steering]:
        """The steering of each of so many pictures that are asked about one by one. BadInput for more foveas."""
        most = max(len(foveas) for _, foveas in self.targets)
        if most > pictures:
            raise BadInput(f"there are more foveas ({most}) than pictures ({pictures})", input="fovea")
        return [
            replace(
                self,
                foveas=self.foveas[i : i + 1],
                schedule=tuple((start, foveas[i : i + 1]) for start, foveas in self.schedule),
            )
            for i in range(pictures)
        ]

    def complement(self) -> Steering:
        """The same with each fovea on what it leaves out: a token's weight w is 1 − w."""

        def inverted(foveas: tuple[Fovea | None, ...]) -> tuple[Fovea | None, ...]:
            return tuple(one and replace(one, inverted=not one.inverted) for one in foveas)

        later = tuple((start, inverted(foveas)) for start, foveas in self.schedule)
        return replace(self, foveas=inverted(self.foveas), schedule=later)

    @property
    def points(self) -> bool:
        """Whether it has a fovea at all."""
        return any(fovea is not None for _, foveas in self.targets for fovea in foveas)

    @property
    def amount(self) -> float:
        """The strength that counts."""
        return STRENGTHS[self.mode] if self.strength is None else self.strength

    @property
    def targets(self) -> tuple[tuple[int, tuple[Fovea | None, ...]], ...]:
        """(token, foveas): what is pointed at from which token of the answer on."""
        return ((0, self.foveas), *self.schedule)

    @property
    def plain(self) -> bool:
        """Whether this strength changes nothing, wherever the fovea lies."""
        return self.amount == (1.0 if self.mode in ("scale", "redistribute") else 0.0)

    def where(self, module: nn.Module) -> dict[int, tuple[int, ...] | None]:
        """Steered layer -> its steered heads, None for all. Raises BadInput for what the model does not have."""
        if self.other_heads is None:
            return self._chosen(module)
        every = tuple(range(head_count(module)))
        chosen = {layer: every if own is None else own for layer, own in self._chosen(module).items()}
        return {**other_heads(chosen, dict.fromkeys(attention_modules(module), every), self.other_heads)}

    def _chosen(self, module: nn.Module) -> dict[int, tuple[int, ...] | None]:
        heads = self.heads.heads if isinstance(self.heads, HeadProfile) else self.heads
        if isinstance(heads, Mapping):
            named = heads if _is_all(self.layers) else {one: heads.get(one, ()) for one in self._layers(module)}
            several = {checked_layer(module, layer): _checked_heads(module, own) for layer, own in named.items()}
            if not any(several.values()):
                raise BadInput("no head is chosen", input="heads", value=dict(heads))
            return {layer: own for layer, own in several.items() if own}
        checked = None if _is_all(heads) else _checked_heads(module, heads)
        return dict.fromkeys(self._layers(module), checked)

    def check_model(self, model: LvlmModel) -> None:
        """Raise BadInput where the heads are those of another model's profile."""
        if isinstance(self.heads, HeadProfile):
            with inputs_named(profile="heads"):
                self.heads.check_model(model)

    def _layers(self, module: nn.Module) -> list[int]:
        """The layers meant. A text such as "from 2" passes over those without attention; numbers must have it."""
        attending = attention_modules(module)
        named = layer_list(self.layers, len(decoder_of(module).layers))
        if isinstance(self.layers, str):
            return [layer for layer in named if layer in attending] or [checked_layer(module, named[0])]
        return [checked_layer(module, layer) for layer in named]

    def warn_if_breaking(self, module: nn.Module) -> None:
        """Warn of a strength at which answers break, where it falls on all heads of all layers."""
        if self.mode == "redistribute" or abs(self.amount) < BREAKING:
            return
        found = self.where(module)
        if len(found) == len(attention_modules(module)) and all(heads is None for heads in found.values()):
            warn_of_kind(
                "steered hard",
                f"a strength of {self.amount:g} on all heads of all layers can break the answer; "
                f"use less than {BREAKING:g}, or fewer heads or layers",
            )


def steering_of(
    fovea: AsFovea | Steering, schedule: Sequence[tuple[int, AsFovea]], settings: SteerSettings
) -> Steering | None:
    """The steering that a caller means by a fovea, or by none. Raises BadInput for settings that steer nothing."""
    if not isinstance(fovea, Steering) and (fovea is not None or schedule):
        return Steering.of(fovea, schedule=schedule, **settings)
    for name, default in _DEFAULTS.items():
        given = settings.get(name, default)
        if given != default and fovea is None:
            hint = 'Give one; "image" is all of the image.'
            raise BadInput("there is no fovea to steer to", input=name, value=given, hint=hint)
        if given != default:
            raise BadInput("the Steering that is given as the fovea has settings of its own", input=name, value=given)
    if schedule:
        raise BadInput("the Steering that is given as the fovea has a schedule of its own", input="schedule")
    return fovea


def _listed(schedule: object) -> Sequence[object]:
    if isinstance(schedule, list | tuple):
        return schedule
    raise _no_schedule(schedule)


def _checked_target(given: object) -> tuple[int, AsFovea]:
    if isinstance(given, list | tuple) and len(given) == 2 and type(given[0]) is int:
        return given[0], given[1]
    raise _no_schedule(given)


def _no_schedule(given: object) -> BadInput:
    return BadInput(
        "a schedule is a list of pairs, a token of the answer and the fovea from there on",
        input="schedule",
        value=given,
        hint="Such as [(20, [[0, 0, 50, 50]])].",
    )


def _is_all(named: object) -> bool:
    return isinstance(named, str) and named.strip().lower() == "all"


def _check_strength(mode: Mode, amount: float) -> None:
    ranges: dict[str, tuple[float, float, str]] = {
        "scale": (0.0, math.inf, "A factor: 1 is the plain model."),
        "redistribute": (0.0, 1.0, "The share that sinks keep: 1 is the plain model."),
        "suppress": (-math.inf, math.inf, ""),
    }
    low, high, hint = ranges.get(mode, (-math.inf, math.inf, ""))
    endless = mode == "suppress" and amount == math.inf  # tokens that are not pointed at are masked
    if not (low <= amount <= high and (math.isfinite(amount) or endless)):
        raise BadInput(f"this is no strength for {mode}", input="strength", value=amount, hint=hint)


def _checked_heads(module: nn.Module, heads: str | Sequence[int]) -> tuple[int, ...]:
    """Heads from 0; negative ones count from the end."""
    count = head_count(module)
    numbers = whole_numbers(heads, "heads") if isinstance(heads, str) else heads
    if not isinstance(numbers, Sequence) or any(
        isinstance(head, bool) or not isinstance(head, int) or not -count <= head < count for head in numbers
    ):
        raise BadInput(f"the heads are 0 to {count - 1}", input="heads", value=heads)
    return tuple(sorted({head % count for head in numbers}))


_DEFAULTS: SteerSettings = {"mode": "boost_suppress", "strength": None, "layers": "all", "heads": "all", "rows": "last"}

_PRESETS: dict[Preset, SteerSettings] = {
    "PAI": {"mode": "proportional", "strength": 0.2, "layers": "from 2", "rows": "last"},
    "AdaptVis sharpen": {"mode": "scale", "strength": 1.5, "rows": "first"},
    "AdaptVis smooth": {"mode": "scale", "strength": 0.5, "rows": "first"},
    "VAR": {"mode": "redistribute", "strength": 0.6, "layers": "2..-2", "rows": "after_image"},
    "Prompt Highlighter": {"mode": "boost", "strength": math.log(5), "rows": "all"},
    "Gaze Heads": {"mode": "boost_suppress", "strength": 1e4, "rows": "decode"},
}

PRESETS: tuple[Preset, ...] = get_args(Preset)


def settings_with(preset_name: Literal["custom", Preset], given: SteerSettings) -> SteerSettings:
    """Those of a preset, or those that are given. BadInput where both say something: a preset sets all of them.

    "Gaze Heads" takes heads, which belong to the model.
    """
    if preset_name == "custom":
        return given
    own = steer_preset(preset_name)
    for name, value in given.items():
        if value != _DEFAULTS[name]:
            if name == "heads" and preset_name == "Gaze Heads":
                own["heads"] = given.get("heads", "all")
                continue
            hint = f"Leave it at {_DEFAULTS[name]!r}, or choose custom."
            raise BadInput(f"the preset {preset_name} sets it to {own[name]!r}", input=name, value=value, hint=hint)
    return own


def strength_of(text: str) -> float | None:
    """A strength from a text: "auto" is the mode's own, None. Raises BadInput."""
    if text.strip().lower() in ("auto", ""):
        return None
    try:
        return float(text)
    except ValueError:
        hint = "Write auto, or a number such as 5."
        raise BadInput("this is no number", input="strength", value=text, hint=hint) from None


@typed()
def steer_preset(name: Preset) -> SteerSettings:
    """The settings of a published method, for `ask(..., fovea=..., **steer_preset("PAI"))`.

    PAI, AdaptVis and VAR point at the whole image (`fovea="image"`). AdaptVis chooses between its two settings by the
    probability of the plain answer's first token: below .3 it smooths. Gaze Heads wants the heads of a profile
    (`heads={layer: heads}`): on all of them its strength breaks answers. PAI decodes by contrast as well
    (`contrast_preset("PAI")`), and so does Prompt Highlighter, against embeddings that it scales, which is not offered.
    Raises BadInput for a name that is none of `PRESETS`.
    """
    if name not in _PRESETS:
        raise BadInput("there is no such preset", input="name", value=name, hint=f"Use one of {', '.join(PRESETS)}.")
    return {**_DEFAULTS, **_PRESETS[name]}
