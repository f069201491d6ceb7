"""Images of four channels on a wire: laid over black wherever they are read, in every node that takes an image."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from api_graph.nodes import core_compositing
from PIL import Image
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.pixels._check import checked_image
from api_graph.registry import all_nodes
from api_graph.spec import spec_of
from tests.nodes.case import CASES, difference
from tests.nodes.world import World

for file in sorted(Path(__file__).with_name("cases").glob("*.py")):
    import_module(f"tests.nodes.cases.{file.stem}")

NODES = all_nodes()
PASSED_ON = {"APSaveImage", "APPreviewImage", "APGatherImages", "APChooseImage", "ImageInvert", "ImageToMask"}
"""What comes out is what went in, channels and all; the files that they write are laid over black."""
PASSED_ON |= {spec_of(function).id for function in core_compositing.NODES}  # ComfyUI's rules for alpha are its own
TAKING = [id for id, spec in NODES.items() if any(one.socket == "IMAGE" for one in spec.inputs) and id in CASES]

pytestmark = pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def with_alpha(value: Any, seed: int, composited: bool) -> Any:
    """An image, or a list of them, with an alpha channel; or what that is over black, worked out here."""
    if isinstance(value, list):
        return [with_alpha(one, seed, composited) for one in value]
    if not isinstance(value, Tensor):
        return value
    alpha = torch.rand(*value.shape[:3], 1, generator=torch.Generator().manual_seed(seed))
    if not composited:
        return torch.cat([value, alpha], dim=3)
    return torch.stack([value[..., channel] * alpha[..., 0] for channel in range(3)], dim=3)


@pytest.mark.parametrize("id", TAKING)
def test_alpha_is_laid_over_black(id: str, world: World) -> None:
    spec, case = NODES[id], CASES[id](world)
    pictures = [one.name for one in spec.inputs if one.socket == "IMAGE"]
    found, expected = (
        world.seen(
            spec,
            spec.function,
            {
                name: with_alpha(value, pictures.index(name), composited) if name in pictures else value
                for name, value in case.given.items()
            },
        )
        for composited in (False, True)
    )
    assert not isinstance(expected.result, BadInput), expected.result
    assert not isinstance(found.result, BadInput), found.result
    if id not in PASSED_ON:
        assert difference(case.view(found.result), case.view(expected.result), 1e-6) is None
    assert difference(found.files, expected.files, where="files") is None


def test_over_black_by_hand() -> None:
    image = torch.tensor([[[[1.0, 0.5, 0.2, 0.5], [0.3, 0.6, 0.9, 0.0], [0.1, 0.2, 0.3, 1.0]]]])
    expected = torch.tensor([[[[0.5, 0.25, 0.1], [0.0, 0.0, 0.0], [0.1, 0.2, 0.3]]]])
    torch.testing.assert_close(checked_image(image), expected)
    with pytest.raises(BadInput, match=r"shape \(B, H, W, 3\)"):
        checked_image(image[..., :2])


@pytest.mark.parametrize("id", ["APLoadImage", "LoadImage"])
def test_a_file_s_colours_are_as_stored(id: str, world: World) -> None:
    """As core's Load Image has them, under any alpha."""
    name = world.file("half.png", lambda path: Image.new("RGBA", (3, 2), (200, 100, 50, 51)).save(path))
    context, _ = world.context(NODES[id])
    found: Any = NODES[id].function(context=context, image=name)
    assert torch.equal(found.image, (torch.tensor([200, 100, 50]) / 255).expand(1, 2, 3, 3))
    torch.testing.assert_close(found.mask, torch.full((1, 2, 3), 1 - 51 / 255))


def test_the_alpha_of_an_image_as_a_mask() -> None:
    image = torch.rand(1, 2, 3, 4)
    for index, channel in enumerate(("red", "green", "blue", "alpha")):
        found: Any = NODES["ImageToMask"].function(image=image, channel=channel)
        assert torch.equal(found, image[..., index])
    with pytest.raises(BadInput, match="channel: this IMAGE has no alpha"):
        NODES["ImageToMask"].function(image=image[..., :3], channel="alpha")
