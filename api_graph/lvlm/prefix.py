"""Several questions about the same pictures: what comes before the questions is computed once.

A decoder's keys and values at a token depend on nothing after it, or after its picture. So prompts that begin with the
same words and pictures need one run of that beginning, their common prefix, and each goes on from a copy of its cache.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from api_graph.lvlm import library
from api_graph.lvlm.attention import is_hooked
from api_graph.lvlm.decoder import context_length
from api_graph.lvlm.layout import token_layouts
from api_graph.lvlm.model import LvlmModel, out_of_memory_explained
from api_graph.lvlm.prompt import Prompt, arguments_of, padded, padding_id
from api_graph.lvlm.protocols import Cache, ModelInputs
from api_graph.lvlm.steer import Steering
from api_graph.lvlm.vision import distinct, each_picture_once, sharing

_CAUSAL = {
    *("llava", "llava_next", "llava_next_video", "llava_onevision", "mistral3", "internvl", "aya_vision"),
    *("idefics3", "smolvlm", "gemma3"),
}
"""Families whose language model looks at nothing after a picture before it, and counts its tokens one by one."""

_TOKENS = ("input_ids", "attention_mask")
_KINDS = "token_type_ids"
"""Which tokens see all of their picture (Gemma 3). After the prefix there are none."""


@dataclass(frozen=True)
class SharedPrefix:
    """Which prompts begin alike. A prompt's prefix is its columns from `starts` to `ends`; none without a picture.

    `first` are the rows whose prefix is run, and `of` says which of them stands for each row. A row without a picture
    has some number there, and sees none of it.
    """

    starts: tuple[int, ...]
    ends: tuple[int, ...]
    first: tuple[int, ...]
    of: tuple[int, ...]
    pictures: Mapping[str, Tensor]


def with_prefix_run(model: LvlmModel, prompt: Prompt, steerings: Sequence[Steering | None], most_tokens: int) -> Prompt:
    """The batch with what its prompts share run already; the batch as it is where nothing is shared.

    All prefixes then end at one column, and every question is padded on its left, behind its prefix: padding is masked,
    and counts as no position, wherever it stands. Raises BadInput when memory runs out.
    """
    shared = shared_prefix(model, prompt, steerings, most_tokens)
    if shared is None:
        return prompt
    before, after = _parts(model, prompt, shared)
    tensors = {name: torch.cat([own, after[name]], dim=1) for name, own in before.items()}
    return Prompt({**prompt.tensors, **tensors}, prompt.sizes, _run(model, shared, before))


def shared_prefix(
    model: LvlmModel, prompt: Prompt, steerings: Sequence[Steering | None], most_tokens: int
) -> SharedPrefix | None:
    """Which prompts of a batch have the same prefix, and so one run of it; None where nothing is shared.

    A prefix is a prompt up to and including its last image token. Two are the same if all their tokens are, and every
    value of what the processor made of their pictures. They are shared

    * in families whose decoder looks from a token at nothing after it but the rest of the same picture, and counts
      positions one by one: not in PaliGemma, whose pictures see the question, nor where positions are rows and columns
      (Qwen-VL, GLM-4V). Those share the vision tower's work (`lvlm.vision`);
    * while context and sliding windows have room for all of the prompt, its padding and `most_tokens`;
    * unless a steering changes what happens in the prefix: rows "all" do, redistribute looks for sinks in it, and
      "after_image" begins in it where the last image token shows no part of the picture (the newlines of LLaVA-NeXT);
    * unless something is `hooked` into the model already, which would see the prefix as a batch of its own;
    * where more than one token comes after it: a single one could be taken for a token of the answer;
    * if that makes fewer tokens to run, padding included.
    """
    known = model.model_type in _CAUSAL and all(name in prompt.tensors for name in _TOKENS)
    if not (known and sharing()) or is_hooked(model) or len(prompt.input_ids) < 2:
        return None
    shown = (prompt.input_ids == model.config.image_token_id).cpu()  # (B, S)
    if not shown.any():
        return None
    starts = prompt.tensors["attention_mask"].argmax(1).tolist()
    ends = [int(row.nonzero().max()) + 1 if row.any() else start for row, start in zip(shown, starts, strict=True)]
    before = max(end - start for start, end in zip(starts, ends, strict=True))
    after = max(prompt.length - end for end in ends)
    parts = _pictures(model, prompt, shown)
    if after < 2 or parts is None or not _has_room(model, prompt, before + after, most_tokens):
        return None
    if not all(_spares_prefix(model, prompt, steerings, ends)):
        return None
    rows = [i for i, part in enumerate(parts) if part]
    found = distinct([(prompt.input_ids[i, starts[i] : ends[i]], *parts[i].values()) for i in rows])
    if not found.shares or len(found.first) * before + len(parts) * after >= prompt.input_ids.numel():
        return None
    of = dict(zip(rows, found.of, strict=True))
    first = tuple(rows[nth] for nth in found.first)
    pictures = {name: torch.cat([parts[i][name] for i in first]) for name in parts[first[0]]}
    return SharedPrefix(tuple(starts), tuple(ends), first, tuple(of.get(i, 0) for i in range(len(parts))), pictures)


def _has_room(model: LvlmModel, prompt: Prompt, length: int, most_tokens: int) -> bool:
    """Whether prompts of that length, padding included, are answered at the length of theirs."""
    context = context_length(model.module)
    fits = length == prompt.length or context is None or length + most_tokens <= context
    return fits and library.keeps_all(library.new_cache(model.module), length + most_tokens)


def _spares_prefix(
    model: LvlmModel, prompt: Prompt, steerings: Sequence[Steering | None], ends: Sequence[int]
) -> list[bool]:
    """Whether each prompt is steered in rows after its prefix alone."""
    if not any(one is not None and one.rows == "after_image" for one in steerings):
        return [one is None or (one.rows != "all" and one.mode != "redistribute") for one in steerings]
    layouts = token_layouts(model.config, model.processor, prompt.tensors, prompt.sizes)
    last = [max((int(image.columns.max()) for image in images), default=-1) for images in layouts]
    return [
        one is None or (one.mode != "redistribute" and own + 1 == end)
        for one, own, end in zip(steerings, last, ends, strict=True)
    ]


def _pictures(model: LvlmModel, prompt: Prompt, shown: Tensor) -> list[dict[str, Tensor]] | None:
    """What the processor made of each prompt's pictures; None where that cannot be told.

    A tensor has a row for each prompt that shows pictures, or for each picture, or else equally many for every image
    token: as tiles have.
    """
    given = arguments_of(model, prompt.tensors)
    tensors = {name: value for name, value in given.items() if name not in (*_TOKENS, _KINDS)}
    counts = shown.sum(1).tolist()
    parts: list[dict[str, Tensor]] = [{} for _ in counts]
    with_pictures = [i for i, count in enumerate(counts) if count]
    rows = [int(count > 0) for count in counts]
    images = [len(sizes) for sizes in prompt.sizes]
    for name, value in tensors.items():
        if not isinstance(value, Tensor) or value.shape == shown.shape:
            return None
        by_tokens = [count * len(value) // max(sum(counts), 1) for count in counts]  # of too few where one is cut
        sizes = next((own for own in (rows, images, by_tokens) if sum(own) == len(value)), None)
        if sizes is None:
            return None
        split = value.split(sizes)
        for i in with_pictures:
            parts[i][name] = split[i]
    return parts


def _parts(model: LvlmModel, prompt: Prompt, shared: SharedPrefix) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """The prompts' prefixes, and what comes after them, each padded on the left."""
    length, padding = prompt.length, padding_id(model)
    names = [name for name in (*_TOKENS, _KINDS) if name in prompt.tensors]

    def cut(columns: Sequence[tuple[int, int]]) -> dict[str, Tensor]:
        widest = max(stop - start for start, stop in columns)
        rows = [
            {name: prompt.tensors[name][i : i + 1, start:stop] for name in names}
            for i, (start, stop) in enumerate(columns)
        ]
        return {name: torch.cat([padded(name, row, widest, padding) for row in rows]) for name in names}

    prefixes = list(zip(shared.starts, shared.ends, strict=True))
    return cut(prefixes), cut([(end, length) for end in shared.ends])


