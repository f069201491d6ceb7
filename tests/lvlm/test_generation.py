"""Answers: batches, sampling, limits, progress, and what must not leak in or out."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest
import torch

from api_graph.errors import BadInput, Cancelled
from api_graph.lvlm import LvlmModel, Request, Sampling, attribute, generate
from api_graph.lvlm.generation import end_ids
from api_graph.lvlm.prompt import build_prompt
from tests.lvlm.asked import picture, tiny, two_requests
from tests.lvlm.families import FAMILIES


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_answers_as_each_request_alone(family: str) -> None:
    model, requests = tiny(family), two_requests()
    batch = generate(model, requests, Sampling(max_tokens=5))
    alone = [generate(model, [request], Sampling(max_tokens=5))[0] for request in requests]
    assert [(a.text, a.tokens) for a in batch] == [(a.text, a.tokens) for a in alone]
    assert all(a.model == f"tiny {family}" and a.seconds > 0 and 1 <= a.tokens <= 5 for a in batch)


def test_requests_with_and_without_images_keep_their_order() -> None:
    model = tiny("llava")
    requests = [Request("hello"), Request("What?", (picture(),)), Request("bye")]
    found = generate(model, requests, Sampling(max_tokens=4))
    assert [a.text for a in found] == [generate(model, [r], Sampling(max_tokens=4))[0].text for r in requests]
    assert generate(model, []) == []


def fresh(family: str = "llava") -> LvlmModel:
    return LvlmModel.from_transformers(*FAMILIES[family](), "fresh")


def test_answers_end_at_the_end_token_each_on_its_own() -> None:
    model, requests = fresh(), two_requests()
    said = [found.tokens for found in attribute(model, requests, max_new_tokens=6)]
    end = next(token for token in said[0] if token not in said[1])
    module: Any = model.module
    module.generation_config.eos_token_id = [end, 1_000_000]
    found = generate(model, requests, Sampling(max_tokens=6))
    assert found[0].tokens == said[0].index(end) + 1
    assert [a.finish_reason for a in found] == ["stop", "length"]
    assert found[1].tokens == 6


def test_the_models_own_generation_settings_are_not_used(caplog: pytest.LogCaptureFixture) -> None:
    expected = generate(fresh(), two_requests(), Sampling(max_tokens=6))
    model = fresh()
    module: Any = model.module
    own = {"temperature": 0.1, "top_p": 0.5, "top_k": 3, "do_sample": True, "repetition_penalty": 9.0}
    for name, value in own.items():
        setattr(module.generation_config, name, value)
    module.generation_config.min_new_tokens = 6
    assert [a.text for a in generate(model, two_requests(), Sampling(max_tokens=6))] == [a.text for a in expected]
    assert caplog.records == []


def test_sampling_is_seeded_and_the_same_in_any_batch() -> None:
    model, requests = tiny("llava"), two_requests()
    state = torch.get_rng_state()
    hot = Sampling(max_tokens=6, temperature=2.0, seed=1)
    batch = generate(model, requests, hot)
    assert [a.text for a in batch] == [generate(model, [r], hot)[0].text for r in requests]
    others = {generate(model, requests[:1], Sampling(6, 2.0, seed))[0].text for seed in range(4)}
    assert len(others) > 1
    assert torch.equal(torch.get_rng_state(), state)


def test_samples_follow_the_softmax() -> None:
    """Of scores (log 1, log 3) at temperature 1 the second is drawn three times in four."""
    from api_graph.lvlm.generation import _gumbel

    scores = torch.tensor([[1.0, 3.0]]).log()
    draw = _gumbel(Sampling(temperature=1.0, seed=3), 1)
    drawn = torch.stack([draw(scores).argmax(-1) for _ in range(4000)]).float().mean()
    assert abs(float(drawn) - 0.75) < 4 * (0.75 * 0.25 / 4000) ** 0.5


def test_progress_is_told_of_every_token_and_may_stop() -> None:
    told: list[tuple[int, int]] = []
    generate(
        tiny("llava"), two_requests(), Sampling(max_tokens=4), progress=lambda done, most: told.append((done, most))
    )
    assert told == [(1, 4), (2, 4), (3, 4), (4, 4)]

    def stop(done: int, most: int) -> None:
        if done == 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        generate(tiny("llava"), two_requests(), Sampling(max_tokens=4), progress=stop)


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        (Sampling(max_tokens=0), "max_tokens: at least one token"),
        (Sampling(temperature=-1.0), "temperature: the temperature is 0"),
        (Sampling(temperature=float("nan")), "temperature: the temperature is 0"),
    ],
)
def test_sampling_out_of_range(sampling: Sampling, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        generate(tiny("llava"), two_requests(), sampling)


def test_a_prompt_longer_than_the_context_is_refused_and_answers_are_cut_to_it() -> None:
    model = fresh()
    request = Request("?", (picture(),))
    model.config.text_config.max_position_embeddings = build_prompt(model, [request]).length + 5
    found = generate(model, [request], Sampling(max_tokens=50))[0]
    assert (found.tokens, found.finish_reason) == (5, "length")
    with pytest.raises(BadInput, match=r"question: the prompt has \d+ tokens, image included, and fresh has room for"):
        generate(model, [Request("?" * 60, (picture(),))])


def test_out_of_memory_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    model = fresh()

    def full(**inputs: Any) -> None:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB\nmore")

    monkeypatch.setattr(model.module, "generate", full)
    with pytest.raises(BadInput, match=r"ran out of memory: CUDA out of memory.*GiB\. Use smaller batches"):
        generate(model, two_requests())


def test_a_model_is_let_go() -> None:
    model = fresh()
    generate(model, two_requests(), Sampling(max_tokens=2))
    module, wrapper = weakref.ref(model.module), weakref.ref(model)
    del model
    gc.collect()
    assert module() is None and wrapper() is None


def test_what_is_no_model_is_refused() -> None:
    with pytest.raises(BadInput, match="a Linear is no model of transformers"):
        LvlmModel.from_transformers(torch.nn.Linear(1, 1))


def test_end_tokens_are_a_set() -> None:
    model = fresh()
    module: Any = model.module
    for given, expected in ((None, set()), (7, {7}), ([7, 8], {7, 8})):
        module.generation_config.eos_token_id = given
        assert end_ids(model) == expected
