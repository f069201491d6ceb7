"""Attention sinks among the image's tokens, and their weight given to the others (VAR)."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn

from api_graph.lvlm.attention_rows import AttentionCall
from api_graph.lvlm.decoder import decoder_of
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.steer.bias import Bias, Plan
from api_graph.lvlm.steer.steering import SinkRule

_PROBE_TOKENS = 32
_EPSILON = 1e-6
DIMS = 2
"""How many dims a model's sinks are told by, as the paper has it."""

_dims_found: WeakKeyDictionary[nn.Module, tuple[int, ...]] = WeakKeyDictionary()


class Redistribution(Bias):
    """Steered rows after the softmax: sinks keep a share of their weight, and the rest goes to other image tokens."""

    def __init__(self, plan: Plan, sinks: Sinks) -> None:
        super().__init__(plan)
        self._sinks = sinks
        self._image = plan.at_positions(plan.steered[None].float())[0] > 0  # (B, S)

    def scores(self, call: AttentionCall) -> Tensor:
        """The logarithm of the new weights, float32 (B, H, Q, K)."""
        weights = call.scores().softmax(-1).nan_to_num(0.0)
        image = self._at_keys(self._image, call)
        sinks = self._at_keys(self._sinks.of_layer(call.layer, self._image), call) & image
        new = redistributed(weights, self._change_of(call), image, sinks, self._plan.amount, self._sinks.rule)
        return new.log()

    def _at_keys(self, positions: Tensor, call: AttentionCall) -> Tensor:
        """Flags of the prompt's positions (B, S) at the call's keys, (B, 1, 1, K)."""
        flags = positions.new_zeros(len(positions), call.slid_out + call.keys)
        width = min(flags.shape[1], positions.shape[1])
        flags[:, :width] = positions[:, :width]
        return flags[:, None, None, call.slid_out :].to(call.key.device)


def redistributed(weights: Tensor, share: Tensor, image: Tensor, sinks: Tensor, kept: float, rule: SinkRule) -> Tensor:
    """Weights (B, H, Q, K) of which sinks keep the part `kept`; image tokens that are none get the rest by their
    weight times `share`. Rows that the rule passes over, and those where nobody could take it, stay as they are.
    """
    of_image, of_sinks = (weights * image).sum(-1, keepdim=True), (weights * sinks).sum(-1, keepdim=True)
    takes = weights * share * (image & ~sinks)
    all_takes = takes.sum(-1, keepdim=True)
    changed = (of_image >= rule.least_mass) & (of_sinks <= rule.most_share * of_image) & (all_takes > 0)
    freed = of_sinks * (1 - kept)
    new = torch.where(sinks, weights * kept, weights) + takes / all_takes.clamp(min=1e-30) * freed
    return torch.where(changed & (share > 0).any(-1, keepdim=True), new, weights)


class Sinks:
    """Which of a prompt's tokens are sinks in each layer: seen as the prompt passes through the layers."""

    def __init__(self, rule: SinkRule, dims: Sequence[int], length: int) -> None:
        self.rule, self._dims, self._length = rule, list(dims), length
        self._found: dict[int, Tensor] = {}

    def of_layer(self, layer: int, like: Tensor) -> Tensor:
        """(B, S) bool; none where the layer has not seen the prompt."""
        return self._found.get(layer, torch.zeros_like(like))

    @contextmanager
    def watching(self, module: nn.Module, layers: Mapping[int, object]) -> Iterator[None]:
        """Inside, prompts that this thread runs through the layers are looked at."""
        with inputs_seen(module, layers, self._see):
            yield

    def _see(self, layer: int, hidden: Tensor) -> None:
        if hidden.shape[1] >= self._length:  # the prompt, not a later token
            sizes = normalized(hidden[:, : self._length])[..., self._dims].abs()
            self._found[layer] = (sizes.amax(-1) > self.rule.threshold).cpu()


def normalized(hidden: Tensor) -> Tensor:
    """Hidden states (..., D) over their root mean square, float32."""
    hidden = hidden.float()
    return hidden * (hidden.square().mean(-1, keepdim=True) + _EPSILON).rsqrt()


def sink_dims(model: LvlmModel) -> tuple[int, ...]:
    """The dims of the hidden state that tell sinks in this model: those that are largest in layer after layer.

    They are looked for in a few plain tokens behind the first one, which is a sink in every model that has any.
    """
    with model.lock:
        if model.module not in _dims_found:
            _dims_found[model.module] = _found_dims(model)
        return _dims_found[model.module]


def _found_dims(model: LvlmModel) -> tuple[int, ...]:
    decoder: Any = decoder_of(model.module)
    first = getattr(model.tokenizer, "bos_token_id", None) or 0
    ids = torch.tensor([[first, *range(10, 10 + _PROBE_TOKENS)]], device=model.device)
    largest: Counter[int] = Counter()

    def see(layer: int, hidden: Tensor) -> None:
        if layer:  # the first layer's input has seen no attention
            sizes = normalized(hidden[0]).abs().amax(0)  # (D,)
            largest.update(sizes.topk(DIMS).indices.tolist())

    layers = dict.fromkeys(range(len(decoder.layers)))
    with torch.no_grad(), inputs_seen(model.module, layers, see):
        decoder(input_ids=ids, attention_mask=torch.ones_like(ids), use_cache=False)
    return tuple(sorted(dim for dim, _ in largest.most_common(DIMS)))


@contextmanager
def inputs_seen(module: nn.Module, layers: Mapping[int, object], see: Callable[[int, Tensor], None]) -> Iterator[None]:
    """Inside, `see` gets the hidden states (B, S, D) that enter each of the layers in this thread."""
    thread = threading.get_ident()

    def hook(layer: int) -> Callable[..., None]:
        def saw(_: nn.Module, given: tuple[Tensor, ...], named: Mapping[str, Tensor]) -> None:
            if threading.get_ident() == thread:
                see(layer, given[0] if given else named["hidden_states"])

        return saw

    decoder = decoder_of(module)
    with ExitStack() as stack:
        for layer in layers:
            handle = decoder.layers[layer].register_forward_pre_hook(hook(layer), with_kwargs=True)
            stack.callback(handle.remove)
        yield
