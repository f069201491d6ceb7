"""ComfyUI's memory of models, made small: what `model_management` and `ModelPatcher` promise a pack (0.8 to 0.28).

Kept: models are counted by their bytes and known by weak references alone; a model is loaded with as many bytes as are
free, in which case only leaf modules are moved; others are unloaded, in parts where that suffices, for the one that is
wanted. The accelerator of a test is `meta`, and its memory a number.
"""

from __future__ import annotations

import weakref
from types import ModuleType
from typing import Any

import torch
from torch import nn

ACCELERATOR, CPU = torch.device("meta"), torch.device("cpu")


class ModelPatcher:
    """As ComfyUI's, for a module without patches."""

    def __init__(self, model: nn.Module, load_device: torch.device, offload_device: torch.device) -> None:
        self.model, self.load_device, self.offload_device = model, load_device, offload_device
        if getattr(model, "device", None) is None:
            model.device = offload_device
        model.model_loaded_weight_memory = 0

    def model_size(self) -> int:
        return sum(tensor.nbytes for tensor in self.model.state_dict().values())

    def loaded_size(self) -> int:
        return self.model.model_loaded_weight_memory

    def partially_load(
        self, device_to: torch.device, extra_memory: float = 0, force_patch_weights: bool = False
    ) -> int:
        before = self.loaded_size()
        if before:
            return 0
        loaded = 0
        for leaf in self._leaves():
            size = sum(weight.nbytes for weight in leaf.parameters())
            if loaded + size <= extra_memory:
                leaf.to(device_to)
                loaded += size
        if extra_memory > self.model_size():
            self.model.to(device_to)
            loaded = self.model_size()
        self.model.device = device_to
        self.model.model_loaded_weight_memory = loaded
        return loaded - before

    def partially_unload(self, device_to: torch.device, memory_to_free: float = 0) -> int:
        freed = 0
        for leaf in self._leaves():
            if freed < memory_to_free:
                leaf.to(device_to)
                freed += sum(weight.nbytes for weight in leaf.parameters())
        self.model.model_loaded_weight_memory -= freed
        return freed

    def detach(self, unpatch_all: bool = True) -> None:
        if unpatch_all:
            self.model.to(self.offload_device)
            self.model.device = self.offload_device
            self.model.model_loaded_weight_memory = 0

    def _leaves(self) -> list[nn.Module]:
        return [m for m in self.model.modules() if list(m.parameters(False)) and not list(m.children())]


class Memory:
    """`budget` bytes on `device`; `loaded` are the models that ComfyUI believes to be there, newest first."""

    def __init__(self, budget: float = 1e12) -> None:
        self.budget = budget
        self.device = CPU
        self.offload_device = CPU
        self.loaded: list[weakref.ref[ModelPatcher]] = []

    def modules(self) -> dict[str, ModuleType]:
        patcher = ModuleType("comfy.model_patcher")
        patcher.ModelPatcher = ModelPatcher
        return {"comfy.model_patcher": patcher}

    def functions(self) -> dict[str, Any]:
        """What belongs into `comfy.model_management`."""
        return {
            "get_torch_device": lambda: self.device,
            "text_encoder_offload_device": lambda: self.offload_device,
            "intermediate_device": lambda: CPU,
            "load_models_gpu": self.load_models_gpu,
        }

    def models(self) -> list[ModelPatcher]:
        return [patcher for each in self.loaded if (patcher := each()) is not None]

    def free(self) -> float:
        return self.budget - sum(p.loaded_size() for p in self.models() if p.load_device == self.device)

    def load_models_gpu(self, models: list[ModelPatcher]) -> None:
        self._make_room(sum(p.model_size() - p.loaded_size() for p in models), keep=models)
        for wanted in models:
            wanted.partially_load(wanted.load_device, max(0.1, self.free()))
            others = [patcher for patcher in self.models() if patcher is not wanted]
            self.loaded = [weakref.ref(patcher) for patcher in (wanted, *others)]

    def unload_all_models(self) -> None:
        self._make_room(float("inf"), keep=[])

    def _make_room(self, size: float, keep: list[ModelPatcher]) -> None:
        for patcher in reversed(self.models()):
            short = size - self.free()
            if patcher in keep or short <= 0:
                continue
            if short < patcher.loaded_size() and patcher.partially_unload(patcher.offload_device, short) >= short:
                continue
            patcher.detach()
            self.loaded = [each for each in self.loaded if each() is not patcher]
