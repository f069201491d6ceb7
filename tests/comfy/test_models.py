"""Loader nodes: outside inference mode, and one model for equal settings."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, NamedTuple

import pytest
import torch
from pydantic import Field
from torch import nn

from api_graph.comfy import comfy_class
from api_graph.comfy.placement import ModelPool
from api_graph.context import Context
from api_graph.errors import BadInput
from api_graph.folders import Folders
from api_graph.sockets import AnyValue
from api_graph.spec import node, spec_of

LOADED: list[str] = []


@dataclass(frozen=True, eq=False)
class Model:
    socket: ClassVar[str] = "AP_MODEL"

    module: nn.Module


def content(folders: Folders, name: str, place: str) -> dict[str, str]:
    """As a real loader's: what decides the numbers, and not where the model lies."""
    return {"name": folders.input_file(name).read_text("utf-8")}


@node("APTestLoader", category="test", title="Loader", model=True, fingerprint=content)
def loader(name: str, context: Context, width: Annotated[int, Field(ge=1)] = 2, place: str = "cpu") -> Model:
    """Load a model."""
    LOADED.append(name)
    return Model(nn.Linear(width, 1))


@pytest.fixture(autouse=True)
def files(comfy) -> Iterator[Path]:
    LOADED.clear()
    (comfy.root / "input" / "a").write_text("one")
    (comfy.root / "input" / "other").write_text("two")
    yield comfy.root / "input"
    gc.collect()


def load(comfy, **inputs: Any) -> Any:
    ((model,),), _ = comfy.run(comfy_class(spec_of(loader)), inputs)
    return model


def test_parameters_are_born_outside_inference_mode(comfy) -> None:
    with torch.inference_mode():
        model = load(comfy, name="a")
    assert not model.module.weight.is_inference()
    model.module(torch.ones(1, 2)).sum().backward()
    assert model.module.weight.grad.tolist() == [[1.0, 1.0]]


def test_other_nodes_stay_in_inference_mode(comfy) -> None:
    @node("APTestMode", category="test", title="Mode")
    def mode() -> bool:
        """Tell."""
        return torch.is_inference_mode_enabled()

    with torch.inference_mode():
        assert comfy.run(comfy_class(spec_of(mode)), {})[0] == [[True]]


def test_equal_settings_are_one_model(comfy) -> None:
    first = load(comfy, name="a")
    assert load(comfy, name="a", width=2) is first
    assert LOADED == ["a"]


def test_other_settings_are_another_model(comfy, files: Path) -> None:
    first = load(comfy, name="a")
    assert load(comfy, name="a", width=3) is not first
    assert load(comfy, name="other") is not first
    assert load(comfy, name="a", place="cuda") is not first
    (files / "a").write_text("new")
    assert load(comfy, name="a") is not first
    assert LOADED == ["a", "a", "other", "a", "a"]


def test_another_loader_is_another_model(comfy) -> None:
    twin = node("APTestTwin", category="test", title="Twin", model=True, fingerprint=content)(_copy_of_loader())
    first = load(comfy, name="a")
    ((model,),), _ = comfy.run(comfy_class(spec_of(twin)), {"name": "a"})
    assert model is not first


def _copy_of_loader() -> Any:
    def twin(name: str, width: int = 2, place: str = "cpu") -> Model:
        """Load a model."""
        return Model(nn.Linear(2, 1))

    return twin


def test_the_pool_keeps_nothing_alive(comfy) -> None:
    first = load(comfy, name="a")
    del first
    gc.collect()
    load(comfy, name="a")
    assert LOADED == ["a", "a"]


def test_a_missing_checkpoint_is_said_by_the_run(comfy) -> None:
    with pytest.raises(BadInput, match=r"there is no such file .* \(got 'gone'\)"):
        load(comfy, name="gone")
    assert LOADED == []


class Two(NamedTuple):
    model: Model
    width: int


def test_loaders_that_cannot_be_shared_load_each_time(comfy) -> None:
    @node("APTestTwo", category="test", title="Two", model=True)
    def two(width: int) -> Two:
        """Load two things."""
        LOADED.append("two")
        return Two(Model(nn.Linear(width, 1)), width)

    @node("APTestLinked", category="test", title="Linked", model=True)
    def linked(base: AnyValue) -> Model:
        """Load upon another."""
        LOADED.append("linked")
        return Model(base)

    ((first,), (width,)), _ = comfy.run(comfy_class(spec_of(two)), {"width": 3})
    ((second,), _), _ = comfy.run(comfy_class(spec_of(two)), {"width": 3})
    assert first is not second and width == 3
    base = {"0": [[nn.Identity()]]}
    ((third,),), _ = comfy.run(comfy_class(spec_of(linked)), {"base": ["0", 0]}, base)
    ((fourth,),), _ = comfy.run(comfy_class(spec_of(linked)), {"base": ["0", 0]}, base)
    assert third is not fourth
    assert LOADED == ["two", "two", "linked", "linked"]


def test_a_value_without_weak_references_is_not_shared() -> None:
    pool = ModelPool()
    assert [pool.get("key", lambda: "one"), pool.get("key", lambda: "two")] == ["one", "two"]
