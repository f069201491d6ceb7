"""Attention read while SDPA runs is that of eager attention, and nothing is left behind in the model."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from api_graph.errors import BadInput, Cancelled
from api_graph.lvlm import LvlmModel, Sampling, attribute
from api_graph.lvlm.attention_rows import Columns, masked_scores, weights_at
from api_graph.lvlm.capture import capture
from api_graph.lvlm.decoder import attention_modules
from api_graph.lvlm.generation import generate_ids
from api_graph.lvlm.layout import token_layouts
from api_graph.lvlm.prompt import Prompt, arguments_of, build_prompt
from tests.lvlm.asked import tiny, two_requests
from tests.lvlm.families import FAMILIES

TOKENS = 5


def columns_of(model: LvlmModel, prompt: Prompt) -> list[Tensor]:
    layouts = token_layouts(model.config, model.processor, prompt.tensors, prompt.sizes)
    return [images[0].columns for images in layouts]


def eager_rows(model: LvlmModel, prompt: Prompt, layer: int, columns: list[Tensor]) -> Tensor:
    """transformers' own output_attentions (B, H, M, N); columns that slid out of the cache are 0."""
    module: Any = model.module
    module.set_attn_implementation("eager")
    try:
        found = module.generate(
            **arguments_of(model, prompt.tensors),
            max_new_tokens=TOKENS,
            do_sample=False,
            output_attentions=True,
            return_dict_in_generate=True,
        )
    finally:
        module.set_attn_implementation("sdpa")
    nth = list(attention_modules(module)).index(layer)  # layers without attention have no weights in the list
    rows = torch.zeros(len(columns), found.attentions[0][nth].shape[1], TOKENS, max(map(len, columns)))
    for step, layers in enumerate(found.attentions):
        newest = layers[nth][:, :, -1]  # (B, H, K)
        gone = prompt.length + step - newest.shape[-1]
        for i, wanted in enumerate(columns):
            for n, column in enumerate(wanted.tolist()):
                rows[i, :, step, n] = newest[i, :, column - gone] if column >= gone else 0.0
    return rows


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_of_every_layer_are_those_of_eager_attention(family: str) -> None:
    """A left-padded batch of different prompts and image sizes; all layers in one run; tokens are plain SDPA's."""
    model = tiny(family)
    prompt = build_prompt(model, two_requests())
    columns = columns_of(model, prompt)
    sampling = Sampling(max_tokens=TOKENS)
    plain = generate_ids(model, prompt.tensors, sampling)
    layers = list(attention_modules(model.module))  # all but those of linear attention
    with capture(model, layers, columns) as kept:
        assert generate_ids(model, prompt.tensors, sampling) == plain
    for layer in layers:
        expected = eager_rows(model, prompt, layer, columns)
        for i, ids in enumerate(plain):
            m, n = len(ids), len(columns[i])
            assert (kept.rows(layer)[i, :, :m, :n] - expected[i, :, :m, :n]).abs().max() <= 1e-5


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("normalize", ["full", "image_only"])
def test_given_answers_in_one_forward_have_the_rows_of_generated_ones(family: str, normalize: Any) -> None:
    """Of different lengths, in one padded batch."""
    model, requests = tiny(family), two_requests()
    alone = [attribute(model, [one], normalize=normalize, max_new_tokens=TOKENS)[0] for one in requests]
    answers = [alone[0].tokens[:3], alone[1].tokens]
    given = attribute(model, requests, normalize=normalize, answers=answers)
    for found, expected in zip(given, alone, strict=True):
        steps = len(found.tokens)
        assert (found.step_maps - expected.step_maps[:steps]).abs().max() <= 1e-5 * expected.step_maps.max()


def test_half_precision_rows_are_formed_in_float32() -> None:
    module, processor = FAMILIES["llava"]()
    model = LvlmModel.from_transformers(module.to(torch.bfloat16), processor)
    found = attribute(model, two_requests()[:1], normalize="image_only", max_new_tokens=3)[0]
    assert found.map.dtype == torch.float32
    assert torch.allclose(found.step_maps.sum(-1), torch.ones(3), atol=1e-6)  # bfloat16 would be off by 1e-3


def registered() -> set[str]:
    from transformers import AttentionInterface, AttentionMaskInterface

    return {*AttentionInterface._global_mapping, *AttentionMaskInterface._global_mapping}


def implementations(model: LvlmModel) -> list[str]:
    return [part.config._attn_implementation for part in model.module.modules() if hasattr(part, "config")]


@pytest.mark.parametrize("error", [RuntimeError, Cancelled, KeyboardInterrupt])
def test_everything_is_put_back_after_an_exception(error: type[BaseException]) -> None:
    model = tiny("llava")
    names, before, settings = registered(), implementations(model), model.module.generation_config

    def progress(done: int, most: int) -> None:
        assert any(name.startswith("api_graph_attention") for name in registered())
        assert {"sdpa"} < set(implementations(model))  # the vision tower keeps its own
        if done == 2:
            raise error("stop")

    with pytest.raises(error, match="stop"):
        attribute(model, two_requests(), max_new_tokens=TOKENS, progress=progress)
    assert (registered(), implementations(model)) == (names, before)
    assert model.module.generation_config is settings


