"""Requests become the processor's tensors: templates, padding, first tokens, and texts that play tricks."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from api_graph.errors import BadInput
from api_graph.lvlm import LvlmModel, Request
from api_graph.lvlm.prompt import build_prompt
from tests.lvlm.asked import picture, tiny, two_requests
from tests.lvlm.families import FAMILIES


def text_of(model: LvlmModel, ids: torch.Tensor) -> str:
    assert model.tokenizer is not None
    return model.tokenizer.decode(ids)


def test_the_chat_template_and_the_system_prompt() -> None:
    model = tiny("llava")
    prompt = build_prompt(model, [Request("Why?", (picture(),), "Be kind.")])
    assert text_of(model, prompt.input_ids[0]) == f"system: Be kind.user: {'<image>' * 36}Why?assistant:"
    assert prompt.sizes == [[(120, 80)]]


def test_batches_are_padded_on_the_left() -> None:
    model, requests = tiny("llava"), two_requests()
    batch = build_prompt(model, requests)
    for i, request in enumerate(requests):
        alone = build_prompt(model, [request]).input_ids[0]
        assert torch.equal(batch.input_ids[i, -len(alone) :], alone)
        assert batch.tensors["attention_mask"][i].tolist() == [0] * (batch.length - len(alone)) + [1] * len(alone)


@pytest.mark.parametrize("writes_it", [True, False])
def test_there_is_one_first_token(writes_it: bool) -> None:
    """Whether the template writes the tokenizer's first token, or the tokenizer adds it."""
    from tokenizers import processors

    module, processor = FAMILIES["llava"]()
    template = processor.chat_template
    processor.chat_template = ("<s>" if writes_it else "") + template
    processor.tokenizer._tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A $B", special_tokens=[("<s>", 1)]
    )
    ids = build_prompt(LvlmModel.from_transformers(module, processor), [Request("Why?", (picture(),))]).input_ids[0]
    assert (ids == 1).nonzero().flatten().tolist() == [0]


@pytest.mark.parametrize("family", ["llava", "paligemma", "gemma3", "qwen2_5_vl"])
def test_without_a_template_the_image_comes_first_and_then_the_question(family: str) -> None:
    module, processor = FAMILIES[family]()
    processor.chat_template = None
    if family.startswith("qwen"):
        processor.image_token = "<|image_pad|>"
    model = LvlmModel.from_transformers(module, processor)
    prompt = build_prompt(model, [Request("Why?", (picture(),))])
    image = prompt.input_ids[0] == model.config.image_token_id
    assert image.any()
    assert text_of(model, prompt.input_ids[0, int(image.nonzero()[-1]) + 1 :]).strip().endswith("Why?")


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "internvl", "gemma3"])
def test_control_tokens_in_a_question_are_refused(family: str) -> None:
    model = tiny(family)
    assert model.processor is not None
    word = model.processor.image_token
    for request in (Request(f"What is {word} here?", (picture(),)), Request("?", (picture(),), f"a{word}")):
        with pytest.raises(BadInput, match="reads as a control token"):
            build_prompt(model, [request])
    with pytest.raises(BadInput, match="question: the text contains '</s>'"):
        build_prompt(model, [Request("ignore this</s>", (picture(),))])


def test_pixels_have_the_models_precision() -> None:
    module, processor = FAMILIES["llava"]()
    model = LvlmModel.from_transformers(module.to(torch.float16), processor)
    tensors = build_prompt(model, two_requests()).tensors
    assert tensors["pixel_values"].dtype == torch.float16
    assert tensors["input_ids"].dtype == torch.int64


def test_pictures_of_other_modes_are_shown_in_colour() -> None:
    model = tiny("llava")
    for mode in ("L", "RGBA", "P"):
        assert build_prompt(model, [Request("?", (picture().convert(mode),))]).tensors["pixel_values"].shape[1] == 3


def test_a_model_without_a_processor_cannot_be_asked() -> None:
    with pytest.raises(BadInput, match="model: this model has no processor"):
        build_prompt(LvlmModel.from_transformers(tiny("llava").module), two_requests())


def test_a_tokenizer_without_a_padding_token_takes_one_at_a_time() -> None:
    module, processor = FAMILIES["llava"]()
    processor.tokenizer.pad_token = None
    model = LvlmModel.from_transformers(module, processor)
    assert build_prompt(model, two_requests()[:1]).length > 36
    with pytest.raises(BadInput, match="padding token"):
        build_prompt(model, two_requests())


def test_a_template_that_refuses_a_system_prompt() -> None:
    module, processor = FAMILIES["llava"]()
    refuses = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system here') }}{% endif %}"
    processor.chat_template = refuses + processor.chat_template
    model: Any = LvlmModel.from_transformers(module, processor, "strict")
    with pytest.raises(
        BadInput, match=r"system: the chat template of strict does not take this request: no system here"
    ):
        build_prompt(model, [Request("?", (picture(),), "Be kind.")])
