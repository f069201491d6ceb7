"""The one way into an LVLM's attention: what reads its rows and what steers them share one function.

While anything is `hooked` into a model, the decoder runs one attention implementation of ours. transformers' SDPA still
computes every row, except those that are steered. It is registered together with its masks, for the language model
alone, and taken back on leaving, whatever happened. Models whose scores go through a tanh (soft caps: Gemma 2,
PaliGemma 2) run in eager attention anyway, since SDPA cannot do that; and so does a model that was set to it.
"""

from __future__ import annotations

import itertools
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from api_graph.lvlm import library
from api_graph.lvlm.attention_rows import AttentionCall
from api_graph.lvlm.decoder import attention_modules, caps_scores, decoder_of
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.protocols import AttentionFunction

_numbers = itertools.count()


class Reader(Protocol):
    """What keeps rows of the attention."""

    def reads(self, layer: int) -> bool:
        """Whether rows of this layer are wanted."""
        ...

    def keep(self, call: AttentionCall, weights: Tensor | None, steered: Steerer | None) -> None:
        """Keep rows of a call; `weights` (B, H, Q, K) where eager attention has formed them, and nothing steers."""
        ...


class Steerer(Protocol):
    """What computes rows of the attention otherwise than the model does."""

    def span(self, call: AttentionCall) -> tuple[int, int]:
        """First and last + 1 of the call's queries that are steered; two equal numbers for none."""
        ...

    def scores(self, call: AttentionCall) -> Tensor:
        """Steered scores float32 (B, H, Q, K): their softmax is what the layer weighs its values by."""
        ...

    def attend(self, call: AttentionCall) -> Tensor:
        """The layer's output under those weights, (B, Q, H, d)."""
        ...


class _Hook:
    """What is hooked into one network: the innermost reader and the innermost steerer count."""

    def __init__(self, module: nn.Module) -> None:
        self.reader: Reader | None = None
        self.steerer: Steerer | None = None
        self._layer_of = {attention: layer for layer, attention in attention_modules(module).items()}
        self._seen = dict.fromkeys(self._layer_of.values(), 0)
        self._thread = threading.get_ident()

    @property
    def is_of_this_thread(self) -> bool:
        """Whether the caller's thread has put it in."""
        return threading.get_ident() == self._thread

    def layer_of(self, module: nn.Module) -> int | None:
        """The layer whose attention `module` is; None in other threads."""
        return self._layer_of.get(module) if self.is_of_this_thread else None

    def place(self, layer: int, queries: int, keys: int) -> tuple[int, int]:
        """Position of the first of these newest queries, and how many keys a sliding window's cache has dropped."""
        # Several queries at once are of a prompt, before which no window has dropped any key.
        first = keys - queries if queries == keys or queries > 1 else self._seen[layer]
        self._seen[layer] = first + queries
        return first, max(0, first + queries - keys)


_hooks: WeakKeyDictionary[nn.Module, _Hook] = WeakKeyDictionary()
_hooks_lock = threading.Lock()


@contextmanager
def hooked(model: LvlmModel, *, reader: Reader | None = None, steerer: Steerer | None = None) -> Iterator[None]:
    """Inside, what this thread runs through `model` is read by `reader` and steered by `steerer`.

    Calls may be nested, and each gives what it knows: the innermost reader sees the rows of the innermost steerer.
    Other threads wait: there is one lock per network.
    """
    with model.lock, _hook_of(model) as hook:
        before = hook.reader, hook.steerer
        hook.reader, hook.steerer = reader or hook.reader, steerer or hook.steerer
        try:
            yield
        finally:
            hook.reader, hook.steerer = before


def is_hooked(model: LvlmModel) -> bool:
    """Whether this thread is inside `hooked` for this model."""
    with _hooks_lock:
        found = _hooks.get(model.module)
    return found is not None and found.is_of_this_thread


@contextmanager
def _hook_of(model: LvlmModel) -> Iterator[_Hook]:
    """The network's hook; it is put in, and taken out again, by whoever comes first."""
    module = model.module
    with _hooks_lock:
        found = _hooks.get(module)
    if found is not None:
        yield found
        return
    hook, decoder = _Hook(module), decoder_of(module)
    before = decoder.config._attn_implementation
    like = "eager" if before == "eager" or caps_scores(module) else "sdpa"
    name = f"api_graph_attention_{next(_numbers)}"
    library.register_attention(name, _attention(hook, like), like)
    try:
        decoder.set_attn_implementation(name)
        with _hooks_lock:
            _hooks[module] = hook
        yield hook
    finally:
        with _hooks_lock:
            _hooks.pop(module, None)
        decoder.set_attn_implementation(before)
        library.unregister_attention(name)


def _attention(hook: _Hook, like: str) -> AttentionFunction:
    sdpa = library.sdpa_attention()

    def attend(
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Tensor | None,
        *,
        scaling: float | None = None,
        is_causal: bool | None = None,
        softcap: float | None = None,
        **settings: object,
    ) -> tuple[Tensor, Tensor | None]:
        own = sdpa if like == "sdpa" else _eager_of(module)
        given = {"scaling": scaling, "is_causal": is_causal, "softcap": softcap}
        asked = {name: setting for name, setting in given.items() if setting is not None}

        def plain() -> tuple[Tensor, Tensor | None]:
            return own(module, query, key, value, mask, **asked, **settings)

        layer = hook.layer_of(module)
        if layer is None:
            return plain()
        scale = query.shape[-1] ** -0.5 if scaling is None else scaling
        causal = bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
        place = hook.place(layer, query.shape[2], key.shape[2])
        call = AttentionCall(layer, query, key, value, mask, scale, causal, softcap, *place)
        output, weights = _steered(hook.steerer, call, plain) if hook.steerer else plain()
        if hook.reader is not None and hook.reader.reads(layer):
            hook.reader.keep(call, weights, hook.steerer)
        return output, weights

    return attend


def _steered(steerer: Steerer, call: AttentionCall, plain: _Plain) -> tuple[Tensor, Tensor | None]:
    """The layer's own output, with the steered rows in the place of its own."""
    start, stop = steerer.span(call)
    if start == stop:
        return plain()[0], None
    rows = steerer.attend(call.part(start, stop))
    if rows.shape[1] == call.rows:
        return rows, None
    output = plain()[0]
    output[:, start:stop] = rows
    return output, None


class _Plain(Protocol):
    def __call__(self) -> tuple[Tensor, Tensor | None]: ...


def _eager_of(module: nn.Module) -> AttentionFunction:
    """The eager attention of the module's own family."""
    return sys.modules[type(module).__module__].eager_attention_forward
