"""Steered attention is that of the formula written down by hand, in every family; unsteered, nothing is touched."""

from __future__ import annotations

import math
import threading
from typing import Any

import pytest
import torch
from torch import Tensor

from api_graph.errors import ApiGraphWarning, BadInput, Cancelled
from api_graph.lvlm import LvlmModel, Request, Sampling, attribute, generate
from api_graph.lvlm.capture import capture
from api_graph.lvlm.decoder import attention_modules
from api_graph.lvlm.generation import generate_ids
from api_graph.lvlm.prompt import arguments_of, build_prompt
from api_graph.lvlm.steer import Fovea, Steering, steered
from tests.lvlm.asked import picture, tiny, two_requests
from tests.lvlm.families import FAMILIES
from tests.lvlm.steer.by_hand import RULES, by_hand, layouts_of
from tests.lvlm.test_capture import implementations, registered

TOKENS = 4
SAMPLING = Sampling(max_tokens=TOKENS)


def masks(seed: int = 0) -> list[Tensor]:
    """Two masks of many different values, for the pictures of `two_requests`."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(80, 120, generator=generator) ** 3, torch.rand(90, 60, generator=generator) ** 3]


def steered_two(**settings: Any) -> list[Request]:
    return [
        Request(one.question, one.images, one.system, Steering.of(mask, **settings))
        for one, mask in zip(two_requests(), masks(), strict=True)
    ]


def rows_and_ids(model: LvlmModel, requests: list[Request]) -> tuple[dict[int, Tensor], list[list[int]], Any]:
    """Captured rows of all layers while steered, the ids, and the prompt with its columns and weights."""
    prompt = build_prompt(model, requests)
    layouts = layouts_of(model, prompt)
    columns = [torch.cat([image.columns for image in images]) for images in layouts]
    steerings = [one.steering for one in requests]
    with (
        steered(model, layouts, steerings, prompt.length),
        capture(model, list(attention_modules(model.module)), columns) as kept,
    ):
        ids = generate_ids(model, prompt.tensors, SAMPLING)
    weights = [one.foveas[0].weights(images[0]) for one, images in zip(steerings, layouts, strict=True)]  # pyright: ignore
    return {layer: kept.rows(layer) for layer in kept.layers}, ids, (prompt, columns, weights)


def check_against_hand(family: str, mode: Any, strength: float, rows: Any = "last", **where: Any) -> None:
    model = tiny(family)
    requests = steered_two(mode=mode, strength=strength, rows=rows, **where)
    found, ids, (prompt, columns, weights) = rows_and_ids(model, requests)
    newest, last = prompt.length - 1, [int(own.max()) for own in columns]
    steers = {
        "last": lambda i, q: q >= newest,
        "first": lambda i, q: q == newest,
        "decode": lambda i, q: q > newest,
        "after_image": lambda i, q: q > last[i],
        "all": lambda i, q: True,
    }[rows]
    rule = RULES[mode](strength)
    with by_hand(model, columns, weights, rule, prompt.length, steered=steers, **where) as hand:
        assert generate_ids(model, prompt.tensors, SAMPLING) == ids
    for layer, own in found.items():
        expected = hand.at(layer, columns, prompt.length)
        for i, answer in enumerate(ids):
            m, n = len(answer), len(columns[i])
            assert (own[i, :, :m, :n] - expected[i, :, :m, :n]).abs().max() <= 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("mode", ["boost_suppress", "scale"])
def test_every_family(family: str, mode: Any) -> None:
    """A left-padded batch with a fovea for each row, all layers: an additive mode, and one that looks at the scores."""
    check_against_hand(family, mode, 2.0)


@pytest.mark.parametrize("family", ["llava", "qwen2_5_vl", "paligemma", "gemma3"])
@pytest.mark.parametrize("rows", ["first", "decode", "after_image", "all"])
def test_every_choice_of_rows(family: str, rows: Any) -> None:
    check_against_hand(family, "boost_suppress", 2.0, rows)


@pytest.mark.parametrize("mode", RULES)
@pytest.mark.parametrize("rows", ["last", "all"])
def test_every_mode_on_some_heads_and_layers(mode: Any, rows: Any) -> None:
    check_against_hand("qwen2_5_vl", mode, 0.7, rows, layers=[1, 2], heads=[0, 3])


def test_rows_done_a_few_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    from api_graph.lvlm.steer import bias

    monkeypatch.setattr(bias, "_MOST_SCORES", 3000)
    check_against_hand("paligemma", "scale", 2.0, "all")
    check_against_hand("llava", "boost_suppress", 2.0, "after_image")


def test_endless_suppression_is_a_mask() -> None:
    """Tokens outside have no weight at all, as if those columns were masked."""
    model, box = tiny("llava"), [[0, 0, 60, 80]]
    requests = [
        Request(one.question, one.images, one.system, Steering.of(box, mode="suppress", strength=math.inf))
        for one in two_requests()
    ]
    with pytest.warns(ApiGraphWarning, match="a strength of inf on all heads of all layers can break"):
        found, ids, (prompt, columns, weights) = rows_and_ids(model, requests)

    def masked(scores: Tensor, weight: Tensor) -> Tensor:
        return scores.masked_fill(weight == 0, float("-inf"))

    newest = prompt.length - 1
    with by_hand(model, columns, weights, masked, prompt.length, steered=lambda i, q: q >= newest) as hand:
        assert generate_ids(model, prompt.tensors, SAMPLING) == ids
    assert (found[1] - hand.at(1, columns, prompt.length)).abs().max() <= 1e-5
    assert bool((found[1][0][:, :, weights[0] == 0] == 0).all()) and bool((weights[0] == 0).any())


def test_a_soft_capped_family_is_steered_in_eager_attention() -> None:
    """PaliGemma 2: the bias is added after the tanh, as a mask is."""
    from tests.lvlm.tiny_gemma import paligemma2

    module, processor = paligemma2()
    model = LvlmModel.from_transformers(module, processor)
    requests = steered_two(strength=2.0)
    found, ids, (prompt, columns, weights) = rows_and_ids(model, requests)
    newest = prompt.length - 1
    rule = RULES["boost_suppress"](2.0)
    with by_hand(model, columns, weights, rule, prompt.length, steered=lambda i, q: q >= newest) as hand:
        assert generate_ids(model, prompt.tensors, SAMPLING) == ids
    for layer, own in found.items():
        assert (own - hand.at(layer, columns, prompt.length)).abs().max() <= 1e-5


def test_a_model_that_was_set_to_eager_attention_gives_what_sdpa_gives() -> None:
    model, requests = tiny("qwen3_vl"), steered_two(strength=3.0)
    found, ids, _ = rows_and_ids(model, requests)
    network: Any = model.module
    network.set_attn_implementation("eager")
    try:
        other, other_ids, _ = rows_and_ids(model, requests)
    finally:
        network.set_attn_implementation("sdpa")
    assert ids == other_ids
    for layer, rows in found.items():
        assert (rows - other[layer]).abs().max() <= 1e-5


# ---------------------------------------------------------------- nothing, and everything alike


@pytest.mark.parametrize(
    "steering",
    [
        Steering.of([[0, 0, 40, 40]], strength=0),
        Steering.of("image", mode="suppress", strength=9),
        Steering.of(torch.eye(12, 18), mode="scale", strength=1),
        Steering.of("image", mode="redistribute", strength=1),
        Steering((None,)),
        Steering(()),
    ],
)
def test_where_every_bias_is_0_the_model_is_the_plain_one(steering: Steering) -> None:
    """Bit for bit, and nothing is registered."""
    model, requests = tiny("llava"), two_requests()
    prompt = build_prompt(model, requests)
    before = registered()
    plain = model.module(**arguments_of(model, prompt.tensors)).logits
    with steered(model, layouts_of(model, prompt), [steering, None], prompt.length):
        assert registered() == before
        assert torch.equal(model.module(**arguments_of(model, prompt.tensors)).logits, plain)


@pytest.mark.parametrize("family", FAMILIES)
def test_all_of_the_image_adds_one_constant_to_its_columns(family: str) -> None:
    model = tiny(family)
    prompt = build_prompt(model, two_requests())
    layouts = layouts_of(model, prompt)
    columns = [images[0].columns for images in layouts]
    steering = Steering.of("image", mode="boost", strength=1.5)
    with steered(model, layouts, [steering] * 2, prompt.length), capture(model, [2], columns) as kept:
        ids = generate_ids(model, prompt.tensors, SAMPLING)
    ones, newest = [torch.ones(len(own)) for own in columns], prompt.length - 1
    constant = lambda scores, weights: scores + 1.5  # noqa: E731
    with by_hand(model, columns, ones, constant, prompt.length, steered=lambda i, q: q >= newest) as hand:
        assert generate_ids(model, prompt.tensors, SAMPLING) == ids
    expected = hand.at(2, columns, prompt.length)
    for i, answer in enumerate(ids):
        assert (kept.rows(2)[i, :, : len(answer)] - expected[i, :, : len(answer)]).abs().max() <= 1e-5


@pytest.mark.parametrize("family", FAMILIES)
def test_a_padded_batch_of_two_foveas_gives_what_each_gives_alone(family: str) -> None:
    """And so does a batch in which a third request is not steered."""
    model, requests = tiny(family), steered_two(strength=4.0)
    alone = [attribute(model, [one], max_new_tokens=TOKENS)[0] for one in requests]
    plain = attribute(model, two_requests()[:1], max_new_tokens=TOKENS)[0]
    together = attribute(model, [*requests, two_requests()[0]], max_new_tokens=TOKENS)
    for found, expected in zip(together, [*alone, plain], strict=True):
        assert found.tokens == expected.tokens
        assert (found.step_maps - expected.step_maps).abs().max() <= 1e-5
    assert (plain.step_maps[0] - alone[0].step_maps[0]).abs().max() > 1e-3


def test_generate_makes_batches_of_requests_that_are_steered_alike() -> None:
    model = tiny("llava")
    requests = [
        *steered_two(strength=4.0),
        *steered_two(strength=2.0, rows="all"),
        *two_requests(),
        *steered_two(mode="scale", layers=[1]),
        Request("No picture."),
    ]
    alone = [generate(model, [one], SAMPLING)[0].text for one in requests]
    assert [answer.text for answer in generate(model, requests, SAMPLING)] == alone
    assert len(set(alone)) > 4


@pytest.mark.parametrize("family", ["llava", "paligemma", "gemma3"])
def test_a_read_answer_has_the_rows_of_the_generated_one(family: str) -> None:
    """In one forward, with a schedule too: row m has the target that counts at token m."""
    model = tiny(family)
    later = [(2, (Fovea(masks(7)[0]),)), (3, (Fovea(None),))]
    requests = [
        Request(one.question, one.images, one.system, Steering((Fovea(mask),), strength=3.0, schedule=tuple(later)))
        for one, mask in zip(two_requests(), masks(), strict=True)
    ][:1]
    own = attribute(model, requests, max_new_tokens=TOKENS)[0]
    read = attribute(model, requests, answers=[own.tokens])[0]
    assert (read.step_maps - own.step_maps).abs().max() <= 1e-5 * own.step_maps.max()


def test_a_schedule_changes_the_target_at_its_tokens() -> None:
    """Until token 2 the answer is that of the first target; then the second one counts, not before."""
    model, (first, second) = tiny("llava"), [*masks()[0:1], 1 - masks()[0]]
    ask = two_requests()[0]

    def of(steering: Steering) -> Any:
        return attribute(model, [Request(ask.question, ask.images, ask.system, steering)], max_new_tokens=TOKENS)[0]

    one = of(Steering.of(first, strength=3.0))
    both = of(Steering.of(first, strength=3.0, schedule=[(2, second)]))
    assert both.tokens[:2] == one.tokens[:2]
    assert torch.equal(both.step_maps[:2], one.step_maps[:2])
    assert (both.step_maps[2] - one.step_maps[2]).abs().max() > 1e-4


# ----------------------------------------------------------------- several pictures


def test_fovea_i_belongs_to_picture_i() -> None:
    """The second picture's fovea biases its tokens alone; a picture without one stays as it is."""
    model = tiny("qwen2_vl")
    pictures = (picture(), picture(60, 90, (20, 20, 230)))
    mask = masks()[1]
    request = Request("Which?", pictures, "", Steering.of([None, mask], strength=2.0))
    prompt = build_prompt(model, [request])
    layouts = layouts_of(model, prompt)
    columns = [torch.cat([image.columns for image in layouts[0]])]
    with steered(model, layouts, [request.steering], prompt.length), capture(model, [0], columns) as kept:
        generate_ids(model, prompt.tensors, SAMPLING)
    second = layouts[0][1]
    newest = prompt.length - 1
    hand_of = [Fovea(mask).weights(second)]
    rule = RULES["boost_suppress"](2.0)
    with by_hand(model, [second.columns], hand_of, rule, prompt.length, steered=lambda i, q: q >= newest) as hand:
        generate_ids(model, prompt.tensors, SAMPLING)
    assert (kept.rows(0) - hand.at(0, columns, prompt.length)).abs().max() <= 1e-5


