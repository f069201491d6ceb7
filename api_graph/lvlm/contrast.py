"""Decode by contrast: the scores of an answer, less those that the same model gives without its fovea or image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Integral, Real
from typing import ClassVar, Literal, get_args

import torch
from torch import Tensor

from api_graph.arguments import typed
from api_graph.errors import BadInput

Against = Literal["no_fovea", "complement", "no_image", "noised_image"]
"""What else the model is asked, beside the request itself.

no_fovea: the same without its fovea. complement: with the fovea on all that it leaves out, each token's weight w being
1 − w. no_image: the text alone, without a fovea (PAI). noised_image: the same, fovea included, with noise in the pixels
that the model gets (VCD).
"""

ContrastPreset = Literal["PAI", "VCD"]
"""Published methods whose settings `contrast_preset` knows."""

NOISE_STEPS = 1000


@dataclass(frozen=True)
class Contrast:
    """How an answer is decoded by contrast: log p = g·(c − u) + u, up to a constant, at every token.

    c is what the model says to the request, u what it says to the request as `against` changes it, both as log-softmax,
    and g is `strength`: 1 is the plain answer, 0 that of the other request. Only tokens stay whose probability in c is
    at least `cut` times the largest: 0 keeps all, 1 the likeliest alone.
    noised_image alone: `noise` is the step of VCD's diffusion, from 0 (hardly any) to 999 (nothing but noise), and
    `seed` is the noise's. Raises BadInput for values out of range.
    """

    socket: ClassVar[str] = "AP_CONTRAST"

    against: Against = "no_fovea"
    strength: float = 1.5
    cut: float = 0.1
    noise: int = 500
    seed: int = 0

    def __post_init__(self) -> None:
        if self.against not in get_args(Against):
            hint = f"Use one of {', '.join(get_args(Against))}."
            raise BadInput("there is no such contrast", input="against", value=self.against, hint=hint)
        _check("strength", self.strength, 0, math.inf, "A number from 0: 1 is the plain answer.")
        _check("cut", self.cut, 0, 1, "A share from 0 to 1.")
        _check("noise", self.noise, 0, NOISE_STEPS - 1, f"A whole number from 0 to {NOISE_STEPS - 1}.", whole=True)
        _check("seed", self.seed, 0, 2**32 - 1, "A whole number from 0.", whole=True)


def _check(name: str, value: object, low: float, high: float, hint: str, *, whole: bool = False) -> None:
    fits = isinstance(value, Integral if whole else Real) and not isinstance(value, bool)
    if not (fits and low <= float(value) <= high and math.isfinite(float(value))):  # pyright: ignore[reportArgumentType]
        raise BadInput("it is out of range", input=name, value=value, hint=hint)


def contrasted(scores: Tensor, contrast: Contrast) -> Tensor:
    """Scores for the next token (2B, V), of B requests and then of what each is contrasted with: (2B, V).

    A request and its other have the same scores, so that both go on with the same token. They are g·(c − u) + u, and
    −∞ for tokens below the cut (Prompt Highlighter; PAI; VCD).
    """
    own, other = scores.float().log_softmax(-1).chunk(2)
    found = own if contrast.strength == 1 else own + (contrast.strength - 1) * (own - other)
    floor = own.amax(-1, keepdim=True) + (math.log(contrast.cut) if contrast.cut else -math.inf)
    found = found.masked_fill((own < floor) | own.isneginf(), -math.inf)
    return torch.cat([found, found])


def noised(pixels: Tensor, contrast: Contrast) -> Tensor:
    """Pixels as the model is given them, after so many steps of diffusion: √ᾱ·x + √(1 − ᾱ)·noise (VCD).

    ᾱ is the product of 1 − β up to that step, and β rises along a sigmoid from 1e-5 to 5e-3. The noise is made on the
    CPU, so that every device has the same.
    """
    steps = torch.linspace(-6, 6, NOISE_STEPS, dtype=torch.float64).sigmoid() * (5e-3 - 1e-5) + 1e-5
    kept = float((1 - steps)[: contrast.noise + 1].prod())
    generator = torch.Generator().manual_seed(contrast.seed)
    noise = torch.empty(pixels.shape).normal_(generator=generator).to(pixels.device)
    return (math.sqrt(kept) * pixels.float() + math.sqrt(1 - kept) * noise).to(pixels.dtype)


CONTRAST_PRESETS: dict[ContrastPreset, Contrast] = {
    "PAI": Contrast("no_image", strength=1.1, cut=0.1),
    "VCD": Contrast("noised_image", strength=1.5, cut=0.1, noise=500),
}


@typed()
def contrast_preset(name: ContrastPreset) -> Contrast:
    """The contrast of a published method, for `ask(..., contrast=contrast_preset("VCD"))`.

    PAI also steers, to the whole image: `fovea="image", **steer_preset("PAI")`. Raises BadInput for another name.
    """
    if name not in CONTRAST_PRESETS:
        hint = f"Use one of {', '.join(CONTRAST_PRESETS)}."
        raise BadInput("there is no such preset", input="name", value=name, hint=hint)
    return CONTRAST_PRESETS[name]


def contrast_of(given: Contrast | Against | None) -> Contrast | None:
    """What `ask` takes as `contrast`: a `Contrast`, or what it is against, at the default strength."""
    try:
        return Contrast(given) if isinstance(given, str) else given
    except BadInput as error:
        raise BadInput(error.problem, input="contrast", value=given, hint=error.hint) from error
