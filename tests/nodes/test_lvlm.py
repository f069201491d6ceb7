"""The LVLM nodes: what they take from a graph, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from api_graph.nodes import fingerprints, lvlm, models
from PIL import Image

import api_graph
from api_graph.context import Context
from api_graph.errors import BadInput
from api_graph.folders import Folders
from api_graph.pixels.read import to_tensor
from api_graph.settings import shipped_graphs

Q = "What colour is the ring?"


@pytest.fixture(scope="module")
def model():
    return api_graph.load_lvlm("demo", device="cpu")


@pytest.fixture(scope="module")
def image() -> torch.Tensor:
    return to_tensor(Image.open(shipped_graphs() / "api_graph_example.png").convert("RGB"))[0]


@pytest.fixture
def context(tmp_path: Path) -> Context:
    return Context(Folders((tmp_path,), tmp_path / "out", tmp_path / "temp", (tmp_path / "models",)))


# ------------------------------------------------------------------------------------------ attention


@pytest.mark.parametrize(
    ("text", "same"),
    [(" Auto ", "auto"), ("", "auto"), ("last 2", "2,3"), ("from 1", "1, 2,3"), ("all", "0,1,2,3"), ("-3..-2", "1,2")],
)
def test_layers_as_they_are_typed(model, image, context, text, same) -> None:
    one, other = (lvlm.attend(context, model, image, Q, layers=each).attribution for each in (text, same))
    assert torch.equal(one.values, other.values)


@pytest.mark.parametrize("text", ["middle", "1.5", "4", "2..1"])
def test_what_names_no_layers(model, image, context, text) -> None:
    with pytest.raises(BadInput, match="layers: "):
        lvlm.attend(context, model, image, Q, layers=text)


def test_the_map_is_that_of_the_function(model, image, context) -> None:
    looked = lvlm.attend(context, model, image, Q, layers="1,2", normalization="image_only")
    expected = api_graph.lvlm_attribution(image, Q, model, layers=[1, 2], normalize="image_only")
    assert torch.equal(looked.attribution.values[0], expected.map)
    assert looked.attribution.geometry == (expected.geometry,)
    assert looked.answer == expected.answer == context.ui["text"][0]


def test_steps(model, image, context) -> None:
    answer = lvlm.attend(context, model, image, Q).answer
    for given, steps in (
        ({"steps": "first"}, "first"),
        ({"steps": "range", "first_step": 0, "last_step": 0}, range(1)),
        ({"steps": "phrase", "phrase": answer}, answer),
    ):
        values = lvlm.attend(context, model, image, Q, **given).attribution.values[0]
        assert torch.equal(values, api_graph.lvlm_attribution(image, Q, model, steps=steps).map)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"steps": "range", "first_step": 3, "last_step": 1}, "last_step: comes before first_step"),
        ({"steps": "phrase"}, "phrase: is empty"),
        ({"layers": "99"}, "layers: the model has no such layer"),
        ({"steps": "phrase", "phrase": "hippopotamus"}, "steps: the answer does not contain it"),
    ],
)
def test_refusals_name_the_input(model, image, context, given, problem) -> None:
    with pytest.raises(BadInput, match=problem):
        lvlm.attend(context, model, image, Q, **given)


def test_a_hint_steers_the_map_in_place_of_the_question(model, image, context) -> None:
    hinted = lvlm.attend(context, model, image, Q, hint="What shape is the red thing?")
    assert torch.equal(
        hinted.attribution.values, lvlm.attend(context, model, image, "What shape is the red thing?").attribution.values
    )


def test_a_batch_of_images_is_a_batch_of_maps(model, image, context) -> None:
    both = torch.cat([image, image.flip(2)])
    looked = lvlm.attend(context, model, both, Q)
    alone = [lvlm.attend(context, model, one[None], Q) for one in both]
    assert torch.allclose(looked.attribution.values, torch.cat([p.attribution.values for p in alone]), atol=1e-6)
    assert looked.answer == "\n".join(p.answer for p in alone)


def test_a_given_answer_is_read_and_not_replaced(model, image, context) -> None:
    read = lvlm.attend(context, model, image, Q, answer="red")
    own = lvlm.attend(context, model, image, Q)
    assert read.answer == "red"
    assert torch.allclose(
        lvlm.attend(context, model, image, Q, answer=own.answer, steps="first").attribution.values,
        lvlm.attend(context, model, image, Q, steps="first").attribution.values,
        atol=1e-6,
    )


# ------------------------------------------------------------------------------------------ questions


def test_all_images_go_into_one_request(monkeypatch, image, context) -> None:
    seen: list[Any] = []

    def remember(model, requests, sampling, **options):
        seen.extend(requests)
        return [lvlm.Answer("ok", 1, 0.0, "m", "stop") for _ in requests]

    monkeypatch.setattr(lvlm, "ask_all", remember)
    reply = lvlm.query_lvlm(context, "model", Q, torch.cat([image, image]), image[:, :10, :20], system=" Be brief. ")
    assert reply == ("ok", 1, 0.0, "m", "stop")
    (request,) = seen
    assert [picture.size for picture in request.images] == [(480, 320), (480, 320), (20, 10)]
    assert (request.question, request.system) == (Q, "Be brief.")


@pytest.mark.parametrize(
    ("verdict", "unclear", "chosen"),
    [("T", "when_false", 1.0), ("F", "when_true", 0.0), ("?", "when_false", 0.0), ("?", "when_true", 1.0)],
)
def test_choose_image(context, verdict, unclear, chosen) -> None:
    yes, no = torch.ones(1, 2, 2, 3), torch.zeros(1, 2, 2, 3)
    image, suffices = lvlm.choose_image(context, verdict, yes, no, unclear)
    assert (float(image.mean()), suffices) == (chosen, bool(chosen))


def test_an_image_that_is_chosen_must_be_there(context) -> None:
    with pytest.raises(BadInput, match="when_true: the verdict asks for this image, but nothing is linked"):
        lvlm.choose_image(context, "T", None, torch.zeros(1, 2, 2, 3))


# ------------------------------------------------------------------------------------------ models


@pytest.mark.parametrize("name", ["/etc", "../secrets", "./demo", "~/model", "a/b/c", "nothing", ""])
def test_a_graph_names_models_by_their_folder_or_on_the_hub_only(context, name) -> None:
    for load, input in ((models.load_lvlm, "model"), (models.answering_model, "answerer")):
        with pytest.raises(BadInput, match=f"^{input}: there is no such thing in the model folders"):
            load(context, name)


def test_a_profile_without_its_mark_is_asked_for(context, monkeypatch, tmp_path) -> None:
    """Under the input's own name, when the graph runs and when its key is made."""
    (tmp_path / "endpoints.toml").write_text('[stub]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["m"]\n', "utf-8")
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(tmp_path / "endpoints.toml"))
    for call in (
        lambda: models.answering_model(context, "stub"),
        lambda: fingerprints.answerer_fingerprint(context.folders, "stub", "auto", "auto", "none"),
    ):
        with pytest.raises(BadInput, match=r"^answerer: .*Did you mean endpoint:stub\? .*--set answerer=PATH may"):
            call()
    with pytest.raises(BadInput) as told:  # no endpoint can be meant there
        models.load_lvlm(context, "stub")
    assert "endpoint" not in told.value.hint and "--set model=PATH" in told.value.hint
    assert models.answering_model(context, "endpoint:stub").model == "m"


