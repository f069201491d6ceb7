"""What the tiny random LVLMs of all families share: sizes, a byte-level tokenizer, sharpened attention."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

SIDE = 48
"""Pixels on a side of what a vision tower takes in one view, where it takes a fixed size."""

HIDDEN = 64
TEXT: dict[str, Any] = {
    "hidden_size": HIDDEN,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "initializer_range": 0.1,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
    "tie_word_embeddings": False,
}
VISION: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "initializer_range": 0.1,
}
SQUARE = {"height": SIDE, "width": SIDE}
_CHAT = (
    "{{% for m in messages %}}{{{{ m['role'] }}}}: {{% for c in m['content'] %}}"
    "{{% if c['type'] == 'image' %}}{image}{{% else %}}{{{{ c['text'] }}}}{{% endif %}}{{% endfor %}}\n{{% endfor %}}"
    "{{% if add_generation_prompt %}}assistant:{{% endif %}}"
)


def text_config(kind: Any, tokenizer: Any, **more: Any) -> Any:
    return kind(**TEXT, vocab_size=len(tokenizer), **more)


def image_token_index(tokenizer: Any, word: str = "<image>") -> dict[str, Any]:
    return {"image_token_index": tokenizer.convert_tokens_to_ids(word)}


def model_of(kind: Any, config: Any) -> Any:
    torch.manual_seed(0)
    model = kind(config).eval()
    _sharpen(model)
    return model


@torch.no_grad()
def _sharpen(model: nn.Module) -> None:
    """Larger queries and keys (or their norms, where a model has those): attention far from uniform.

    Gemma 3's projector begins as zeros, which would make all images one: it is drawn like the others.
    """
    for name, weight in model.named_parameters():
        if name.endswith("mm_input_projection_weight"):
            weight.normal_(std=0.1)
        elif name.endswith(("q_proj.weight", "k_proj.weight")):
            weight.mul_(1.5)
        elif name.endswith(("q_norm.weight", "k_norm.weight")):
            weight.add_(0.5)


def tokenizer_for(processor: Any, **named: str) -> Any:
    """A byte-level tokenizer for the class `processor`; `named` special tokens become its attributes, as processors
    look for them.
    """
    import transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers

    # Before transformers 5, some processors insist on their family's own class.
    insisted = getattr(processor, "tokenizer_class", None)
    kind = getattr(transformers, insisted[-1] if isinstance(insisted, tuple) else "PreTrainedTokenizerFast")

    specials = ["<pad>", "<s>", "</s>", *named.values()]
    words = [*specials, *sorted(pre_tokenizers.ByteLevel.alphabet())]
    core = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[]))
    core.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    core.decoder = decoders.ByteLevel()
    return kind(
        tokenizer_object=core,
        model_input_names=["input_ids", "attention_mask"],
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<pad>",
        padding_side="left",
        extra_special_tokens=named,
    )


def chat_template(image: str) -> str:
    return _CHAT.format(image=image)
