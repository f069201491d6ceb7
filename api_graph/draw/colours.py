"""Colours of a drawn graph: a node by its category, a link by what travels along it."""

from __future__ import annotations

import colorsys
from zlib import crc32

CATEGORIES = {
    "models": "#4a4063",
    "image": "#2f4a63",
    "attribution": "#5d4a26",
    "heatmap": "#63403a",
    "foveal": "#5a3350",
    "visual prompts": "#3c5230",
    "text": "#2c5450",
    "LVLM": "#3f3f72",
    "tasks": "#4d5230",
    "mask": "#3a5a44",
}
"""Title bars, by the last part of a node's category."""

SOCKETS = {
    "IMAGE": "#64b5f6",
    "MASK": "#81c784",
    "STRING": "#8fd9c8",
    "INT": "#9aa0a6",
    "FLOAT": "#9aa0a6",
    "BOOLEAN": "#9aa0a6",
    "COMBO": "#9aa0a6",
    "*": "#b8b8b8",
    "AP_CLIP": "#ffd54f",
    "AP_LVLM": "#b39ddb",
    "AP_ATTRIBUTION": "#ff9e5e",
    "AP_BOXES": "#f48fb1",
}


def category_colour(category: str) -> str:
    """`#rrggbb`, dark enough for white text."""
    name = category.rpartition("/")[2]
    return CATEGORIES.get(name) or _hashed(name, lightness=0.28, saturation=0.25)


def socket_colour(socket: str) -> str:
    """`#rrggbb`, light enough for a dark ground; of several sockets that fit, the first one's."""
    return SOCKETS.get(socket.partition(",")[0]) or _hashed(socket, lightness=0.72, saturation=0.6)


def _hashed(name: str, lightness: float, saturation: float) -> str:
    """A colour of its own for a name that no table holds; always the same one."""
    red, green, blue = colorsys.hls_to_rgb(crc32(name.encode()) % 360 / 360, lightness, saturation)
    return f"#{round(red * 255):02x}{round(green * 255):02x}{round(blue * 255):02x}"