def test_more_foveas_than_pictures_are_an_error() -> None:
    request = Request("Which?", (picture(),), "", Steering.of([masks()[0], masks()[1]]))
    with pytest.raises(BadInput, match=r"fovea: there are more foveas \(2\) than pictures \(1\)"):
        generate(tiny("llava"), [request])
    with pytest.raises(BadInput, match=r"fovea: there are more foveas \(1\) than pictures \(0\)"):
        generate(tiny("llava"), [Request("Which?", (), "", Steering.of("image"))])


def test_one_batch_is_steered_in_one_way() -> None:
    model = tiny("llava")
    one, other = steered_two(strength=1.0)[0], steered_two(strength=2.0)[1]
    with pytest.raises(BadInput, match="only its foveas may differ"):
        attribute(model, [one, other])


# ---------------------------------------------------------- put back, threads, memory


@pytest.mark.parametrize("mode", ["boost_suppress", "redistribute"])
@pytest.mark.parametrize("error", [RuntimeError, Cancelled, KeyboardInterrupt])
def test_everything_is_put_back_after_an_exception(mode: Any, error: type[BaseException]) -> None:
    model = tiny("llava")
    names, before = registered(), implementations(model)

    def progress(done: int, most: int) -> None:
        assert any(name.startswith("api_graph_attention") for name in registered())
        if done == 2:
            raise error("stop")

    with pytest.raises(error, match="stop"):
        generate(model, steered_two(mode=mode), SAMPLING, progress=progress)
    assert (registered(), implementations(model)) == (names, before)
    assert not any(part._forward_pre_hooks for part in model.module.modules())


