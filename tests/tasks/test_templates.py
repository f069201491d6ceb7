"""Templates and class vectors."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from api_graph.clip import ClipModel, encode_text, load_clip
from api_graph.errors import BadInput
from api_graph.tasks.templates import TEMPLATES, class_features, template_texts


@pytest.fixture(scope="module")
def demo() -> ClipModel:
    return load_clip("demo", device="cpu")


def test_templates_by_name_by_text_and_by_line() -> None:
    assert template_texts("photo") == ("a photo of a {}.",)
    assert template_texts("the {}\n\n a {} ") == template_texts(["the {}", "a {}"]) == ("the {}", "a {}")
    assert all(template_texts(name) for name in TEMPLATES)


def test_the_ensemble_of_80() -> None:
    texts = template_texts("openai")
    assert len(set(texts)) == 80
    assert {"a bad photo of a {}.", "itap of the {}.", "a tattoo of the {}."} <= set(texts)


@pytest.mark.parametrize("bad", ["photos", "a {} and a {}", "", [], ["a {}", "b"], [3]])
def test_what_is_no_template(bad: object) -> None:
    with pytest.raises(BadInput, match="template"):
        template_texts(bad)  # type: ignore[arg-type]


def test_class_vectors_are_means_of_unit_vectors(demo: ClipModel) -> None:
    vectors = class_features(demo, ["red circle", "star"], ["a {}", "the {} here"])
    a, the = (F.normalize(encode_text(demo, t), dim=-1)[0] for t in ("a red circle", "the red circle here"))
    assert torch.allclose(vectors[0], F.normalize((a + the) / 2, dim=0), atol=1e-6)
    assert vectors.norm(dim=-1).tolist() == pytest.approx([1, 1])


def test_every_template_counts_alike(demo: ClipModel, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = {"a x": [3.0, 0.0], "b x": [0.0, 100.0]}  # lengths mean nothing, at either step
    monkeypatch.setattr(
        "api_graph.tasks.templates.encode_text", lambda model, texts: torch.tensor([vectors[text] for text in texts])
    )
    assert class_features(demo, ["x"], ["a {}", "b {}"]).tolist() == [[pytest.approx(0.5**0.5)] * 2]


def test_many_texts_are_encoded_in_parts(demo: ClipModel, monkeypatch: pytest.MonkeyPatch) -> None:
    labels = ["a", "b", "c", "d", "e"]
    whole = class_features(demo, labels, ["a {}", "the {}"])
    monkeypatch.setattr("api_graph.tasks.templates._TEXTS_AT_ONCE", 3)
    assert torch.allclose(class_features(demo, labels, ["a {}", "the {}"]), whole, atol=1e-6)


def test_braces_of_a_label_stay(demo: ClipModel) -> None:
    assert class_features(demo, "a {strange} one", "label").shape[0] == 1
