"""`annotate`: one gives one, a list gives a list; with an LVLM it is the graph of the LVLM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from PIL import Image

import api_graph
from api_graph.errors import BadInput
from api_graph.runs import open_graph
from api_graph.settings import shipped_graphs

PICTURE = shipped_graphs() / "api_graph_example.png"
STAR, RING, ASKED = "the orange star", "the yellow ring", "What colour is the ring?"


@pytest.fixture(scope="module")
def clip() -> api_graph.ClipModel:
    return api_graph.load_clip(device="cpu")


@pytest.fixture(scope="module")
def lvlm() -> api_graph.LvlmModel:
    return api_graph.load_lvlm(device="cpu")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    with Image.open(PICTURE) as picture:
        return np.array(picture.convert("RGB"))


@pytest.mark.parametrize("kind", ["clip", "lvlm"])
def test_one_gives_one_and_a_list_gives_a_list(kind: str, pixels: np.ndarray, request: pytest.FixtureRequest) -> None:
    model = request.getfixturevalue(kind)
    one = api_graph.annotate(PICTURE, STAR, model)
    assert isinstance(one, api_graph.Annotated)
    assert one.query == STAR and one.original is not None and np.array_equal(np.asarray(one.original), pixels)
    for image in (pixels, pixels / 255, torch.from_numpy(pixels), PICTURE.read_bytes(), str(PICTURE)):
        same = api_graph.annotate(image, STAR, model)
        assert isinstance(same, api_graph.Annotated) and torch.equal(same.heatmap, one.heatmap)
    small = Image.fromarray(pixels[40:200, 100:300])
    alone = api_graph.annotate(small, STAR, model)
    lists: list[tuple[Any, Any, list[api_graph.Annotated]]] = [
        (PICTURE, [STAR], [one]),
        ([PICTURE], STAR, [one]),
        (pixels[None], STAR, [one]),
        ([PICTURE, small], STAR, [one, alone]),
        (np.stack([pixels, pixels]), STAR, [one, one]),
        ([PICTURE, small], (STAR, STAR), [one, alone]),
    ]
    for image, query, expected in lists:
        found = api_graph.annotate(image, query, model)
        assert isinstance(found, list)
        assert [r.image.size for r in found] == [r.image.size for r in expected]
        for own, other in zip(found, expected, strict=True):
            assert torch.allclose(own.heatmap, other.heatmap, atol=1e-5)
    two = api_graph.annotate(PICTURE, [STAR, RING], model)
    assert [r.query for r in two] == [STAR, RING]
    assert torch.allclose(two[0].heatmap, one.heatmap, atol=1e-5)
    assert not torch.allclose(two[1].heatmap, one.heatmap, atol=1e-2)


@pytest.mark.parametrize("kind", ["clip", "lvlm"])
@pytest.mark.parametrize(
    ("image", "query", "said"),
    [
        ([PICTURE] * 2, [STAR] * 3, "2 images and 3 queries cannot be paired"),
        (PICTURE, [], "quer"),
        (PICTURE, "  ", "query is empty"),
        (PICTURE, [STAR, ""], "query is empty"),
        ([], STAR, "image: expected images"),
        ("https://example.org/a.png", STAR, "this is a URL"),
        (np.zeros((8, 8, 3)) + 99, STAR, "image: an image of floats"),
    ],
)
def test_what_does_not_go_together(
    kind: str, image: Any, query: Any, said: str, request: pytest.FixtureRequest
) -> None:
    with pytest.raises(BadInput, match=said):
        api_graph.annotate(image, query, request.getfixturevalue(kind))


@pytest.mark.parametrize(
    ("graph", "settings"), [("api_lvlm", {}), ("api_lvlm_reference", {"recipe": "reference", "grey": 200})]
)
def test_with_an_lvlm_it_is_the_lvlms_graph(
    graph: str, settings: Any, lvlm: api_graph.LvlmModel, tmp_path: Path
) -> None:
    outputs = api_graph.run_graph(graph, {"query": ASKED}, cache=False, output=tmp_path, device="cpu")
    saved = next(outputs[id] for id, node in open_graph(graph).nodes.items() if node.title == "Annotated image")
    with Image.open(saved["files"][0]) as picture:
        expected = np.asarray(picture.convert("RGB"), np.int16)
    found = np.asarray(api_graph.annotate(PICTURE, ASKED, lvlm, **settings).image, np.int16)
    assert np.abs(found - expected).max() <= 1


def test_many_questions_to_an_lvlm_have_the_maps_of_each_alone(lvlm: api_graph.LvlmModel) -> None:
    """More than go into one batch, in order; and of a batch that fails, the error is that of the question at fault."""
    asked = [
        f"Where is the {colour} {shape}?" for colour in ("red", "blue", "green") for shape in ("ring", "star", "box")
    ]
    found = api_graph.annotate(PICTURE, asked, lvlm)
    assert [one.query for one in found] == asked
    for one in (found[0], found[4], found[8]):
        alone = api_graph.annotate(PICTURE, one.query, lvlm)
        assert torch.allclose(one.heatmap, alone.heatmap, atol=1e-5)
    with pytest.raises(BadInput, match="control token") as error:
        api_graph.annotate(PICTURE, [*asked[:3], "the <image>?", *asked[3:]], lvlm)
    assert error.value.value == "the <image>?"


def test_the_settings_of_an_lvlms_map(lvlm: api_graph.LvlmModel) -> None:
    layers = [api_graph.annotate(PICTURE, ASKED, lvlm, layer=layer).attribution.values for layer in (0, 2)]
    for layer, values in zip((0, 2), layers, strict=True):
        seen = api_graph.lvlm_attribution(PICTURE, ASKED, lvlm, layers=layer).map
        low, high = seen.min(), seen.max()
        assert torch.allclose(values[0], (seen - low) / (high - low), atol=1e-5)
    raw = api_graph.annotate(PICTURE, ASKED, lvlm, normalization="none", kernel_size=1)
    assert torch.equal(raw.attribution.values[0], api_graph.lvlm_attribution(PICTURE, ASKED, lvlm).map)
    for name, value in {"start_layer": 1, "similarity": "cosine", "psi": "cls"}.items():
        wrong: Any = {name: value}
        with pytest.raises(BadInput, match=f"{name}: an LVLM's map has no such setting"):
            api_graph.annotate(PICTURE, ASKED, lvlm, **wrong)
    with pytest.raises(BadInput, match="layer: the decoder's layers are"):
        api_graph.annotate(PICTURE, ASKED, lvlm, layer=99)
    with pytest.raises(BadInput, match="recipe: unknown recipe"):
        api_graph.annotate(PICTURE, ASKED, lvlm, recipe="own")  # type: ignore[call-overload]


def demo_folder(kind: str) -> str:
    return str(Path(api_graph.__file__).parent / "demo" / kind)


def test_a_name_is_a_clip_or_an_lvlm(lvlm: api_graph.LvlmModel, clip: api_graph.ClipModel) -> None:
    for name, model in ((demo_folder("lvlm"), lvlm), (demo_folder("clip"), clip), ("demo", clip)):
        found = api_graph.annotate(PICTURE, STAR, name, device="cpu")
        assert torch.equal(found.heatmap, api_graph.annotate(PICTURE, STAR, model).heatmap)
    assert torch.equal(
        api_graph.annotate(PICTURE, STAR, model=f"local-dir:{demo_folder('clip')}").heatmap,
        api_graph.annotate(PICTURE, STAR, clip).heatmap,
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("llava-1.5", r"model: unknown model \(got 'llava-1\.5'\).*An LVLM is named by its folder, or as ORG/NAME"),
        ("ViT-B-16", "^model: an architecture alone would have random weights"),
        ("ViT-B/16", "^model: an architecture alone would have random weights"),
        ("ViT-B-32/opneai", "^model: ViT-B-32 has no weights of that name.*Did you mean openai"),
        ("ViT-B-23/openai", r"^model: unknown model \(got 'ViT-B-23/openai'\). Did you mean ViT-B-32"),
        ("ViT-B-32/openai", r"^model: the model could not be downloaded.*\(got 'ViT-B-32/openai'\). HF_HUB_OFFLINE is"),
        ("mine", "model: this is an endpoint, and where a model looks is read inside it"),
        ("mine/gpt-4o", "this is an endpoint"),
        ("endpoint:mine", "this is an endpoint"),
        ("api-graph-tests/no-such-lvlm", "model: the model could not be downloaded"),
        ("hf-hub:api-graph-tests/no-such-clip", "model: the model could not be downloaded"),
    ],
)
def test_names_that_lead_nowhere(name: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    (tmp_path / "endpoints.toml").write_text('[mine]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["m"]\n', "utf-8")
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(tmp_path / "endpoints.toml"))
    with pytest.raises(BadInput, match=said):
        api_graph.annotate(PICTURE, STAR, name)


def test_every_function_takes_architecture_and_tag(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the command line and the node Load CLIP do, without asking the hub for an LVLM."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    box = [(1.0, 1.0, 9.0, 9.0)]
    calls: list[Callable[[str], object]] = [
        lambda name: api_graph.annotate(PICTURE, STAR, name),
        lambda name: api_graph.choose_box(PICTURE, box, STAR, name),
        lambda name: api_graph.classify(PICTURE, ["a star"], name),
        lambda name: api_graph.clip_attribution(PICTURE, STAR, name),
    ]
    for call in calls:
        with pytest.raises(BadInput, match=r"^model: ViT-B-32 has no weights of that name .*openai"):
            call("ViT-B-32/nothing")
        with pytest.raises(BadInput, match=r"^model: an architecture alone would have random weights"):
            call("ViT-B-32")


def test_a_loaded_model_stays_where_it_is(clip: api_graph.ClipModel, lvlm: api_graph.LvlmModel) -> None:
    for model in (clip, lvlm):
        api_graph.annotate(PICTURE, STAR, model, device="cpu")
        with pytest.raises(BadInput, match=r"device: the model is loaded already, on cpu.*load_(clip|lvlm)\(name, dev"):
            api_graph.annotate(PICTURE, STAR, model, device="meta")
