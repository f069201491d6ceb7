"""Losses of given answers: each family's own training loss has the same figures, alone, in batches, and steered."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from api_graph.errors import BadInput, Cancelled
from api_graph.lvlm import Contrast, LvlmModel, Request
from api_graph.lvlm.options import option_losses
from api_graph.lvlm.prompt import arguments_of, build_prompt
from api_graph.lvlm.steer import Steering
from tests.lvlm.asked import picture, tiny, two_requests
from tests.lvlm.families import FAMILIES

OPTIONS = (["red", "dark blue, I think"], ["left", "right", "nowhere"])


def training_loss(model: LvlmModel, request: Request, answer: str) -> float:
    """What transformers would train on: the mean cross-entropy of the answer after the prompt, end token included."""
    module, tokenizer = model.module, model.tokenizer
    assert tokenizer is not None
    ids = [*tokenizer(answer, add_special_tokens=False).input_ids, tokenizer.eos_token_id]
    tensors: dict[str, Any] = dict(arguments_of(model, build_prompt(model, [request]).tensors))
    suffix = torch.tensor([ids])
    prompt = tensors["input_ids"]
    tensors["input_ids"] = torch.cat([prompt, suffix], 1)
    is_prefix_lm = model.model_type == "paligemma"
    for name, value in (("attention_mask", 1), ("token_type_ids", int(is_prefix_lm)), ("mm_token_type_ids", 0)):
        if name in tensors:
            following = torch.full_like(suffix, value).to(tensors[name].dtype)
            tensors[name] = torch.cat([tensors[name], following], 1)
    labels = torch.cat([torch.full_like(prompt, -100), suffix], 1)
    with torch.no_grad():
        return float(module(**tensors, labels=labels).loss)


@pytest.mark.parametrize("family", FAMILIES)
def test_they_are_the_family_s_own_training_loss(family: str) -> None:
    if family == "paligemma" and transformers.__version__ < "5":
        pytest.skip("its training loss is not that of its own generation before version 5")
    model, requests = tiny(family), two_requests()
    found = option_losses(model, requests, OPTIONS)
    for request, options, losses in zip(requests, OPTIONS, found, strict=True):
        expected = [training_loss(model, request, option) for option in options]
        assert losses == pytest.approx(expected, rel=2e-4), family


def test_alone_as_in_a_batch_and_in_any_order() -> None:
    model, requests = tiny("qwen2_5_vl"), two_requests()
    together = option_losses(model, requests, OPTIONS)
    for request, options, losses in zip(requests, OPTIONS, together, strict=True):
        (alone,) = option_losses(model, [request], [options])
        (turned,) = option_losses(model, [request], [options[::-1]])
        assert alone == pytest.approx(losses, rel=1e-4) and turned[::-1] == pytest.approx(losses, rel=1e-4)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.text("abc ?é", min_size=1, max_size=12).filter(str.strip), min_size=2, max_size=20, unique=True))
def test_any_number_of_options_of_any_length(options: list[str]) -> None:
    model, request = tiny("llava"), two_requests()[0]
    (losses,) = option_losses(model, [request], [options])
    assert len(losses) == len(options) and all(math.isfinite(loss) and loss > 0 for loss in losses)
    place = len(options) // 2
    assert losses[place] == pytest.approx(training_loss(model, request, options[place]), rel=2e-4)


def test_a_model_that_is_trained_on_an_option_takes_it() -> None:
    model = LvlmModel.from_transformers(*FAMILIES["llava"](), "trained")
    request, options = two_requests()[0], ["a ring", "a cross", "a star"]
    module: Any = model.module
    module.requires_grad_(True)
    optimizer = torch.optim.Adam(module.parameters(), lr=0.01)
    tokenizer: Any = model.tokenizer
    tensors = dict(arguments_of(model, build_prompt(model, [request]).tensors))
    suffix = torch.tensor([[*tokenizer("a cross", add_special_tokens=False).input_ids, tokenizer.eos_token_id]])
    labels = torch.cat([torch.full_like(tensors["input_ids"], -100), suffix], 1)
    tensors["input_ids"] = torch.cat([tensors["input_ids"], suffix], 1)
    tensors["attention_mask"] = torch.ones_like(tensors["input_ids"])
    for _ in range(15):
        optimizer.zero_grad()
        module(**tensors, labels=labels).loss.backward()
        optimizer.step()
    (losses,) = option_losses(model, [request], [options])
    assert min(range(3), key=losses.__getitem__) == 1


def test_a_fovea_changes_them_and_no_fovea_does_not() -> None:
    model, (request, _) = tiny("llava"), two_requests()
    (plain,) = option_losses(model, [request], [OPTIONS[0]])
    none = replace(request, steering=Steering.of([[0, 0, 40, 40]], strength=0.0))
    boxed = replace(request, steering=Steering.of([[0, 0, 40, 40]], strength=4.0))
    (same,), (other,) = (option_losses(model, [one], [OPTIONS[0]]) for one in (none, boxed))
    assert same == pytest.approx(plain, rel=1e-5) and other != pytest.approx(plain, rel=1e-3)
    mixed = option_losses(model, [request, boxed], [OPTIONS[0], OPTIONS[0]])
    assert mixed[0] == pytest.approx(plain, rel=1e-4) and mixed[1] == pytest.approx(other, rel=1e-4)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "at least two options"),
        (["red"], "at least two options"),
        (["red", " "], "an option is empty"),
        (["red", "blue", "red"], "two options are the same"),
        (["red", "x" * 5000], "has room for"),
    ],
)
def test_options_that_are_refused(options: list[str], said: str) -> None:
    with pytest.raises(BadInput, match=said) as caught:
        option_losses(tiny("llava"), [Request("What?", (picture(),))], [options])
    assert caught.value.input == "options"


def test_a_contrast_is_refused() -> None:
    with pytest.raises(BadInput, match="a contrast has two"):
        option_losses(tiny("llava"), [replace(two_requests()[0], contrast=Contrast("no_image"))], [OPTIONS[0]])


def test_it_stops_when_it_is_told_to() -> None:
    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        option_losses(tiny("llava"), two_requests(), OPTIONS, progress=stop)
