"""LLaVA-NeXT's and LLaVA-OneVision's canvases, worked out by hand: padding cut off, limits and their slack."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from api_graph.geometry import Geometry
from api_graph.lvlm.layout import TokenLayout, token_layouts
from api_graph.lvlm.layout.anyres import padding_in_cells
from tests.lvlm.layout.by_hand import config, ids

PINPOINTS = [[48, 96], [96, 48], [96, 96], [144, 48], [48, 144]]


def test_llava_next_canvas_by_hand() -> None:
    """150 × 90 on 96 × 96: scale 0.64, so 96 × 58 pixels (57.6 rounded up), 19 pixels below the top.

    In cells of 8 pixels the image is 7 of 12 high (7.2 truncated): 2 rows go from either end, and 8 rows remain, from
    pixel 16 to 80. Pixel 16 is 3 above the image, pixel 80 is 3 below its end; a pixel is 90 / 58 of the source's.
    """
    tokens = 36 + 8 * (12 + 1)
    inputs = {"input_ids": ids(tokens), "image_sizes": torch.tensor([[90, 150]])}
    ((image,),) = token_layouts(config("llava_next", image_grid_pinpoints=PINPOINTS), None, inputs, None)
    base, canvas = image.views
    assert (base.grid, base.area) == ((6, 6), Geometry.whole(150, 90))
    assert base.columns.tolist() == list(range(1, 37))
    assert canvas.grid == (8, 12)
    assert (canvas.area.left, canvas.area.right) == (0, 150)
    assert canvas.area.top == pytest.approx(-3 * 90 / 58)
    assert canvas.area.bottom == pytest.approx(90 + 3 * 90 / 58)
    # Every 13th token is a newline, which shows nothing of the image.
    assert canvas.columns.tolist() == [37 + 13 * row + column for row in range(8) for column in range(12)]
    assert len(image.columns) == 36 + 96


@pytest.mark.parametrize(("size", "newlines"), [((1000, 3), 0), ((3, 1000), 6)])
def test_of_a_very_thin_image_no_canvas_is_left(size: tuple[int, int], newlines: int) -> None:
    """3 of 1000 is less than a cell: all rows are cut off, or all columns, of which the newlines remain."""
    inputs = {"input_ids": ids(36 + newlines), "image_sizes": torch.tensor([size[::-1]])}
    ((image,),) = token_layouts(config("llava_next", image_grid_pinpoints=PINPOINTS), None, inputs, None)
    assert [view.grid for view in image.views] == [(6, 6)]


sides = st.integers(1, 4000)


@example(width=196, height=98, canvas=(81, 108))  # 98 · (108 / 196) is 53.99999999999999 in floats
@example(width=98, height=196, canvas=(108, 81))
@given(width=sides, height=sides, canvas=st.tuples(st.integers(1, 200), st.integers(1, 200)))
def test_padding_is_cut_by_whole_cells_from_both_ends(width: int, height: int, canvas: tuple[int, int]) -> None:
    """By whole numbers alone: the image fills ⌊height · columns / width⌋ rows, or ⌊width · rows / height⌋ columns.

    Half of the other cells, rounded down, are cut from each end.
    """
    rows, columns = canvas
    if width * rows > columns * height:
        expected = (rows - height * columns // width) // 2, 0
    else:
        expected = 0, (columns - width * rows // height) // 2
    assert padding_in_cells((width, height), canvas) == expected


# ------------------------------------------------------------------ OneVision's limit and its slack


def onevision(
    size: tuple[int, int], canvas: tuple[int, int], most: int, tile: int, patch: int, grid: tuple[int, int]
) -> TokenLayout:
    """The layout of an image of `size` (width, height) on a `canvas` (height, width) in pixels, if `grid` is right."""
    base, (rows, columns) = (tile // patch) ** 2, grid
    inputs = {"input_ids": ids(base + rows * (columns + 1)), "image_sizes": torch.tensor([size[::-1]])}
    facts = config(
        "llava_onevision", tile, patch, image_grid_pinpoints=[list(canvas)], vision_aspect_ratio=f"anyres_max_{most}"
    )
    ((layout,),) = token_layouts(facts, None, inputs, None)
    assert [view.grid for view in layout.views] == [(tile // patch, tile // patch), grid]
    return layout


@pytest.mark.parametrize(
    ("width", "grid"),
    [
        (199, (50, 200)),  # 10 000 cells: the limit
        (201, (50, 202)),  # 10 100: sides √1.01 = 1.005 times as long
        (240, (50, 240)),  # 12 000: 1.09545
        (242, (50, 242)),  # 12 100: 1.1 exactly, which is not more than 1.1
        (243, (45, 220)),  # 12 200: 1.10454; 50 / 1.10454 = 45.27 and 244 / 1.10454 = 220.91
        (250, (44, 223)),  # 12 500: 1.11803; 44.72 and 223.61
    ],
)
def test_onevision_leaves_a_canvas_that_is_larger_than_its_limit_by_the_slack(
    width: int, grid: tuple[int, int]
) -> None:
    """Cells of a pixel, tiles of 50 × 50, a canvas of five in a row, and a limit of four: 10 000 cells.

    An image of width × 50 keeps an even number of columns: of the canvas's 250, equally many are cut from each end.
    The model scales down where √(cells / 10 000) is more than 1.1.
    """
    onevision((width, 50), (50, 250), most=4, tile=50, patch=1, grid=grid)


@pytest.mark.parametrize(
    ("size", "grid"),
    [
        ((980, 810), (81, 98)),  # 7938 cells: √(7938 / 6561) = 1.09995
        ((1010, 810), (72, 90)),  # 81 × 102 = 8262 cells: 1.12217; 81 / 1.12217 = 72.18, 102 / 1.12217 = 90.90
        ((1296, 972), (70, 93)),  # 81 × 108, the whole canvas: 1.15470; 70.15 and 93.53
    ],
)
def test_onevision_as_it_was_released(size: tuple[int, int], grid: tuple[int, int]) -> None:
    """27 × 27 patches of 14 pixels in tiles of 384; at most nine tiles' worth (6561) on a canvas of three by four."""
    onevision(size, (1152, 1536), most=9, tile=384, patch=14, grid=grid)


def test_a_canvas_that_is_scaled_down_shows_what_it_showed() -> None:
    """Of 8 empty columns 4 go from each end. Of 7, 3 go from each end, and the last one stays, beyond the image."""
    kept = onevision((242, 50), (50, 250), most=4, tile=50, patch=1, grid=(50, 242))
    assert kept.views[1].area == Geometry.whole(242, 50)
    scaled = onevision((243, 50), (50, 250), most=4, tile=50, patch=1, grid=(45, 220))
    assert scaled.views[1].area == Geometry(243, 50, 0, 0, 244, 50)


def test_onevision_scales_a_large_canvas_down() -> None:
    """12 × 12 tokens are four views' worth; two are allowed: both sides shrink by √2, to 8 (8.49 truncated)."""
    inputs = {"input_ids": ids(36 + 8 * 9), "image_sizes": torch.tensor([[120, 120]])}
    facts = config("llava_onevision", image_grid_pinpoints=[[96, 96]], vision_aspect_ratio="anyres_max_2")
    ((image,),) = token_layouts(facts, None, inputs, None)
    assert [view.grid for view in image.views] == [(6, 6), (8, 8)]
    assert image.views[1].area == Geometry.whole(120, 120)
