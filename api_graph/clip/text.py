"""Queries as features in the space that images and texts share."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol, cast, runtime_checkable

import torch
from torch import Tensor, nn

from api_graph.clip.model import ClipModel
from api_graph.errors import ApiGraphWarning, BadInput, shown
from api_graph.json_values import Json

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

_STEP = 8
"""With `steady`, queries are run in multiples of this many, and at lengths of this times 2^n."""

_TAIL = 8
"""A query that ends in this many equal tokens ends in padding."""

_tokenizing = threading.Lock()
"""Tokenizers of the hub keep truncation and padding as their own state: one thread at a time."""


@dataclass(frozen=True, eq=False)
class QueryFeatures:
    """Q queries: `features` (Q, E), float32, not normalised; and the `texts` they were made from."""

    socket: ClassVar[str] = "AP_QUERY"

    features: Tensor
    texts: tuple[str, ...]

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors and JSON from which `from_storage` builds equal query features."""
        return {"features": self.features}, list(self.texts)

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: Sequence[str]) -> QueryFeatures:
        return cls(tensors["features"], tuple(meta))


def encode_queries(
    model: ClipModel, queries: str | Sequence[str], *, steady: bool = False, blank: bool = False
) -> QueryFeatures:
    """Encode queries as `encode_text` does, and keep the texts with their features."""
    texts = [queries] if isinstance(queries, str) else list(queries)
    return QueryFeatures(encode_text(model, texts, steady=steady, blank=blank), tuple(texts))


def encode_text(
    model: ClipModel,
    queries: str | Sequence[str] | None = None,
    *,
    token_ids: Tensor | None = None,
    steady: bool = False,
    blank: bool = False,
) -> Tensor:
    """Features (Q, E) of the queries, float32, not normalised; equal to the model's own `encode_text`.

    Give `queries`, or `token_ids` (Q, context length). In a causal tower nothing behind the end-of-text token
    can reach it, so only the positions up to the last of them are run. With `steady` the features of a query are
    to the last bit the same whatever queries go with it, at the price of some more positions and, for few queries, of
    up to eight times the work. With `blank` an empty query is encoded as any other, as a control. Warns where a query
    is longer than the model reads. Raises BadInput for both or neither, for an empty query else, and for queries where
    the model has no tokenizer.
    """
    if queries is not None and token_ids is None:
        token_ids = _tokenize(model, [queries] if isinstance(queries, str) else list(queries), blank)
    elif queries is not None or token_ids is None:
        raise BadInput("give either queries or token_ids", input="queries")
    with torch.no_grad():
        tower = getattr(model.module, "text", model.module)
        ends = _ends_of_text(model.module, tower, token_ids)
        if ends is None:  # the model's own code, asked not to normalise because CoCa does so unless told
            encode = cast("Callable[..., Tensor]", model.module.encode_text)
            return encode(token_ids.to(model.device), normalize=False).float()
        token_ids, ends = token_ids.cpu(), ends.cpu()  # what is asked of them here makes nobody wait for a GPU
        causal = cast("_CausalTower", tower)
        if steady:
            return _one_by_length(causal, token_ids, ends).float()
        return _run_causal(causal, token_ids, ends, int(ends.max()) + 1).float()


def _tokenize(model: ClipModel, texts: Sequence[str], blank: bool) -> Tensor:
    """Ids (Q, context length), with a warning for each text that is longer; an empty one is refused unless `blank`."""
    if not texts:
        raise BadInput("no query was given", input="queries", hint="Give at least one text.")
    for text in texts:
        if not isinstance(text, str) or not (blank or text.strip()):
            raise BadInput("a query is empty", input="queries", value=text, hint="Say what to look for.")
    if model.tokenizer is None:
        raise BadInput(
            f"the model {model.name!r} has no tokenizer",
            input="queries",
            hint="Give token_ids, or wrap the model with a tokenizer.",
        )
    with _tokenizing:
        token_ids = model.tokenizer(texts)
        padded = (token_ids[:, -_TAIL:] == token_ids[:, -1:]).all(1)  # (Q,): nothing was cut off of these
        full = [text for text, short in zip(texts, padded.tolist(), strict=True) if not short]
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


@runtime_checkable
class _HubTokenizer(Protocol):
    """open_clip's HFTokenizer: a `tokenizer` of transformers, and what a text goes through before it."""

    tokenizer: PreTrainedTokenizerBase
    clean_fn: Callable[[str], str]


def _token_count(tokenizer: object, text: str) -> int:
    """Tokens of `text` with its two marks, before any truncation; 0 where the tokenizer cannot say."""
    if isinstance(tokenizer, _HubTokenizer):
        return len(tokenizer.tokenizer(tokenizer.clean_fn(text), verbose=False)["input_ids"])
    encode = getattr(tokenizer, "encode", None)  # open_clip's SimpleTokenizer, without the two marks
    return 0 if encode is None else len(encode(text)) + 2


class _Transformer(Protocol):
    def get_cast_dtype(self) -> torch.dtype: ...

    def __call__(self, x: Tensor, *, attn_mask: Tensor) -> Tensor: ...


class _CausalTower(Protocol):
    """open_clip's text transformer, in which a position is reached from those before it alone."""

    token_embedding: nn.Embedding
    positional_embedding: Tensor
    transformer: _Transformer
    attn_mask: Tensor
    ln_final: nn.Module
    text_projection: nn.Linear | Tensor | None


def _ends_of_text(module: nn.Module, tower: object, token_ids: Tensor) -> Tensor | None:
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


def _one_by_length(tower: _CausalTower, token_ids: Tensor, ends: Tensor) -> Tensor:
    """`_run_causal`, with features that do not depend on which queries go together: (Q, E).

    The order in which a matrix product is summed depends on its shape, so only a few shapes are run: queries are padded
    to one of few lengths, and each length is run for a multiple of `_STEP` queries.
    """
    lengths = []
    for end in ends.tolist():
        length = _STEP
        while length <= end:
            length *= 2
        lengths.append(min(length, token_ids.shape[1]))
    features: dict[int, Tensor] = {}
    for length in set(lengths):
        alike = [index for index, own in enumerate(lengths) if own == length]
        rows = alike + alike[-1:] * (-len(alike) % _STEP)
        features |= zip(alike, _run_causal(tower, token_ids[rows], ends[rows], length), strict=False)
    return torch.stack([features[index] for index in range(len(lengths))])


def _run_causal(tower: _CausalTower, token_ids: Tensor, ends: Tensor, length: int) -> Tensor:
    """The text transformer over its first `length` positions, pooled at `ends`: (Q, E)."""
    dtype, device = tower.transformer.get_cast_dtype(), tower.positional_embedding.device
    token_ids, ends = token_ids[:, :length].to(device, non_blocking=True), ends.to(device, non_blocking=True)
    x = tower.token_embedding(token_ids).to(dtype)  # (Q, length, D)
    x = x + tower.positional_embedding[:length].to(dtype)
    x = tower.transformer(x, attn_mask=tower.attn_mask[:length, :length])
    x = tower.ln_final(x[torch.arange(len(x), device=x.device), ends])  # (Q, D)
    projection = tower.text_projection
    if projection is None:
        return x
    return projection(x) if isinstance(projection, nn.Linear) else x @ projection
