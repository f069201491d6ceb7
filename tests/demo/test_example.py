"""The shipped example picture is what its script draws."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from api_graph.demo.example import EXAMPLE_SIZE, example_scene

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
