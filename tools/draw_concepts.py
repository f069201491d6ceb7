"""Draws the pictures of docs/concepts.md from the demo CLIP and its example picture.

    python tools/draw_concepts.py

A test compares them with what is committed.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from api_graph import annotate, clip_attribution, foveal_mask, load_clip
from api_graph.geometry import Geometry, ResizeMode
from api_graph.pixels.blend import alpha_blend
from api_graph.pixels.heatmap import mean_filter, normalize, soft_or
from api_graph.pixels.overlay import colorize, overlay
from api_graph.pixels.read import to_pil, to_tensor
from api_graph.pixels.resize import to_pixels
from api_graph.pixels.sheet import contact_sheet
from api_graph.settings import EXAMPLE_PICTURE, shipped_graphs
from api_graph.sockets import Attribution

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "concepts"
QUERY = "the yellow ring"
BOX = (292, 40, 406, 150)
FOVEAL_GRID = (24, 24)
"""That of ViT-L-14-336: on the demo model's a Gaussian has few cells."""
KERNEL = 15
_CELL = (300, 200)
_GROUND, _SEEN, _GRID = "#1c1d20", "#ff5630", "#ffffffa0"


def pictures() -> dict[str, Image.Image]:
    """The pictures by the name of their file, without an ending."""
    example = Image.open(shipped_graphs() / EXAMPLE_PICTURE).convert("RGB")
    model = load_clip("demo")
    maps = clip_attribution([example], [QUERY], model)
    _, gh, gw = maps.cls.shape
    grid = (gh, gw)
    with torch.inference_mode():
        return {
            "psi": _psi(example, maps.attribution, maps.cls, maps.comp),
            "blend": _blend(example, maps.attribution.with_values(normalize(maps.cls))),
            "geometry": _geometry(example, grid),
            "fovea": _fovea(example, foveal_mask(BOX, example.size, FOVEAL_GRID)[None]),
            "recipes": _recipes(example),
        }


def _psi(example: Image.Image, placed: Attribution, cls: Tensor, comp: Tensor) -> Image.Image:
    """What the two maps and their soft OR say of one query, over the image."""
    cls, comp = normalize(cls), normalize(comp)
    named = {"cls": cls, "comp": comp, "cls soft OR comp": soft_or(cls, comp)}
    over = [overlay(to_tensor(example)[0], to_pixels(placed.with_values(values))) for values in named.values()]
    return _row([example, *(to_pil(one)[0] for one in over)], [f'"{QUERY}"', *named])


def _blend(example: Image.Image, placed: Attribution) -> Image.Image:
    """A map on its way to the pixels."""
    cells = Image.fromarray((placed.values[0].numpy() * 255).astype("uint8")).resize(_CELL, Image.Resampling.NEAREST)
    heatmap = to_pixels(placed)
    smooth = mean_filter(heatmap, KERNEL)
    seen = to_pil(alpha_blend(to_tensor(example)[0], smooth))[0]
    grey = [to_pil(colorize(one, "grey"))[0] for one in (heatmap, smooth)]
    return _row([cells, *grey, seen], ["the map", "resized to pixels", f"mean filter {KERNEL}", "alpha blend"])


def _geometry(example: Image.Image, grid: tuple[int, int]) -> Image.Image:
    """Where a model's grid lies on the image, by the way in which it was made to fit."""
    ways: dict[ResizeMode, str] = {"shortest": "centre crop", "longest": "padded", "squash": "squashed"}
    seen = {name: Geometry.of_resize(*example.size, (224, 224), way) for way, name in ways.items()}
    return _row([example, *(_with_grid(example, one, grid) for one in seen.values())], ["the image", *seen])


def _with_grid(example: Image.Image, geometry: Geometry, grid: tuple[int, int]) -> Image.Image:
    margin = (example.width - example.height) // 2
    canvas = Image.new("RGB", (example.width + 2 * margin, example.height + 2 * margin), _GROUND)
    canvas.paste(example, (margin, margin))
    lines = Image.new("RGBA", canvas.size)
    draw = ImageDraw.Draw(lines)
    columns, rows = ([edge + margin for edge in edges] for edges in geometry.cell_edges(grid))
    for x in columns:
        draw.line((x, rows[0], x, rows[-1]), _GRID, 2)
    for y in rows:
        draw.line((columns[0], y, columns[-1], y), _GRID, 2)
    draw.rectangle((columns[0], rows[0], columns[-1], rows[-1]), outline=_SEEN, width=5)
    canvas.paste(lines, mask=lines)
    return canvas


def _fovea(example: Image.Image, mask: Tensor) -> Image.Image:
    """A box, the Gaussian over the patches that it becomes, and where that lies."""
    boxed = example.copy()
    ImageDraw.Draw(boxed).rectangle(BOX, outline=_SEEN, width=4)
    values = mask / mask.max()
    cells = Image.fromarray((values[0].numpy() * 255).astype("uint8")).resize(_CELL, Image.Resampling.NEAREST)
    placed = Attribution(values, (Geometry.whole(*example.size),))
    over = to_pil(overlay(to_tensor(example)[0], to_pixels(placed)))[0]
    return _row([boxed, cells, over], ["a box", "the foveal mask", "over the image"])


def _recipes(example: Image.Image) -> Image.Image:
    """The same question by the paper's equations, and as the official code computes it."""
    made = [annotate([example], [QUERY], recipe=recipe)[0].image for recipe in ("paper", "reference")]
    return _row([example, *made], [f'"{QUERY}"', "recipe paper", "recipe reference"])


def _row(panels: list[Image.Image], captions: list[str]) -> Image.Image:
    return contact_sheet(panels, captions, columns=len(panels), cell=_CELL, font_size=18)


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    for name, picture in pictures().items():
        picture.save(FOLDER / f"{name}.jpg", quality=85, optimize=True)


if __name__ == "__main__":
    main()
