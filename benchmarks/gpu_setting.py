"""Where `benchmarks.gpu` measures, with which models, and how."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from api_graph.clip import load_clip
from api_graph.clip.decompose import encode_image
from api_graph.clip.maps import psi_cls, psi_comp
from api_graph.clip.model import ClipModel
from api_graph.clip.text import encode_text
from api_graph.lvlm import LvlmModel
from benchmarks import lvlm
from benchmarks.clip import QUERY

MODELS = ("ViT-B-16", "ViT-L-14", "ViT-L-14-336")
SEVEN_BILLION = lvlm.Shape((32, 4096, 11008, 32, 32064), (24, 1024, 4096, 16))
TINY_LVLM = lvlm.Shape((2, 32, 64, 2, 4096), (2, 32, 32, 2))


@dataclass(frozen=True)
class Setting:
    """Where, how large, and how often."""

    device: str = "cuda"
    tiny: bool = False
    models: tuple[str, ...] = MODELS

    @property
    def names(self) -> tuple[str, ...]:
        return ("demo",) if self.tiny else self.models

    @property
    def half(self) -> str:
        """The precision to compute in: processors are slow in the shorter ones."""
        return "float32" if self.device == "cpu" else "float16"

    @property
    def least(self) -> float:
        """Seconds that a measurement takes at least."""
        return 0.01 if self.tiny else 0.5

    def model(self, name: str, dtype: str | None = None) -> ClipModel:
        return load_clip(name, None if name == "demo" else "random", self.device, dtype or self.half)

    def sync(self) -> None:
        if self.device.startswith("cuda"):
            torch.cuda.synchronize()

    def seconds(self, run: Callable[[], object]) -> float:
        """Of one run, when many are begun one after the other; the device is waited for at the end alone."""
        for _ in range(1 if self.tiny else 3):
            run()
        self.sync()
        count = 1
        while True:
            began = time.perf_counter()
            for _ in range(count):
                run()
            self.sync()
            taken = time.perf_counter() - began
            if taken >= self.least:
                return taken / count
            count = max(2 * count, int(1.2 * count * self.least / max(taken, 1e-6)))

    def allocated(self) -> int:
        """Bytes that tensors take on the device; of the processor's, those that Python can reach."""
        gc.collect()
        if self.device.startswith("cuda"):
            torch.cuda.empty_cache()
            return torch.cuda.memory_allocated()
        tensors = [one for one in gc.get_objects() if type(one) in (Tensor, torch.nn.Parameter)]
        return sum({one.untyped_storage().data_ptr(): one.untyped_storage().nbytes() for one in tensors}.values())

    def peak(self, run: Callable[[], object]) -> int | None:
        """Bytes that a run takes at most beside what lies there; None on the processor, which does not count them."""
        run()
        if not self.device.startswith("cuda"):
            return None
        before = self.allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        self.sync()
        return torch.cuda.max_memory_allocated() - before


def encoders(model: ClipModel, batch: int) -> tuple[Callable[[], object], Callable[[], object]]:
    """A run of the model's own `encode_image`, and one of Ψ, over so many pictures."""
    network: Any = model.module
    pixels = torch.randn(batch, 3, *model.preprocess.size, device=model.device, dtype=model.dtype)

    def ours() -> None:
        tokens, text = encode_image(model, pixel_values=pixels), encode_text(model, [QUERY])
        psi_cls(tokens, text)
        psi_comp(tokens, text)

    return lambda: network.encode_image(pixels), ours


def random_lvlm(setting: Setting) -> tuple[LvlmModel, dict[str, Tensor]]:
    """A LLaVA made on the device, and a prompt."""
    shape, side = (TINY_LVLM, 2) if setting.tiny else (SEVEN_BILLION, 24)
    return lvlm.build(side, shape, setting.device, torch.float32 if setting.device == "cpu" else torch.bfloat16)
