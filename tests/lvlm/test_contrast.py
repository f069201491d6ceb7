"""Contrast decoding: what two separate readings of the whole text give, token by token, in every family."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

import api_graph
from api_graph.errors import BadInput
from api_graph.lvlm import Contrast, LvlmModel, Request, Sampling, ask_all, attribute, contrast_preset, generate
from api_graph.lvlm.contrast import CONTRAST_PRESETS, contrasted, noised
from api_graph.lvlm.contrast_rows import contrast_prompt
from api_graph.lvlm.generation import generate_ids, layouts_for
from api_graph.lvlm.prompt import Prompt, arguments_of, build_prompt
from api_graph.lvlm.remote import Endpoint
from api_graph.lvlm.steer import Fovea, Steering, steered
from tests.lvlm.asked import picture, tiny, two_requests
from tests.lvlm.families import FAMILIES
from tests.lvlm.steer.by_hand import RULES, by_hand, layouts_of

TOKENS = 4
STRENGTH = 2.0
AGAINST: tuple[Any, ...] = ("no_fovea", "complement", "no_image", "noised_image")
SAMPLING = Sampling(max_tokens=TOKENS)


def masks() -> list[Tensor]:
    """Masks of many different values, for the pictures of `two_requests`."""
    generator = torch.Generator().manual_seed(0)
    return [torch.rand(80, 120, generator=generator) ** 3, torch.rand(90, 60, generator=generator) ** 3]


def two(contrast: Contrast, *, fovea: bool = True) -> list[Request]:
    """Different texts and pictures, each with its own fovea."""
    return [
        replace(one, contrast=contrast, steering=Steering.of(mask, strength=STRENGTH) if fovea else None)
        for one, mask in zip(two_requests(), masks(), strict=True)
    ]


# ------------------------------------------------------------------------- by hand

Reading = Callable[[list[int]], Tensor]
"""The logits (V,) of the token after an answer so far."""

BY_TOKEN = {"paligemma": 1, "aya_vision": 0}
"""Families that are fed an answer's tokens one by one, and the position that they count from: a prefix LM's prompt must
not see the answer, and the tiny Aya likes to say the image's own token.
"""


def read_on(model: LvlmModel, inputs: Any, answer: list[int]) -> Tensor:
    """The whole text at once, with no cache; token by token, with one of its own, where that cannot be."""
    given = dict(arguments_of(model, inputs))
    if model.model_type in BY_TOKEN and answer:
        # transformers is about to call it otherwise.
        name = "cache" if "cache" in inspect.signature(model.module.forward).parameters else "past_key_values"
        found = model.module(**given, use_cache=True)
        for token in answer:
            cache = found.get(name, found.get("past_key_values"))
            place = torch.tensor([[cache.get_seq_length() + BY_TOKEN[model.model_type]]])
            found = model.module(torch.tensor([[token]]), **{name: cache}, position_ids=place, use_cache=True)
        return found.logits[0, -1]
    more = torch.tensor([answer], dtype=torch.long)
    kinds = {"input_ids": more, "attention_mask": torch.ones_like(more)}
    for name in ("input_ids", "attention_mask", "token_type_ids", "mm_token_type_ids"):
        if name in given:
            given[name] = torch.cat([given[name], kinds.get(name, torch.zeros_like(more))], dim=1)
    return model.module(**given, use_cache=False).logits[0, -1]


def reading(model: LvlmModel, prompt: Prompt, weights: Tensor | None = None) -> Reading:
    """Plain, or steered by hand with these weights of its image tokens."""
    if weights is None:
        return partial(read_on, model, prompt.tensors)
    columns, newest = [layouts_of(model, prompt)[0][0].columns], prompt.length - 1

    def read(answer: list[int]) -> Tensor:
        rule = RULES["boost_suppress"](STRENGTH)
        with by_hand(model, columns, [weights], rule, prompt.length, steered=lambda i, q: q >= newest):
            return read_on(model, prompt.tensors, answer)

    return read


def diffused(pixels: Tensor, step: int, seed: int) -> Tensor:
    """VCD's noise, in NumPy's numbers."""
    beta = 1e-5 + (5e-3 - 1e-5) / (1 + np.exp(-np.linspace(-6, 6, 1000)))
    kept = math.prod(1 - b for b in beta[: step + 1])
    noise = torch.randn(pixels.shape, generator=torch.Generator().manual_seed(seed))
    return pixels * kept**0.5 + noise * (1 - kept) ** 0.5


def readings(model: LvlmModel, request: Request) -> tuple[Reading, Reading]:
    """Of the request, and of what it is contrasted with, each alone and unpadded."""
    contrast, prompt = request.contrast, build_prompt(model, [request])
    assert contrast is not None
    weights = None
    if request.steering is not None:
        (fovea,) = request.steering.foveas
        assert fovea is not None
        weights = fovea.weights(layouts_of(model, prompt)[0][0])
    own, without = reading(model, prompt, weights), replace(request, images=())
    if contrast.against == "no_fovea":
        return own, reading(model, prompt)
    if contrast.against == "complement":
        assert weights is not None
        return own, reading(model, prompt, 1 - weights)
    if contrast.against == "noised_image":
        pixels = diffused(prompt.tensors["pixel_values"], contrast.noise, contrast.seed)
        return own, reading(model, Prompt({**prompt.tensors, "pixel_values": pixels}, prompt.sizes), weights)
    if model.model_type == "paligemma":  # its processor has no text alone: what the image's tokens leave
        kept = prompt.input_ids != model.config.image_token_id
        tokens = {name: value[kept][None] for name, value in prompt.tensors.items() if value.shape == kept.shape}
        return own, reading(model, Prompt(tokens, [[]]))
    return own, reading(model, build_prompt(model, [without]))


def by_two_readings(model: LvlmModel, request: Request, sampling: Sampling) -> tuple[list[int], list[Tensor]]:
    """The answer's tokens, and the scores (V,) that each was chosen by: g·(c − u) + u, cut."""
    own, other = readings(model, request)
    assert request.contrast is not None
    g, cut = request.contrast.strength, request.contrast.cut
    generator = torch.Generator().manual_seed(sampling.seed)
    answer: list[int] = []
    found: list[Tensor] = []
    with torch.no_grad():
        while len(answer) < sampling.max_tokens and answer[-1:] != [2]:
            c, u = own(answer).log_softmax(-1), other(answer).log_softmax(-1)
            scores = torch.where(c.exp() >= cut * c.exp().max(), g * (c - u) + u, -math.inf)
            found.append(scores)
            if sampling.temperature:
                gumbel = -torch.empty(len(scores)).exponential_(generator=generator).log()
                scores = scores / sampling.temperature + gumbel
            answer.append(int(scores.argmax()))
    return answer, found


