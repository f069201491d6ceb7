"""The distance transform against its definition: the nearest pixel, looked for one by one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.pixels.prompts._distance import depth_inside, distance_to


def brute_force(targets: torch.Tensor) -> torch.Tensor:
    """(H, W): the smallest Euclidean distance to a true pixel, over all of them."""
    y, x = torch.meshgrid(torch.arange(targets.shape[0]), torch.arange(targets.shape[1]), indexing="ij")
    rows, columns = targets.nonzero(as_tuple=True)
    squared = (y[..., None] - rows) ** 2 + (x[..., None] - columns) ** 2  # (H, W, number of targets)
    return squared.float().sqrt().amin(-1) if len(rows) else torch.full(targets.shape, torch.inf)


masks = st.tuples(st.integers(1, 24), st.integers(1, 24), st.floats(0, 1), st.integers(0, 999)).map(
    lambda t: torch.rand(2, t[0], t[1], generator=torch.Generator().manual_seed(t[3])) < t[2] ** 3
)


@given(masks)
def test_it_is_exact(targets):
    found = distance_to(targets)
    for one, expected in zip(found, targets, strict=True):
        assert torch.equal(one, brute_force(expected))


@given(masks, st.floats(0.5, 12))
def test_up_to_its_reach_it_is_exact_and_beyond_it_is_beyond(targets, reach):
    found, expected = distance_to(targets, reach), torch.stack([brute_force(one) for one in targets])
    near = expected <= reach
    assert torch.equal(found[near], expected[near])
    assert (found[~near] > reach).all()


@given(masks)
def test_depth_counts_what_lies_beyond_the_border_as_outside(inside):
    expected = torch.stack([brute_force(torch.nn.functional.pad(~one, (1, 1, 1, 1), value=True)) for one in inside])
    assert torch.equal(depth_inside(inside), expected[:, 1:-1, 1:-1])


@pytest.mark.parametrize("size", [(1, 300), (300, 1), (90, 120)])
def test_one_far_pixel(size):
    targets = torch.zeros(1, *size, dtype=torch.bool)
    targets[0, 0, 0] = True
    assert torch.equal(distance_to(targets)[0], brute_force(targets[0]))
