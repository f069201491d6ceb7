"""Scores of boxes, choices, and the subtract post-processing, on feature vectors made by hand."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from api_graph.clip import ClipModel, encode_text, load_clip
from api_graph.errors import BadInput
from api_graph.tasks.scores import BoxChoice, aggregated, logit_scale, score_boxes
from api_graph.tasks.subtract import caption_text, mean_text, sample_captions

TEXT = torch.tensor([1.0, 0.0])


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def demo() -> ClipModel:
    return load_clip("demo", device="cpu")


def test_scores_are_scaled_cosines() -> None:
    features = torch.tensor([[3.0, 4.0], [0.0, 2.0], [-1.0, 0.0]])
    assert score_boxes(features, 7 * TEXT, 10.0).tolist() == pytest.approx([6, 0, -10])
    assert score_boxes(features, torch.stack([TEXT, -TEXT]), 10.0)[1].tolist() == pytest.approx([-6, 0, 10])


def test_representations_are_summed_or_the_largest_counts() -> None:
    features = torch.tensor([[[1.0, 0.0], [0.0, 1.0]], [[-1.0, 0.0], [3.0, 4.0]]])  # (M, B, E)
    assert score_boxes(features, TEXT, 1.0).tolist() == pytest.approx([0, 0.6])
    assert score_boxes(features, TEXT, 1.0, aggregate="max").tolist() == pytest.approx([1, 0.6])


def test_models_are_summed_each_with_its_own_scale_and_width() -> None:
    wide, narrow = random(2, 5, 7), random(2, 5, 3, seed=1)
    texts = random(7), random(3)
    apart = score_boxes(wide, texts[0], 2.0), score_boxes(narrow, texts[1], 5.0)
    together = score_boxes([wide, narrow], list(texts), [2.0, 5.0])  # type: ignore[arg-type]
    assert torch.allclose(together, apart[0] + apart[1], atol=1e-5)


def test_subtraction_comes_before_the_largest_is_taken() -> None:
    features, text, others = random(3, 4, 6), random(6), random(9, 6, seed=2)
    unit = torch.nn.functional.normalize
    by_the_formula = torch.stack(
        [
            100 * (unit(f, dim=-1) @ unit(text, dim=0) - (unit(f, dim=-1) @ unit(others, dim=-1).T).mean(1))
            for f in features
        ]
    ).amax(0)
    mean = unit(others, dim=-1).mean(0)
    assert torch.allclose(score_boxes(features, text, aggregate="max", negatives=mean), by_the_formula, atol=1e-4)


def test_subtracting_the_text_itself_leaves_nothing(demo: ClipModel) -> None:
    text = encode_text(demo, caption_text("a RED circle"))[0]
    scores = score_boxes(random(4, len(text)), text, negatives=mean_text(demo, ["a red circle"]))
    assert scores.abs().max() < 1e-4


def test_the_mean_text_equals_scoring_every_caption(demo: ClipModel) -> None:
    captions = ["a red circle", "something Blue", "the star", "the star"]
    features, text = random(5, demo.tower.head.linear().shape[1]), encode_text(demo, "a photo of a heart")[0]  # type: ignore[union-attr]
    own = score_boxes(features, text)
    others = [score_boxes(features, encode_text(demo, f"a photo of {c.lower()}")[0]) for c in captions]
    expected = own - torch.stack(others).mean(0)
    assert torch.allclose(score_boxes(features, text, negatives=mean_text(demo, captions)), expected, atol=1e-4)


@given(st.permutations(range(5)))
def test_permuting_the_boxes_permutes_the_scores(order: list[int]) -> None:
    features = random(2, 5, 8)
    assert torch.allclose(score_boxes(features[:, order], random(8)), score_boxes(features, random(8))[order])


@pytest.mark.parametrize("aggregate", ["sum", "max"])
def test_subtraction_is_linear_so_its_order_matters_for_max_alone(aggregate: str) -> None:
    features, text, mean = random(3, 4, 6), random(6), random(6, seed=5)
    before = score_boxes(features, text, negatives=mean, aggregate=aggregate)  # type: ignore[arg-type]
    unit = torch.nn.functional.normalize
    logits = 100 * unit(features, dim=-1) @ mean
    after = score_boxes(features, text, aggregate=aggregate) - aggregated(logits, aggregate)  # type: ignore[arg-type]
    assert torch.allclose(before, after, atol=1e-3) == (aggregate == "sum")


def test_choices_and_ties() -> None:
    choice = BoxChoice.of(torch.tensor([1.0, 3.0, 3.0]))
    assert (choice.index, choice.margin) == (1, 0)
    choice = BoxChoice.of(torch.tensor([0.0, math.log(3.0)]))
    assert choice.index == 1
    assert choice.probabilities.tolist() == pytest.approx([0.25, 0.75])
    assert choice.margin == pytest.approx(0.5)
    assert BoxChoice.of(torch.tensor([-5.0])).margin == 1.0
    for bad in ([], [[1.0]], [float("nan")]):
        with pytest.raises(BadInput, match="one finite score per box"):
            BoxChoice.of(torch.tensor(bad))


def test_features_that_do_not_fit() -> None:
    for features in (random(4, 3), random(2), random(0, 2), random(1, 1, 1, 2)):
        with pytest.raises(BadInput, match="features"):
            score_boxes(features, TEXT)
    with pytest.raises(BadInput, match="there are 2 models"):
        score_boxes([random(3, 2), random(3, 2)], [TEXT])  # type: ignore[arg-type]
    with pytest.raises(BadInput, match="unknown aggregation"):
        score_boxes(random(3, 2), TEXT, aggregate="mean")  # type: ignore[arg-type]


def test_logit_scale(demo: ClipModel) -> None:
    assert logit_scale(demo) == pytest.approx(float(demo.module.logit_scale.exp()))  # type: ignore[operator]


def test_captions_are_written_as_the_reference_does() -> None:
    assert caption_text(" The Lady.") == "a photo of the lady."
    assert caption_text("Dog", "{} is in red color.") == "dog is in red color."
    for bad in ("", " "):
        with pytest.raises(BadInput, match="the text is empty"):
            caption_text(bad)
    with pytest.raises(BadInput, match="no template"):
        caption_text("dog", "a photo of")


def test_sampled_captions_are_seeded_and_without_replacement() -> None:
    captions = [f"caption {i}" for i in range(1000)]
    drawn = sample_captions(captions, seed=3)
    assert len(set(drawn)) == 500
    assert drawn == sample_captions(captions, seed=3) != sample_captions(captions, seed=4)
    assert sample_captions(captions[:20]) == captions[:20]
    assert sample_captions(["a", "a"]) == ["a", "a"]  # duplicates in the file stay
    with pytest.raises(BadInput):
        sample_captions(captions, 0)
