"""The picture that the shipped graphs open with, and its objects' masks.

`python -m api_graph.demo.example PICTURE MASKS` draws both anew.
"""

from __future__ import annotations

import sys

import numpy as np
from PIL import Image

from api_graph.demo.scenes import Scene, scene

EXAMPLE_SEED = 30_000_024
EXAMPLE_SIZE = (480, 320)


def example_scene() -> Scene:
    """A scene that is not square: two stars, two yellow objects, and a red triangle in the foreground."""
    width, height = EXAMPLE_SIZE
    return scene(EXAMPLE_SEED, (5, 5), width=width, height=height, clutter=(3, 8))


def example_masks() -> list[Image.Image]:
    """A black and white picture for each object of the scene, in their order."""
    return [Image.fromarray(o.mask.astype(np.uint8) * 255) for o in example_scene().objects]


if __name__ == "__main__":
    example_scene().image.save(sys.argv[1], optimize=True)
    first, *others = example_masks()
    first.save(sys.argv[2], save_all=True, append_images=others, optimize=True)
