"""The parameters with which published code draws its prompts: one table, each row with its source.

`falip` and `reclip` are exact in pixels (`drawing="pillow"`). `fgvp` draws with OpenCV on an image whose shorter side
was first brought to 384 pixels: here its line widths are that share of the shorter side, its blurs count pixels of the
image as it is given, and its edges are hard. The RedCircle paper released no code; its line width is not known.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, TypeAlias

from api_graph.errors import BadInput

Arguments: TypeAlias = dict[str, Any]
"""Keyword arguments of a prompt's function, whose types are its own."""


@dataclass(frozen=True)
class Preset:
    """Arguments for one prompt's function, and where they come from."""

    prompt: str
    name: str
    arguments: Arguments
    source: str


_FALIP_LINE = {"colour": "red", "thickness": 1 / 200, "unit": "long side", "align": "inside", "drawing": "pillow"}
_FGVP_LINE = {"colour": "red", "thickness": 2 / 384, "unit": "short side", "align": "centre", "drawing": "hard"}
_CPT_SHADE = {"colour": "#f0001e", "opacity": 127 / 255, "shape": "box", "drawing": "pillow"}
_SOM_LABEL = {"font_size": 18 / 640, "unit": "short side", "text_colour": "white", "label_opacity": 0.8}
_BLUR = {"fill": "blur", "blur_radius": 100.0}
_BLUR_BY_PILLOW = {**_BLUR, "shape": "box", "drawing": "pillow"}

PRESETS = (
    Preset("circle", "falip", {**_FALIP_LINE, "blur_outside": 100.0}, "FALIP's code: `circle`, with its blur"),
    Preset("circle", "falip_line", {**_FALIP_LINE, "blur_outside": 0.0}, "FALIP's code: `circle` with its blur off"),
    Preset("circle", "fgvp", {**_FGVP_LINE, "blur_outside": 0.0}, "FGVP's code: `circle`"),
    Preset("outside", "falip", _BLUR_BY_PILLOW, "FALIP's code: `blur`"),
    Preset("outside", "reclip", _BLUR_BY_PILLOW, "ReCLIP's code: `blur`"),
    Preset("outside", "fgvp_blur", {**_BLUR, "shape": "ellipse", "drawing": "hard"}, "FGVP's code: `blur_circle_mask`"),
    Preset(
        "outside",
        "fgvp_grey",
        {"fill": "greyscale", "channels": "bgr", "shape": "ellipse", "drawing": "hard"},
        "FGVP's code: `grayscale_circle_mask`, which takes RGB for BGR",
    ),
    Preset("crop", "falip", {"enlarge": 1.0, "rounding": "nearest"}, "FALIP's code: `crop`"),
    Preset("crop", "reclip", {"enlarge": 1.0, "rounding": "nearest"}, "ReCLIP's code: `crop`"),
    Preset("crop", "fgvp", {"enlarge": 1.0, "rounding": "down"}, "FGVP's code: `crop`"),
    Preset("box_line", "fgvp", _FGVP_LINE, "FGVP's code: `box`"),
    Preset("shade", "falip", _CPT_SHADE, "FALIP's code: `shade` (CPT)"),
    Preset("shade", "reclip", _CPT_SHADE, "ReCLIP's code: `shade` (CPT)"),
    Preset("shade", "fgvp", _CPT_SHADE, "FGVP's CPT command: `shade`"),
    Preset("contour", "fgvp", _FGVP_LINE, "FGVP's code: `contour`"),
    Preset("fgvp", "fgvp_mask", {"style": "mask", "colour": "#00ff00", "opacity": 0.5}, "FGVP's code: `mask`"),
    Preset("fgvp", "fgvp_reverse_blur", {"style": "reverse blur", "blur_radius": 100.0}, "FGVP's code: `blur_mask`"),
    Preset(
        "set_of_mark",
        "som",
        {"labels": "numbers", "order": "area", "opacity": 0.1, "thickness": 1.0, **_SOM_LABEL, "min_area": 10},
        "SoM's demo: marks on masks, on an image whose shorter side was brought to 640 pixels",
    ),
)


def preset(prompt: str, name: str) -> Arguments:
    """Arguments of the prompt's function, as in `draw_circle(image, boxes, **preset("circle", "falip"))`.

    An unknown name is a BadInput that lists the known ones.
    """
    known = {row.name: row.arguments for row in PRESETS if row.prompt == prompt}
    if name not in known:
        close = get_close_matches(name, known, n=1)
        hint = f"{f'Did you mean {close[0]}? ' if close else ''}{prompt} has {', '.join(known) or 'none'}."
        raise BadInput("unknown preset", input="preset", value=name, hint=hint)
    return dict(known[name])
