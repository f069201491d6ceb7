"""The ways in which a model is pointed at boxes, by name: drawn, by a foveal mask, by both, or not at all.

"none"  "foveal"  "circle"  "circle_blur"  "blur"  "grey"  "crop"  "box"  "shade"  "keypoint"
"circle+foveal"    drawn, and a foveal mask on the drawn image, in one pass
"circle:falip"     with the parameters of published code (`api_graph.pixels.prompts.PRESETS`)
"circle+replace v" the drawn image's attention over the clean image's values; "+replace qk" the reverse
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels import prompts
from api_graph.tasks.replaced import Part
from api_graph.tasks.templates import REFERRING, SHADED

Draw = Callable[..., "Tensor | list[Tensor]"]

_FOVEAL = "foveal"
_NONE = "none"
_REPLACED: dict[str, Part] = {"replace v": "v", "replace qk": "qk"}

_FUNCTIONS: dict[str, Draw] = {
    "circle": prompts.draw_circle,
    "outside": prompts.weaken_outside,
    "crop": prompts.crop_boxes,
    "box_line": prompts.draw_box,
    "shade": prompts.shade_boxes,
    "keypoint": prompts.draw_keypoint,
}
"""By the names that the presets use."""

PROMPTS: dict[str, tuple[str, dict[str, Any]]] = {
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

WAYS = (_NONE, _FOVEAL, *PROMPTS)


@dataclass(frozen=True)
class Way:
    """How boxes are shown: `draw` (or None) with its `arguments`, whether a `foveal` mask points at them, which part of
    the drawn image's attention is `replaced` by the clean one's, and what is said around a caption.
    """

    name: str
    foveal: bool = False
    replaced: Part | None = None
    draw: Draw | None = None
    arguments: dict[str, Any] = field(default_factory=dict)
    template: str = REFERRING

    def pictures(self, image: Tensor, boxes: Tensor, *, together: bool = False) -> list[Tensor]:
        """The image (1, H, W, 3) with each of boxes (N, 4) drawn, N of (1, h, w, 3); with `together` one of all boxes.

        Without anything to draw, the image itself, once.
        """
        if self.draw is None:
            return [image]
        drawn = self.draw(image, boxes, together=together, **self.arguments)
        return list(drawn.split(1)) if isinstance(drawn, Tensor) else drawn


def way_of(name: str) -> Way:
    """The way that is meant, such as "circle:falip+foveal"; BadInput for what there is not."""
    if name in (_NONE, _FOVEAL):
        return Way(name, foveal=name == _FOVEAL)
    parts = [part.strip() for part in name.split("+")] if isinstance(name, str) else []
    added = [part for part in parts if part == _FOVEAL or part in _REPLACED]
    drawn = [part for part in parts if part not in added]
    if len(drawn) != 1 or len(added) > 1:
        raise _unknown(name)
    function, arguments = _prompt(drawn[0])
    if added and function == "crop":
        problem = "a crop shows nothing but the box, so there is nothing to point at or to compare with"
        raise BadInput(problem, input="method", value=name, hint="Use crop alone, or in an ensemble.")
    return Way(
        name,
        foveal=_FOVEAL in added,
        replaced=_REPLACED.get(added[0]) if added else None,
        draw=_FUNCTIONS[function],
        arguments=arguments,
        template=SHADED if function == "shade" else REFERRING,
    )


def ways_of(method: str | Sequence[str]) -> list[Way]:
    """One way, or several that are to be aggregated."""
    names: list[Any] = list(method) if isinstance(method, (list, tuple)) else [method]
    if not names:
        raise BadInput("there is no method", input="method", hint=f"Use one of {', '.join(WAYS)}.")
    return [way_of(name) for name in names]


def _prompt(name: str) -> tuple[str, dict[str, Any]]:
    prompt, colon, preset = name.partition(":")
    if colon and prompt in _FUNCTIONS:
        return prompt, prompts.preset(prompt, preset)
    if colon or prompt not in PROMPTS:
        raise _unknown(name)
    return PROMPTS[prompt]


def _unknown(name: Any) -> BadInput:
    presets = ", ".join(f"{p.prompt}:{p.name}" for p in prompts.PRESETS)
    hint = f"Use one of {', '.join(WAYS)}, a drawn one with +foveal, or published parameters: {presets}."
    return BadInput("there is no such method", input="method", value=name, hint=hint)
