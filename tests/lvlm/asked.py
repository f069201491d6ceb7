"""What the tests of local LVLMs ask: tiny models, pictures with something in them, requests."""

from __future__ import annotations

from functools import cache

import torch
from PIL import Image, ImageDraw

from api_graph.lvlm import LvlmModel, Request
from tests.lvlm.families import FAMILIES

torch.set_num_threads(1)


@cache
def tiny(family: str) -> LvlmModel:
    """A tiny random model of a family, shared by all tests: none may leave anything behind in it."""
    module, processor = FAMILIES[family]()
    return LvlmModel.from_transformers(module, processor, f"tiny {family}")


def picture(width: int = 120, height: int = 80, colour: tuple[int, int, int] = (220, 30, 30)) -> Image.Image:
    image = Image.new("RGB", (width, height), (40, 60, 80))
    ImageDraw.Draw(image).rectangle((width // 4, height // 5, width // 2, height // 2), fill=colour)
    return image


def two_requests() -> list[Request]:
    """Different questions, image shapes and system prompts: a batch of them is padded."""
    return [
        Request("What colour?", (picture(),)),
        Request("Where is the big blue thing, please?", (picture(60, 90, (20, 20, 230)),), "Be brief."),
    ]
