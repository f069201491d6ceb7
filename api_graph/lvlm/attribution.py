"""Ψ from an LVLM: where it looked in the image while it answered (API eq. 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.capture import Capture, capture
from api_graph.lvlm.forced import answer_ids, needs_steps, run_forced
from api_graph.lvlm.generate import Progress, decoded, generate_ids
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.places import Places, merge, token_places
from api_graph.lvlm.prompt import Prompt, build_prompt, on_device
from api_graph.lvlm.request import Request, Sampling
from api_graph.lvlm.rows import Normalization
from api_graph.lvlm.steps import Steps, chosen_steps
from api_graph.pixels.read import as_pictures
from api_graph.sockets import Attribution

GivenAnswer = str | Sequence[int]
"""An answer to be read instead of generated: its text, or its token ids."""


@dataclass(frozen=True, eq=False)
class LvlmAttribution:
    """Where a model looked while it gave an answer.

    `map` (gh, gw), float32 on the CPU, is Ψ, and `geometry` says where its cells lie. `step_maps` (M, N) are its M
    chosen steps, each the mean over heads (and layers), over the N image tokens that have a place, in the prompt's
    order. `answer` is the answer's text ("" without a tokenizer), `tokens` all its ids with the end token, `steps`
    the numbers of the chosen ones: step m is the query that predicts token m. `layers` are those that were read.
    """

    map: Tensor
    step_maps: Tensor
    answer: str
    tokens: list[int]
    steps: list[int]
    geometry: Geometry
    layers: tuple[int, ...]

    @property
    def attribution(self) -> Attribution:
        """The map as it travels along a wire, (1, gh, gw)."""
        return Attribution(self.map[None], (self.geometry,))


@dataclass(frozen=True)
class _Reading:
    """Which rows of the attention make up a map."""

    layers: int | Sequence[int] | None
    steps: Steps
    normalize: Normalization
    max_new_tokens: int
    heads: Sequence[int] | None


def lvlm_attribution(
    model: LvlmModel,
    image: Any = None,
    query: str | None = None,
    *,
    input_ids: Tensor | None = None,
    pixel_values: Tensor | None = None,
    layer: int | Sequence[int] | None = None,
    steps: Steps = "all",
    normalize: Normalization = "full",
    max_new_tokens: int = 20,
    answer: GivenAnswer | None = None,
    system: str = "",
    heads: Sequence[int] | None = None,
    **model_inputs: Any,
) -> LvlmAttribution:
    """Ask a model about an image, and see where it looked while it answered.

    `image`: a PIL image, a path, or a float tensor (H, W, 3) or (1, H, W, 3) in [0, 1], with the question `query` (and
    the `system` prompt). Or `input_ids` (1, S) with its image tokens in place, `pixel_values`, and what else the model
    takes: then it needs no processor, and the image is what the pixels show.
    `layer`: of the decoder, from 0, negative ones from the end; several are averaged. By default the paper's 20 where
    the decoder is deeper than that, else the middle one (a model's config may name another as `attribution_layer`).
    `steps`: "all", "first", a range or (start, stop), or a phrase of the answer, whose tokens then count.
    `normalize`: "full", weights of the full softmax (eq. 8); "image_only", a softmax over the image's tokens alone per
    head and step (the official code). `heads`: those to average, all by default.
    `answer`: read this answer (its text or its token ids) in one forward, instead of generating one greedily; the
    model's own answer gives the maps that generating it gives. `max_new_tokens`: most tokens of either; 20 as in the
    official code.

    Raises BadInput for every argument that does not fit the model.
    """
    answers = None if answer is None else [answer]
    if input_ids is None:
        if pixel_values is not None or model_inputs:
            raise BadInput("tensors need input_ids beside them", input="input_ids")
        request = _request(image, query, system)
        return attribute(
            model,
            [request],
            layers=layer,
            steps=steps,
            normalize=normalize,
            max_new_tokens=max_new_tokens,
            heads=heads,
            answers=answers,
        )[0]
    if image is not None or query is not None:
        raise BadInput("give either image and query, or tensors", input="input_ids")
    prompt = _prompt_of(model, {"input_ids": input_ids, "pixel_values": pixel_values, **model_inputs})
    return _attributed(model, prompt, None, _Reading(layer, steps, normalize, max_new_tokens, heads), answers)[0]


def attribute(
    model: LvlmModel,
    requests: Sequence[Request],
    *,
    layers: int | Sequence[int] | None = None,
    steps: Steps = "all",
    normalize: Normalization = "full",
    max_new_tokens: int = 20,
    heads: Sequence[int] | None = None,
    answers: Sequence[GivenAnswer] | None = None,
    progress: Progress | None = None,
) -> list[LvlmAttribution]:
    """`lvlm_attribution` of several requests, one image each, as one left-padded batch.

    `answers` are read instead of generated, one per request. `progress` is called after each generated token.
    """
    if not requests:
        return []
    for request in requests:
        if len(request.images) != 1:
            raise BadInput(
                "a map belongs to one image", input="image", value=len(request.images), hint="Ask about one at a time."
            )
    if answers is not None and len(answers) != len(requests):
        raise BadInput(f"there are {len(requests)} requests", input="answers", value=len(answers))
    prompt = build_prompt(model, requests)
    reading = _Reading(layers, steps, normalize, max_new_tokens, heads)
    return _attributed(model, prompt, prompt.sizes, reading, answers, progress)


def _request(image: Any, query: str | None, system: str) -> Request:
    if image is None or query is None:
        raise BadInput(
            "there is nothing to ask", input="image" if image is None else "query", hint="Give an image and a query."
        )
    pictures = as_pictures(image)
    if len(pictures) != 1:
        raise BadInput(
            "a map belongs to one image",
            input="image",
            value=len(pictures),
            hint="Give one; `attribute` takes several.",
        )
    return Request(query, (pictures[0],), system)


def _prompt_of(model: LvlmModel, tensors: dict[str, Any]) -> Prompt:
    ids = tensors["input_ids"]
    if not (isinstance(ids, Tensor) and ids.ndim == 2 and len(ids) == 1 and not ids.is_floating_point()):
        shape = tuple(ids.shape) if isinstance(ids, Tensor) else ids
        raise BadInput("input_ids are the integers (1, S) of one prompt", input="input_ids", value=shape)
    given = {name: value for name, value in tensors.items() if value is not None}
    return Prompt(on_device(model, {"attention_mask": torch.ones_like(ids), **given}), [])


def _attributed(
    model: LvlmModel,
    prompt: Prompt,
    sizes: list[list[tuple[int, int]]] | None,
    reading: _Reading,
    answers: Sequence[GivenAnswer] | None,
    progress: Progress | None = None,
) -> list[LvlmAttribution]:
    processor = None if sizes is None else model.processor
    places = [_only(images) for images in token_places(model.config, processor, prompt.tensors, sizes)]
    if reading.max_new_tokens < 1:
        raise BadInput("at least one token must be read", input="max_new_tokens", value=reading.max_new_tokens)
    columns = [place.columns for place in places]
    kept, tokens = _watched(model, prompt.tensors, columns, reading, answers, progress)
    rows = _averaged(kept, reading.heads)  # (B, M, N)
    return [
        _result(model, place, rows[i, : len(ids), : len(place.columns)], ids, reading, kept.layers)
        for i, (place, ids) in enumerate(zip(places, tokens, strict=True))
    ]


def _watched(
    model: LvlmModel,
    inputs: dict[str, Any],
    columns: Sequence[Tensor],
    reading: _Reading,
    answers: Sequence[GivenAnswer] | None,
    progress: Progress | None,
) -> tuple[Capture, list[list[int]]]:
    """What the attention did while the prompts were answered, and the ids of the answers."""
    watch = partial(capture, model, _layers(model, reading.layers), columns, normalize=reading.normalize)
    if answers is None:
        with watch() as kept:
            return kept, generate_ids(model, inputs, Sampling(max_tokens=reading.max_new_tokens), progress)
    tokens = [answer_ids(model, answer, reading.max_new_tokens) for answer in answers]
    longest = max(map(len, tokens))
    if needs_steps(model):
        with watch() as kept:
            generate_ids(model, inputs, Sampling(max_tokens=longest), progress, forced=tokens)
    else:
        with watch(rows=longest) as kept:
            run_forced(model, inputs, tokens)
    return kept, tokens


def _only(images: Sequence[Places]) -> Places:
    if len(images) != 1:
        raise BadInput("a map belongs to one image", input="image", value=len(images), hint="Ask about one at a time.")
    return images[0]


def _layers(model: LvlmModel, layers: int | Sequence[int] | None) -> list[int]:
    if layers is None:
        return [model.default_layer]
    if isinstance(layers, Sequence) and not layers:
        raise BadInput("name at least one layer", input="layer", value=layers)
    return list(layers) if isinstance(layers, Sequence) else [layers]


def _averaged(kept: Capture, heads: Sequence[int] | None) -> Tensor:
    """Mean over heads and layers: (B, M, N)."""
    rows = torch.stack([kept.rows(layer) for layer in kept.layers])  # (layers, B, H, M, N)
    if heads is not None:
        known = range(-rows.shape[2], rows.shape[2])
        if not heads or any(head not in known for head in heads):
            raise BadInput(f"the heads are 0 to {rows.shape[2] - 1}", input="heads", value=heads)
        rows = rows[:, :, list(heads)]
    return rows.mean(dim=(0, 2))


def _result(
    model: LvlmModel, place: Places, rows: Tensor, tokens: list[int], reading: _Reading, layers: tuple[int, ...]
) -> LvlmAttribution:
    steps = chosen_steps(reading.steps, tokens, model.tokenizer)
    step_maps = rows[steps]  # (M, N)
    values, geometry = merge(place, step_maps.mean(dim=0))
    return LvlmAttribution(values, step_maps, decoded(model, tokens), tokens, steps, geometry, layers)
