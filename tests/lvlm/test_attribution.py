"""Ψ from an LVLM: what goes in, what comes out, and what is averaged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.lvlm import LvlmModel, Request, attribute, generate, lvlm_attribution
from api_graph.lvlm.request import Sampling
from api_graph.pixels.read import to_tensor
from tests.lvlm.asked import picture, tiny, two_requests
from tests.lvlm.families import FAMILIES
from tests.lvlm.golden_llava import golden_inputs, golden_model


def ask(model: LvlmModel | None = None, **more: Any) -> Any:
    return lvlm_attribution(picture(), "What colour?", model or tiny("llava"), **{"max_tokens": 5, **more})


def test_a_picture_a_path_and_a_tensor_are_the_same(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.png")
    expected = ask()
    for image in (str(tmp_path / "a.png"), to_tensor(picture())[0], to_tensor(picture())[0][0]):
        found = lvlm_attribution(image, "What colour?", tiny("llava"), max_tokens=5)
        assert torch.equal(found.map, expected.map)


def test_the_answer_is_that_of_generate() -> None:
    found = ask()
    answer = generate(tiny("llava"), [Request("What colour?", (picture(),))], Sampling(max_tokens=5))[0]
    assert (found.answer, len(found.tokens)) == (answer.text, answer.tokens)


def test_the_map_is_the_mean_of_its_steps_where_the_model_saw_them() -> None:
    found = ask()
    assert found.step_maps.shape == (5, 36)
    assert torch.allclose(found.map.flatten(), found.step_maps.mean(0))
    assert found.geometry == Geometry(120, 80, 20.0, 0.0, 100.0, 80.0)  # centre crop of the shorter side
    assert found.map.shape == (6, 6) and torch.equal(found.attribution.values, found.map[None])
    assert found.attribution.geometry == (found.geometry,)
    assert (found.map.dtype, found.map.device.type, found.layers) == (torch.float32, "cpu", (1,))
    assert 0 < float(found.step_maps.sum(-1).max()) < 1  # some attention goes to the text


def test_layers_heads_and_steps_are_averaged() -> None:
    each = [ask(layers=layer) for layer in range(3)]
    several = ask(layers=[0, -1])
    assert torch.allclose(several.step_maps, (each[0].step_maps + each[2].step_maps) / 2, atol=1e-7)
    assert several.layers == (0, 2)
    heads = [ask(heads=[head]).step_maps for head in range(4)]
    assert torch.allclose(torch.stack(heads).mean(0), ask().step_maps, atol=1e-7)
    assert torch.equal(ask(steps=(1, 3)).step_maps, ask().step_maps[1:3])
    assert ask(steps="first").steps == [0]


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("auto", (1,)),
        (" Auto ", (1,)),
        ("", (1,)),
        ("last 2", (1, 2)),
        ("from 1", (1, 2)),
        ("all", (0, 1, 2)),
        ("2,0", (2, 0)),
        ("-1", (2,)),
        ("-3..-2", (0, 1)),
        ("0..1, -1", (0, 1, 2)),
    ],
)
def test_layers_as_a_text(text: str, layers: tuple[int, ...]) -> None:
    """Of a decoder with three layers. The text means what its numbers mean, to the bit."""
    found = ask(layers=text)
    assert found.layers == layers
    assert torch.equal(found.map, ask(layers=layers).map)


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ("the last", "layers: it does not name layers"),
        ("last", "layers: it does not name layers"),
        ("14,15", "layers: the model has no such layer; it has 3"),
        ("2..0", "layers: the range runs backwards"),
        (",", "layers: there is no layer"),
        ([], "layers: name at least one layer"),
        ([0, 3], "layers: the decoder's layers are 0 to 2"),
    ],
)
def test_layers_that_are_refused(layers: Any, message: str) -> None:
    """`attribute` and `lvlm_attribution` both have an input `layers`, and errors name it."""
    with pytest.raises(BadInput, match=message):
        attribute(tiny("llava"), two_requests(), layers=layers)
    with pytest.raises(BadInput, match=message):
        ask(layers=layers)


def test_a_phrase_of_the_answer() -> None:
    """Of an answer that is given: one token per letter."""
    found = ask(answer="a red car", steps="red", max_tokens=20)
    assert found.steps == [2, 3, 4]
    assert found.answer == "a red car"
    assert len(found.tokens) == len("a red car") + 1  # the end token is the model's last word
    assert torch.equal(found.step_maps, ask(answer="a red car", max_tokens=20).step_maps[2:5])
    assert len(ask(answer="a red car", max_tokens=4).tokens) == 4


def test_an_answer_of_one_token_is_read_at_the_prompts_end() -> None:
    assert torch.allclose(ask(answer=[65]).step_maps, ask(steps="first").step_maps, atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_batch_has_the_maps_of_each_alone(family: str) -> None:
    model, requests = tiny(family), two_requests()
    for found, request in zip(attribute(model, requests, max_new_tokens=3), requests, strict=True):
        alone = attribute(model, [request], max_new_tokens=3)[0]
        assert found.geometry == alone.geometry
        assert (found.map - alone.map).abs().max() <= 1e-5 * alone.map.max()


def test_layer_of_the_config_and_of_the_paper() -> None:
    model = LvlmModel.from_transformers(*FAMILIES["llava"]())
    assert model.default_layer == 1
    model.config.attribution_layer = 2
    assert ask(model).layers == (2,)


def test_a_deep_decoder_is_read_at_the_papers_layer() -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    sizes = {"hidden_size": 8, "intermediate_size": 8, "num_attention_heads": 1, "vocab_size": 16}
    depths = [
        LvlmModel.from_transformers(LlamaForCausalLM(LlamaConfig(**sizes, num_hidden_layers=n))) for n in (20, 21)
    ]
    assert [model.default_layer for model in depths] == [10, 20]
    assert [model.layers for model in depths] == [20, 21]


def test_maps_do_not_take_part_in_gradients_and_are_no_inference_tensors() -> None:
    with torch.inference_mode(False):
        found = ask()
    assert not found.map.requires_grad and not found.map.is_inference()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"normalize": "none"}, "normalize: unknown normalisation"),
        ({"heads": [4]}, "heads: the heads are 0 to 3"),
        ({"heads": []}, "heads: the heads are 0 to 3"),
        ({"layers": []}, "layers: name at least one layer"),
        ({"layers": 3}, "layers: the decoder's layers are 0 to 2"),
        ({"max_tokens": 0}, "max_tokens: at least one token"),
        ({"answer": []}, "answer: the answer is empty"),
        ({"answer": "x" * 5000, "max_tokens": 6000}, "answer: prompt and answer have .* room for 4096"),
        ({"steps": "no such words"}, "steps: the answer does not contain it"),
        ({"pixel_values": torch.zeros(1)}, "input_ids: tensors need input_ids"),
        ({"input_ids": torch.zeros(1, 4).long()}, "input_ids: give either image and query, or tensors"),
    ],
)
def test_refusals(more: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        ask(**more)


def test_what_must_be_there() -> None:
    with pytest.raises(BadInput, match="query: there is nothing to ask"):
        lvlm_attribution(picture(), model=tiny("llava"))
    with pytest.raises(BadInput, match="image: there is nothing to ask"):
        lvlm_attribution(model=tiny("llava"), query="why?")
    with pytest.raises(BadInput, match="image: a map belongs to one image"):
        lvlm_attribution([picture(), picture()], "why?", tiny("llava"))
    with pytest.raises(BadInput, match="image: a map belongs to one image"):
        attribute(tiny("llava"), [Request("why?")])
    with pytest.raises(BadInput, match="answers: there are 2 requests"):
        attribute(tiny("llava"), two_requests(), answers=["yes"])
    assert attribute(tiny("llava"), []) == []


def test_without_a_tokenizer_tensors_go_in_and_ids_come_out() -> None:
    model, inputs = golden_model(), golden_inputs()
    with pytest.raises(BadInput, match="answer: without a tokenizer"):
        lvlm_attribution(model=model, **inputs, answer="yes")
    with pytest.raises(BadInput, match=r"input_ids: input_ids are the integers \(1, S\)"):
        lvlm_attribution(model=model, input_ids=inputs["input_ids"][0], pixel_values=inputs["pixel_values"])
    found = lvlm_attribution(model=model, **inputs, answer=[38], normalize="image_only")
    assert found.answer == "" and float(found.map.sum()) == pytest.approx(1, abs=1e-5)
