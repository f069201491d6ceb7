"""Results that are pictures: seen in a notebook as a cell's last line, and by `show`, `plot` and `save`."""

from __future__ import annotations

import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.files import PictureFormat, PictureKind, expanded, real_path, whole_file
from api_graph.notebook import display, in_notebook
from api_graph.pixels.encode import check_size, encode
from api_graph.pixels.heatmap import minmax
from api_graph.pixels.overlay import colorize, overlay
from api_graph.pixels.read import to_pil, to_rgb_or_rgba, to_tensor
from api_graph.pixels.resize import to_pixels
from api_graph.plotting import Panel, draw_panels
from api_graph.sockets import Attribution

if TYPE_CHECKING:
    from matplotlib.figure import Figure  # pyright: ignore[reportMissingImports]

_KINDS: dict[str, PictureKind] = {".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".webp": "webp"}
_GAP = 8
_COMPRESSION = 4


class Shown(ABC):
    """What can be looked at as a picture."""

    @abstractmethod
    def picture(self) -> Image.Image:
        """What `show` shows and `save` writes."""

    @abstractmethod
    def _panels(self) -> list[list[Panel]]:
        """The rows of the figure that `plot` draws."""

    def _repr_png_(self) -> bytes | None:
        buffer = io.BytesIO()
        try:
            self.picture().save(buffer, "PNG", compress_level=1)
        except BadInput:  # a result that does not know its image has only words in a notebook
            return None
        return buffer.getvalue()

    def show(self) -> None:
        """Show the picture: below the cell in a notebook, else in the system's viewer."""
        if in_notebook():
            display(self.picture())
        else:
            self.picture().show()

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture, as the file's ending says: .png, .jpg or .webp. Returns its path; raises BadInput."""
        return save_picture(self.picture(), path)

    def plot(self) -> Figure:
        """A figure with the image beside it, drawn by matplotlib, which is the extra `plots`.

        Its own `savefig` writes it as PDF or SVG. Raises BadInput where matplotlib is not installed.
        """
        return draw_panels(self._panels())


class ShownMap(Shown):
    """An answer's map, over the image where that is known."""

    attribution: Attribution
    answer: str
    image: Image.Image | None

    def picture(self) -> Image.Image:
        """The map in colours over the image; alone where pixels were given in its place."""
        return next(maps_over(self.attribution, () if self.image is None else (self.image,)))

    def _panels(self) -> list[list[Panel]]:
        before = [] if self.image is None else [Panel("image", self.image)]
        return [[*before, Panel(self.answer, self.picture(), is_map=True)]]


def save_picture(picture: Image.Image, path: str | os.PathLike[str]) -> Path:
    """Write a picture whole or not at all, as its file's ending says, and return its path. Raises BadInput."""
    file = real_path(expanded(path))
    kind = _KINDS.get(file.suffix.lower())
    if kind is None:
        hint = "Write .png, .jpg or .webp; plot().savefig(path) writes .pdf and .svg."
        raise BadInput("a picture is not saved as such a file", input="path", value=str(path), hint=hint)
    pixels, format = np.asarray(to_rgb_or_rgba(picture)), PictureFormat(kind)
    check_size(pixels, format)
    try:
        with whole_file(file) as opened:
            encode(opened, pixels, format, {}, _COMPRESSION)
    except OSError as error:
        problem, hint = f"it cannot be written ({error.strerror or error})", "Choose a file in a folder of your own."
        raise BadInput(problem, input="path", value=str(path), hint=hint) from error
    return file


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Pictures in a row, on white and of one height, the first one's."""
    height = pictures[0].height
    sized = [p if p.height == height else p.resize((round(p.width * height / p.height), height)) for p in pictures]
    strip = Image.new("RGB", (sum(p.width for p in sized) + _GAP * (len(sized) - 1), height), "white")
    left = 0
    for picture in sized:
        strip.paste(picture, (left, 0))
        left += picture.width + _GAP
    return strip


def maps_over(attribution: Attribution, images: Sequence[Image.Image]) -> Iterator[Image.Image]:
    """Each map in colours, over its image where there is one: from its own lowest value to its highest.

    `images` are as many, or none: then a map lies alone on the size of the image that it was made of.
    """
    for number, one in enumerate(attribution.each()):
        heatmap = minmax(to_pixels(one))
        yield coloured(heatmap, images[number] if images else None)


def coloured(heatmap: Tensor, image: Image.Image | None) -> Image.Image:
    """A heatmap (1, H, W) in colours, over its image if there is one."""
    if image is None:
        return to_pil(colorize(heatmap))[0]
    return to_pil(overlay(to_tensor(image, eight_bits=True)[0], heatmap.cpu()))[0]