def test_threads_on_one_model_and_on_two_do_not_mix() -> None:
    models = [tiny("qwen2_5_vl"), tiny("llava")]
    plain, steering = two_requests(), steered_two(strength=4.0)
    jobs = [(model, [request]) for model in models for request in (*plain, *steering)]
    expected = [generate(model, requests, SAMPLING)[0].text for model, requests in jobs]
    found: dict[int, str] = {}

    def run(i: int) -> None:
        model, requests = jobs[i]
        found[i] = generate(model, requests, SAMPLING)[0].text

    threads = [threading.Thread(target=run, args=(i,)) for i in range(len(jobs))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[i] for i in range(len(jobs))] == expected
    assert all(set(implementations(model)) == {"sdpa"} for model in models)


def test_another_thread_that_runs_the_model_itself_is_not_steered() -> None:
    model = tiny("llava")
    prompt = build_prompt(model, two_requests())
    plain = model.module(**arguments_of(model, prompt.tensors)).logits
    found: list[Tensor] = []
    steering = Steering.of("image", strength=9.0, mode="boost")
    with steered(model, layouts_of(model, prompt), [steering] * 2, prompt.length):
        thread = threading.Thread(
            target=lambda: found.append(model.module(**arguments_of(model, prompt.tensors)).logits)
        )
        thread.start()
        thread.join()
        own = model.module(**arguments_of(model, prompt.tensors)).logits
    assert torch.equal(found[0], plain)
    assert (own[:, -1] - plain[:, -1]).abs().max() > 1e-3


