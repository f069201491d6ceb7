"""Ψ from an LVLM: where in the image it looked while it answered (API eq. 8)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import get_args

import torch
from PIL import Image
from torch import Tensor

from api_graph.arguments import typed
from api_graph.deprecation import formerly
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm.activation import activation_rows, final_states
from api_graph.lvlm.attention_rows import Normalization
from api_graph.lvlm.averaging import ReadHeads, averaged, layers_read
from api_graph.lvlm.capture import Capture, capture
from api_graph.lvlm.forced import answer_ids, needs_steps, run_forced
from api_graph.lvlm.generation import Progress, decoded, generate_ids
from api_graph.lvlm.layout import Size, TokenLayout, merge, token_layouts
from api_graph.lvlm.load import loaded_lvlm
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.prefix import with_prefix_run
from api_graph.lvlm.prompt import Prompt, build_prompt, on_device
from api_graph.lvlm.protocols import ModelInputs, Tokenizer
from api_graph.lvlm.request import Request, Sampling
from api_graph.lvlm.steer import AsFovea, Mode, Rows, Steering, steered, steering_of
from api_graph.lvlm.steps import Steps, chosen_steps
from api_graph.lvlm.words import Method, Word, words_of
from api_graph.models.layers import Layers
from api_graph.notebook import counted, one_line, quoted
from api_graph.pixels.given import Images, as_pictures
from api_graph.pixels.shown import ShownMap
from api_graph.sockets import Attribution

GivenAnswer = str | Sequence[int]
"""An answer to be read instead of generated: its text, or its token ids."""


@dataclass(frozen=True, eq=False)
class LvlmAttribution(ShownMap):
    """Where a model looked while it gave an answer: an attribution, with the answer and what was read of it.

    `attribution` is Ψ, one map of float32 on the CPU, (1, gh, gw). `step_maps` (M, N) has a row for each of the M
    chosen steps: the mean over heads (and layers), at the N image tokens that show a part of the image, in the
    prompt's order. `answer` is the answer's text ("" without a tokenizer), `tokens` are all its ids with the end
    token, and `steps` the numbers of the chosen ones: step m is the query that predicts token m. `layers` are those
    that were read; none for TAM, which reads the final states. `layout` says where the N image tokens lie.
    `image` is the one that was asked about; None where its pixels were given.
    """

    attribution: Attribution
    step_maps: Tensor
    answer: str
    tokens: list[int]
    steps: list[int]
    layers: tuple[int, ...]
    layout: TokenLayout = field(repr=False)
    tokenizer: Tokenizer | None = field(repr=False)
    image: Image.Image | None = None

    def __repr__(self) -> str:
        read = f"layer{'s' if len(self.layers) > 1 else ''} {', '.join(map(str, self.layers))}" if self.layers else ""
        return one_line(self, quoted(self.answer), *self.attribution.facts(), counted(len(self.steps), "step"), read)

    @cached_property
    def words(self) -> tuple[Word, ...]:
        """The words of the answer in order, each with the map of its tokens; none without a tokenizer.

        A word has letters, digits, marks or symbols in a row. In scripts that do not part their words by spaces, such
        as Chinese, it is what the model said at once: one token's characters. Words without a chosen step are left out.
        """
        return words_of(self.tokenizer, self.tokens, self.steps, self.step_maps, self.layout)

    @property
    def map(self) -> Tensor:
        """Ψ, (gh, gw)."""
        return self.attribution.values[0]

    @property
    def geometry(self) -> Geometry:
        """Where the map's cells lie in the image."""
        return self.attribution.geometry[0]


@dataclass(frozen=True)
class _Reading:
    """Which rows of the attention make up a map, and how long an answer may be."""

    layers: Layers | None
    steps: Steps
    normalize: Normalization
    max_new_tokens: int
    heads: ReadHeads | None
    method: Method = "attention"


