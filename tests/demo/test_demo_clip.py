"""The CLIP that comes with the package: loads offline, knows its scenes, points at what is asked for."""

from __future__ import annotations

import socket
from functools import partial
from pathlib import Path

import open_clip
import pytest
import torch
from torch import Tensor

import api_graph.demo
from api_graph.bench.localization import evaluate_maps
from api_graph.bench.scenes.cases import localization_cases
from api_graph.clip.baselines import raw_attention
from api_graph.clip.load import load_clip
from api_graph.demo.maps import cls_map
from api_graph.demo.queries import CLASSES, plain_query
from api_graph.demo.scenes import TEST_SEEDS, Scene, scene
from api_graph.geometry import Geometry
from api_graph.sockets import Attribution

FOLDER = Path(api_graph.demo.__file__).parent / "clip"
PAIRS = [(colour, shape) for colour, shape in CLASSES if colour and shape]


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object) -> None:
        raise AssertionError("the demo model must not use the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)


@pytest.fixture(scope="module")
def loaded():
    """Model, preprocessing and tokenizer, by open_clip alone."""
    name = f"local-dir:{FOLDER}"
    model, _, preprocess = open_clip.create_model_and_transforms(name)
    return model.eval(), preprocess, open_clip.get_tokenizer(name)


@torch.no_grad()
def share_found(loaded, pictures: list[Scene]) -> float:
    """Share of the scenes of which the best of all 64 pairs of colour and shape is in the scene."""
    model, preprocess, tokenizer = loaded
    text = model.encode_text(tokenizer([plain_query(*pair) for pair in PAIRS]), normalize=True)
    image = model.encode_image(torch.stack([preprocess(p.image) for p in pictures]), normalize=True)
    found = [PAIRS[i] for i in (image @ text.T).argmax(dim=1).tolist()]
    return sum(pair in {(o.colour, o.shape) for o in p.objects} for pair, p in zip(found, pictures, strict=True)) / len(
        found
    )


def test_the_folder_is_small() -> None:
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 4_000_000


@pytest.mark.parametrize("objects", [(1, 1), (3, 5)])
def test_the_best_of_64_is_in_the_scene(loaded, objects: tuple[int, int]) -> None:
    assert share_found(loaded, [scene(seed, objects) for seed in TEST_SEEDS[:100]]) >= 0.9


@pytest.mark.parametrize(("width", "height"), [(240, 160), (160, 240)])
def test_pictures_need_not_be_square(loaded, width: int, height: int) -> None:
    pictures = [scene(seed, (1, 1), width=width, height=height) for seed in TEST_SEEDS[:50]]
    assert share_found(loaded, pictures) >= 0.85


def test_case_and_punctuation_make_no_difference(loaded) -> None:
    plain, shouted = (loaded[2](query)[0] for query in ("where is the star", "Where is the STAR?!"))
    assert torch.equal(plain, shouted)
    # <bos>, four words, <eos>: no word is cut apart, under transformers 4 either.
    assert int(plain.argmax()) == 5


@torch.no_grad()
@pytest.mark.parametrize(
    ("question", "meaning"),
    [
        ("What is the colour of the star?", "a star"),
        ("Where is the heart?", "a heart"),
        ("Is there a red circle?", "a red circle"),
        ("A photo of a green triangle.", "a green triangle"),
        ("What shape is the purple object?", "something purple"),
    ],
)
def test_a_question_means_what_it_names(loaded, question: str, meaning: str) -> None:
    model, _, tokenizer = loaded
    texts = [plain_query(*c) for c in CLASSES]
    asked, known = (model.encode_text(tokenizer(t), normalize=True) for t in ([question], texts))
    assert texts[int((asked @ known.T).argmax())] == meaning


def test_psi_points_at_what_is_asked_for() -> None:
    model = load_clip("demo", device="cpu")

    def attention(images, queries) -> Attribution:
        values: Tensor = raw_attention(model, list(images))
        return Attribution(values, tuple(Geometry.whole(*i.size) for i in images))

    cases = localization_cases(TEST_SEEDS, 60)
    maps = {s: partial(cls_map, model, similarity=s) for s in ("cosine", "contribution")} | {"attention": attention}
    scores = evaluate_maps(cases, maps)
    for similarity in ("cosine", "contribution"):
        assert scores[similarity].mean("pointing") >= 0.8
        assert scores[similarity].mean("swapped") >= 0.8
    assert scores["cosine"].mean("pointing") >= 2.5 * scores["attention"].mean("pointing")
