"""The depth views of point clouds, against points worked out by hand and a slow loop over points."""

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.tasks.pointcloud.classification import foreground_boxes, foreground_cells, view_masks
from api_graph.tasks.pointcloud.project import SIX_VIEWS, checked_points, depth_images, project, rotations, unit_sphere

NO_TURN = ((0.0, 0.0, 0.0),)


def sphere(count: int, seed: int = 0) -> torch.Tensor:
    points = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return points / points.norm(dim=1, keepdim=True)


def test_the_origin_lies_in_the_middle_of_every_view() -> None:
    depth = project(torch.zeros(1, 3))[0]
    assert depth.shape == (6, 128, 128)
    assert depth[:, 64, 64].tolist() == pytest.approx([1.6] * 6)  # ceil((0 + 1) · 64 − 0.5) = 64
    assert int((depth > 0).sum()) == 6


def test_x_counts_the_rows() -> None:
    depth = project(torch.tensor([[0.8, 0.1, 0.0]]), views=NO_TURN)[0, 0]
    # u = 0.8 / 1.6 = 0.5 -> ceil(96 − 0.5) = 96; v = 0.1 / 1.6 = 0.0625 -> ceil(68 − 0.5) = 68
    assert torch.nonzero(depth).tolist() == [[96, 68]]


@pytest.mark.parametrize(
    ("where", "pixel"),
    [
        (-0.75, 0),  # (u + 1) · 2 = 0.5: ceil(0) = 0
        (-0.5, 1),  # 1.0: ceil(0.5) = 1
        (-0.3125, 1),  # 1.375: ceil(0.875) = 1; without the half it would be 2
        (-0.25, 1),  # 1.5: ceil(1.0) = 1
        (-0.1875, 2),  # 1.625: ceil(1.125) = 2
        (0.25, 2),  # 2.5: ceil(2.0) = 2
        (0.3125, 3),  # 2.625: ceil(2.125) = 3
        (0.75, 3),  # 3.5: ceil(3.0) = 3, the last row; without the half it would be off the map
    ],
)
def test_a_pixel_reaches_half_a_pixel_to_either_side(where: float, pixel: int) -> None:
    depth = project(torch.tensor([[where, 0.0, 0.0]]), views=NO_TURN, size=4, distance=1.0)[0, 0]
    assert torch.nonzero(depth).tolist() == [[pixel, 2]]  # v = 0: ceil(2 − 0.5) = 2


def test_half_a_pixel_before_the_first_is_off_the_map() -> None:
    with pytest.warns(ApiGraphWarning, match="50.0%"):  # ceil((-1.5 + 1) · 2 − 0.5) = ceil(-1.5) = -1
        project(torch.tensor([[-1.5, 0.0, 0.0], [0.0, 0.0, 0.0]]), views=NO_TURN, size=4, distance=1.0)


def test_the_first_view_turns_a_quarter_about_z() -> None:
    # (x, y) -> (-y, x): u = -0.1 / 1.6 -> ceil(60 − 0.5) = 60, v = 0.5 -> 96
    depth = project(torch.tensor([[0.8, 0.1, 0.0]]))[0, 0]
    assert torch.nonzero(depth).tolist() == [[60, 96]]


def test_a_pixel_holds_the_harmonic_mean_of_its_depths() -> None:
    depth = project(torch.tensor([[0.0, 0.0, -0.6], [0.0, 0.0, 0.4]]), views=NO_TURN)[0, 0]
    assert float(depth[64, 64]) == pytest.approx(2 / (1 / 1.0 + 1 / 2.0))


def test_views_are_what_their_angles_say() -> None:
    point = torch.tensor([0.1, 0.2, 0.3], dtype=torch.float64)
    first, second, *_, fifth, sixth = (turn @ point for turn in rotations())
    assert first.tolist() == pytest.approx([-0.2, 0.1, 0.3])  # z by a quarter
    assert second.tolist() == pytest.approx([-0.2, -0.3, 0.1])  # then x: (x, y, z) -> (x, -z, y)
    assert fifth.tolist() == pytest.approx([-0.3, 0.1, -0.2])  # y by minus a quarter: (x, y, z) -> (-z, y, x)
    assert sixth.tolist() == pytest.approx([0.3, 0.1, 0.2])


def slowly(points: np.ndarray, angles: tuple[float, float, float]) -> np.ndarray:
    """One view, point by point, in plain Python."""
    x, y, z = angles
    about_x = np.array([[1, 0, 0], [0, math.cos(x), -math.sin(x)], [0, math.sin(x), math.cos(x)]])
    about_y = np.array([[math.cos(y), 0, math.sin(y)], [0, 1, 0], [-math.sin(y), 0, math.cos(y)]])
    about_z = np.array([[math.cos(z), -math.sin(z), 0], [math.sin(z), math.cos(z), 0], [0, 0, 1]])
    falls: dict[tuple[int, int], list[float]] = {}
    for point in points:
        px, py, pz = about_x @ about_y @ about_z @ point + np.array([0, 0, 1.6])
        row, column = (math.ceil((p / pz + 1) * 64 - 0.5) for p in (px, py))
        if pz > 0 and 0 <= row < 128 and 0 <= column < 128:
            falls.setdefault((row, column), []).append(pz)
    image = np.zeros((128, 128))
    for place, depths in falls.items():
        weights = [1 / d for d in depths]
        image[place] = sum(w * d for w, d in zip(weights, depths, strict=True)) / sum(weights)
    return image