@formerly("model", "image", "query", layer="layers", max_new_tokens="max_tokens")
@typed("fovea", images="image", max_new_tokens="max_tokens", name="model")
def lvlm_attribution(
    image: Images | None = None,
    query: str | None = None,
    model: LvlmModel | str = "demo",
    *,
    device: str | torch.device | None = None,
    input_ids: Tensor | None = None,
    pixel_values: Tensor | None = None,
    layers: Layers | None = None,
    steps: Steps = "all",
    normalize: Normalization = "full",
    max_tokens: int = 20,
    answer: GivenAnswer | None = None,
    system: str = "",
    heads: ReadHeads | None = None,
    fovea: AsFovea | Steering = None,
    mode: Mode = "boost_suppress",
    strength: float | None = None,
    rows: Rows = "last",
    method: Method = "attention",
    **model_inputs: Tensor,
) -> LvlmAttribution:
    """Ask a model about an image, and see where it looked while it answered.

    `image` is one image, with the question `query` (and the `system` prompt). Or `input_ids` (1, S), which include the
    image's tokens, `pixel_values`, and what else the model takes: then it needs no processor, and the image is what the
    pixels show. `model` is a loaded one, or a name that `load_lvlm` takes, for `device`.
    `layers`: of the decoder, from 0; negative ones count from the end, and several are averaged. A text may say them:
    "last 4", "from 8", "all", or numbers and ranges such as "14,15,17" or "-4..-1". By default (None, "auto" or "") it
    is the paper's 20 where the decoder is deeper than that, else the middle one (a model's config may name another as
    `attribution_layer`).
    `steps`: "all", "first", a range or (start, stop), or a phrase of the answer, whose tokens then count.
    `normalize`: "full", weights of the full softmax (eq. 8); "image_only", a softmax over the image's tokens alone per
    head and step (the official code). `heads`: those to average, all by default. A profile of heads names layers, too;
    then there are no `layers`, and each chosen head counts alike.
    `method`: "attention", or "activation" for token activation maps (TAM), which read no attention: they take no
    `layers`, `normalize` or `heads`.
    `answer`: read this answer (its text or its token ids) in one forward, instead of generating one greedily. The
    model's own answer gives the maps that generating it gives. `max_tokens`: most tokens of either; 20 as in the
    official code.

    `fovea` steers the model while it is watched, in the `mode` and with the `strength` and `rows` that `ask` has, and
    the map is of what it did then. A `Steering` steers chosen layers and heads.

    Raises BadInput for every argument that does not fit the model.
    """
    answers = None if answer is None else [answer]
    steering = steering_of(fovea, (), {"mode": mode, "strength": strength, "rows": rows})
    reading = _Reading(layers, steps, normalize, max_tokens, heads, method)
    request = None
    if input_ids is None:
        if pixel_values is not None or model_inputs:
            raise BadInput("tensors need input_ids beside them", input="input_ids")
        request = _request(image, query, system)
    elif image is not None or query is not None:
        raise BadInput("give either image and query, or tensors", input="input_ids")
    lvlm = loaded_lvlm(model, device)
    if request is not None:
        prompt = build_prompt(lvlm, [request])
        seen = _attributed(lvlm, prompt, prompt.sizes, reading, answers, [steering])[0]
        return replace(seen, image=request.images[0])
    pixels = {} if pixel_values is None else {"pixel_values": pixel_values}
    prompt = _prompt_of(lvlm, input_ids, {**pixels, **model_inputs})
    return _attributed(lvlm, prompt, None, reading, answers, [steering])[0]


def attribute(
    model: LvlmModel,
    requests: Sequence[Request],
    *,
    layers: Layers | None = None,
    steps: Steps = "all",
    normalize: Normalization = "full",
    max_new_tokens: int = 20,
    heads: ReadHeads | None = None,
    answers: Sequence[GivenAnswer] | None = None,
    progress: Progress | None = None,
    method: Method = "attention",
) -> list[LvlmAttribution]:
    """`lvlm_attribution` of several requests, one image each, as one left-padded batch.

    `layers` are those of `lvlm_attribution`. `answers` are read instead of generated, one per request.
    Requests that are steered differ in nothing but their foveas. `progress` is called after each generated token.
    Those that show the same image share the work on it, as in `generate`.
    Raises BadInput for every argument that does not fit the model.
    """
    if not requests:
        return []
    for request in requests:
        if len(request.images) != 1:
            raise BadInput(
                "a map belongs to one image", input="image", value=len(request.images), hint="Ask about one at a time."
            )
        if request.contrast is not None:
            raise BadInput("a map is of one reading of the image, and a contrast has two", input="contrast")
    if answers is not None and len(answers) != len(requests):
        raise BadInput(f"there are {len(requests)} requests", input="answers", value=len(answers))
    prompt = build_prompt(model, requests)
    reading = _Reading(layers, steps, normalize, max_new_tokens, heads, method)
    steerings = [request.steering for request in requests]
    if method == "attention" and max_new_tokens >= 1:  # TAM wants the states of all tokens
        given = [len(answer) for answer in answers or () if not isinstance(answer, str)]
        prompt = with_prefix_run(model, prompt, steerings, max([max_new_tokens, *given]))
    return _attributed(model, prompt, prompt.sizes, reading, answers, steerings, progress)


def _request(image: Images | None, query: str | None, system: str) -> Request:
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


def _prompt_of(model: LvlmModel, ids: object, others: ModelInputs) -> Prompt:
    if not (isinstance(ids, Tensor) and ids.ndim == 2 and len(ids) == 1 and not ids.is_floating_point()):
        shape = tuple(ids.shape) if isinstance(ids, Tensor) else ids
        raise BadInput("input_ids are the integers (1, S) of one prompt", input="input_ids", value=shape)
    given = {name: value for name, value in others.items() if value is not None}
    return Prompt(on_device(model, {"attention_mask": torch.ones_like(ids), "input_ids": ids, **given}), [])


