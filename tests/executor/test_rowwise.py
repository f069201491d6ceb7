"""Nodes that treat each map or picture of a batch by itself: many calls as one give what each gives alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from api_graph.executor.rowwise import run_rowwise
from api_graph.geometry import Geometry
from api_graph.registry import all_nodes
from api_graph.sockets import Attribution, Mask
from api_graph.spec import NodeSpec, node

ROWWISE = [spec for spec in all_nodes().values() if spec.rowwise]


def tensors(value: Any) -> Tensor:
    return value.values if isinstance(value, Attribution) else value


def attribution(seed: int, count: int, side: int) -> Attribution:
    values = torch.rand(count, side, side, generator=torch.Generator().manual_seed(seed))
    return Attribution(values, tuple(Geometry.whole(20 + seed % 2, 17) for _ in range(count)))


def inputs_of(spec: NodeSpec, seed: int, count: int, side: int) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for position, declared in enumerate(spec.inputs):
        generator = torch.Generator().manual_seed(100 * seed + position)
        if declared.socket == "AP_ATTRIBUTION":
            made[declared.name] = attribution(seed, count, side)
        elif declared.socket == "MASK":
            made[declared.name] = torch.rand(count, side, side, generator=generator)
        elif declared.socket == "IMAGE" and declared.required:
            made[declared.name] = torch.rand(count, side, side, 3, generator=generator)
        else:
            made[declared.name] = declared.default
    return made


def test_there_are_such_nodes() -> None:
    assert {"APResize", "APMeanFilter", "APAlphaBlend", "APOverlay", "APSoftOr"} <= {spec.id for spec in ROWWISE}


@pytest.mark.parametrize("spec", ROWWISE, ids=lambda spec: spec.id)
def test_many_calls_as_one_give_what_each_gives_alone(spec: NodeSpec) -> None:
    calls = [
        inputs_of(spec, seed, count, side)
        for seed, (count, side) in enumerate([(1, 8), (2, 8), (1, 8), (1, 9), (2, 8)])
    ]
    columns = {name: [call[name] for call in calls] for name in spec.over}
    settings = {declared.name: declared.default for declared in spec.inputs if declared.name not in spec.over}
    together = run_rowwise(spec.function, columns, settings)
    for call, result in zip(calls, together, strict=True):
        alone = spec.function(**call)
        # Matrix products may sum in another order; all else is the same arithmetic, value by value.
        torch.testing.assert_close(tensors(result), tensors(alone), rtol=0, atol=1e-6)
        if isinstance(alone, Attribution):
            assert isinstance(result, Attribution) and result.geometry == alone.geometry


def doubled(maps: list[Tensor], sizes: list[int]) -> list[Any]:
    """The maps times two; `sizes` of the batches in which that was done."""

    def double(map: Tensor, other: Tensor | None, strength: float) -> Tensor:
        sizes.append(len(map))
        return map * strength

    return run_rowwise(double, {"map": maps, "other": [None] * len(maps)}, {"strength": 2.0})


def full(value: float, shape: tuple[int, ...] = (1, 4, 4)) -> Tensor:
    return torch.full(shape, value)


def test_calls_go_together_where_shapes_agree() -> None:
    sizes: list[int] = []
    results = doubled([full(1), full(2), full(3), full(4, (1, 5, 4)), full(5)], sizes)
    assert [float(result.flatten()[0]) for result in results] == [2, 4, 6, 8, 10]
    assert sorted(sizes) == [1, 4]


def test_large_calls_stay_by_themselves() -> None:
    sizes: list[int] = []
    doubled([full(value, (1, 512, 512)) for value in range(3)], sizes)
    assert sizes == [1, 1, 1]


def test_tensors_of_different_counts_in_one_call_go_alone() -> None:
    sizes: list[int] = []

    def add(a: Tensor, b: Tensor) -> Tensor:
        sizes.append(len(b))
        return a + b

    columns = {"a": [torch.ones(1, 2, 2)] * 2, "b": [torch.ones(3, 2, 2)] * 2}
    assert [len(tensors(result)) for result in run_rowwise(add, columns, {})] == [3, 3]
    assert sizes == [3, 3]


def test_a_result_holds_no_more_memory_than_its_own() -> None:
    results = doubled([full(value) for value in range(5)], [])
    assert {result.untyped_storage().nbytes() for result in results} == {4 * 4 * 4}


def test_in_a_graph_all_rows_are_one_call(lab: Any) -> None:
    sizes: list[int] = []

    @node("Half", category="test", title="Half", rowwise=True)
    def half(mask: Mask) -> Mask:
        """Half of it."""
        sizes.append(len(mask))
        return mask / 2

    lab.nodes.append(half)
    rows = [
        {
            "1": ("Fill", {"value": value, "side": 2}),
            "2": ("Half", {"mask": ["1", 0]}),
            "3": ("Show", {"value": ["2", 0]}),
        }
        for value in (2, 4, 6)
    ]
    lab.rows(lab.executor(), rows)
    assert sizes == [3]
    assert [float(shown[0, 0, 0]) for shown in lab.shown] == [1, 2, 3]
