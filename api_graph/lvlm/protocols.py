"""What this room needs of transformers' objects, as types. Their classes differ from family to family and release to
release, and mostly say nothing of their attributes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from torch import Tensor, nn

ModelInputs: TypeAlias = "Mapping[str, Tensor]"
"""What a processor returns, and a model takes by these names: `input_ids` (B, S), `pixel_values`, ..."""


class VisionConfig(Protocol):
    """A vision tower's config; its sides are in pixels."""

    model_type: str
    image_size: int
    patch_size: int


class ModelConfig(Protocol):
    """The config of a model that reads images and text. Each family adds settings of its own."""

    model_type: str
    image_token_id: int
    vision_config: VisionConfig


class TokenizedText(Protocol):
    """What a tokenizer returns for one text."""

    input_ids: list[int]


class AddedToken(Protocol):
    """A token that is no part of ordinary text; special ones are left out of answers."""

    special: bool


class Tokenizer(Protocol):
    """Text to token ids, and back."""

    pad_token: str | None
    pad_token_id: int | None
    bos_token: str | None
    eos_token_id: int | None
    added_tokens_decoder: Mapping[int, AddedToken]

    def __call__(self, text: str, *, add_special_tokens: bool) -> TokenizedText: ...

    def decode(self, token_ids: Sequence[int], *, skip_special_tokens: bool = False) -> str: ...


class ImageProcessor(Protocol):
    """Settings of the plain kind of image processor: resize, then crop."""

    do_resize: bool
    size: Mapping[str, int | None]
    crop_size: Mapping[str, int]


class Processor(Protocol):
    """Images and text to a model's inputs."""

    tokenizer: Tokenizer
    image_processor: ImageProcessor

    def apply_chat_template(
        self, conversation: Sequence[Mapping[str, object]], *, tokenize: bool, add_generation_prompt: bool
    ) -> str: ...

    def __call__(self, **request: object) -> Mapping[str, Tensor | None]: ...


class DecoderConfig(Protocol):
    """A language model's config."""

    _attn_implementation: str


class Decoder(Protocol):
    """A language model: the decoder's layers and the attention that they call."""

    layers: nn.ModuleList
    config: DecoderConfig

    def set_attn_implementation(self, attn_implementation: str) -> None: ...


class Cache(Protocol):
    """The keys and values that a decoder's layers have computed so far."""

    layers: Sequence[object]

    def get_seq_length(self) -> int: ...

    def batch_select_indices(self, indices: Tensor) -> None: ...


class GenerationSettings(Protocol):
    """A generation config; there may be several end tokens."""

    eos_token_id: int | list[int] | tuple[int, ...] | None
    pad_token_id: int | None


class GeneratingModel(Protocol):
    """A model that continues a prompt: `generate` returns the ids of prompt and answer, (B, S)."""

    generation_config: GenerationSettings

    def generate(self, **inputs: object) -> Tensor: ...


class AttentionFunction(Protocol):
    """An entry of transformers' AttentionInterface: output and, where they were formed, weights (B, H, Q, K)."""

    def __call__(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **settings: Any
    ) -> tuple[Tensor, Tensor | None]: ...
