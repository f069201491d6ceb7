"""What this room takes from transformers, in one form for 4.57 and for 5.x."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from torch import Tensor, nn

from api_graph.errors import BadInput
from api_graph.lvlm.protocols import AttentionFunction, Cache, GenerationSettings
from api_graph.models.requirements import require_transformers

if TYPE_CHECKING:
    from transformers import BitsAndBytesConfig, LogitsProcessorList, StoppingCriteriaList

# ------------------------------------------------------------------ classes


def auto_classes() -> tuple[Any, Any, Any]:
    """AutoConfig, AutoModelForImageTextToText and AutoProcessor. Raises BadInput where they cannot be imported."""
    require_transformers("a local LVLM")
    try:
        from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor
    except Exception as error:  # a package that transformers imports may fail with anything
        raise import_failure(error) or _no_transformers(error) from error
    return AutoConfig, AutoModelForImageTextToText, AutoProcessor


def fast_image_processor() -> dict[str, bool]:
    """What to tell AutoProcessor so that 4.57 prepares pixels as 5.x does: by torchvision, not by Pillow."""
    has_backends = importlib.util.find_spec("transformers.image_processing_backends") is not None
    return {} if has_backends else {"use_fast": True}


def quantization_config(bits: str) -> BitsAndBytesConfig:
    """bitsandbytes' settings for "8bit" or "4bit". Raises BadInput that names the packages that are missing."""
    lacking = [name for name in ("bitsandbytes", "accelerate") if importlib.util.find_spec(name) is None]
    if lacking:
        raise BadInput(
            f"quantization needs {' and '.join(lacking)}",
            input="quantization",
            value=bits,
            hint=f"Run: pip install {' '.join(lacking)}.",
        )
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(load_in_8bit=bits == "8bit", load_in_4bit=bits == "4bit")


def _no_transformers(error: Exception) -> BadInput:
    return BadInput(
        f"transformers, which runs local LVLMs, cannot be imported: {error}",
        hint="Run: pip install -U 'transformers>=4.57'.",
    )


def import_failure(error: BaseException) -> BadInput | None:
    """What is wrong with the environment, if that is the cause of `error`; else None.

    transformers hides the cause: with a broken torchaudio, no multimodal class "could be imported".
    """
    chain = list(_causes(error))
    if not any(isinstance(e, ImportError) for e in chain):
        return None
    cause = str(chain[-1])
    for package, hint in _HINTS.items():
        if package in cause.lower():
            line = cause.strip().splitlines()[0]
            return BadInput(f"{package} keeps transformers from loading LVLMs: {line}", hint=hint)
    return None


_HINTS = {
    "torchaudio": (
        "Its build does not fit your torch: install the torchaudio of the same release "
        "(pip install -U torch torchaudio), or remove it (pip uninstall torchaudio)."
    ),
    "torchvision": "Install the torchvision that fits your torch: pip install -U torch torchvision.",
    "num2words": "Run: pip install num2words.",
    "sentencepiece": "Run: pip install sentencepiece.",
    "tiktoken": "Run: pip install tiktoken.",
    "protobuf": "Run: pip install protobuf.",
}


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


# ---------------------------------------------------------------- attention


def register_attention(name: str, attention: AttentionFunction, like: str) -> None:
    """Add an attention implementation, with the masks that the implementation `like` is given.

    An implementation without a mask function of its own name gets no mask, and padded batches would be silently wrong.
    """
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(name, attention)
    AttentionMaskInterface.register(name, AttentionMaskInterface()[like])


def unregister_attention(name: str) -> None:
    """Remove an attention implementation; transformers has no public function for it."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface._global_mapping.pop(name, None)
    AttentionMaskInterface._global_mapping.pop(name, None)


def sdpa_attention() -> AttentionFunction:
    """transformers' attention through torch's scaled_dot_product_attention."""
    from transformers import AttentionInterface

    return AttentionInterface()["sdpa"]


# --------------------------------------------------------------- generation


def generation_config(**settings: object) -> GenerationSettings:
    """A GenerationConfig with these settings and nothing of a model's own."""
    from transformers import GenerationConfig

    return GenerationConfig(**settings)


def new_cache(module: nn.Module) -> Cache:
    """An empty cache of the kind that the language model's `generate` makes for itself."""
    from transformers import DynamicCache

    config: Any = module.config
    cache: Any = DynamicCache(config=config.get_text_config(decoder=True))
    return cache


def keeps_all(cache: Cache, length: int) -> bool:
    """Whether a new cache's layers all keep the keys of every one of `length` tokens, in their order."""
    from transformers.cache_utils import DynamicLayer, DynamicSlidingWindowLayer

    def keeps(layer: Any) -> bool:
        return type(layer) is DynamicLayer or (
            type(layer) is DynamicSlidingWindowLayer and length < layer.sliding_window
        )

    return bool(cache.layers) and all(map(keeps, cache.layers))


def cache_argument(module: nn.Module) -> str:
    """What the model calls the cache that it is given: a newer transformers has a new word for it."""
    return "cache" if "cache" in inspect.signature(module.forward).parameters else "past_key_values"


def without_logits(module: nn.Module) -> dict[str, int]:
    """Arguments of a forward whose logits nobody reads."""
    return {"logits_to_keep": 1} if "logits_to_keep" in inspect.signature(module.forward).parameters else {}


def each_token(callback: Callable[[Tensor], None]) -> StoppingCriteriaList:
    """A stopping criterion that never stops: `callback` gets the ids (B, S) after every token, and may raise."""
    import torch
    from transformers import StoppingCriteria, StoppingCriteriaList

    class EachToken(StoppingCriteria):
        def __call__(self, input_ids: Tensor, scores: object, **kwargs: object) -> Any:
            callback(input_ids)
            return torch.zeros(len(input_ids), dtype=torch.bool, device=input_ids.device)

    return StoppingCriteriaList([EachToken()])


def score_processors(functions: Sequence[Callable[[Tensor], Tensor]]) -> LogitsProcessorList:
    """transformers' form of functions from next-token scores (B, V) to other scores."""
    from transformers import LogitsProcessor, LogitsProcessorList

    class Scores(LogitsProcessor):
        def __init__(self, function: Callable[[Tensor], Tensor]) -> None:
            self.function = function

        def __call__(self, input_ids: Tensor, scores: Tensor) -> Any:
            return self.function(scores)

    return LogitsProcessorList([Scores(function) for function in functions])
