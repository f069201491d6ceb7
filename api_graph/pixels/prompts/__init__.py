"""Visual prompts: marks on the pixels that point a model at an object, with the parameters of published code."""

from api_graph.pixels.prompts._regions import BoxesLike, checked_boxes
from api_graph.pixels.prompts.contour import draw_contour
from api_graph.pixels.prompts.crop import crop_boxes
from api_graph.pixels.prompts.fgvp import fgvp
from api_graph.pixels.prompts.marks import SHADE_TEMPLATE, draw_box, draw_circle, draw_keypoint, shade_boxes
from api_graph.pixels.prompts.outside import weaken_outside
from api_graph.pixels.prompts.presets import PRESETS, Preset, preset
from api_graph.pixels.prompts.som import SetOfMark, named_mark, set_of_mark

__all__ = [
    "PRESETS",
    "SHADE_TEMPLATE",
    "BoxesLike",
    "Preset",
    "SetOfMark",
    "checked_boxes",
    "crop_boxes",
    "draw_box",
    "draw_circle",
    "draw_contour",
    "draw_keypoint",
    "fgvp",
    "named_mark",
    "preset",
    "set_of_mark",
    "shade_boxes",
    "weaken_outside",
]
