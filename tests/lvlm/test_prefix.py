"""Questions about the same pictures share the work on them, and are answered as each is alone, in every family."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import pytest
import torch
from PIL import Image
from torch import Tensor

from api_graph.lvlm import Contrast, LvlmModel, Request, Sampling, attribute, generate
from api_graph.lvlm.attention import hooked
from api_graph.lvlm.capture import capture
from api_graph.lvlm.options import option_losses
from api_graph.lvlm.prefix import shared_prefix, with_prefix_run
from api_graph.lvlm.prompt import build_prompt
from api_graph.lvlm.steer import Steering
from api_graph.lvlm.vision import nothing_shared
from tests.lvlm.asked import picture, tiny
from tests.lvlm.families import FAMILIES

TOKENS = 4
GREEDY = Sampling(max_tokens=TOKENS)
WITH_PREFIX = (
    *("llava", "llava_next", "llava_next_video", "llava_onevision", "pixtral", "mistral3"),
    *("internvl", "aya_vision", "idefics3", "smolvlm"),
)
"""Families that share the whole prefix. Others share the vision tower's work; Gemma 3 too, its window is short here."""


def red() -> Image.Image:
    return picture()


def blue() -> Image.Image:
    return picture(60, 90, (20, 20, 230))


def two_pictures(**settings: Any) -> list[Request]:
    """Three questions about each of two pictures, of different lengths, in turn; and a system prompt."""
    asked = [
        Request("What colour?", (red(),)),
        Request("Where is the big blue thing, please?", (blue(),)),
        Request("Is there a second one of them?", (red(),)),
        Request("Why?", (blue(),)),
        Request("And now?", (red(),)),
        Request("Why?", (blue(),), "Be brief."),
    ]
    return [replace(one, **settings) for one in asked]


def pointed(**settings: Any) -> list[Request]:
    """The same, each with a fovea of its own."""
    found: list[Request] = []
    for i, one in enumerate(two_pictures()):
        width, height = one.images[0].size
        mask = torch.rand(height, width, generator=torch.Generator().manual_seed(i)) ** 3
        found.append(replace(one, steering=Steering.of(mask, **settings)))
    return found


# --------------------------------------------------------------------- what a run does


@dataclass
class Seen:
    """What a model did: the newest logits (B, V) of each forward, how many tokens it was fed, and the tower's rows."""

    logits: list[Tensor] = field(default_factory=list)
    fed: int = 0
    rows: int = 0

    def steps(self, count: int) -> list[Tensor]:
        """The logits of the last forwards, those that tokens were chosen by."""
        return self.logits[-count:]


@contextmanager
def watched(model: LvlmModel) -> Iterator[Seen]:
    seen, vision = Seen(), type(model.config.vision_config)
    parts: Any = model.module.modules()
    tower = next(part for part in parts if isinstance(getattr(part, "config", None), vision))

    def before(module: Any, args: Any, named: Any) -> None:
        seen.rows += len(args[0] if args else named["pixel_values"])

    def fed(module: Any, args: Any, named: Any) -> None:
        seen.fed += (args[0] if args else named["input_ids"]).numel()

    def after(module: Any, args: Any, output: Any) -> None:
        seen.logits.append(output.logits[:, -1].clone())

    # The tower's own forward is what counts: hooks before it change what it is given.
    forward = tower.forward

    def counted(*args: Any, **named: Any) -> Any:
        before(tower, args, named)
        return forward(*args, **named)

    hooks = [
        model.module.register_forward_pre_hook(fed, with_kwargs=True),
        model.module.register_forward_hook(after),
    ]
    tower.forward = counted
    try:
        yield seen
    finally:
        del tower.forward
        for hook in hooks:
            hook.remove()


def check_as_alone(
    model: LvlmModel, requests: Sequence[Request], sampling: Sampling = GREEDY, near: float = 1e-5
) -> Seen:
    """Answers of the batch are those of each request alone, with nothing shared, and so are its logits."""
    with watched(model) as together:
        answers = generate(model, requests, sampling)
    steps = together.steps(max(answer.tokens for answer in answers))
    for i, request in enumerate(requests):
        with nothing_shared(), watched(model) as own:
            (alone,) = generate(model, [request], sampling)
        assert (answers[i].text, answers[i].tokens) == (alone.text, alone.tokens)
        for step, expected in zip(steps, own.logits, strict=False):
            # A request's other, in decoding by contrast, stands as many rows below it.
            found = step[i :: len(requests)]
            assert (found - expected).abs().max() <= near * expected.abs().max().clamp(min=1)
    return together


