"""Every image token shows what `token_layouts` says: asked of each family's real processor and vision tower."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from api_graph.lvlm.layout import TokenLayout, View, token_layouts
from tests.lvlm.families import FAMILIES, prompt
from tests.lvlm.layout.probe import Box, blind, boxed, bright, brightness, covered, dark, some_boxes
from tests.lvlm.tiny import SIDE
from tests.lvlm.tiny_llava import llava_onevision

torch.set_num_threads(1)

# Some processors use a deprecated conversion of tensors to numpy: PaliGemma's, and InternVL's before transformers 5.
pytestmark = pytest.mark.filterwarnings("ignore:__array:DeprecationWarning")

SIZES = [(120, 120), (150, 90), (90, 150), (200, 75), (101, 203)]
Size = tuple[int, int]


@cache
def blinded(family: str) -> tuple[Any, Any]:
    model, processor = FAMILIES[family]()
    return blind(model), processor


@pytest.fixture(params=FAMILIES)
def family(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    return blinded(request.param)


def shown(processor: Any, pictures: Sequence[Sequence[Any]], **options: Any) -> Any:
    """Prompts of different lengths, so that all but one are padded, each with its own pictures."""
    texts = [prompt(processor, "What?" * (1 + i % 3), len(images)) for i, images in enumerate(pictures)]
    return processor(
        images=[list(images) for images in pictures], text=texts, return_tensors="pt", padding=True, **options
    )


def off(
    model: Any,
    processor: Any,
    sizes: Sequence[Size],
    *,
    layout_of: Any = token_layouts,
    rounds: int = 4,
    **options: Any,
) -> list[torch.Tensor]:
    """|what each token saw of a bright box − what its layout says|, (N,) per round, for prompts with images of `sizes`.

    Each round has a box in every image.
    """
    boxes: list[list[Box]] = [some_boxes(size, rounds) for size in sizes]
    pictures = [[dark(size) for size in sizes], [bright(size) for size in sizes]]
    pictures += [[boxed(size, own[i]) for size, own in zip(sizes, boxes, strict=True)] for i in range(rounds)]
    inputs = shown(processor, pictures, **options)
    layouts = layout_of(model.config, processor, inputs, [sizes] * len(pictures))
    saw = brightness(model, inputs, [torch.cat([image.columns for image in one]) for one in layouts])
    says = [
        torch.cat([covered(image, own[i]) for image, own in zip(one, boxes, strict=True)])
        for i, one in enumerate(layouts[2:])
    ]
    return [(a - b).abs()[b.isfinite()] for a, b in zip(saw, says, strict=True)]


def assert_right(errors: list[torch.Tensor]) -> None:
    """A cell beside the right one would be off by up to 1, half a cell by 0.5; resampling blurs a box's edges."""
    assert torch.cat(errors).max() < 0.35
    assert torch.cat(errors).mean() < 0.03


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_each_token_saw_its_cell(family: tuple[Any, Any], size: Size) -> None:
    assert_right(off(*family, [size]))


def test_several_images_of_one_prompt(family: tuple[Any, Any]) -> None:
    assert_right(off(*family, [(90, 150), (120, 120), (200, 75)]))


def test_prompts_with_different_images(family: tuple[Any, Any]) -> None:
    """What a batch says of a prompt is what is said of it alone, moved by its padding."""
    model, processor = family
    sizes = [[(150, 90)], [(90, 150)]]
    inputs = shown(processor, [[dark(size) for size in own] for own in sizes])
    together = token_layouts(model.config, processor, inputs, sizes)
    for i, own in enumerate(sizes):
        text = prompt(processor, "What?" * (1 + i))
        lone = processor(images=[[dark(own[0])]], text=[text], return_tensors="pt")
        (alone,) = token_layouts(model.config, processor, lone, [own])
        padding = inputs["input_ids"].shape[1] - lone["input_ids"].shape[1]
        for a, b in zip(together[i][0].views, alone[0].views, strict=True):
            assert (a.grid, a.area) == (b.grid, b.area)
            assert torch.equal(a.columns, b.columns + padding)


def test_right_padding(family: tuple[Any, Any]) -> None:
    assert_right(off(*family, [(150, 90)], padding_side="right"))


def transposed(view: View) -> View:
    return View(view.columns.view(view.grid[::-1]).T.flatten(), view.grid, view.area)


def shifted(view: View) -> View:
    return View(view.columns.roll(1), view.grid, view.area)


@pytest.mark.parametrize("wrong", [transposed, shifted])
@pytest.mark.parametrize(("model_type", "size"), [("llava_next", (150, 90)), ("internvl", (120, 120))])
def test_the_probe_tells_wrong_layouts_from_right_ones(
    model_type: str, size: Size, wrong: Callable[[View], View]
) -> None:
    def wrong_layouts(*given: Any) -> list[list[TokenLayout]]:
        return [
            [TokenLayout(image.size, tuple(wrong(view) for view in image.views)) for image in images]
            for images in token_layouts(*given)
        ]

    errors = torch.cat(off(*blinded(model_type), [size], layout_of=wrong_layouts))
    assert errors.max() > 0.6
    assert errors.mean() > 0.05


# What the processors' own settings change.


def llava_with(images: Any) -> tuple[Any, Any]:
    model, processor = FAMILIES["llava"]()
    processor.image_processor = images
    return blind(model), processor


