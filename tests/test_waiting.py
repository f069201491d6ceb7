"""Nobody waits for an accelerator between a batch's pictures and its maps, and the maps come back in one copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from api_graph.nodes import attribution
from torch import Tensor

from api_graph.clip import load_clip
from api_graph.clip.model import ClipModel, PreparedImages
from api_graph.demo.scenes import scene
from api_graph.executor import ModelPool
from api_graph.executor.accelerator import brought_home
from api_graph.executor.call import BatchLimits, run_batch, run_calls
from api_graph.geometry import Geometry
from api_graph.sockets import Attribution
from api_graph.spec import node as declared
from api_graph.spec import spec_of
from tests.executor.card import Card

WAITS = ("item", "tolist", "cpu", "numpy", "nonzero", "__bool__", "__int__", "__float__", "__index__", "masked_select")
waited: list[str] = []


class There(Tensor):
    """A tensor as if on an accelerator: what is made of it is another, and calls that must wait for it are noted."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.__name__ in WAITS:
            waited.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs or {})


class Away(There):
    """One that says that it lies there."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func == Tensor.device.__get__:  # type: ignore[attr-defined]
            return torch.device("cuda", 0)
        if func.__name__ == "cpu":
            waited.append("cpu")
            with torch._C.DisableTorchFunctionSubclass():
                return args[0].as_subclass(Tensor)
        return super().__torch_function__(func, types, args, kwargs or {})


@pytest.fixture(autouse=True)
def _nothing_waited() -> Iterator[None]:
    waited.clear()
    yield
    waited.clear()


@pytest.fixture(scope="module")
def model() -> ClipModel:
    """The demo model, whose weights are `There`."""
    loaded = load_clip(device="cpu")
    for module in loaded.module.modules():
        for name, weight in module._parameters.items():
            if weight is not None:
                module._parameters[name] = torch.nn.Parameter(weight.data.as_subclass(There), requires_grad=False)
        for name, buffer in module._buffers.items():
            module._buffers[name] = None if buffer is None else buffer.as_subclass(There)
    loaded.forget()
    return loaded


def test_what_waits_is_noted() -> None:
    tensor = (torch.ones(3).as_subclass(There) * 2).sum()
    assert isinstance(tensor, There)
    calls: list[Callable[[], object]] = [tensor.item, tensor.tolist, tensor.cpu, lambda: bool(tensor), tensor.numpy]
    for call in calls:
        call()
    assert waited == ["item", "tolist", "cpu", "__bool__", "numpy"]


@pytest.mark.parametrize("recipe", ["paper", "reference"])
@pytest.mark.parametrize("count", [1, 7])
def test_from_pictures_to_maps_nobody_waits(model: ClipModel, recipe: Any, count: int) -> None:
    images = [PreparedImages.of(model, scene(seed).image) for seed in range(count)]
    with torch.inference_mode():
        tokens = attribution.encode_images(images, [recipe] * count, [-4] * count, [-2] * count, model=model)
        texts = [f"thing {i}" for i in range(count)]
        maps = []
        for own, query in zip(
            tokens, attribution.encode_queries(texts, [""] * count, model=model, blank=False), strict=True
        ):
            maps += attribution.psi_cls_of_queries([query], tokens=own, similarity="auto")
            maps += attribution.psi_comp_of_queries([query], tokens=own)
    assert len(maps) == 2 * count and all(isinstance(one.values, There) for one in maps)
    assert waited == []


def away(*values: float) -> Attribution:
    """A map of these values for each cell, there."""
    tensor = torch.tensor(values, dtype=torch.float32).reshape(1, 1, -1).as_subclass(Away)
    return Attribution(tensor, (Geometry.whole(8, 8),))


def test_maps_come_home_in_one_copy() -> None:
    here = Attribution(torch.ones(1, 2, 2), (Geometry.whole(8, 8),))
    home = brought_home([away(1, 2), here, "text", away(3), away(4, 5, 6)])
    assert waited == ["cpu"] and home[1] is here and home[2] == "text"
    found = [one.values for one in (home[0], home[3], home[4]) if isinstance(one, Attribution)]
    assert [one.flatten().tolist() for one in found] == [[1, 2], [3], [4, 5, 6]]
    assert all(type(one) is Tensor and one.untyped_storage().nbytes() == 4 * one.numel() for one in found)


def map_of(value: int) -> Attribution:
    """A map."""
    return away(float(value))


def many(value: Sequence[int]) -> list[Attribution]:
    return [away(float(one)) for one in value]


def map_here(value: int) -> Attribution:
    """A map on the processor."""
    return Attribution(torch.full((1, 1, 1), float(value)), (Geometry.whole(8, 8),))


def many_here(value: Sequence[int]) -> list[Attribution]:
    return [map_here(one) for one in value]


def test_a_batch_gives_maps_at_home_by_one_copy_and_a_call_by_one_of_its_own() -> None:
    spec = spec_of(declared("Map", category="test", title="Map", batched=many, over=("value",))(map_of))
    steps = [([{"value": i}], None) for i in range(9)]
    outside: list[int] = []

    @contextmanager
    def waiting() -> Iterator[None]:
        before = len(waited)
        yield
        outside.append(len(waited) - before)

    entries = run_batch(spec, steps, BatchLimits(pool=ModelPool(memory=Card(1000))), waiting)
    copies = waited.count("cpu")
    assert outside == [1]  # meanwhile others compute
    values = [entry.outputs[0][0].values for entry in entries if not isinstance(entry, Exception)]  # type: ignore[attr-defined]
    assert copies == 1 and [float(one) for one in values] == list(range(9))
    here = spec_of(declared("Here", category="test", title="Here", batched=many_here, over=("value",))(map_here))
    run_batch(here, steps, BatchLimits(pool=ModelPool(memory=Card(1000))), waiting)
    assert outside == [1]  # for what is here nobody waits
    waited.clear()
    entry = run_calls(spec, [{"value": 5}], None)
    assert waited == ["cpu"] and type(entry.outputs[0][0].values) is Tensor  # type: ignore[attr-defined]