def shares(model: LvlmModel, requests: Sequence[Request], most: int = TOKENS) -> bool:
    prompt = build_prompt(model, requests)
    return shared_prefix(model, prompt, [one.steering for one in requests], most) is not None


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_answers_as_each_request_alone(family: str) -> None:
    model, requests = tiny(family), two_pictures()
    together = check_as_alone(model, requests)
    assert shares(model, requests) == (family in WITH_PREFIX)
    with nothing_shared(), watched(model) as whole:
        generate(model, requests, GREEDY)
    rows = 0
    for one in (*requests[:2], *requests[5:]):  # two pictures, and one of them again behind a system prompt
        with nothing_shared(), watched(model) as own:
            generate(model, [one], GREEDY)
        # Pixtral's tower sees what it is given: once for each prefix.
        rows += own.rows if not one.system or family in ("pixtral", "mistral3") else 0
    assert 0 < together.rows <= rows < whole.rows  # fewer, where two tiles of one picture are equal
    assert together.fed < whole.fed if family in WITH_PREFIX else together.fed == whole.fed


@pytest.mark.parametrize("family", FAMILIES)
def test_attention_is_that_of_each_request_alone(family: str) -> None:
    """Generated, and with the answers given in one forward."""
    model, requests = tiny(family), two_pictures()
    run = partial(attribute, model, max_new_tokens=TOKENS, layers="all" if family != "qwen3_5" else "1,2")
    with nothing_shared():
        alone = [run([one])[0] for one in requests]
    answers = [one.tokens[: 2 + i % 2] for i, one in enumerate(alone)]
    for found in (run(requests), run(requests, answers=answers)):
        for i, (own, expected) in enumerate(zip(found, alone, strict=True)):
            assert own.tokens in (expected.tokens, answers[i])
            maps = expected.step_maps[: len(own.tokens)]
            assert (own.step_maps - maps).abs().max() <= 1e-5 * maps.max()


def test_gemma_shares_while_its_window_is_long_enough() -> None:
    """Its pictures' tokens see each other, and nothing behind their picture; the tiny one's window has 64 tokens."""
    model = tiny("gemma3")
    requests = [one for one in two_pictures() if len(one.question) < 15 and not one.system]
    assert shares(model, requests, TOKENS) and not shares(model, requests, 30)
    together = check_as_alone(model, requests)
    assert together.rows == 2
    for against in ("no_fovea", "complement", "no_image", "noised_image"):
        way: dict[str, Any] = {"contrast": Contrast(against, 1.5, cut=0.0)}
        way["steering"] = Steering.of("image", mode="boost", strength=2.0, rows="after_image")
        check_as_alone(model, [replace(one, **way) for one in requests])
    run = partial(attribute, model, max_new_tokens=TOKENS, layers="all")
    with nothing_shared():
        alone = [run([one])[0] for one in requests]
    for found in (run(requests), run(requests, answers=[one.tokens for one in alone])):
        for own, expected in zip(found, alone, strict=True):
            assert (own.step_maps - expected.step_maps).abs().max() <= 1e-5 * expected.step_maps.max()


@pytest.mark.parametrize("family", ["llava", "llava_next", "internvl", "idefics3", "mistral3", "qwen2_5_vl", "gemma3"])
@pytest.mark.parametrize("rows", ["last", "after_image", "all"])
def test_steered_as_alone(family: str, rows: Any) -> None:
    model, requests = tiny(family), pointed(rows=rows, strength=2.0)
    check_as_alone(model, requests)
    # In LLaVA-NeXT a newline ends the picture, and with it the rows after the image begin inside the prefix.
    spared = rows == "last" or (rows == "after_image" and family != "llava_next")
    assert shares(model, requests) == (spared and family in WITH_PREFIX)


@pytest.mark.parametrize(
    ("mode", "strength"),
    [
        ("boost", 3),
        ("suppress", 3),
        ("boost_suppress", 2),
        ("proportional", 0.4),
        ("scale", 1.7),
        ("redistribute", 0.3),
    ],
)
@pytest.mark.parametrize("rows", ["last", "first", "decode", "after_image", "all"])
def test_every_mode_and_all_rows_steer_as_alone(mode: Any, strength: float, rows: Any) -> None:
    model, requests = tiny("llava"), pointed(mode=mode, strength=strength, rows=rows)
    check_as_alone(model, requests)
    assert shares(model, requests) == (rows != "all" and mode != "redistribute")


