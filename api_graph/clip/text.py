"""Queries as features in the space that images and texts share."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from api_graph.clip.model import ClipModel
from api_graph.errors import ApiGraphWarning, BadInput, shown

_STEP = 8
"""Where it must not matter which queries go together, their numbers are multiples of it, their lengths it times 2^n."""

_TAIL = 8
"""So many equal tokens at the end of a query are padding."""

_tokenizing = threading.Lock()
"""Tokenizers of the hub keep their truncation and padding in themselves, for whoever calls next."""


@dataclass(frozen=True, eq=False)
class QueryFeatures:
    """Q queries: `features` (Q, E), float32, not normalised; and the `texts` they were made from."""

    socket: ClassVar[str] = "AP_QUERY"

    features: Tensor
    texts: tuple[str, ...]

    def to_storage(self) -> tuple[dict[str, Tensor], Any]:
        """Tensors and JSON from which `from_storage` builds equal query features."""
        return {"features": self.features}, list(self.texts)

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: Any) -> QueryFeatures:
        return cls(tensors["features"], tuple(meta))


def encode_queries(model: ClipModel, queries: str | Sequence[str], *, steady: bool = False) -> QueryFeatures:
    """`encode_text`, with the texts kept beside their features."""
    texts = _texts(queries)
    return QueryFeatures(encode_text(model, texts, steady=steady), tuple(texts))


def encode_text(
    model: ClipModel,
    queries: str | Sequence[str] | None = None,
    *,
    token_ids: Tensor | None = None,
    steady: bool = False,
) -> Tensor:
    """Features (Q, E) of the queries, float32, not normalised; equal to the model's own `encode_text`.

    Give `queries`, or `token_ids` (Q, context length). In a causal tower nothing behind the end-of-text token
    can reach it, so only the positions up to the last of them are run. With `steady` the features of a query are
    to the last bit the same whatever queries go with it, at the price of some more positions and, for few queries, of
    up to eight times the work. Warns where a query is longer than the model reads.
    """
    if (queries is None) == (token_ids is None):
        raise BadInput("give either queries or token_ids", input="queries")
    token_ids = _tokenize(model, _texts(queries)) if token_ids is None else token_ids
    with torch.no_grad():
        tower = getattr(model.module, "text", model.module)
        ends = _ends_of_text(model.module, tower, token_ids)
        if ends is None:
            return _whole_tower(model, token_ids.to(model.device))
        token_ids, ends = token_ids.to(model.device), ends.to(model.device)
        if steady:
            return _one_by_length(tower, token_ids, ends).float()
        return _causal_tower(tower, token_ids, ends, int(ends.max()) + 1).float()


def _texts(queries: Any) -> list[str]:
    texts = [queries] if isinstance(queries, str) else list(queries)
    if not texts:
        raise BadInput("no query was given", input="queries", hint="Give at least one text.")
    for text in texts:
        if not isinstance(text, str) or not text.strip():
            raise BadInput("a query is empty", input="queries", value=text, hint="Say what to look for.")
    return texts


def _tokenize(model: ClipModel, texts: list[str]) -> Tensor:
    if model.tokenizer is None:
        raise BadInput(
            f"the model {model.name!r} has no tokenizer",
            input="queries",
            hint="Give token_ids, or wrap the model with a tokenizer.",
        )
    with _tokenizing:
        token_ids = model.tokenizer(texts)  # (Q, context length)
        full = [text for text, padded in zip(texts, _padded(token_ids).tolist(), strict=True) if not padded]
        counts = [_token_count(model.tokenizer, text) for text in full]
    for text, count in zip(full, counts, strict=True):
        cut = count - token_ids.shape[1]
        if cut > 0:
            warnings.warn(
                f"the query {shown(text)} is {cut} tokens too long for {model.name!r}, "
                f"which reads {token_ids.shape[1]}; its end was cut off",
                ApiGraphWarning,
                stacklevel=4,
            )
    return token_ids


def _padded(token_ids: Tensor) -> Tensor:
    """Which queries (Q,) end in padding: nothing was cut off of them."""
    return (token_ids[:, -_TAIL:] == token_ids[:, -1:]).all(1)


def _token_count(tokenizer: Any, text: str) -> int:
    """Tokens of `text` with its two marks, before any truncation; 0 where the tokenizer cannot say."""
    inner = getattr(tokenizer, "tokenizer", None)
    if inner is not None:  # open_clip's HFTokenizer
        return len(inner(tokenizer.clean_fn(text), verbose=False).input_ids)
    encode = getattr(tokenizer, "encode", None)  # open_clip's SimpleTokenizer, without the two marks
    return 0 if encode is None else len(encode(text)) + 2


def _ends_of_text(module: nn.Module, tower: Any, token_ids: Tensor) -> Tensor | None:
    """Position (Q,) of each query's end-of-text token, or None where later positions matter too."""
    pool = getattr(tower, "pool_type", None) or getattr(module, "text_pool_type", None)
    parts = ("token_embedding", "positional_embedding", "transformer", "ln_final")
    causal = getattr(tower, "attn_mask", None) is not None
    if not causal or getattr(tower, "cls_emb", None) is not None or not all(hasattr(tower, p) for p in parts):
        return None
    if pool == "argmax":
        return token_ids.argmax(-1)
    if pool == "eos":
        eos = getattr(tower, "eos_id", None) or getattr(module, "text_eos_id", None)
        return (token_ids == eos).int().argmax(-1)
    return None


def _one_by_length(tower: Any, token_ids: Tensor, ends: Tensor) -> Tensor:
    """`_causal_tower`, in which no query's features depend on those beside it.

    Run in whatever numbers and lengths happen to come together, matrix products would be summed in other orders.
    """
    lengths = [_rounded(end + 1, token_ids.shape[1]) for end in ends.tolist()]
    features: dict[int, Tensor] = {}
    for length in set(lengths):
        alike = [index for index, own in enumerate(lengths) if own == length]
        places = alike + alike[-1:] * (-len(alike) % _STEP)
        features |= zip(alike, _causal_tower(tower, token_ids[places], ends[places], length), strict=False)
    return torch.stack([features[index] for index in range(len(lengths))])


def _rounded(length: int, most: int) -> int:
    """The length at which a query of so many tokens is run: few lengths, so that many queries go together."""
    run = _STEP
    while run < length:
        run *= 2
    return min(run, most)


def _causal_tower(tower: Any, token_ids: Tensor, ends: Tensor, length: int) -> Tensor:
    """The text transformer over its first `length` positions, pooled at `ends`: (Q, E)."""
    dtype = tower.transformer.get_cast_dtype()
    x = tower.token_embedding(token_ids[:, :length]).to(dtype)  # (Q, length, D)
    x = x + tower.positional_embedding[:length].to(dtype)
    x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
    x = tower.ln_final(x[torch.arange(len(x), device=x.device), ends])  # (Q, D)
    projection = tower.text_projection
    if projection is None:
        return x
    return projection(x) if isinstance(projection, nn.Linear) else x @ projection


def _whole_tower(model: ClipModel, token_ids: Tensor) -> Tensor:
    """The model's own way. It is asked not to normalise because CoCa does so unless told."""
    encode: Any = model.module.encode_text
    return encode(token_ids, normalize=False).float()
