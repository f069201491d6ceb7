"""A local LVLM: the network, its processor, and what the rest of the room asks of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, ClassVar
from weakref import WeakKeyDictionary

import torch
from torch import nn

from api_graph.errors import BadInput
from api_graph.lvlm.decoder import attention_modules, decoder_of
from api_graph.lvlm.protocols import GeneratingModel, ModelConfig, Processor, Tokenizer
from api_graph.notebook import one_line

PAPER_LAYER = 20
"""The layer whose attention the paper reads, counted from 0: of 40 in LLaVA-13B, of 32 in LLaVA-7B."""

_locks: WeakKeyDictionary[nn.Module, threading.RLock] = WeakKeyDictionary()
_locks_lock = threading.Lock()


@dataclass(frozen=True, eq=False)
class LvlmModel:
    """An image-text-to-text model of transformers in evaluation mode, with frozen weights.

    `processor` turns images and text into tensors; None for a model that is only fed tensors. It keeps nothing of
    what it was asked.
    """

    socket: ClassVar[str] = "AP_LVLM"

    module: nn.Module
    processor: Processor | None
    name: str

    @classmethod
    def from_transformers(cls, model: nn.Module, processor: Any | None = None, name: str = "") -> LvlmModel:
        """Wrap a model and its processor; answers give `name` as their model.

        Raises BadInput for a model that does not generate.
        """
        if not (hasattr(model, "generate") and hasattr(model, "config")):
            raise BadInput(
                f"a {type(model).__name__} is no model of transformers that generates",
                input="model",
                hint="Pass one of AutoModelForImageTextToText's.",
            )
        model.eval().requires_grad_(False)
        return cls(model, processor, name or type(model).__name__)

    def __repr__(self) -> str:
        kind = f"{str(self.dtype).removeprefix('torch.')} on {self.device}"
        return one_line(self, repr(self.name), self.model_type, kind)

    @property
    def network(self) -> GeneratingModel:
        """The module, typed as what it is: a model of transformers that generates."""
        network: Any = self.module
        return network

    @property
    def config(self) -> ModelConfig:
        """The model's config, with all settings of its family."""
        config: Any = self.module.config
        return config

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The processor's tokenizer; None without a processor."""
        return getattr(self.processor, "tokenizer", None)

    @property
    def device(self) -> torch.device:
        """Where its inputs belong: the device of its first weights."""
        return next(self.module.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The floating-point type of its inputs."""
        return next(p.dtype for p in self.module.parameters() if p.is_floating_point())

    @property
    def model_type(self) -> str:
        """transformers' word for the family: "llava", "qwen2_5_vl", ..."""
        return self.config.model_type

    @property
    def layers(self) -> int:
        """How many layers the decoder has."""
        return len(decoder_of(self.module).layers)

    @property
    def default_layer(self) -> int:
        """The layer to read: the config's own `attribution_layer`, else the paper's 20 where the decoder is deeper
        than that, else the middle one; the nearest that has attention.
        """
        own = getattr(self.config, "attribution_layer", None)
        if own is not None:
            return int(own)
        depth = self.layers
        wanted = PAPER_LAYER if depth > PAPER_LAYER else depth // 2
        return min(attention_modules(self.module), key=lambda layer: abs(layer - wanted), default=wanted)

    @property
    def lock(self) -> threading.RLock:
        """One per network: models of transformers keep state while they generate."""
        with _locks_lock:
            return _locks.setdefault(self.module, threading.RLock())


@contextmanager
def out_of_memory_explained() -> Iterator[None]:
    """A device that runs out of memory becomes a BadInput that says what helps."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise BadInput(
            f"the device ran out of memory: {str(error).splitlines()[0]}",
            input="model",
            hint="Use smaller batches or images, load the model with dtype float16 or bfloat16, or with "
            'quantization "8bit" or "4bit".',
        ) from error