def _run(model: LvlmModel, shared: SharedPrefix, prefixes: Mapping[str, Tensor]) -> Cache:
    """What each prompt's prefix leaves in the cache; each distinct one is run once."""
    rows = {name: value[list(shared.first)] for name, value in prefixes.items()}
    cache = library.new_cache(model.module)
    with model.lock, out_of_memory_explained(), torch.no_grad(), each_picture_once(model):
        model.module(
            **rows,
            **shared.pictures,
            **{library.cache_argument(model.module): cache, "use_cache": True},
            **library.without_logits(model.module),
            position_ids=positions(rows["attention_mask"]),
        )
    cache.batch_select_indices(torch.tensor(shared.of))
    return cache


def following(model: LvlmModel, inputs: ModelInputs, cache: Cache) -> dict[str, object]:
    """A batch as `generate` takes it with a cache that has its first columns, the pictures' among them."""
    tokens = {name: inputs[name] for name in _TOKENS}
    return {**tokens, library.cache_argument(model.module): cache}


def rest(model: LvlmModel, inputs: ModelInputs, cache: Cache) -> dict[str, object]:
    """The same for one forward, of what comes after those columns."""
    before, place = cache.get_seq_length(), positions(inputs["attention_mask"])
    given = {**following(model, inputs, cache), "use_cache": True}
    return {**given, "input_ids": inputs["input_ids"][:, before:], "position_ids": place[:, before:]}


def positions(mask: Tensor) -> Tensor:
    """The position of each token (B, S) among the real ones of its prompt."""
    return (mask.long().cumsum(-1) - 1).clamp(min=0)
