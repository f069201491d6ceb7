"""Pictures that a camera has stored turned: every function of Python sees them upright, however they are given."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

import api_graph
from api_graph.pixels.given import as_pictures
from api_graph.pixels.read import read_image, upright
from api_graph.settings import shipped_graphs

PICTURE = shipped_graphs() / "api_graph_example.png"
STAR = "the orange star"
BOXES = [(354, 165, 432, 243), (52, 112, 153, 216)]
ORIENTATION = 0x0112
# How the upright picture lies in the file: what turns it back is the inverse.
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
XMP = (
    '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    '<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="{}"/></rdf:RDF></x:xmpmeta>'
)


def upright_picture() -> Image.Image:
    with Image.open(PICTURE) as picture:
        return picture.convert("RGB")


def stored(orientation: int, kind: str = "PNG", *, xmp: bool = False) -> bytes:
    """The picture turned as a camera stores it, with the orientation in EXIF or in XMP; lossless."""
    exif, texts, xml = Image.Exif(), PngInfo(), XMP.format(orientation)
    exif[ORIENTATION] = orientation
    texts.add_itxt("XML:com.adobe.xmp", xml)
    by_xmp: dict[str, Any] = {"pnginfo": texts} if kind == "PNG" else {"xmp": xml.encode()}
    buffer = io.BytesIO()
    turned = upright_picture().transpose(STORED[orientation])
    turned.save(buffer, kind, lossless=True, **(by_xmp if xmp else {"exif": exif.tobytes()}))
    return buffer.getvalue()


def values(result: Any) -> Tensor:
    """The numbers of a result."""
    for name in ("heatmap", "combined", "map", "scores"):
        if hasattr(result, name):
            return getattr(result, name)
    return result


CLIP, LVLM = cache(api_graph.load_clip), cache(api_graph.load_lvlm)
FUNCTIONS: dict[str, Callable[[Any], Any]] = {
    "annotate": lambda image: api_graph.annotate(image, STAR, CLIP()),
    "annotate, LVLM": lambda image: api_graph.annotate(image, "What colour?", LVLM()),
    "clip_attribution": lambda image: api_graph.clip_attribution(image, STAR, CLIP()),
    "lvlm_attribution": lambda image: api_graph.lvlm_attribution(image, "What colour?", LVLM()),
    "choose_box": lambda image: api_graph.choose_box(image, BOXES, STAR, CLIP()),
    "classify": lambda image: api_graph.classify(image, [STAR, "ring"], CLIP(), boxes=BOXES),
    "foveal_features": lambda image: api_graph.foveal_features(image, model=CLIP()),
}


@pytest.fixture(scope="module")
def expected() -> dict[str, Tensor]:
    return {name: values(function(upright_picture())) for name, function in FUNCTIONS.items()}


@pytest.mark.parametrize("orientation", [3, 6])  # all of them below
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_turned_file_gives_what_the_upright_picture_gives(
    name: str, orientation: int, expected: dict[str, Tensor], tmp_path: Path
) -> None:
    file = stored(orientation)
    (tmp_path / "turned.png").write_bytes(file)
    for given in (tmp_path / "turned.png", file, Image.open(io.BytesIO(file))):
        found = FUNCTIONS[name](given)
        assert torch.equal(values(found), expected[name])
        if hasattr(found, "picture"):
            assert found.picture().size == FUNCTIONS[name](upright_picture()).picture().size


@pytest.mark.parametrize("orientation", STORED)
@pytest.mark.parametrize(("kind", "xmp"), [("PNG", False), ("PNG", True), ("WEBP", False), ("WEBP", True)])
def test_turned_once_is_enough(kind: str, xmp: bool, orientation: int) -> None:
    """By Pillow's own function, of the picture as it lies in the file."""
    file = stored(orientation, kind, xmp=xmp)
    with Image.open(io.BytesIO(file)) as picture:
        pixels = np.asarray(ImageOps.exif_transpose(picture))
    assert np.array_equal(pixels, np.asarray(upright_picture()))
    once = read_image(file)
    for turned in (
        once,
        upright(once),
        *as_pictures(once),
        *as_pictures(as_pictures(file)),
        ImageOps.exif_transpose(once),
    ):
        assert np.array_equal(np.asarray(turned), pixels)


def test_what_is_given_stays_as_it_was() -> None:
    """And a picture that is held by a result is not the caller's own, which may be drawn on later."""
    own = Image.open(io.BytesIO(stored(6)))
    size, info = own.size, dict(own.info)
    (turned,) = as_pictures(own)
    assert own.size == size == turned.size[::-1] and own.info == info
    plain = upright_picture()
    assert as_pictures(plain)[0] is not plain