def decoded(model: LvlmModel, requests: list[Request], sampling: Sampling) -> tuple[list[list[int]], list[Tensor]]:
    """The tokens of all 2B rows, and the scores (2B, V) of each step."""
    contrast, kept = requests[0].contrast, list[Tensor]()
    assert contrast is not None

    def keeping(scores: Tensor) -> Tensor:
        kept.append(contrasted(scores, contrast))
        return kept[-1]

    prompt, steerings = contrast_prompt(model, requests, contrast)
    with steered(model, layouts_for(model, prompt, steerings), steerings, prompt.length):
        return generate_ids(model, prompt.tensors, sampling, adjust=keeping), kept


def check_by_two_readings(model: LvlmModel, requests: list[Request], sampling: Sampling = SAMPLING) -> None:
    ids, scores = decoded(model, requests, sampling)
    assert ids[: len(requests)] == ids[len(requests) :]
    for i, request in enumerate(requests):
        expected, by_hand_scores = by_two_readings(model, request, sampling)
        assert ids[i] == expected
        for step, own in enumerate(by_hand_scores):
            found = scores[step][i]
            assert torch.equal(found.isneginf(), own.isneginf())
            assert (found - own)[~own.isneginf()].abs().max() <= 5e-4


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("against", AGAINST)
def test_every_family_gives_what_two_readings_give(family: str, against: Any) -> None:
    """A left-padded batch of two requests with foveas of their own, all four rows together."""
    check_by_two_readings(tiny(family), two(Contrast(against, strength=2.0, cut=0.02, seed=3)))


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "paligemma", "gemma3"])
@pytest.mark.parametrize("against", ["no_image", "noised_image"])
def test_without_a_fovea(family: str, against: Any) -> None:
    check_by_two_readings(tiny(family), two(Contrast(against, strength=3.0, cut=0.0), fovea=False))


