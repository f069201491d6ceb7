"""Models under ComfyUI's management: on their device when a node uses them, away when ComfyUI wants the room."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal

import pytest
import torch
from torch import Tensor, nn

from api_graph.comfy import comfy_class
from api_graph.comfy.placement import settled
from api_graph.context import Context
from api_graph.sockets import AnyValue, Attribution, Image
from api_graph.spec import node, spec_of
from tests.comfy.memory import ACCELERATOR, CPU, ModelPatcher

FORGOTTEN: list[str] = []


class Network(nn.Module):
    """Weights in a leaf and in a module that is none, as CLIPs have them; 24 bytes. Its device cannot be set."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.zeros(3))
        self.leaf = nn.Linear(3, 1, bias=False)

    @property
    def device(self) -> torch.device:
        return self.position.device


@dataclass(frozen=True, eq=False)
class Model:
    socket: ClassVar[str] = "AP_MODEL"

    module: nn.Module
    name: str

    def forget(self) -> None:
        FORGOTTEN.append(self.name)


@node("APTestLoader", category="test", title="Loader", model=True)
def loader(context: Context, name: str, device: Literal["auto", "cpu"] = "auto") -> Model:
    """Load a model."""
    with torch.device(context.staging or "cpu"):
        return Model(Network(), name)


@node("APTestCopy", category="test", title="Copy", model=True)
def copy(model: AnyValue) -> Model:
    """The same network."""
    return replace(model, name="copy")


@node("APTestUse", category="test", title="Use")
def use(model: AnyValue, other: AnyValue | None = None) -> AnyValue:
    """Tell where the weights lie."""
    return [{weight.device.type for weight in m.module.parameters()} for m in (model, other) if m is not None]


@node("APTestUseAll", category="test", title="Use all")
def use_all(models: list[AnyValue]) -> AnyValue:
    """Tell where the weights of each lie."""
    return [{weight.device.type for weight in m.module.parameters()} for m in models]


