"""The picture that the shipped graphs open with; `python -m api_graph.demo.example PATH` draws it anew."""

from __future__ import annotations

import sys

from api_graph.demo.scenes import Scene, scene

EXAMPLE_SEED = 30_000_024
EXAMPLE_SIZE = (480, 320)


def example_scene() -> Scene:
    """A scene that is not square: two stars, two yellow objects, and a red triangle in the foreground."""
    width, height = EXAMPLE_SIZE
    return scene(EXAMPLE_SEED, (5, 5), width=width, height=height, clutter=(3, 8))


if __name__ == "__main__":
    example_scene().image.save(sys.argv[1], optimize=True)
