"""Token layouts from hand-worked facts, without a processor where a family needs none; and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.layout import token_layouts
from api_graph.lvlm.layout.preprocessing import patched
from api_graph.lvlm.layout.tiled import internvl_canvas
from tests.lvlm.layout.by_hand import IMAGE, config, ids, pixels


def test_llava_without_a_processor_saw_its_pixels_whole() -> None:
    inputs = {"input_ids": ids(12), "pixel_values": pixels(1, 32, 24)}
    ((image,),) = token_layouts(config("llava"), None, inputs, None)
    assert image.size == (24, 32)
    (view,) = image.views
    assert (view.grid, view.area) == ((4, 3), Geometry.whole(24, 32))
    assert view.columns.tolist() == list(range(1, 13))
    assert image.columns.tolist() == list(range(1, 13))


def test_sizes_say_where_pixels_without_a_processor_come_from() -> None:
    inputs = {"input_ids": ids(12), "pixel_values": pixels(1, 32, 24)}
    ((image,),) = token_layouts(config("llava"), None, inputs, [[(240, 320)]])
    assert image.views[0].area == Geometry.whole(240, 320)


def test_patches_that_do_not_fill_a_view_leave_its_right_and_bottom_unseen() -> None:
    """27 patches of 14 pixels in 384: 378 are seen, of 768 × 192 source pixels 756 × 189."""
    grid, area = patched(Geometry.whole(768, 192), (384, 384), 14)
    assert grid == (27, 27)
    assert (area.left, area.top, area.right, area.bottom) == (0, 0, 756, 189)


def test_qwen_counts_merged_patches_of_the_whole_image() -> None:
    grids = torch.tensor([[1, 4, 6], [1, 6, 2]])
    inputs = {"input_ids": ids(6, 3), "image_grid_thw": grids}
    (images,) = token_layouts(config("qwen2_vl", patch_size=14), None, inputs, None)
    assert [image.views[0].grid for image in images] == [(2, 3), (3, 1)]
    assert [image.size for image in images] == [(84, 56), (28, 84)]
    assert [image.columns.tolist() for image in images] == [[1, 2, 3, 4, 5, 6], [8, 9, 10]]


@pytest.mark.parametrize(
    ("facts", "grid"),
    [
        (config("llava", tower="pixtral"), (4, 6)),
        (config("mistral3", tower="pixtral", spatial_merge_size=2), (2, 3)),
    ],
    ids=["Pixtral", "Mistral 3"],
)
def test_pixtral_counts_the_patches_of_the_resized_image(facts: Any, grid: tuple[int, int]) -> None:
    """32 × 48 pixels in patches of 8. The model's own text ends each row: tokens of a row are a run of their own."""
    inputs = {"input_ids": ids(*[grid[1]] * grid[0]), "image_sizes": torch.tensor([[32, 48]])}
    ((image,),) = token_layouts(facts, None, inputs, [[(500, 320)]])
    (view,) = image.views
    assert (view.grid, view.area) == (grid, Geometry.whole(500, 320))
    columns = [1 + row * (grid[1] + 1) + column for row in range(grid[0]) for column in range(grid[1])]
    assert view.columns.tolist() == columns


@pytest.mark.parametrize(
    ("family", "reason"),
    [
        ("gemma3n", "image: its vision tower comes in one size, .*Use one of llava, .*gemma3"),
        ("llama4", "image: its processor pads an image into tiles, "),
        ("perception_lm", "image: its processor cuts an image into tiles, "),
        ("kosmos-2", "lie in the image .got 'kosmos-2'"),
    ],
)
def test_an_unknown_family_is_refused_with_the_reason(family: str, reason: str) -> None:
    with pytest.raises(BadInput, match=f"model: it is not known where this family's image tokens .*{reason}"):
        token_layouts(config(family), None, {"input_ids": ids(12), "pixel_values": pixels(1, 32, 24)}, None)


def test_prompts_without_an_image() -> None:
    rows = torch.tensor([[1, 1, 1, 1, 1], [1, IMAGE, IMAGE, IMAGE, IMAGE]])
    inputs = {"input_ids": rows, "pixel_values": pixels(1, 16, 16)}
    none, (image,) = token_layouts(config("llava"), None, inputs, [[], [(30, 30)]])
    assert none == []
    assert image.columns.tolist() == [1, 2, 3, 4]


def test_internvl_tiles_by_hand() -> None:
    """Two tiles and a thumbnail: of an image that is wider than high, side by side."""
    facts = config("internvl", [48, 48], [8, 8], downsample_ratio=0.5)
    ((image,),) = token_layouts(facts, None, {"input_ids": ids(27)}, [[(200, 80)]])
    areas = [(view.area.left, view.area.top, view.area.right, view.area.bottom) for view in image.views]
    assert areas == [(0, 0, 100, 80), (100, 0, 200, 80), (0, 0, 200, 80)]
    assert [view.columns.tolist() for view in image.views] == [list(range(1 + 9 * i, 10 + 9 * i)) for i in range(3)]


@given(width=st.integers(8, 900), height=st.integers(8, 900), most=st.integers(1, 12), tile=st.sampled_from([48, 448]))
def test_internvl_canvas_is_the_processors(width: int, height: int, most: int, tile: int) -> None:
    from transformers.models.got_ocr2.image_processing_got_ocr2 import get_optimal_tiled_canvas

    columns, rows = get_optimal_tiled_canvas((height, width), (tile, tile), 1, most)
    assert internvl_canvas((width, height), rows * columns, tile * tile) == (rows, columns)