def test_captures_may_be_nested() -> None:
    model = tiny("llava")
    prompt = build_prompt(model, two_requests()[:1])
    columns = columns_of(model, prompt)
    with capture(model, [0], columns) as outer:
        with capture(model, [1], columns) as inner:
            generate_ids(model, prompt.tensors, Sampling(2))
        generate_ids(model, prompt.tensors, Sampling(3))
    assert (inner.rows(1).shape[2], outer.rows(0).shape[2]) == (2, 3)
    assert set(implementations(model)) == {"sdpa"}


def test_two_threads_on_one_model_do_not_mix() -> None:
    model, requests = tiny("qwen2_5_vl"), two_requests()
    expected = [attribute(model, [one], max_new_tokens=TOKENS)[0] for one in requests]
    found: dict[int, Any] = {}

    def ask(i: int) -> None:
        found[i] = attribute(model, [requests[i % 2]], max_new_tokens=TOKENS)[0]

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i in range(4):
        assert found[i].tokens == expected[i % 2].tokens
        assert torch.equal(found[i].step_maps, expected[i % 2].step_maps)
    assert set(implementations(model)) == {"sdpa"}


def test_a_model_that_caps_its_scores_is_read_in_eager_attention() -> None:
    """Gemma 2 squashes its scores by a tanh, which SDPA cannot do."""
    from transformers import Gemma2Config, Gemma2ForCausalLM

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 2, "vocab_size": 64, "head_dim": 8}
    config = Gemma2Config(
        **sizes, num_attention_heads=4, num_key_value_heads=2, attn_logit_softcapping=1.0, initializer_range=1.0
    )
    model = LvlmModel.from_transformers(Gemma2ForCausalLM._from_config(config, attn_implementation="eager"))
    ids = torch.arange(3, 15)[None]
    columns = torch.arange(2, 7)
    with capture(model, [1], [columns]) as kept, torch.no_grad():
        model.module(input_ids=ids)
    weights = model.module(input_ids=ids, output_attentions=True).attentions[1]
    assert torch.allclose(kept.rows(1)[:, :, 0], weights[:, :, -1, columns], atol=1e-6)
    assert model.config._attn_implementation == "eager"


def test_layers_without_attention_are_named() -> None:
    from transformers import Lfm2Config, Lfm2ForCausalLM

    sizes = {"hidden_size": 32, "intermediate_size": 32, "vocab_size": 64, "num_hidden_layers": 3}
    kinds = ["conv", "full_attention", "conv"]
    config = Lfm2Config(**sizes, num_attention_heads=4, num_key_value_heads=2, layer_types=kinds)
    model = LvlmModel.from_transformers(Lfm2ForCausalLM(config))
    assert model.default_layer == 1
    message = r"layers: this layer has no attention .* Layers with full attention: 1\."
    with pytest.raises(BadInput, match=message), capture(model, [0], [torch.arange(2)]):
        pytest.fail("there is nothing to capture")


@pytest.mark.parametrize("layer", [3, -4, 1.0, True])
def test_layers_that_do_not_exist(layer: Any) -> None:
    with pytest.raises(BadInput, match="layers: the decoder's layers are 0 to 2"):
        attribute(tiny("llava"), two_requests(), layers=layer)


# -------------------------------------------------------------- rows, by hand


def test_full_and_image_only_by_hand() -> None:
    scores = torch.tensor([1.0, 2.0, 4.0, 1.0]).log().reshape(1, 1, 1, 4)
    columns = Columns.of([torch.tensor([1, 2])])
    assert torch.allclose(weights_at(scores, columns, "full").flatten(), torch.tensor([2 / 8, 4 / 8]))
    assert torch.allclose(weights_at(scores, columns, "image_only").flatten(), torch.tensor([2 / 6, 4 / 6]))


def test_columns_that_slid_out_weigh_nothing() -> None:
    """Of five keys the cache holds the last three: column 3 is the key at 1, column 1 is gone."""
    scores = torch.tensor([1.0, 2.0, 5.0]).log().reshape(1, 1, 1, 3)
    columns = Columns.of([torch.tensor([1, 3])])
    assert torch.allclose(weights_at(scores, columns, "full", 2).flatten(), torch.tensor([0, 2 / 8]))
    assert torch.allclose(weights_at(scores, columns, "image_only", 2).flatten(), torch.tensor([0.0, 1.0]))
    assert torch.equal(weights_at(scores, columns, "image_only", 5).flatten(), torch.zeros(2))


@given(
    batch=st.integers(1, 2),
    kv=st.integers(1, 2),
    group=st.integers(1, 3),
    rows=st.integers(1, 4),
    past=st.integers(0, 3),
)
def test_scores_are_those_of_a_plain_formula(batch: int, kv: int, group: int, rows: int, past: int) -> None:
    """Whichever way the mask is written: boolean, additive, or left out."""
    generator = torch.Generator().manual_seed(rows * 100 + past)
    keys = rows + past
    query = torch.randn(batch, kv * group, rows, 4, generator=generator)
    key = torch.randn(batch, kv, keys, 4, generator=generator)
    causal = torch.ones(rows, keys, dtype=torch.bool).tril(past)
    lowest = torch.finfo(torch.float32).min
    additive = torch.zeros(rows, keys).masked_fill(~causal, lowest)[None, None]
    plain = torch.einsum("bhqd,bhkd->bhqk", query, key.repeat_interleave(group, dim=1)) * 0.3
    expected = plain.masked_fill(~causal, float("-inf"))
    for mask in (None, causal[None, None], additive):
        assert torch.allclose(masked_scores(query, key, mask, 0.3, causal=True), expected, atol=1e-5)
