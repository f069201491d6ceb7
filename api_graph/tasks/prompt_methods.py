"""Prompt methods: how a box is shown to a model. It is drawn, it gets a foveal mask, or both, or neither.

"none"  "foveal"  "circle"  "circle_blur"  "blur"  "grey"  "crop"  "box"  "shade"  "keypoint"
"circle+foveal"    drawn, and a foveal mask on the drawn image, in one pass
"circle:falip"     with the parameters of published code (`api_graph.pixels.prompts.PRESETS`)
"circle+replace v" the drawn image's attention over the clean image's values; "+replace qk" the reverse
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels import prompts
from api_graph.pixels.prompts.presets import Arguments
from api_graph.tasks.replaced import Replaced
from api_graph.tasks.templates import REFERRING, SHADED

Draw = Callable[..., "Tensor | list[Tensor]"]

_FOVEAL = "foveal"
_NONE = "none"
_REPLACED: dict[str, Replaced] = {"replace v": "v", "replace qk": "qk"}

_FUNCTIONS: dict[str, Draw] = {
    "circle": prompts.draw_circle,
    "outside": prompts.weaken_outside,
    "crop": prompts.crop_boxes,
    "box_line": prompts.draw_box,
    "shade": prompts.shade_boxes,
    "keypoint": prompts.draw_keypoint,
}
"""By the names that the presets use."""

PROMPTS: dict[str, tuple[str, Arguments]] = {
    "circle": ("circle", {}),
    "circle_blur": ("circle", {"blur_outside": 100.0}),
    "blur": ("outside", {"fill": "blur"}),
    "grey": ("outside", {"fill": "greyscale"}),
    "crop": ("crop", {}),
    "box": ("box_line", {}),
    "shade": ("shade", {}),
    "keypoint": ("keypoint", {}),
}
"""What is drawn: a function and its arguments. In the released code "circle" is what is `circle_blur` here."""

METHODS = (_NONE, _FOVEAL, *PROMPTS)


@dataclass(frozen=True)
class PromptMethod:
    """How boxes are shown: what is drawn, whether a foveal mask is laid over them, and what is said with a caption.

    `draw` (or None) is called with `arguments`. `replaced`: what the drawn image's attention takes from the clean one.
    """

    name: str
    foveal: bool = False
    replaced: Replaced | None = None
    draw: Draw | None = None
    arguments: Arguments = field(default_factory=dict)
    template: str = REFERRING

    def pictures(self, image: Tensor, boxes: Tensor, *, together: bool = False) -> list[Tensor]:
        """The image (1, H, W, 3) with each of boxes (N, 4) drawn, N of (1, h, w, 3); with `together` one of all boxes.

        Without anything to draw, the image itself, once.
        """
        if self.draw is None:
            return [image]
        drawn = self.draw(image, boxes, together=together, **self.arguments)
        return list(drawn.split(1)) if isinstance(drawn, Tensor) else drawn


def prompt_method(name: str) -> PromptMethod:
    """The method of a name such as "circle:falip+foveal"; BadInput for a name that stands for none."""
    if name in (_NONE, _FOVEAL):
        return PromptMethod(name, foveal=name == _FOVEAL)
    words = [word.strip() for word in name.split("+")] if isinstance(name, str) else []
    added = [word for word in words if word == _FOVEAL or word in _REPLACED]
    drawn = [word for word in words if word not in added]
    if len(drawn) != 1 or len(added) > 1:
        raise _unknown(name)
    function, arguments = _prompt(drawn[0])
    if added and function == "crop":
        problem = "a crop shows nothing but the box, so there is nothing to point at or to compare with"
        raise BadInput(problem, input="method", value=name, hint="Use crop alone, or in an ensemble.")
    return PromptMethod(
        name,
        foveal=_FOVEAL in added,
        replaced=_REPLACED.get(added[0]) if added else None,
        draw=_FUNCTIONS[function],
        arguments=arguments,
        template=SHADED if function == "shade" else REFERRING,
    )


def prompt_methods(method: str | Sequence[str]) -> list[PromptMethod]:
    """One method, or several whose scores are to be aggregated."""
    if not isinstance(method, Sequence):
        raise _unknown(method)
    names = [method] if isinstance(method, str) else method
    if not names:
        raise BadInput("there is no method", input="method", hint=f"Use one of {', '.join(METHODS)}.")
    return [prompt_method(name) for name in names]


def _prompt(name: str) -> tuple[str, Arguments]:
    """The function that draws, by the name of its presets, and its arguments."""
    prompt, colon, preset = name.partition(":")
    if colon and prompt in _FUNCTIONS:
        return prompt, prompts.preset(prompt, preset)
    if colon or prompt not in PROMPTS:
        raise _unknown(name)
    return PROMPTS[prompt]


def _unknown(name: object) -> BadInput:
    presets = ", ".join(f"{p.prompt}:{p.name}" for p in prompts.PRESETS)
    hint = f"Use one of {', '.join(METHODS)}, a drawn one with +foveal, or published parameters: {presets}."
    return BadInput("there is no such method", input="method", value=name, hint=hint)