@pytest.fixture(autouse=True)
def accelerator(comfy, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`meta` keeps no numbers: what comes back from there has new ones."""
    comfy.memory.device = ACCELERATOR
    plain = Tensor.to

    def to(tensor: Tensor, *args: Any, **more: Any) -> Tensor:
        device = torch._C._nn._parse_to(*args, **more)[0]
        if tensor.device == ACCELERATOR and device == CPU:
            return torch.zeros(tensor.shape)
        return plain(tensor, *args, **more)

    monkeypatch.setattr(Tensor, "to", to)
    FORGOTTEN.clear()
    yield


def load(comfy: Any, name: str = "a", **inputs: Any) -> Model:
    ((model,),), _ = comfy.run(comfy_class(spec_of(loader)), {"name": name, **inputs})
    return model


def where(comfy: Any, *models: Model) -> list[set[str]]:
    """Where the weights lie while a node uses the models."""
    links = {name: ["0", slot] for name, slot in zip(("model", "other"), range(len(models)), strict=False)}
    with torch.inference_mode():
        ((seen,),), _ = comfy.run(comfy_class(spec_of(use)), links, {"0": [[model] for model in models]})
    return seen


def lies(model: Model) -> set[str]:
    return {weight.device.type for weight in model.module.parameters()}


def test_weights_wait_beside_the_device_until_a_node_uses_them(comfy) -> None:
    model = load(comfy)
    assert lies(model) == {"cpu"} and comfy.memory.models() == []
    assert where(comfy, model) == [{"meta"}]
    assert [patcher.model_size() for patcher in comfy.memory.models()] == [24]


def test_unloading_frees_and_the_next_use_brings_them_back(comfy) -> None:
    model = load(comfy)
    where(comfy, model)
    comfy.memory.unload_all_models()
    assert lies(model) == {"cpu"} and comfy.memory.free() == comfy.memory.budget
    assert where(comfy, model) == [{"meta"}]


def test_one_makes_room_for_the_other(comfy) -> None:
    comfy.memory.budget = 40  # one of 24 bytes and a half
    first, second = load(comfy, "a"), load(comfy, "b")
    assert where(comfy, first) == [{"meta"}]
    assert where(comfy, second) == [{"meta"}]
    assert lies(first) == {"cpu"}, "all of it, although ComfyUI would have freed enough with a part"
    assert where(comfy, first) == [{"meta"}]
    assert lies(second) == {"cpu"}


def test_a_model_is_never_loaded_in_part(comfy) -> None:
    comfy.memory.budget = 13  # ComfyUI would load the leaf alone, and the node would compute with both devices
    assert where(comfy, load(comfy)) == [{"meta"}]


def test_all_models_of_a_node_are_there_at_once(comfy) -> None:
    comfy.memory.budget = 50
    first, second, third = load(comfy, "a"), load(comfy, "b"), load(comfy, "c")
    where(comfy, third)
    assert where(comfy, first, second) == [{"meta"}, {"meta"}]
    assert lies(third) == {"cpu"}
    ((seen,),), _ = comfy.run(comfy_class(spec_of(use_all)), {"models": ["0", 0]}, {"0": [[second, third]]})
    assert seen == [{"meta"}, {"meta"}]


def test_the_users_device_stands(comfy) -> None:
    model = load(comfy, device="cpu")
    assert where(comfy, model) == [{"cpu"}]
    (patcher,) = comfy.memory.models()
    assert (patcher.load_device, patcher.offload_device) == (CPU, CPU)


def test_comfyui_on_the_cpu_and_comfyui_that_never_offloads(comfy) -> None:
    comfy.memory.device = CPU
    assert where(comfy, load(comfy)) == [{"cpu"}]
    comfy.memory.device = comfy.memory.offload_device = ACCELERATOR
    model = load(comfy, "b")
    assert lies(model) == {"meta"}
    comfy.memory.unload_all_models()
    assert lies(model) == {"meta"}


def test_a_move_in_inference_mode_leaves_weights_that_take_gradients(comfy) -> None:
    model = load(comfy)
    with torch.inference_mode():
        where(comfy, model)
        assert not any(weight.is_inference() for weight in model.module.parameters())
        comfy.memory.unload_all_models()
    assert not any(weight.is_inference() for weight in model.module.parameters())


def test_what_was_worked_out_from_the_weights_is_forgotten_when_they_move(comfy) -> None:
    model = load(comfy)
    where(comfy, model)
    assert FORGOTTEN == ["a"]
    where(comfy, model)
    assert FORGOTTEN == ["a"], "it was there already"
    comfy.memory.unload_all_models()
    assert FORGOTTEN == ["a", "a"]


def test_copies_with_one_network_are_one_model(comfy) -> None:
    model = load(comfy)
    ((twin,),), _ = comfy.run(comfy_class(spec_of(copy)), {"model": ["0", 0]}, {"0": [[model]]})
    assert where(comfy, model, twin) == [{"meta"}, {"meta"}]
    assert len(comfy.memory.models()) == 1 and sorted(FORGOTTEN) == ["a", "copy"]
    del model
    comfy.memory.unload_all_models()
    assert where(comfy, twin) == [{"meta"}]


def test_nothing_is_kept_when_the_last_holder_goes(comfy) -> None:
    model = load(comfy)
    where(comfy, model)
    network, patcher = weakref.ref(model.module), weakref.ref(comfy.memory.models()[0])
    del model
    assert network() is None and patcher() is None, "no cycle: neither waits for the garbage collector"
    assert comfy.memory.models() == []


def test_quantized_networks_stay_where_they_are(comfy) -> None:
    @node("APTestQuantized", category="test", title="Quantized", model=True)
    def quantized(size: int) -> Model:
        """Load."""
        network = Network()
        network.hf_quantizer = object()
        return Model(network, "q")

    ((model,),), _ = comfy.run(comfy_class(spec_of(quantized)), {"size": 1})
    assert where(comfy, model) == [{"cpu"}] and comfy.memory.models() == []


def test_stopping_leaves_the_model_where_comfyui_knows_it(comfy) -> None:
    @node("APTestStopped", category="test", title="Stopped")
    def stopped(model: AnyValue, context: Context) -> None:
        """Stop half-way, as a generation does."""
        comfy.interrupted = True
        context.progress(1, 2)

    model = load(comfy)
    with pytest.raises(comfy.Interrupt):
        comfy.run(comfy_class(spec_of(stopped)), {"model": ["0", 0]}, {"0": [[model]]})
    assert lies(model) == {"meta"} and len(comfy.memory.models()) == 1
    comfy.memory.unload_all_models()
    assert lies(model) == {"cpu"}


def test_results_go_to_the_intermediate_device(comfy) -> None:
    @node("APTestGive", category="test", title="Give")
    def give(image: Image) -> Image:
        """Give an image that lies on the accelerator."""
        return image.to(ACCELERATOR)

    ((image,),), _ = comfy.run(comfy_class(spec_of(give)), {"image": ["0", 0]}, {"0": [[torch.ones(1, 2, 2, 3)]]})
    assert image.device == CPU
    psi = Attribution(torch.zeros(0, 2, 2, device=ACCELERATOR), ())
    assert settled([psi])[0].values.device == CPU
    there = Attribution(torch.zeros(0, 2, 2), ())
    assert settled(there) is there and settled("text") == "text"


def test_without_comfyui_nothing_is_placed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "comfy", None)
    (model,) = comfy_class(spec_of(loader))().run(name="a")
    assert lies(model) == {"cpu"}
    assert comfy_class(spec_of(use))().run(model=model) == ([{"cpu"}],)
    assert settled(model) is model


def test_the_patcher_of_these_tests_falls_into_the_traps() -> None:
    network = Network()
    ModelPatcher(nn.Sequential(network), ACCELERATOR, CPU).partially_load(ACCELERATOR, 13)
    assert [weight.device.type for weight in network.parameters()] == ["cpu", "meta"]
    with pytest.raises(AttributeError, match="device"):
        ModelPatcher(network, ACCELERATOR, CPU).detach()