@pytest.mark.parametrize("against", AGAINST)
def test_drawn_answers(against: Any) -> None:
    """Both rows go on with the token that was drawn."""
    for seed in range(3):
        requests = two(Contrast(against, strength=0.5, cut=0.02))
        check_by_two_readings(tiny("qwen2_vl"), requests, Sampling(TOKENS, temperature=1.5, seed=seed))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("against", AGAINST)
def test_in_any_batch_the_answer_is_that_alone(family: str, against: Any) -> None:
    """Beside one of two pictures too: each picture has the noise that it has alone."""
    model, requests = tiny(family), two(Contrast(against, strength=3.0))
    if family not in ("paligemma", "llava_next_video", "gemma3"):
        pictures = (picture(60, 90), picture(150, 40, (20, 230, 20)))
        steering = Steering.of([[[0, 0, 30, 40]], [[60, 10, 120, 40]]], strength=STRENGTH)
        requests.append(replace(requests[0], images=pictures, steering=steering))
    together = [answer.text for answer in generate(model, requests, SAMPLING)]
    assert together == [generate(model, [one], SAMPLING)[0].text for one in requests]


def test_requests_go_in_batches_of_one_contrast() -> None:
    model = tiny("llava")
    requests = [
        *two_requests(),
        *two(Contrast("no_fovea", strength=3.0)),
        *two(Contrast("no_image", strength=4.0), fovea=False),
        *two(Contrast("no_fovea", strength=0.0)),
    ]
    found = [answer.text for answer in generate(model, requests, SAMPLING)]
    assert found == [generate(model, [one], SAMPLING)[0].text for one in requests]
    plain = [generate(model, [one], SAMPLING)[0].text for one in two_requests()]
    assert found[:2] == found[-2:] == plain  # against no fovea, at strength 0, is the answer without one
    assert len({*found}) > 4


@pytest.mark.parametrize("against", AGAINST)
def test_at_strength_1_the_answer_is_the_plain_one(against: Any) -> None:
    model, requests = tiny("qwen2_5_vl"), two(Contrast(against, strength=1.0))
    plain = [replace(one, contrast=None) for one in requests]
    assert [a.text for a in generate(model, requests, SAMPLING)] == [a.text for a in generate(model, plain, SAMPLING)]
    drawn = Sampling(TOKENS, temperature=2.0, seed=5)
    uncut = two(Contrast(against, strength=1.0, cut=0.0))
    assert [a.text for a in generate(model, uncut, drawn)] == [a.text for a in generate(model, plain, drawn)]


def test_a_batch_holds_as_many_rows_as_without() -> None:
    """A request by contrast is two of the eight."""
    module, processor = FAMILIES["llava"]()
    model, rows, own = LvlmModel.from_transformers(module, processor), list[int](), module.generate

    def seen(**inputs: Any) -> Tensor:
        rows.append(len(inputs["input_ids"]))
        return own(**inputs)

    module.generate = seen
    requests = [Request("What?", (picture(),), contrast=Contrast("no_image"))] * 5
    answers = ask_all(model, requests, Sampling(2))
    assert rows == [8, 2]
    assert len({answer.text for answer in answers if isinstance(answer, api_graph.Answer)}) == 1


# -------------------------------------------------------------------------- scores

logits = st.lists(st.lists(st.floats(-20, 20, width=32), min_size=5, max_size=5), min_size=2, max_size=2)
strengths, cuts = st.floats(0, 8), st.one_of(st.just(0.0), st.just(1.0), st.floats(1e-6, 1))


@settings(max_examples=200, deadline=None)
@given(logits, strengths, cuts)
def test_the_scores_are_those_of_the_formula(rows: list[list[float]], strength: float, cut: float) -> None:
    found = contrasted(torch.tensor(rows), Contrast(strength=strength, cut=cut))
    assert torch.equal(found[0], found[1])
    c, u = (np.array(row) - np.log(np.exp(np.array(row)).sum()) for row in rows)
    for score, own, other in zip(found[0].tolist(), c, u, strict=True):
        share = math.exp(own - c.max())
        if abs(share - cut) > 1e-5 * max(share, cut):
            assert (score == -math.inf) == (share < cut)
        if score != -math.inf:
            assert score == pytest.approx(strength * (own - other) + other, abs=1e-3)
    assert found[0][int(c.argmax())] > -math.inf


