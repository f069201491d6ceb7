"""Teacher forcing: run a model once over prompts and given answers, instead of generating the answers."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.lvlm import library
from api_graph.lvlm.decoder import context_length
from api_graph.lvlm.generation import end_ids
from api_graph.lvlm.model import LvlmModel, out_of_memory_explained
from api_graph.lvlm.prefix import rest
from api_graph.lvlm.prompt import arguments_of
from api_graph.lvlm.protocols import Cache, ModelInputs
from api_graph.lvlm.vision import each_picture_once


def answer_ids(model: LvlmModel, answer: str | Sequence[int], most: int | None = None) -> list[int]:
    """The ids that the model would generate to say the text `answer`, its end token included; no more than `most`.

    Ids are taken as they are. Raises BadInput for a text without a tokenizer, and for an empty answer.
    """
    if isinstance(answer, str):
        tokenizer = model.tokenizer
        if tokenizer is None:
            raise BadInput(
                "without a tokenizer an answer cannot be read",
                input="answer",
                value=answer,
                hint="Give its token ids, or wrap the model together with its processor.",
            )
        ends, own = end_ids(model), tokenizer.eos_token_id
        end = [own] if own is not None and own in ends else sorted(ends)[:1]
        ids = [*tokenizer(answer, add_special_tokens=False).input_ids, *end][:most]
    else:
        ids = [int(token) for token in answer]
    if not ids:
        raise BadInput("the answer is empty", input="answer", value=answer)
    return ids


def needs_steps(model: LvlmModel) -> bool:
    """Whether an answer must be fed token by token. In a prefix LM all tokens of the prompt look at each other, and in
    a single forward they would look at an answer that follows too.
    """
    return model.model_type == "paligemma"


def run_forced(
    model: LvlmModel, inputs: ModelInputs, answers: Sequence[Sequence[int]], cache: Cache | None = None
) -> None:
    """One forward over each prompt of `inputs` (B, S), followed by its answer; shorter answers are padded.

    The newest queries, as many as the longest answer has tokens, are those that predict the answers' tokens. An
    answer's last token predicts none and is left out. With a `cache`, as `lvlm.prefix` makes it, only what comes after
    its columns is run; it is used up. Raises BadInput where prompt and answer are longer than the
    model's context, and when memory runs out.
    """
    longest = max(len(answer) for answer in answers) - 1
    length = inputs["input_ids"].shape[1] + longest
    context = context_length(model.module)
    if context is not None and length > context:
        raise BadInput(
            f"prompt and answer have {length} tokens, image included, and {model.name} has room for {context}",
            input="answer",
            hint="Give a shorter answer, or show fewer or smaller images.",
        )
    whole = _with_answers(arguments_of(model, inputs), answers, longest)
    given = {**whole, "use_cache": False} if cache is None else rest(model, whole, cache)
    with model.lock, out_of_memory_explained(), torch.no_grad(), each_picture_once(model):
        model.module(**given, **library.without_logits(model.module))


def _with_answers(inputs: ModelInputs, answers: Sequence[Sequence[int]], longest: int) -> dict[str, Tensor]:
    """`inputs` with the answers, without their last tokens, after the prompts in every tensor that has tokens."""
    ids = inputs["input_ids"]
    fed = [list(answer[:-1]) for answer in answers]
    tokens = ids.new_tensor([row + [0] * (longest - len(row)) for row in fed]).reshape(len(fed), longest)
    real = ids.new_tensor([[1] * len(row) + [0] * (longest - len(row)) for row in fed]).reshape(len(fed), longest)
    text = torch.zeros_like(real)
    following: dict[str, Tensor] = {
        "input_ids": tokens,
        "attention_mask": real,
        "token_type_ids": text,
        "mm_token_type_ids": text,
    }
    prompts = {"attention_mask": torch.ones_like(ids), **inputs}
    return {
        name: torch.cat([value, following[name].to(value.dtype)], dim=1) if name in following else value
        for name, value in prompts.items()
    }