@pytest.mark.parametrize("family", ["llava", "internvl", "idefics3"])
def test_steered_attention_is_that_of_each_request_alone(family: str) -> None:
    """The captured rows are the steered ones, whose bias lies on columns of the shared prefix."""
    model, requests = tiny(family), pointed(strength=2.0, layers="0, 2", heads=[1, 3])
    run = partial(attribute, model, max_new_tokens=TOKENS, layers=[0, 1, 2])
    with nothing_shared():
        alone = [run([one])[0] for one in requests]
    plain = run(two_pictures())
    assert shares(model, requests)
    for found in (run(requests), run(requests, answers=[one.tokens for one in alone])):
        for own, expected, unsteered in zip(found, alone, plain, strict=True):
            assert own.tokens == expected.tokens
            assert (own.step_maps - expected.step_maps).abs().max() <= 1e-5 * expected.step_maps.max()
            assert (own.step_maps[0] - unsteered.step_maps[0]).abs().max() > 1e-3


@pytest.mark.parametrize("family", ["llava", "llava_onevision", "internvl", "idefics3", "qwen2_5_vl", "gemma3"])
@pytest.mark.parametrize("against", ["no_fovea", "complement", "no_image", "noised_image"])
def test_contrasted_as_alone(family: str, against: Any) -> None:
    requests = [replace(one, contrast=Contrast(against, 1.5, cut=0.0)) for one in pointed(strength=2.0)]
    check_as_alone(tiny(family), requests)


def test_a_single_contrasted_request_shares_with_its_other() -> None:
    """Both read the same picture; with noise in it they do not."""
    model, request = tiny("llava"), pointed(strength=2.0)[0]
    with watched(model) as seen:
        generate(model, [replace(request, contrast=Contrast("no_fovea"))], GREEDY)
    with watched(model) as noised:
        generate(model, [replace(request, contrast=Contrast("noised_image"))], GREEDY)
    assert (seen.rows, noised.rows) == (1, 2)


@pytest.mark.parametrize("family", ["llava", "internvl", "smolvlm", "qwen3_vl"])
def test_samples_are_those_of_each_request_alone(family: str) -> None:
    check_as_alone(tiny(family), two_pictures(), Sampling(max_tokens=TOKENS, temperature=1.5, seed=3))


@pytest.mark.parametrize("family", ["llava", "llava_onevision", "internvl", "idefics3", "mistral3", "qwen2_5_vl"])
def test_several_pictures_in_one_request(family: str) -> None:
    """Their order counts, and so does a picture fewer."""
    model = tiny(family)
    requests = [
        Request("Which is larger?", (red(), blue())),
        Request("Which?", (blue(), red())),
        Request("Are they alike in any way?", (red(), blue())),
        Request("And this?", (red(),)),
    ]
    check_as_alone(model, requests)
    found = shared_prefix(model, build_prompt(model, requests), [None] * 4, TOKENS)
    assert (found.first, found.of) == ((0, 1, 3), (0, 1, 0, 2)) if family in WITH_PREFIX and found else not found


@pytest.mark.parametrize("family", ["llava", "internvl", "qwen2_5_vl", "paligemma"])
def test_options_have_the_losses_that_they_have_alone(family: str) -> None:
    model, requests = tiny(family), two_pictures()[:3]
    options = [["red", "dark blue, I think"], ["left", "right", "nowhere"], ["yes", "no"]]
    with nothing_shared():
        alone = [option_losses(model, [one], [own])[0] for one, own in zip(requests, options, strict=True)]
    found = option_losses(model, requests, options)
    for own, expected in zip(found, alone, strict=True):
        assert own == pytest.approx(expected, rel=1e-5)


# ------------------------------------------------------------------------------ the rule


def test_no_pictures_share_nothing() -> None:
    model, requests = tiny("llava"), [Request("Why?"), Request("Why is it so?")]
    check_as_alone(model, requests)
    assert not shares(model, requests)


def test_what_is_not_quite_the_same_is_not_shared() -> None:
    """Another system prompt, another picture, a picture that differs in one value."""
    model, first = tiny("llava"), Request("What?", (red(),))
    almost = red()
    almost.putpixel((60, 40), (41, 60, 80))
    for other in (replace(first, system="Be kind."), Request("Why?", (blue(),)), Request("Why?", (almost,))):
        assert not shares(model, [first, other])
        check_as_alone(model, [first, other])
    assert shares(model, [first, Request("Why?", (red(),))])