def test_no_mask_of_a_long_prompt_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Under rows="last" no mask has more rows than one, and the prompt's own attention is SDPA's."""
    shapes: list[tuple[int, ...]] = []
    own = torch.nn.functional.scaled_dot_product_attention

    def seen(*args: Any, attn_mask: Tensor | None = None, **settings: Any) -> Tensor:
        if attn_mask is not None:
            shapes.append(tuple(attn_mask.shape))
        return own(*args, attn_mask=attn_mask, **settings)

    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", seen)
    generate(tiny("llava"), steered_two()[:1], SAMPLING)
    assert shapes and all(shape[1:3] == (1, 1) for shape in shapes)


# ---------------------------------------------------------------------- settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "point"}, "mode: there is no such choice"),
        ({"rows": "some"}, "rows: there is no such choice"),
        ({"strength": math.nan}, "strength: this is no strength for boost_suppress"),
        ({"strength": math.inf}, "strength: this is no strength"),
        ({"strength": -1, "mode": "scale"}, "strength: .* A factor"),
        ({"strength": 2, "mode": "redistribute"}, "strength: .* sinks keep"),
        ({"schedule": [(3, "image"), (3, "image")]}, "schedule: targets come one after the other"),
        ({"schedule": [(0, "image")]}, "schedule: targets"),
    ],
)
def test_settings_out_of_range(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        Steering.of("image", **settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"layers": [7]}, "layers"),
        ({"layers": "from 9"}, "layers"),
        ({"heads": [4]}, "heads: the heads are 0 to 3"),
        ({"heads": "x"}, "heads: it is no list"),
        ({"heads": {0: [9]}}, "heads: the heads are 0 to 3"),
        ({"heads": {0: 1}}, "heads: the heads are 0 to 3"),
        ({"heads": 3}, "heads: the heads are 0 to 3"),
        ({"heads": {"a": [1]}}, "layers: the decoder's layers are 0 to 2"),
        ({"heads": {9: [0]}}, "layers: the decoder's layers are 0 to 2"),
        ({"heads": {1: []}}, "heads: no head is chosen"),
        ({"heads": {1: [0]}, "layers": [2]}, "heads: no head is chosen"),
    ],
)
def test_settings_that_the_model_does_not_have(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        generate(tiny("llava"), steered_two(**settings), SAMPLING)


def test_where_the_bias_falls() -> None:
    module = tiny("llava").module
    assert Steering.of("image").where(module) == {0: None, 1: None, 2: None}
    assert Steering.of("image", layers="from 1", heads="0, -1").where(module) == {1: (0, 3), 2: (0, 3)}
    assert Steering.of("image", heads={-1: [2, 0], 0: [1]}).where(module) == {2: (0, 2), 0: (1,)}
    assert Steering.of("image", heads={1: [2], 0: [1]}, layers=[1]).where(module) == {1: (2,)}


def test_layers_without_attention_are_passed_over_by_a_text_alone() -> None:
    from transformers import Lfm2Config, Lfm2ForCausalLM

    sizes: dict[str, Any] = {"hidden_size": 32, "intermediate_size": 32, "vocab_size": 64, "num_hidden_layers": 3}
    kinds = ["conv", "full_attention", "conv"]
    module = Lfm2ForCausalLM(Lfm2Config(**sizes, num_attention_heads=4, num_key_value_heads=2, layer_types=kinds))
    assert Steering.of("image", layers="from 1").where(module) == {1: None}
    with pytest.raises(BadInput, match=r"layers: this layer has no attention"):
        Steering.of("image", layers=[1, 2]).where(module)
