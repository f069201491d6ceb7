"""Text features: equal to the model's own, with fewer positions run."""

from __future__ import annotations

import warnings
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from open_clip.model import CLIPTextCfg

from api_graph.clip import encode_image, load_clip
from api_graph.clip.model import ClipModel
from api_graph.clip.text import QueryFeatures, encode_queries, encode_text
from api_graph.errors import ApiGraphWarning, BadInput
from tests.clip.small_models import random_clip

LAYOUTS: dict[str, dict[str, Any]] = {
    "CLIP": {},
    "CustomTextCLIP": {"custom_text": True},
    "projection with bias": {"text": {"proj_bias": True}},
    "no projection": {"text": {"proj_type": "none"}, "custom_text": True},
    "not causal": {"text": {"no_causal_mask": True}, "custom_text": True},
    "pooled at the last": {"text": {"pool_type": "last"}, "custom_text": True},
    "CLS at the end": {"text": {"embed_cls": True}, "custom_text": True},
    "layer scale": {"text": {"ls_init_value": 0.3}},
    "quick gelu": {"quick_gelu": True},
}
if hasattr(CLIPTextCfg, "eos_id"):  # open_clip 3.1 and newer
    LAYOUTS["pooled at eos"] = {"text": {"pool_type": "eos", "eos_id": 63}, "custom_text": True}
    LAYOUTS["CLIP pooled at eos"] = {"text": {"pool_type": "eos", "eos_id": 63}}


def token_ids(lengths: list[int], seed: int = 0, context: int = 16) -> torch.Tensor:
    """Start 62, words 1..61, end 63, zeros: with its marks, each text is as long as asked."""
    generator = torch.Generator().manual_seed(seed)
    ids = torch.zeros(len(lengths), context, dtype=torch.long)
    for row, length in zip(ids, lengths, strict=True):
        row[:length] = torch.randint(1, 62, (length,), generator=generator)
        row[0], row[length - 1] = 62, 63
    return ids


class WordTokenizer:
    """One token per word, cut to 16 with its marks; says like open_clip's tokenizers how long a text is."""

    def encode(self, text: str) -> list[int]:
        return [1 + len(word) for word in text.split()]

    def __call__(self, texts: list[str]) -> torch.Tensor:
        ids = torch.zeros(len(texts), 16, dtype=torch.long)
        for row, text in zip(ids, texts, strict=True):
            words = [62, *self.encode(text)[:14], 63]
            row[: len(words)] = torch.tensor(words)
        return ids


def talking_clip() -> ClipModel:
    return ClipModel.from_open_clip(random_clip().module, tokenizer=WordTokenizer(), name="talking")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_equals_the_models_own(layout: str) -> None:
    model = random_clip(**LAYOUTS[layout])
    ids = token_ids([5, 2, 9])
    expected = model.module.encode_text(ids)  # type: ignore[operator]
    assert (encode_text(model, token_ids=ids) - expected).abs().max() <= 1e-6 * expected.abs().max()


@settings(max_examples=25)
@given(lengths=st.lists(st.integers(2, 16), min_size=1, max_size=5), seed=st.integers(0, 99))
def test_equals_the_models_own_at_any_length(lengths: list[int], seed: int) -> None:
    model = random_clip()
    ids = token_ids(lengths, seed)
    expected = model.module.encode_text(ids)  # type: ignore[operator]
    assert (encode_text(model, token_ids=ids) - expected).abs().max() <= 1e-6 * expected.abs().max()


def test_positions_behind_the_end_are_not_run() -> None:
    model = random_clip()
    seen: list[int] = []
    blocks: Any = model.module.transformer.resblocks  # type: ignore[union-attr]
    blocks[0].register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0].shape[1]))
    encode_text(model, token_ids=token_ids([4, 7]))
    assert seen == [7]