def test_the_vectorised_projection_is_the_loop() -> None:
    clouds = torch.stack([sphere(1024), 0.3 * sphere(1024, seed=1)])
    depth = project(clouds).numpy()
    for b, cloud in enumerate(clouds.double().numpy()):
        for v, angles in enumerate(SIX_VIEWS):
            slow = slowly(cloud, angles)
            # A point within rounding of a pixel's edge may fall on either side.
            assert (np.abs(depth[b, v] - slow) > 1e-4).sum() <= 4


def test_what_is_lost_is_told() -> None:
    with pytest.warns(ApiGraphWarning, match=r"50.0% of the points fall off"):
        depth = project(torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, -2.0]]), views=NO_TURN)
    assert int((depth > 0).sum()) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        project(sphere(2000))  # nothing of a unit sphere is lost


@given(st.integers(0, 1000))
def test_the_order_of_points_does_not_matter(seed: int) -> None:
    cloud = sphere(50, seed)
    shuffled = cloud[torch.randperm(50, generator=torch.Generator().manual_seed(seed))]
    assert torch.allclose(project(cloud), project(shuffled), atol=1e-5)


def test_clouds_of_a_batch_do_not_mix() -> None:
    clouds = torch.stack([sphere(64), sphere(64, seed=2)])
    assert torch.equal(project(clouds), torch.cat([project(cloud) for cloud in clouds]))


def test_depth_images_keep_raw_depths_in_three_channels() -> None:
    depth = torch.zeros(1, 1, 3, 3)
    depth[0, 0, 1, 1] = 2.0
    images = depth_images(depth, (5, 5))
    assert images.shape == (1, 3, 5, 5)
    expected = torch.tensor([0.0, 0.5, 1.0, 0.5, 0.0])  # aligned corners: old pixels are every second new one
    assert torch.allclose(images[0, 2], 2 * expected[:, None] * expected)


def test_unit_sphere() -> None:
    cloud = torch.tensor([[1.0, 1.0, 1.0], [5.0, 1.0, 1.0]])
    assert unit_sphere(cloud).tolist() == [[-1, 0, 0], [1, 0, 0]]
    assert unit_sphere(torch.ones(1, 4, 3)).abs().max() == 0  # all points in one place


@pytest.mark.parametrize("points", [torch.zeros(3), torch.zeros(0, 3), torch.zeros(4, 2), torch.full((1, 3), math.nan)])
def test_what_are_no_points(points: torch.Tensor) -> None:
    with pytest.raises(BadInput, match="points"):
        checked_points(points)


def test_bad_views() -> None:
    for views in ((), ((0.0, math.inf, 0.0),)):
        with pytest.raises(BadInput, match="three angles"):
            project(torch.zeros(1, 3), views=views)
    with pytest.raises(BadInput, match="above 0"):
        project(torch.zeros(1, 3), distance=0)


# --- foreground


def test_foreground_boxes_are_tight() -> None:
    images = torch.zeros(3, 6, 8)
    images[0, 2, 3] = images[0, 4, 1] = 0.5
    images[1, 5, 7] = 1.0
    assert foreground_boxes(images).tolist() == [[1, 2, 4, 5], [7, 5, 8, 6], [0, 0, 8, 6]]


def test_foreground_cells() -> None:
    images = torch.zeros(1, 4, 6)
    images[0, 3, 1] = 0.1
    assert foreground_cells(images, (2, 3)).tolist() == [[[False] * 3, [True, False, False]]]


def test_view_masks() -> None:
    images = torch.zeros(1, 80, 80)
    images[0, 20:25, 40:45] = images[0, 35:40, 55:60] = 1.0  # cells of 10: rows 2 to 3, columns 4 to 5
    mask = view_masks(images, (8, 8))[0]
    assert torch.nonzero(mask).tolist() == [[2, 4], [2, 5], [3, 4], [3, 5]]
    assert mask[2:4, 4:6].flatten().tolist() == pytest.approx([0.2] * 4)  # the spec: 2×2 is constant
    kept = view_masks(images, (8, 8), cells=True)[0]
    assert torch.nonzero(kept).tolist() == [[2, 4], [3, 5]]


def test_a_sphere_fills_what_the_spec_says() -> None:
    depth = project(sphere(1024))[0, 0]
    assert float((depth > 0).float().mean()) == pytest.approx(0.059, abs=0.003)
    image = depth_images(depth[None, None], (224, 224))[:, 0]
    assert float((image > 0).float().mean()) == pytest.approx(0.20, abs=0.01)
    assert foreground_boxes(image)[0].tolist() == pytest.approx([23, 23, 204, 204], abs=4)