@settings(max_examples=100, deadline=None)
@given(logits, strengths, cuts, st.floats(-30, 30))
def test_equal_rows_strength_1_and_constants_change_nothing(
    rows: list[list[float]], strength: float, cut: float, constant: float
) -> None:
    one, other = torch.tensor(rows)
    plain = one.log_softmax(-1)
    equal = contrasted(torch.stack([one, one]), Contrast(strength=strength, cut=cut))[0]
    at_1 = contrasted(torch.stack([one, other]), Contrast(strength=1, cut=cut))[0]
    for found in (equal, at_1):
        assert torch.equal(found, torch.where(found.isneginf(), found, plain))
    if cut == 0:
        assert torch.equal(at_1, plain)
    if cut == 1:
        assert torch.equal(~at_1.isneginf(), plain == plain.max())
    moved = contrasted(torch.stack([one, other + constant]), Contrast(strength=strength, cut=0.0))[0]
    still = contrasted(torch.stack([one, other]), Contrast(strength=strength, cut=0.0))[0]
    assert torch.allclose(moved, still, atol=1e-3)


def test_the_cut_by_hand() -> None:
    """Of c = (.6, .3, .05, .05) the cut .1 keeps .3 (half of .6) and takes .05 (a twelfth), which u calls unlikely."""
    scores = torch.tensor([[0.6, 0.3, 0.05, 0.05], [0.7, 0.1, 0.001, 0.199]]).log()
    found = contrasted(scores, Contrast(strength=2.0, cut=0.1))[0]
    assert found.exp().tolist() == pytest.approx([0.6**2 / 0.7, 0.3**2 / 0.1, 0, 0], abs=1e-6)
    uncut = contrasted(scores, Contrast(strength=2.0, cut=0.0))[0]
    assert int(found.argmax()) == 1 and int(uncut.argmax()) == 2


def test_tokens_that_a_model_rules_out_stay_out() -> None:
    scores = torch.tensor([[-math.inf, 0.0, 1.0], [-math.inf, 0.0, -1.0]])
    for strength in (0.0, 0.5, 1.0, 2.0):
        found = contrasted(scores, Contrast(strength=strength, cut=0.0))[0]
        assert found[0] == -math.inf and bool(found[1:].isfinite().all())


# --------------------------------------------------------------------------- noise


def test_noise_is_that_of_the_diffusion_step() -> None:
    pixels = torch.full((2, 3, 40, 40), 2.0)
    for step, kept in ((0, 1.0), (500, 0.749), (999, 0.0814)):  # ᾱ, worked out once with a loop of products
        found = noised(pixels, Contrast("noised_image", noise=step))
        assert float(found.mean()) == pytest.approx(2 * kept**0.5, abs=0.03)
        assert float(found.std()) == pytest.approx((1 - kept) ** 0.5, abs=0.02)
        assert torch.allclose(found, diffused(pixels, step, 0), atol=1e-5)
    other = noised(pixels, Contrast("noised_image", seed=1))
    assert (other - noised(pixels, Contrast("noised_image"))).abs().mean() > 0.1
    assert noised(pixels.to(torch.bfloat16), Contrast("noised_image")).dtype == torch.bfloat16


def test_noise_leaves_the_random_state_as_it_was() -> None:
    state = torch.get_rng_state()
    generate(tiny("llava"), two(Contrast("noised_image")), SAMPLING)
    assert torch.equal(torch.get_rng_state(), state)


# ---------------------------------------------------------------------- complement


def test_the_complement_is_the_rest_of_each_fovea() -> None:
    model, mask = tiny("llava_next"), masks()[0]
    layout = layouts_of(model, build_prompt(model, two_requests()[:1]))[0][0]
    steering = Steering.of([mask, None], strength=2.0, schedule=[(2, [None, "image"])])
    rest = steering.complement()
    first, second = rest.foveas
    assert first is not None and second is None
    assert torch.equal(first.weights(layout), 1 - Fovea(mask).weights(layout))
    ((start, (none, last)),) = rest.schedule
    assert (start, none) == (2, None) and last is not None and not last.weights(layout).any()
    assert (rest.mode, rest.amount, rest.rows) == (steering.mode, steering.amount, steering.rows)
    twice = rest.complement().foveas[0]
    assert twice is not None and torch.equal(twice.weights(layout), Fovea(mask).weights(layout))
    (boxes,) = Steering.of([[0, 0, 9, 9], [20, 20, 40, 40]]).complement().foveas
    assert boxes is not None and boxes.parts() == [boxes]  # what two boxes leave out is one place


