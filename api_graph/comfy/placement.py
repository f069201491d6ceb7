"""Models in ComfyUI: shared by loaders, put onto their device before a node uses them, and away when room is short.

Each network gets a `comfy.model_patcher.ModelPatcher`, by which ComfyUI counts and moves it. Nothing here keeps a
network alive: a patcher lives exactly as long as the values that hold its network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import fields, is_dataclass, replace
from typing import Any, TypedDict
from weakref import ReferenceType, WeakKeyDictionary, WeakSet, WeakValueDictionary, ref

import torch
from torch import Tensor, nn

_Patcher = Any  # comfy.model_patcher.ModelPatcher
_ALL = 1e32  # ComfyUI's own word for "as many bytes as there are"


class ApiGraphModel(nn.Module):
    """A network as ComfyUI holds it.

    ComfyUI writes its notes on the module that it is given, `device` for one, which a model of transformers does not
    let itself be written. `holders` are the values that hold the network.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.holders: WeakSet[object] = WeakSet()

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> ApiGraphModel:
        # Every move goes through here. ComfyUI may move in inference mode, and weights that are born there could never
        # take part in a gradient again.
        with torch.inference_mode(False):
            super()._apply(fn, recurse)
        for holder in self.holders:
            forget = getattr(holder, "forget", None)
            if forget is not None:  # what it has worked out from the weights lies where they lay
                forget()
        return self


_of_network: WeakKeyDictionary[nn.Module, ReferenceType[_Patcher]] = WeakKeyDictionary()
_of_holder: WeakKeyDictionary[object, list[_Patcher]] = WeakKeyDictionary()


class ModelPool:
    """Models that somebody still uses, by the settings they were loaded with: two loader nodes with equal settings hold
    one model.

    ComfyUI's cache shares results within one prompt only as long as it keeps them; this pool shares whatever is still
    alive anywhere, and keeps nothing alive itself.
    """

    def __init__(self) -> None:
        self._alive: WeakValueDictionary[str, object] = WeakValueDictionary()

    def get(self, key: str, load: Callable[[], object]) -> object:
        """The model loaded with these settings: the one that is alive, else what `load` gives."""
        model = self._alive.get(key)
        if model is None:
            model = load()
            with suppress(TypeError):  # a value that takes no weak reference is not shared
                self._alive[key] = model
        return model


POOL = ModelPool()


class Devices(TypedDict, total=False):
    """The device that "auto" means, and where weights are read to, as a Context has them."""

    device: torch.device
    staging: torch.device


def devices() -> Devices:
    """For a node's Context; {} without ComfyUI."""
    management = _management()
    if management is None:
        return {}
    return {"device": management.get_torch_device(), "staging": management.text_encoder_offload_device()}


def hand_over(loaded: object, device: str = "auto") -> None:
    """Let ComfyUI place the networks in what a loader gave; `device` is where the user wants them to compute."""
    management = _management()
    if management is None or not any(_networks(loaded)) or loaded in _of_holder:
        return
    where = management.get_torch_device() if device == "auto" else torch.device(device)
    for network in _networks(loaded):
        known = _of_network.get(network)
        patcher = None if known is None else known()
        if patcher is None:
            # The user's own device may be the CPU while ComfyUI's is not.
            away = where if where.type == "cpu" else management.text_encoder_offload_device()
            patcher = _patcher(network, where, away)
            _of_network[network] = ref(patcher)
        patcher.model.holders.add(loaded)
        _of_holder.setdefault(loaded, []).append(patcher)


def bring(values: Iterable[object]) -> None:
    """Have the models among a node's inputs on their devices; ComfyUI moves others away where room is short."""
    patchers = {id(patcher): patcher for model in _models(values) for patcher in _of_holder[model]}
    management = _management()
    if patchers and management is not None:
        management.load_models_gpu(list(patchers.values()))


def settled(value: object) -> object:
    """A result where ComfyUI wants results: what lies on an accelerator goes to its intermediate device."""
    management = _management()
    return value if management is None else _moved(value, management.intermediate_device())


def _management() -> Any | None:
    try:
        import comfy.model_management as management  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    return management


def _patcher(network: nn.Module, load: torch.device, offload: torch.device) -> _Patcher:
    """A ModelPatcher that moves the network as a whole, for it has none of ComfyUI's layers that cast as they run."""
    from comfy.model_patcher import ModelPatcher  # pyright: ignore[reportMissingImports]

    class WholePatcher(ModelPatcher):
        def partially_load(self, device_to: torch.device, extra_memory: float = 0, **more: object) -> int:
            with torch.inference_mode(False):  # parts are moved one by one too, not through ApiGraphModel
                return super().partially_load(device_to, _ALL, **more)

        def partially_unload(self, *args: object, **more: object) -> int:
            return 0  # no part of it can go alone; ComfyUI then unloads all of it

    return WholePatcher(ApiGraphModel(network), load_device=load, offload_device=offload)


def _networks(loaded: object) -> Iterator[nn.Module]:
    """The networks in a model's fields, but quantized ones, which cannot be moved."""
    if not is_dataclass(loaded) or isinstance(loaded, type):
        return
    for field in fields(loaded):
        value = getattr(loaded, field.name)
        if isinstance(value, nn.Module) and getattr(value, "hf_quantizer", None) is None:
            yield value


def _models(values: Iterable[object]) -> Iterator[object]:
    for value in values:
        if isinstance(value, list):
            yield from _models(value)
        elif any(_networks(value)) and value in _of_holder:
            yield value


def _moved(value: object, device: torch.device) -> object:
    if isinstance(value, Tensor):
        return value if value.device.type == "cpu" else value.to(device)
    if isinstance(value, list):
        return [_moved(each, device) for each in value]
    if not is_dataclass(value) or isinstance(value, type):
        return value
    parts = {f.name: getattr(value, f.name) for f in fields(value)}
    changed = {
        name: _moved(part, device)
        for name, part in parts.items()
        if isinstance(part, Tensor) and part.device.type != "cpu"
    }
    return replace(value, **changed) if changed else value