def test_coca_is_asked_not_to_normalise() -> None:
    from open_clip.coca_model import CoCa

    text = {"context_length": 8, "vocab_size": 16, "width": 16, "heads": 2, "layers": 1, "embed_cls": True}
    vision = {
        "image_size": 16,
        "layers": 1,
        "width": 16,
        "patch_size": 8,
        "head_width": 8,
        "attentional_pool": True,
        "attn_pooler_heads": 2,
    }
    towers: dict[str, Any] = {
        "text_cfg": {**text, "output_tokens": True},
        "vision_cfg": {**vision, "output_tokens": True},
        "multimodal_cfg": {**text, "mlp_ratio": 4.0},
    }
    torch.manual_seed(0)
    model = ClipModel.from_open_clip(CoCa(16, **towers))
    ids = torch.tensor([[3, 5, 0, 0, 0, 0, 0, 0]])
    expected = model.module.encode_text(ids, normalize=False)  # type: ignore[operator]
    assert torch.equal(encode_text(model, token_ids=ids), expected)
    assert abs(float(expected.norm()) - 1) > 0.01


def test_queries_go_through_the_tokenizer() -> None:
    model = talking_clip()
    features = encode_queries(model, ["a red ball", "sky"])
    assert features.texts == ("a red ball", "sky")
    assert torch.equal(features.features, encode_text(model, ["a red ball", "sky"]))
    expected = model.module.encode_text(WordTokenizer()(["sky"]))  # type: ignore[operator]
    assert torch.allclose(encode_text(model, "sky"), expected, atol=1e-6)


def test_storage_gives_equal_queries_back() -> None:
    features = encode_queries(talking_clip(), "a red ball")
    again = QueryFeatures.from_storage(*features.to_storage())
    assert again.texts == features.texts and torch.equal(again.features, features.features)


def test_a_long_query_is_cut_and_says_by_how_much() -> None:
    long = " ".join(["word"] * 17)
    with pytest.warns(ApiGraphWarning, match=r"'word word.* is 3 tokens too long for 'talking', which reads 16"):
        encode_text(talking_clip(), ["short", long])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encode_text(talking_clip(), " ".join(["word"] * 14))


def test_open_clips_tokenizers_say_how_long_a_text_is() -> None:
    from open_clip.tokenizer import SimpleTokenizer

    model = ClipModel.from_open_clip(
        random_clip(text={"vocab_size": 49408, "context_length": 8}).module,
        tokenizer=SimpleTokenizer(context_length=8),
    )
    with pytest.warns(ApiGraphWarning, match="is 4 tokens too long"):
        encode_text(model, "one two three four five six seven eight nine ten")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"queries": ""}, r"queries: a query is empty \(got ''\)"),
        ({"queries": ["sky", "  "]}, "queries: a query is empty"),
        ({"queries": []}, "queries: no query"),
        ({"queries": [3]}, "queries: a query is empty"),
        ({}, "queries: give either"),
        ({"queries": "sky", "token_ids": token_ids([3])}, "queries: give either"),
    ],
)
def test_bad_queries(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        encode_text(talking_clip(), **arguments)


def test_a_model_without_a_tokenizer_says_so() -> None:
    with pytest.raises(BadInput, match="'random' has no tokenizer"):
        encode_text(random_clip(), "sky")


@pytest.mark.parametrize("count", [1, 2, 5, 8, 11])
def test_a_query_s_features_do_not_depend_on_those_beside_it(count: int) -> None:
    """To the last bit: results of a table may not differ with the rows that happen to go together."""
    model = load_clip("demo")
    texts = [f"the {'very ' * (number % 4)}red star {number}" for number in range(count)]
    together = encode_text(model, texts, steady=True)
    alone = [encode_text(model, [text], steady=True)[0] for text in texts]
    assert all(torch.equal(one, row) for one, row in zip(alone, together, strict=True))
    torch.testing.assert_close(together, encode_text(model, texts), rtol=0, atol=1e-5)


@pytest.mark.parametrize("count", [1, 3, 5, 9])
def test_an_image_s_features_do_not_depend_on_those_beside_it(count: int) -> None:
    model = load_clip("demo")
    images = [torch.rand(1, 40, 40, 3, generator=torch.Generator().manual_seed(seed)) for seed in range(count)]
    together = encode_image(model, images)
    for number, image in enumerate(images):
        alone = encode_image(model, [image])
        assert torch.equal(alone.features[0], together.features[number])
        assert torch.equal(alone.contributions[0], together.contributions[number])
