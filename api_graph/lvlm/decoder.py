"""Where a model keeps its language model: the decoder's layers, and those of them that attend to every token."""

from __future__ import annotations

from typing import Any

from torch import nn

from api_graph.errors import BadInput
from api_graph.lvlm.protocols import Decoder


def text_config(module: nn.Module) -> object:
    """The language model's config inside the model's; the config itself where there is only one."""
    config: Any = module.config
    return config.get_text_config(decoder=True)


def context_length(module: nn.Module) -> int | None:
    """How many tokens prompt and answer may have together; None where the model does not say."""
    return getattr(text_config(module), "max_position_embeddings", None)


def caps_scores(module: nn.Module) -> bool:
    """Whether attention scores go through a tanh (Gemma 2), which SDPA cannot do: only eager attention is right."""
    return getattr(text_config(module), "attn_logit_softcapping", None) is not None


def decoder_of(module: nn.Module) -> Decoder:
    """The submodule whose `layers` are the decoder's. Raises BadInput where there is none."""
    text = type(text_config(module))
    for part in module.modules():
        if isinstance(getattr(part, "config", None), text) and isinstance(getattr(part, "layers", None), nn.ModuleList):
            decoder: Any = part
            return decoder
    raise BadInput(
        f"a {type(module).__name__} has no decoder whose attention could be read",
        input="model",
        hint="Use an image-text-to-text model of transformers, such as LLaVA or Qwen2.5-VL.",
    )


def attention_modules(module: nn.Module) -> dict[int, nn.Module]:
    """Layer number -> its self-attention. Layers of linear attention or convolution are left out."""
    attention = {i: getattr(layer, "self_attn", None) for i, layer in enumerate(decoder_of(module).layers)}
    return {i: found for i, found in attention.items() if isinstance(found, nn.Module)}


def checked_layer(module: nn.Module, layer: int) -> int:
    """`layer` counted from 0; a negative one counts from the end. Raises BadInput where it has no attention."""
    depth, attending = len(decoder_of(module).layers), attention_modules(module)
    if isinstance(layer, bool) or not isinstance(layer, int) or not -depth <= layer < depth:
        raise BadInput(
            f"the decoder's layers are 0 to {depth - 1}",
            input="layers",
            value=layer,
            hint="A negative one counts from the end.",
        )
    chosen = layer % depth
    if chosen not in attending:
        raise BadInput(
            "this layer has no attention over the tokens (linear attention or convolution)",
            input="layers",
            value=layer,
            hint=f"Layers with full attention: {', '.join(map(str, attending)) or 'none'}.",
        )
    return chosen
