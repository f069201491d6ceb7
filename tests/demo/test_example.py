"""The shipped example picture is what its script draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

from api_graph.demo.example import EXAMPLE_SIZE, example_masks, example_scene

PICTURE = Path(__file__).parents[2] / "graphs" / "api_graph_example.png"


def test_the_picture_is_the_scene() -> None:
    drawn = np.asarray(example_scene().image, dtype=float)
    shipped = np.asarray(Image.open(PICTURE), dtype=float)
    assert shipped.shape == (EXAMPLE_SIZE[1], EXAMPLE_SIZE[0], 3)
    # Pillow's rounding at edges may differ between releases.
    assert np.abs(drawn - shipped).mean() < 0.5


def test_the_scene_has_twins_in_colour_and_in_shape() -> None:
    names = {o.name for o in example_scene().objects}
    assert names == {"green star", "orange star", "yellow ring", "yellow square", "red triangle"}


def test_the_masks_are_the_objects_of_the_scene_a_frame_each() -> None:
    with Image.open(PICTURE.with_name("api_graph_example_masks.png")) as file:
        frames = [np.asarray(frame.convert("L")) > 0 for frame in ImageSequence.Iterator(file)]
    objects = example_scene().objects
    assert len(frames) == len(objects) == 5
    for frame, drawn, one in zip(frames, example_masks(), objects, strict=True):
        assert (frame != (np.asarray(drawn) > 0)).mean() < 0.001
        left, top, right, bottom = one.box
        assert frame.sum() == frame[top:bottom, left:right].sum() == one.mask.sum()