CROP = {"height": SIDE, "width": SIDE}


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_llava_pads_to_a_square(size: Size) -> None:
    from transformers import LlavaImageProcessor

    family = llava_with(LlavaImageProcessor(size={"shortest_edge": SIDE}, crop_size=CROP, do_pad=True))
    assert_right(off(*family, [size]))
    (layout,) = token_layouts(family[0].config, family[1], shown(family[1], [[dark(size)]]), [[size]])[0]
    assert layout.views[0].area.right - layout.views[0].area.left == max(size)


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize(
    "settings",
    [
        {"size": CROP, "do_center_crop": False},
        {"size": {"shortest_edge": 64}, "crop_size": CROP},
        {"size": {"shortest_edge": 40}, "crop_size": CROP},
        {"size": {"height": 60, "width": 70}, "crop_size": CROP},
        {"do_resize": False, "crop_size": CROP},
    ],
    ids=["squash", "crop more", "crop beyond", "squash, then crop", "crop alone"],
)
def test_llava_as_its_processor_is_set(settings: dict[str, Any], size: Size) -> None:
    from transformers import CLIPImageProcessor

    model, processor = llava_with(CLIPImageProcessor(**settings))
    assert_right(off(model, processor, [size]))


def test_llava_that_keeps_the_cls_token() -> None:
    model, processor = FAMILIES["llava"]()
    model.config.vision_feature_select_strategy = processor.vision_feature_select_strategy = "full"
    assert_right(off(blind(model), processor, [(150, 90)]))


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_gemma3_pan_and_scan(size: Size) -> None:
    model, processor = blinded("gemma3")
    options = {
        "do_pan_and_scan": True,
        "pan_and_scan_min_crop_size": 20,
        "pan_and_scan_max_num_crops": 4,
        "pan_and_scan_min_ratio_to_activate": 1.2,
    }
    assert_right(off(model, processor, [size], **options))
    inputs = shown(processor, [[dark(size)]], **options)
    ((layout,),) = token_layouts(model.config, processor, inputs, [[size]])
    # The longer side's crops, by the rule: round(long / short), at least 2; none for a square.
    assert len(layout.views) - 1 == {120: 0, 150: 2, 90: 2, 200: 3, 101: 2}[size[0]]


@pytest.mark.parametrize("model_type", ["internvl", "idefics3"])
def test_no_tiles_when_they_are_switched_off(model_type: str) -> None:
    model, processor = FAMILIES[model_type]()
    blind(model)
    options = {"crop_to_patches": False} if model_type == "internvl" else {}
    processor.image_processor.do_image_splitting = False  # for Idefics3; InternVL's has no such thing
    assert_right(off(model, processor, [(150, 90)], **options))
    inputs = shown(processor, [[dark((150, 90))]], **options)
    ((layout,),) = token_layouts(model.config, processor, inputs, [[(150, 90)]])
    assert len(layout.views) == 1


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_patches_that_do_not_fill_their_tile(size: Size) -> None:
    """As with 27 patches of 14 pixels in 384: here 6 of 8 in 51."""
    model, processor = llava_onevision(side=51)
    assert_right(off(blind(model), processor, [size]))


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((112, 48), (6, 14)),  # 84 cells, √(84 / 72) = 1.08 times the limit's sides: left as it is
        ((48, 112), (14, 6)),
        ((120, 48), (5, 13)),  # 6 × 16 = 96 cells, 1.1547: 6 / 1.1547 = 5.196, 16 / 1.1547 = 13.86
    ],
)
def test_onevision_within_its_slack_and_beyond(size: Size, grid: tuple[int, int]) -> None:
    """A limit of two views of 6 × 6 cells; the image fills 14 or 15 of 18 cells, and cells are cut off in pairs."""
    model, processor = blinded("llava_onevision")
    assert_right(off(model, processor, [size]))
    ((layout,),) = token_layouts(model.config, processor, shown(processor, [[dark(size)]]), [[size]])
    assert [view.grid for view in layout.views] == [(6, 6), grid]


def test_onevision_takes_a_flat_list_as_an_image_each() -> None:
    """As many prompts as images: each is tiled. Several in a list for one prompt: a squared base each."""
    model, processor = blinded("llava_onevision")
    size = (150, 90)
    flat = processor(images=[dark(size)], text=prompt(processor, "What?"), return_tensors="pt")
    assert [len(image.views) for image in token_layouts(model.config, processor, flat, [[size]])[0]] == [2]
    listed = shown(processor, [[dark(size), dark(size)]])
    images = token_layouts(model.config, processor, listed, [[size, size]])[0]
    assert [len(image.views) for image in images] == [1, 1]
    assert (images[0].views[0].area.top, images[0].views[0].area.bottom) == (-30, 120)


@given(width=st.integers(4, 300), height=st.integers(4, 300))
@settings(max_examples=15)
@pytest.mark.parametrize("model_type", ["llava_next", "llava_onevision", "internvl", "idefics3", "qwen2_vl"])
def test_tokens_of_any_image_add_up(model_type: str, width: int, height: int) -> None:
    """Also of images so thin that a processor leaves nothing of their canvas."""
    model, processor = blinded(model_type)
    size = (width, height)
    assume(max(size) < 200 * min(size))  # Qwen's own limit
    inputs = shown(processor, [[dark(size)]])
    ((layout,),) = token_layouts(model.config, processor, inputs, [[size]])
    assert (inputs["input_ids"][0, layout.columns] == model.config.image_token_id).all()
    assert len(layout.columns.unique()) == len(layout.columns)
    for view in layout.views:
        assert view.columns.shape == (view.grid[0] * view.grid[1],)
        for edges, end in zip(view.area.cell_edges(view.grid), size, strict=True):
            cell = edges[1] - edges[0]
            assert edges[0] > -cell and edges[-1] < end + cell  # a row of cells that saw only padding is cut off