def test_gemma3_crops_by_hand() -> None:
    """100 rows in 3 crops of 34: the last has 32."""
    facts = config("gemma3", mm_tokens_per_image=4)
    ((image,),) = token_layouts(facts, None, {"input_ids": ids(4, 4, 4, 4)}, [[(30, 100)]])
    assert [(view.area.top, view.area.bottom) for view in image.views] == [(0, 100), (0, 34), (34, 68), (68, 100)]
    assert {(view.area.left, view.area.right) for view in image.views} == {(0, 30)}


# What is refused, and how.

LLAVA = {"input_ids": ids(36), "pixel_values": pixels(1, 48, 48)}
QWEN = {"input_ids": ids(6), "image_grid_thw": torch.tensor([[1, 4, 6]])}
NEXT = {"input_ids": ids(36 + 8 * 13), "image_sizes": torch.tensor([[90, 150]])}


def clip(**settings: Any) -> Any:
    from transformers import CLIPImageProcessor

    square = {"height": 48, "width": 48}
    return SimpleNamespace(image_processor=CLIPImageProcessor(**{"size": square, "crop_size": square, **settings}))


@pytest.mark.parametrize(
    ("facts", "processor", "inputs", "sizes", "complaint"),
    [
        (config("gpt2"), None, LLAVA, None, "llava_next, llava_next_video, llava_onevision"),
        (config("llava"), None, {"pixel_values": pixels(1, 48, 48)}, None, "input_ids are missing"),
        (config("llava"), None, {**LLAVA, "input_ids": ids(35)}, None, "35 image tokens, but its images would make 36"),
        (config("llava"), None, LLAVA, [[(9, 9), (9, 9)]], "pixel_values speaks of 1 images, but 2 sizes"),
        (config("llava"), None, LLAVA, [[(9, 9)], [(9, 9)]], "there are 1 prompts"),
        (config("llava"), clip(), LLAVA, None, "there are 1 prompts"),
        (config("llava", tower="pixtral"), None, LLAVA, None, "image_sizes is missing"),
        (
            config("llava", tower="pixtral"),
            None,
            {**LLAVA, "image_sizes": torch.tensor([[48, 40]])},
            None,
            "36 image tokens, but its images would make 30",
        ),
        (config("llava"), None, {"input_ids": ids(36)}, None, "do not say how large the images were"),
        (config("llava"), None, {"input_ids": ids(36)}, [[(9, 9)]], "pixel_values is missing"),
        (
            config("llava"),
            clip(size={"height": 40, "width": 40}, do_center_crop=False),
            LLAVA,
            [[(9, 9)]],
            r"\(40, 40\)",
        ),
        (config("llava"), clip(size={"longest_edge": 48}), LLAVA, [[(9, 9)]], "resizes in a way that is not known"),
        (config("llava"), clip(do_pad=True), LLAVA, [[(9, 9)]], "pads in a way that is not known"),
        (config("qwen2_vl"), None, {"input_ids": ids(6)}, [[(9, 9)]], "image_grid_thw is missing"),
        (config("qwen2_vl"), None, {**QWEN, "input_ids": ids(7)}, None, "7 image tokens, but its images would make 6"),
        (config("llava_next"), None, NEXT, [[(90, 150)]], r"saw images of \[\(150, 90\)\]"),
        (
            config("internvl", downsample_ratio=0.5),
            None,
            {"input_ids": ids(9, 9)},
            [[(9, 9)]],
            "2 runs of image tokens",
        ),
        (config("internvl", downsample_ratio=0.5), None, {"input_ids": ids(10)}, [[(9, 9)]], "10 image tokens"),
        (config("idefics3", scale_factor=2), None, {"input_ids": ids(9, 9)}, [[(9, 9)]], "only the tokenizer knows"),
        (
            config("gemma3", mm_tokens_per_image=9),
            None,
            {"input_ids": ids(9, 9, 9)},
            [[(9, 9)] * 2],
            "3 views of 2 images",
        ),
        (config("gemma3", mm_tokens_per_image=9), None, {"input_ids": ids(9)}, [[(9, 9)] * 2], "1 views of 2 images"),
    ],
)
def test_what_does_not_add_up_is_refused(facts: Any, processor: Any, inputs: Any, sizes: Any, complaint: str) -> None:
    with pytest.raises(BadInput, match=complaint):
        token_layouts(facts, processor, inputs, sizes)


class Words:
    """A tokenizer that says of each run of tokens before an image what this test wants."""

    def __init__(self, *before: str) -> None:
        self.before = iter(before)

    def decode(self, _: list[int]) -> str:
        return next(self.before)


TILE = "<fake><row_{}_col_{}>"


@pytest.mark.parametrize(
    ("before", "complaint"),
    [
        ((TILE.format(1, 1), TILE.format(1, 2)), "ends before its last image"),
        ((TILE.format(1, 2), "<global-img>"), "do not fill rows and columns"),
        (("<global-img>", "<global-img>"), "shows 2 whole images"),
    ],
)
def test_idefics3_tiles_that_make_no_image_are_refused(before: tuple[str, ...], complaint: str) -> None:
    processor = SimpleNamespace(tokenizer=Words(*before))
    inputs = {"input_ids": ids(9, 9)}
    with pytest.raises(BadInput, match=complaint):
        token_layouts(config("idefics3", scale_factor=2), processor, inputs, [[(90, 90)]])
