"""Which rectangle of the source an image processor of the plain kind (pad, resize, crop) shows to the model."""

from __future__ import annotations

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.protocols import ImageProcessor


def seen_rectangle(images: ImageProcessor, width: int, height: int) -> tuple[Geometry, tuple[int, int]]:
    """What of a (`width`, `height`) source the image processor `images` shows, and at which (height, width) in pixels.

    Read from its own settings: do_pad (to a square, around the centre), do_resize to size's height and width or
    shortest_edge, do_center_crop to crop_size. Raises BadInput for other kinds of resizing or padding.
    (`Geometry.of_resize` is open_clip's kind: one size for resize and crop, and other rounding.)
    """
    area = _padded(images, width, height)
    frame_w, frame_h = round(area.right - area.left), round(area.bottom - area.top)
    new_w, new_h = _resized(images, frame_w, frame_h) if images.do_resize else (frame_w, frame_h)
    if not getattr(images, "do_center_crop", False):
        return area, (new_h, new_w)
    crop_w, crop_h = images.crop_size["width"], images.crop_size["height"]
    x, y = frame_w / new_w, frame_h / new_h  # source pixels per resized pixel
    left = area.left + _crop_offset(new_w, crop_w) * x
    top = area.top + _crop_offset(new_h, crop_h) * y
    return Geometry(width, height, left, top, left + crop_w * x, top + crop_h * y), (crop_h, crop_w)


def squared(width: int, height: int) -> Geometry:
    """The source padded to a square, around its centre; an odd pixel goes to the right or the bottom."""
    side = max(width, height)
    left, top = -((side - width) // 2), -((side - height) // 2)
    return Geometry(width, height, left, top, left + side, top + side)


def patched(area: Geometry, pixels: tuple[int, int], patch: int) -> tuple[tuple[int, int], Geometry]:
    """The grid (gh, gw) of whole patches in a view of `pixels` (height, width), and the rectangle that it covers.

    A vision tower cuts patches from the top left; it never sees what is left over at the right and the bottom.
    """
    grid = pixels[0] // patch, pixels[1] // patch
    right = area.left + (area.right - area.left) * grid[1] * patch / pixels[1]
    bottom = area.top + (area.bottom - area.top) * grid[0] * patch / pixels[0]
    return grid, Geometry(area.width, area.height, area.left, area.top, right, bottom)


def _padded(images: ImageProcessor, width: int, height: int) -> Geometry:
    do_pad = getattr(images, "do_pad", False)
    if not do_pad:
        return Geometry.whole(width, height)
    if not hasattr(images, "pad_to_square"):
        raise _unknown(f"{type(images).__name__} pads in a way that is not known here", "do_pad", do_pad)
    return squared(width, height)


def _resized(images: ImageProcessor, width: int, height: int) -> tuple[int, int]:
    size = {name: value for name, value in dict(images.size).items() if value is not None}
    if size.keys() == {"height", "width"}:
        return size["width"], size["height"]
    if size.keys() == {"shortest_edge"}:
        short = size["shortest_edge"]  # the longer side is truncated
        return (short, int(short * height / width)) if width <= height else (int(short * width / height), short)
    raise _unknown(f"{type(images).__name__} resizes in a way that is not known here", "size", size)


def _crop_offset(resized: int, crop: int) -> int:
    """Where the frame begins in the resized image; negative where that is smaller and was padded."""
    return (resized - crop) // 2 if resized >= crop else -((crop - resized) // 2)


def _unknown(problem: str, setting: str, value: object) -> BadInput:
    return BadInput(
        problem, input=f"processor.{setting}", value=value, hint="Use the preprocessing that the model came with."
    )
