"""Draws web/icon.png, what ComfyUI's registry shows of the pack: a map on a grid of patches, and where it is highest.

python tools/draw_icon.py
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

FILE = Path(__file__).resolve().parent.parent / "web" / "icon.png"
SIDE, CELLS, GAP = 400, 7, 6
PEAK, REACH = (4.4, 2.6), 1.6
LOW, HIGH = np.array([30, 34, 46]), np.array([255, 176, 32])

_SCALE = 4
"""It is drawn larger and made smaller, so that its corners are smooth."""


def icon() -> Image.Image:
    """The icon, (SIDE, SIDE), with round corners on nothing."""
    side = SIDE * _SCALE
    picture = Image.new("RGBA", (side, side))
    draw = ImageDraw.Draw(picture)
    draw.rounded_rectangle((0, 0, side - 1, side - 1), radius=side // 8, fill=(18, 20, 28, 255))
    margin, gap = side // 11, GAP * _SCALE
    cell = (side - 2 * margin - (CELLS - 1) * gap) / CELLS
    for row in range(CELLS):
        for column in range(CELLS):
            away = np.hypot(column + 0.5 - PEAK[0], row + 0.5 - PEAK[1])
            share = float(np.exp(-((away / REACH) ** 2) / 2))
            colour = tuple(int(c) for c in np.rint(LOW + share * (HIGH - LOW)))
            left, top = margin + column * (cell + gap), margin + row * (cell + gap)
            draw.rounded_rectangle((left, top, left + cell, top + cell), radius=cell / 6, fill=(*colour, 255))
    x, y = (margin + at * (cell + gap) - gap / 2 for at in PEAK)
    for radius, width in ((cell * 1.9, cell / 5), (cell * 0.3, cell)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), outline=(255, 255, 255, 255), width=int(width))
    return picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


if __name__ == "__main__":
    icon().save(FILE, optimize=True)