# -------------------------------------------------------------- ask, presets, refusals


@pytest.fixture(scope="module")
def demo() -> LvlmModel:
    return api_graph.load_lvlm("demo", "cpu")


def test_ask_takes_a_contrast_by_its_word_or_in_full() -> None:
    model, mask = tiny("qwen2_5_vl"), masks()[0]
    given: Any
    for given in (*AGAINST, Contrast("complement", strength=4.0), contrast_preset("VCD")):
        full = Contrast(given) if given in AGAINST else given
        request = Request("What colour?", (picture(),), "", Steering.of(mask), full)
        said = api_graph.ask(picture(), "What colour?", model, fovea=mask, contrast=given, max_tokens=TOKENS)
        assert said.text == generate(model, [request], SAMPLING)[0].text


def test_presets_have_the_values_of_their_papers() -> None:
    pai, vcd = contrast_preset("PAI"), contrast_preset("VCD")
    assert (pai.against, pai.strength, pai.cut) == ("no_image", 1.1, 0.1)
    assert (vcd.against, vcd.strength, vcd.cut, vcd.noise) == ("noised_image", 1 + 0.5, 0.1, 500)
    assert set(CONTRAST_PRESETS) == {"PAI", "VCD"}
    with pytest.raises(BadInput, match=r"name: there is no such preset \(got 'pai'\). Use one of PAI, VCD"):
        contrast_preset("pai")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"against": "nothing"}, "against: there is no such contrast .* Use one of no_fovea, complement, no_image"),
        ({"strength": -0.1}, "strength: it is out of range"),
        ({"strength": math.nan}, "strength: it is out of range"),
        ({"strength": math.inf}, "strength: it is out of range"),
        ({"strength": "2"}, "strength: it is out of range"),
        ({"cut": 1.1}, "cut: it is out of range .* A share from 0 to 1"),
        ({"cut": -0.1}, "cut: it is out of range"),
        ({"noise": 1000}, "noise: it is out of range .* from 0 to 999"),
        ({"noise": 1.5}, "noise: it is out of range"),
        ({"seed": -1}, "seed: it is out of range"),
        ({"seed": True}, "seed: it is out of range"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Contrast(**settings)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"contrast": "no_fovea"}, "contrast: there is no fovea, which this contrast takes away"),
        ({"contrast": "complement"}, "contrast: there is no fovea"),
        ({"contrast": "no_fovea", "fovea": Steering((None,))}, "contrast: there is no fovea"),
        ({"contrast": "no_image", "image": None}, "contrast: the request shows no image"),
        ({"contrast": "noised_image", "image": None}, "contrast: the request shows no image"),
        ({"contrast": "noise"}, r"contrast: there is no such contrast \(got 'noise'\)"),
        ({"contrast": 3}, "contrast: .* is needed, and this is an int"),
    ],
)
def test_what_cannot_be_contrasted(arguments: dict[str, Any], message: str) -> None:
    given = {"image": picture(), "query": "What colour?", "max_tokens": 2, **arguments}
    with pytest.raises(BadInput, match=message):
        api_graph.ask(model=tiny("llava"), **given)


def test_a_map_has_no_contrast() -> None:
    with pytest.raises(BadInput, match="contrast: a map is of one reading of the image"):
        attribute(tiny("llava"), two(Contrast("no_image")))


def test_endpoints_refuse_it_and_answer_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is sent for it: there is no server."""
    file = tmp_path / "endpoints.toml"
    file.write_text('[mine]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["m"]\nretries = 0\n')
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(file))
    requests = [Request("What?", (picture(),), contrast=Contrast("no_image")), Request("What?")]
    refused, plain = ask_all(Endpoint.open("mine"), requests, Sampling(2))
    assert isinstance(refused, BadInput)
    assert isinstance(plain, Exception) and not isinstance(plain, BadInput)
    message = "contrast: mine is an endpoint, and a contrast needs the scores of all tokens at every step"
    with pytest.raises(BadInput, match=message):
        api_graph.ask(picture(), "What colour?", "mine", contrast="no_image")
