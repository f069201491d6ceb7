"""Teacher forcing: run a model once over its prompts and answers that are given, instead of generating them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.lvlm.decoder import text_config
from api_graph.lvlm.generate import end_ids, out_of_memory_explained
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.prompt import taken


def answer_ids(model: LvlmModel, answer: str | Sequence[int], most: int) -> list[int]:
    """The ids that a model which says `answer` generates, its end token included; at most `most`.

    Ids are taken as they are. Raises BadInput where there is no tokenizer, and where nothing is left.
    """
    if isinstance(answer, str):
        if model.tokenizer is None:
            raise BadInput(
                "without a tokenizer an answer cannot be read",
                input="answer",
                value=answer,
                hint="Give its token ids, or wrap the model together with its processor.",
            )
        ids = [*model.tokenizer(answer, add_special_tokens=False).input_ids, *_end(model)][:most]
    else:
        ids = [int(token) for token in answer]
    if not ids:
        raise BadInput("the answer is empty", input="answer", value=answer)
    return ids


def _end(model: LvlmModel) -> list[int]:
    ends = end_ids(model)
    own = getattr(model.tokenizer, "eos_token_id", None)
    return [own] if own in ends else sorted(ends)[:1]


def needs_steps(model: LvlmModel) -> bool:
    """Whether an answer must be said token by token: a prefix LM's prompt looks at all of itself, so that an answer
    behind it in the same forward would be looked at too.
    """
    return model.model_type == "paligemma"


def run_forced(model: LvlmModel, inputs: dict[str, Any], answers: Sequence[Sequence[int]]) -> None:
    """One forward over each prompt of `inputs` (B, S) and its answer, which follows; shorter answers are padded.

    Its newest max M queries are those that predict the answers' tokens: an answer's last token is none of them.
    Raises BadInput where prompt and answer are longer than the model's context, and when memory runs out.
    """
    longest = max(len(answer) for answer in answers) - 1
    length = inputs["input_ids"].shape[1] + longest
    context = getattr(text_config(model.module), "max_position_embeddings", None)
    if context is not None and length > context:
        raise BadInput(
            f"prompt and answer have {length} tokens, image included, and {model.name} has room for {context}",
            input="answer",
            hint="Give a shorter answer, or show fewer or smaller images.",
        )
    module: Any = model.module
    takes = inspect.signature(module.forward).parameters
    spare = {"logits_to_keep": 1} if "logits_to_keep" in takes else {}  # nobody reads the logits
    with model.lock, out_of_memory_explained(), torch.no_grad():
        module(**_with_answers(taken(model, inputs), answers, longest), use_cache=False, **spare)


def _with_answers(inputs: dict[str, Any], answers: Sequence[Sequence[int]], longest: int) -> dict[str, Any]:
    """`inputs` with the answers, less their last tokens, behind the prompts in every tensor that has tokens."""
    ids = inputs["input_ids"]
    fed = [list(answer[:-1]) for answer in answers]
    tokens = ids.new_tensor([row + [0] * (longest - len(row)) for row in fed]).reshape(len(fed), longest)
    real = ids.new_tensor([[1] * len(row) + [0] * (longest - len(row)) for row in fed]).reshape(len(fed), longest)
    text = torch.zeros_like(real)
    behind: dict[str, Tensor] = {
        "input_ids": tokens,
        "attention_mask": real,
        "token_type_ids": text,
        "mm_token_type_ids": text,
    }
    prompts = {"attention_mask": torch.ones_like(ids), **inputs}
    return {
        name: torch.cat([value, behind[name].to(value.dtype)], dim=1) if name in behind else value
        for name, value in prompts.items()
    }