def _attributed(
    model: LvlmModel,
    prompt: Prompt,
    sizes: list[list[Size]] | None,
    reading: _Reading,
    answers: Sequence[GivenAnswer] | None,
    steerings: Sequence[Steering | None],
    progress: Progress | None = None,
) -> list[LvlmAttribution]:
    processor = None if sizes is None else model.processor
    layouts = [_only(images) for images in token_layouts(model.config, processor, prompt.tensors, sizes)]
    if reading.max_new_tokens < 1:
        raise BadInput("at least one token must be read", input="max_new_tokens", value=reading.max_new_tokens)
    _check_method(reading)
    columns = [layout.columns for layout in layouts]
    with steered(model, [[layout] for layout in layouts], steerings, prompt.length):
        if reading.method == "activation":
            return _activated(model, prompt.tensors, layouts, reading, answers, progress)
        kept, tokens = _watched(model, prompt, columns, reading, answers, progress)
    rows = averaged(kept, reading.heads)  # (B, M, N)
    return [
        _result(model, layout, rows[i, : len(ids), : len(layout.columns)], ids, reading, kept.layers)
        for i, (layout, ids) in enumerate(zip(layouts, tokens, strict=True))
    ]


def _check_method(reading: _Reading) -> None:
    if reading.method not in get_args(Method):
        hint = "Use attention or activation."
        raise BadInput("there is no such method", input="method", value=reading.method, hint=hint)
    if reading.method == "attention":
        return
    auto = reading.layers is None or reading.layers == "auto"
    for name, left in (("layers", auto), ("normalize", reading.normalize == "full"), ("heads", reading.heads is None)):
        if not left:
            value = getattr(reading, name)
            raise BadInput("activation maps read no attention", input=name, value=value, hint="Leave it out.")


def _activated(
    model: LvlmModel,
    inputs: ModelInputs,
    layouts: Sequence[TokenLayout],
    reading: _Reading,
    answers: Sequence[GivenAnswer] | None,
    progress: Progress | None,
) -> list[LvlmAttribution]:
    """Token activation maps: of the model's own answers, or of those that are given."""
    with final_states(model) as states:
        if answers is None:
            tokens = generate_ids(model, inputs, Sampling(max_tokens=reading.max_new_tokens), progress)
        else:
            tokens = _read(model, inputs, answers, reading.max_new_tokens, progress)
    every = torch.cat(states, dim=1)  # (B, S + M − 1, d)
    ids = inputs["input_ids"].cpu()
    mask = inputs.get("attention_mask", torch.ones_like(ids)).cpu()
    return [
        _result(model, layout, activation_rows(model, every[i], ids[i], mask[i], own, layout), own, reading, layers=())
        for i, (layout, own) in enumerate(zip(layouts, tokens, strict=True))
    ]


def _read(
    model: LvlmModel,
    inputs: ModelInputs,
    answers: Sequence[GivenAnswer],
    most: int,
    progress: Progress | None,
) -> list[list[int]]:
    """Let the model read the answers: all in one forward, or, in a prefix LM, token by token."""
    tokens = [answer_ids(model, answer, most) for answer in answers]
    if needs_steps(model):
        generate_ids(model, inputs, Sampling(max_tokens=max(map(len, tokens))), progress, forced=tokens)
    else:
        run_forced(model, inputs, tokens)
    return tokens


def _watched(
    model: LvlmModel,
    prompt: Prompt,
    columns: Sequence[Tensor],
    reading: _Reading,
    answers: Sequence[GivenAnswer] | None,
    progress: Progress | None,
) -> tuple[Capture, list[list[int]]]:
    """What the attention did while the prompts were answered, and the ids of the answers."""
    watch = partial(
        capture, model, layers_read(model, reading.layers, reading.heads), columns, normalize=reading.normalize
    )
    if answers is None:
        with watch() as kept:
            sampling = Sampling(max_tokens=reading.max_new_tokens)
            return kept, generate_ids(model, prompt.tensors, sampling, progress, cache=prompt.cache)
    tokens = [answer_ids(model, answer, reading.max_new_tokens) for answer in answers]
    longest = max(map(len, tokens))
    if needs_steps(model):
        with watch() as kept:
            generate_ids(model, prompt.tensors, Sampling(max_tokens=longest), progress, forced=tokens)
    else:
        with watch(rows=longest) as kept:
            run_forced(model, prompt.tensors, tokens, prompt.cache)
    return kept, tokens


def _only(images: Sequence[TokenLayout]) -> TokenLayout:
    if len(images) != 1:
        raise BadInput("a map belongs to one image", input="image", value=len(images), hint="Ask about one at a time.")
    return images[0]


def _result(
    model: LvlmModel, layout: TokenLayout, rows: Tensor, tokens: list[int], reading: _Reading, layers: tuple[int, ...]
) -> LvlmAttribution:
    steps = chosen_steps(reading.steps, tokens, model.tokenizer)
    step_maps = rows[steps]  # (M, N)
    values, geometry = merge(layout, step_maps.mean(dim=0))  # (gh, gw)
    attribution = Attribution(values[None], (geometry,))
    answer = decoded(model, tokens)
    return LvlmAttribution(attribution, step_maps, answer, tokens, steps, layers, layout, model.tokenizer)