def test_a_folder_among_the_models_is_one(context, model, image) -> None:
    folder = context.folders.models[0] / "mine"
    model.module.save_pretrained(folder)
    model.processor.save_pretrained(folder)
    (folder.parent / "other").mkdir()
    (folder.parent / "other" / "config.json").write_text("{}")
    assert models.lvlm_folders(context.folders) == ["mine"]
    mine = models.load_lvlm(context, "mine", device="cpu")
    assert lvlm.query_lvlm(context, mine, Q, image).text == lvlm.query_lvlm(context, model, Q, image).text


def test_what_decides_the_cache_key(context) -> None:
    demo = fingerprints.lvlm_fingerprint(context.folders, "demo", "cpu", "auto", "none")
    assert fingerprints.answerer_fingerprint(context.folders, "demo", "cpu", "auto", "none") == demo
    assert fingerprints.lvlm_fingerprint(context.folders, "demo", "cpu", "bfloat16", "none") != demo
    assert fingerprints.lvlm_fingerprint(context.folders, "demo", "cpu", "float32", "none") == demo


def test_profiles_are_among_the_answerers(context, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(tmp_path / "endpoints.toml"))
    (tmp_path / "endpoints.toml").write_text('[local]\nbase_url = "http://localhost:1/v1"\n')
    assert "endpoint:local" in models.answerers(context.folders)
    (tmp_path / "endpoints.toml").write_text("damaged")
    assert models.answerers(context.folders) == []  # the editor still draws the node
    with pytest.raises(BadInput, match="is not TOML"):
        models.answering_model(context, "endpoint:local")
