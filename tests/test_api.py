"""The public Python API, as a notebook would use it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import open_clip
import pytest
import torch
from PIL import Image

import api_graph
from api_graph.settings import shipped_graphs

PICTURE = shipped_graphs() / "api_graph_example.png"


@pytest.fixture(scope="module")
def model() -> api_graph.ClipModel:
    return api_graph.load_clip()


def test_everything_promised_is_there() -> None:
    for name in api_graph.__all__:
        assert getattr(api_graph, name) is not None
        assert name in dir(api_graph)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = api_graph.nothing  # type: ignore[attr-defined]


def test_annotate_one_image_several_questions(model: api_graph.ClipModel) -> None:
    results = api_graph.annotate(PICTURE, ["the orange star", "the triangle"], model)
    with Image.open(PICTURE) as source:
        original = np.asarray(source.convert("RGB"), dtype=np.float32)
    assert len(results) == 2
    for result in results:
        assert isinstance(result, api_graph.Annotated)
        assert result.image.size == (480, 320)
        assert result.heatmap.shape == (320, 480)
        assert result.heatmap.dtype == torch.float32
        assert 0 <= result.heatmap.min() < result.heatmap.max() <= 1
        # Black behind: what the model gets to see is the image times its heatmap.
        expected = original * result.heatmap.numpy()[..., None]
        assert np.abs(np.asarray(result.image, dtype=np.float32) - expected).max() <= 0.51
    assert not torch.equal(results[0].heatmap, results[1].heatmap)


def test_annotate_images_of_several_sizes_at_once(model: api_graph.ClipModel) -> None:
    pictures = [Image.new("RGB", (64, 48), "red"), Image.open(PICTURE)]
    results = api_graph.annotate(pictures, "the red circle", model, strength=0.0)
    assert [r.image.size for r in results] == [(64, 48), (480, 320)]
    assert np.array_equal(np.asarray(results[0].image), np.asarray(pictures[0]))


def test_annotate_takes_what_each_recipe_takes(model: api_graph.ClipModel) -> None:
    plain, blurred = (
        api_graph.annotate(PICTURE, "the triangle", model, kernel_size=1, background=b) for b in ("black", "blur")
    )
    assert torch.equal(plain.heatmap, blurred.heatmap)
    assert np.asarray(blurred.image).mean() > np.asarray(plain.image).mean()
    grey = api_graph.annotate(PICTURE, "the triangle", model, recipe="reference", kernel_size=1, grey=200)
    assert np.asarray(grey.image).mean() > np.asarray(plain.image).mean()


def test_clip_attribution_of_an_own_model(model: api_graph.ClipModel) -> None:
    """A model built with open_clip and wrapped gives the maps of the one that was loaded."""
    module, _, preprocess = open_clip.create_model_and_transforms(
        "local-dir:" + str(Path(api_graph.__file__).parent / "demo" / "clip")
    )
    tokenizer = open_clip.get_tokenizer("local-dir:" + str(Path(api_graph.__file__).parent / "demo" / "clip"))
    own = api_graph.ClipModel.from_open_clip(module, preprocess, tokenizer)
    expected = api_graph.clip_attribution(PICTURE, ["the triangle"], model)
    maps = api_graph.clip_attribution([PICTURE], ["the triangle"], own)
    bare = api_graph.clip_attribution(
        model=api_graph.ClipModel.from_open_clip(module, None, None),
        pixel_values=preprocess(Image.open(PICTURE))[None],  # type: ignore[operator]
        token_ids=tokenizer(["the triangle"]),
    )
    for field in ("cls", "comp", "combined"):
        values = getattr(maps, field)
        assert values.dtype == torch.float32 and values.device.type == "cpu" and values.ndim == 3
        assert torch.allclose(values, getattr(expected, field), atol=1e-6)
        assert torch.allclose(values, getattr(bare, field), atol=1e-6)
    assert torch.allclose(maps.combined, maps.cls + maps.comp - maps.cls * maps.comp)


def test_run_graph(tmp_path: Path) -> None:
    with Image.open(PICTURE) as source:
        source.resize((240, 160)).save(tmp_path / "photo.jpg")
    outputs = api_graph.run_graph(
        "api_clip",
        {"image": str(tmp_path / "photo.jpg"), "query": "the triangle"},
        cache=tmp_path / "cache",
        output=tmp_path / "out",
        targets=["Mean filter"],
    )
    assert outputs["12"]["mask"].shape == (1, 160, 240)
    files = [file for values in outputs.values() for file in values["files"]]
    assert {f.parent for f in files} == {tmp_path / "out"}
    assert len(files) == 2
    assert "peak at" in outputs["17"]["text"][0]
    assert any((tmp_path / "cache").rglob("*.safetensors"))


def test_run_graph_finds_the_shipped_graph_or_says_so(tmp_path: Path) -> None:
    with pytest.raises(api_graph.ApiGraphError, match="no shipped graph of this name"):
        api_graph.run_graph("no_such_graph", output=tmp_path)
    with pytest.raises(api_graph.BadInput, match="names no single node"):
        api_graph.run_graph("api_clip", cache=False, output=tmp_path, targets=["nothing"])
    with pytest.raises(api_graph.ApiGraphError, match="quer"):
        api_graph.run_graph("api_clip", {"querry": "a"}, cache=False, output=tmp_path)
    with pytest.raises(api_graph.ApiGraphError, match=r'node 1 "image".*no such file'):
        api_graph.run_graph("api_clip", {"image": "gone.png"}, cache=False, output=tmp_path)