def test_the_context_must_have_room_for_the_padding() -> None:
    """A long prefix with a short question, and a short one with a long one, are longest together."""
    model = LvlmModel.from_transformers(*FAMILIES["llava"](), "fresh")
    requests = [
        *[Request(text, (red(),), "Be kind. " * 5) for text in ("Why?", "What?", "Who?", "How?", "Where?")],
        Request("And what is this? " * 3, (red(),)),
    ]
    prompt = build_prompt(model, requests)
    longer = with_prefix_run(model, prompt, [None] * 6, TOKENS).length
    assert longer > prompt.length
    for room, expected in ((longer + TOKENS, True), (longer + TOKENS - 1, False), (prompt.length + TOKENS, False)):
        model.config.text_config.max_position_embeddings = room  # pyright: ignore[reportAttributeAccessIssue]
        assert shares(model, requests) == expected
        check_as_alone(model, requests)


def test_padding_must_not_cost_more_than_is_spared() -> None:
    """A short prefix twice, with a long question behind it, and a long one with a short question."""
    model = tiny("llava")
    for system, question, expected in (("Be kind. " * 2, "Why? " * 2, True), ("Be kind. " * 40, "Why? " * 60, False)):
        requests = [*[Request(text, (red(),)) for text in ("What?", question)], Request("Why?", (blue(),), system)]
        prefixes = [len("user: ") + 36, len(f"system: {system}user: ") + 36]
        behind = len(f"{question}assistant:")
        whole = max(prefixes[0] + behind, prefixes[1] + len("Why?assistant:"))
        assert build_prompt(model, requests).length == whole
        assert expected == (2 * prefixes[1] + 3 * behind < 3 * whole)
        assert shares(model, requests) == expected
        check_as_alone(model, requests)


def test_a_sliding_window_must_be_longer_than_prompt_and_answer() -> None:
    model, requests = LvlmModel.from_transformers(*FAMILIES["aya_vision"](), "fresh"), two_pictures()
    length = build_prompt(model, requests).length
    config: Any = model.config.text_config  # pyright: ignore[reportAttributeAccessIssue]
    for window, expected in ((length + TOKENS + 30, True), (length + TOKENS - 1, False)):
        config.sliding_window = window
        assert shares(model, requests) == expected


def test_a_single_token_after_the_picture_is_not_enough() -> None:
    """It would look like a token of an answer; the prompts are then run whole."""
    module, processor = FAMILIES["llava"]()
    processor.chat_template = None  # the picture, and the question after it
    model = LvlmModel.from_transformers(module, processor)
    for questions, expected in ((("a", "b"), False), (("a", "bc"), True)):
        requests = [Request(question, (red(),)) for question in questions]
        assert shares(model, requests) == expected
        check_as_alone(model, requests)
        pointed_to = [replace(one, steering=Steering.of("image", mode="boost", strength=2.0)) for one in requests]
        check_as_alone(model, pointed_to)


# ------------------------------------------------------------------------------ hooks


def test_a_capture_around_a_run_sees_all_of_it() -> None:
    """The prompts are run whole there: a prefix would have rows of its own."""
    model, requests = tiny("llava"), two_pictures()
    prompt = build_prompt(model, requests)
    columns = [(row == model.config.image_token_id).nonzero().flatten() for row in prompt.input_ids]
    found: list[Tensor] = []
    for context in (nothing_shared(), nullcontext()):
        with context, capture(model, [0], columns) as kept, watched(model) as seen:
            generate(model, requests, GREEDY)
        found.append(kept.rows(0))
        assert seen.fed == prompt.input_ids.numel() + 6 * (TOKENS - 1)
    assert torch.allclose(found[0], found[1], atol=1e-6)


def test_inside_a_hook_nothing_is_shared_and_answers_are_the_same() -> None:
    model = tiny("llava")
    batches = [pointed(strength=2.0), pointed(strength=2.0)[:1], pointed(strength=2.0)]
    expected = [[answer.text for answer in generate(model, batch, GREEDY)] for batch in batches]
    prompt, steerings = build_prompt(model, batches[0]), [one.steering for one in batches[0]]
    with hooked(model):
        assert [[answer.text for answer in generate(model, batch, GREEDY)] for batch in batches] == expected
        assert with_prefix_run(model, prompt, steerings, TOKENS) is prompt
    assert with_prefix_run(model, prompt, steerings, TOKENS).cache is not None


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("family", ["llava", "llava_next", "internvl", "idefics3", "qwen2_5_vl", "gemma3"])
def test_on_a_gpu_too(family: str) -> None:
    module, processor = FAMILIES[family]()
    model = LvlmModel.from_transformers(module.to("cuda"), processor)
    with nothing_shared(), watched(model) as whole:
        generate(model, two_pictures(), GREEDY)
    assert check_as_alone(model, two_pictures(), near=1e-3).rows < whole.rows
    check_as_alone(model, pointed(strength=2.0), near=1e-3)
