"""Text on a picture: fonts of the machine if it has some, else Pillow's own."""

from __future__ import annotations

from bisect import bisect_right
from functools import cache, lru_cache

from PIL import Image, ImageDraw, ImageFont

Face = ImageFont.FreeTypeFont | ImageFont.ImageFont

_FILES = (
    "DejaVuSans.ttf",
    "NotoSans-Regular.ttf",
    "Arial.ttf",
    "arial.ttf",
    "LiberationSans-Regular.ttf",
    "NotoSansCJK-Regular.ttc",
    "PingFang.ttc",
    "msyh.ttc",
)
"""What Linux, macOS and Windows have; Pillow looks in their font folders. Earlier ones are preferred."""
_LOOKED_FOR = 12
_MISSING = "\uffff"
"""No font has it: it is drawn as the box that stands for every missing character."""


class Font:
    """A size of text. Each character is drawn in the first face that has it, as Ψ or a question in Chinese needs.

    With `plain` Pillow's own font is the first, so that plain English looks alike on every machine.
    """

    def __init__(self, size: float, *, plain: bool = False) -> None:
        self._size, self._plain = size, plain

    def width(self, text: str) -> float:
        """Width of one line."""
        return sum(face.getlength(run) for face, run in self._runs(text))

    def draw(
        self, draw: ImageDraw.ImageDraw, at: tuple[float, float], text: str, fill: str, anchor: str = "lm"
    ) -> None:
        """Draw one line with its left end and vertical middle at a point; `anchor`, as Pillow has it, is another."""
        x, y = at
        for face, run in self._runs(text):
            draw.text((x, y), run, fill=fill, font=face, anchor=anchor)
            x += face.getlength(run)

    def shortened(self, text: str, width: float) -> str:
        """`text`, or as much of its beginning as fits, with an ellipsis."""
        if self.width(text) <= width:
            return text
        return text[: self.fitting(text, width - self.width("…"))].rstrip() + "…"

    def fitting(self, text: str, width: float) -> int:
        """How many characters from the beginning on fit."""
        return bisect_right(range(1, len(text) + 1), width, key=lambda count: self.width(text[:count]))

    def _runs(self, text: str) -> list[tuple[Face, str]]:
        """The text in runs of one face each."""
        runs: list[tuple[Face, str]] = []
        for character in text:
            face = _face(_first_with(character, self._plain), self._size)
            if runs and runs[-1][0] is face:
                runs[-1] = (face, runs[-1][1] + character)
            else:
                runs.append((face, character))
        return runs


@cache
def _available() -> tuple[str, ...]:
    """The files that this machine has; "" stands for Pillow's own font, which has little but ASCII."""
    found = []
    for file in _FILES:
        try:
            ImageFont.truetype(file, _LOOKED_FOR)
        except OSError:
            continue
        found.append(file)
    return (*found, "")


@lru_cache(maxsize=64)
def _face(file: str, size: float) -> Face:
    return ImageFont.truetype(file, size) if file else ImageFont.load_default(size)


@lru_cache(maxsize=4096)
def _first_with(character: str, plain: bool = False) -> str:
    """The first font that has a character; the first of all if none has."""
    files = ("", *_available()) if plain else _available()
    for file in files:
        face = _face(file, _LOOKED_FOR)
        if _drawn(character, face) != _drawn(_MISSING, face):
            return file
    return files[0]


def _drawn(character: str, face: Face) -> bytes:
    cell = Image.new("L", (2 * _LOOKED_FOR, 2 * _LOOKED_FOR))
    ImageDraw.Draw(cell).text((0, 0), character, fill=255, font=face)
    return cell.tobytes()
