"""The foveal nodes: the room's functions under their inputs' names, alone and in batches."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from api_graph.nodes import attribution, baselines, foveal

import api_graph
from api_graph.clip import ClipModel, ImageFeatures, encode_queries
from api_graph.clip.unleash import head_reactions
from api_graph.demo.scenes import scene
from api_graph.errors import BadInput
from api_graph.pixels.read import to_tensor
from api_graph.sockets import Attribution
from tests.nodes.rows import called_together

TEXT = "20 30 70 80\n90, 40, 150, 120"


@pytest.fixture(scope="module")
def model() -> ClipModel:
    return api_graph.load_clip("demo", device="cpu")


def picture(seed: int = 0, **size: int) -> torch.Tensor:
    """(1, H, W, 3)."""
    return to_tensor(scene(20_000_000 + seed, **size).image)[0]


def test_boxes_become_masks_become_features(model: ClipModel) -> None:
    image = picture()
    boxes = foveal.boxes(image, TEXT)
    fovea = foveal.foveal_mask(model, image, boxes, alpha=0.5)
    for box, mask in zip(boxes.values, fovea.values, strict=True):
        assert torch.equal(mask, api_graph.foveal_mask(box, (160, 160), model.tower.grid, alpha=0.5))
    found = foveal.foveal_features(model, image, fovea, layers="last 2").features
    expected = api_graph.foveal_features(image, fovea.values, model, layers="last 2")
    assert torch.equal(found, expected)
    assert foveal.foveal_mask(model, image, boxes, join="max").values.shape[0] == 1


def test_masks_and_maps_become_foveas(model: ClipModel) -> None:
    image = picture(width=200, height=160)
    mask = torch.zeros(1, 160, 200)
    mask[:, 40:80, 60:100] = 1
    boxes = foveal.boxes_from_mask(mask)
    assert boxes.values.tolist() == [[60, 40, 100, 80]]
    by_box, by_mask = foveal.foveal_mask(model, image, boxes), foveal.foveal_mask(model, image, mask=mask, shape="box")
    assert torch.equal(by_box.values, by_mask.values)
    assert by_box.geometry == (model.preprocess.geometry(200, 160),)
    two = torch.cat((mask, mask.flip(2)))
    each, union = (foveal.foveal_mask(model, image, mask=two, join=join).values for join in ("each", "max"))
    assert torch.equal(union, each.amax(0, keepdim=True)) and len(each) == 2
    again = foveal.foveal_mask(model, image, attribution=by_box, alpha=0.7)
    assert torch.allclose(again.values, 0.7 * by_box.values / by_box.values.max(), atol=1e-6)


def calls_for(model: ClipModel) -> list[dict[str, Any]]:
    """Three rows, of two sizes and two alphas; one has two images and one mask for both."""
    defaults = {"layers": "last 4", "form": "cls", "unleash_layers": "", "heads": "", "order": "sequential"}
    calls = []
    for image, unleash in ((picture(1), 0.0), (picture(2, width=240), 1.0), (picture(3), 0.0)):
        fovea = foveal.foveal_mask(model, image, foveal.boxes(image, TEXT))
        calls.append({"model": model, "image": image, "fovea": fovea, "unleash": unleash, **defaults})
    calls[2]["image"] = torch.cat((picture(3), picture(4)))
    calls[2]["fovea"] = Attribution(calls[2]["fovea"].values[:1], calls[2]["fovea"].geometry[:1])
    return calls


def test_batched_equals_one_by_one(model: ClipModel) -> None:
    calls = calls_for(model)
    for name, inputs in (
        ("foveal_features", calls),
        ("image_features", [{k: c[k] for k in ("model", "image")} for c in calls]),
    ):
        function = getattr(foveal, name)
        for call, found in zip(inputs, called_together(function, inputs), strict=True):
            assert torch.allclose(found.features, function(**call).features, atol=1e-5)


def test_unleash_of_drawn_images(model: ClipModel) -> None:
    clean = picture()
    drawn = clean.clone()
    drawn[:, 30:34, 20:70] = torch.tensor([1.0, 0.0, 0.0])
    plain = foveal.unleash(model, drawn, clean, gain=0.0).features
    assert torch.allclose(plain, foveal.image_features(model, drawn).features, atol=1e-6)
    found = foveal.unleash(model, drawn, clean, layers="last 2", heads="0").features
    expected = api_graph.foveal_features(
        drawn, model=model, unleash=1.0, heads=[0], unleash_layers="last 2", clean=clean
    )
    assert torch.equal(found, expected)
    assert not torch.allclose(found, plain, atol=1e-4)
    assert torch.allclose(
        foveal.unleash(model, clean, clean).features, foveal.image_features(model, clean).features, atol=1e-5
    )


def test_reactions(model: ClipModel) -> None:
    image = picture()
    fovea = foveal.foveal_mask(model, image, foveal.boxes(image, TEXT))
    figure, text, *figures = foveal.reactions(model, image, fovea, most=2)
    values = head_reactions(model, image, fovea.values)
    layer, head = divmod(int(values.argmax()), values.shape[1])
    assert figure.ndim == 4 and figure.shape[-1] == 3
    assert text.splitlines()[0] == f"layer {layer}, head {head}: {float(values.max()):.4g}"
    assert len(text.splitlines()) == 2
    assert [one[0] for one in figures] == pytest.approx([layer, head, float(values.max())])
    query = encode_queries(model, "a red circle")
    assert foveal.reactions(model, image, fovea, query=query)[1] != text


def test_features_can_be_stored() -> None:
    features = ImageFeatures(torch.rand(2, 3))
    assert torch.equal(ImageFeatures.from_storage(*features.to_storage()).features, features.features)
    with pytest.raises(BadInput, match=r"shape \(B, E\)"):
        ImageFeatures(torch.rand(3))


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"boxes": None}, "boxes: give boxes, a mask or an attribution"),
        ({"mask": torch.ones(1, 160, 160)}, "boxes: give boxes, a mask or an attribution"),
        ({"image": picture(width=200)}, r"boxes: it belongs to an image of 160×160 pixels, not 200×160"),
        ({"boxes": None, "mask": torch.zeros(1, 64, 64)}, "boxes: give boxes, a mask or an attribution"),
        ({"boxes": None, "mask": torch.ones(1, 160, 160), "join": "enclosing"}, "join: only boxes are enclosed"),
        ({"boxes": None, "mask": torch.zeros(1, 160, 160)}, "mask: the model sees nothing of mask 1"),
    ],
)
def test_bad_regions(model: ClipModel, inputs: dict[str, Any], message: str) -> None:
    image = picture()
    with pytest.raises(BadInput, match=message):
        foveal.foveal_mask(**{"model": model, "image": image, "boxes": foveal.boxes(image, TEXT), **inputs})


def test_bad_foveas(model: ClipModel) -> None:
    image = picture()
    fovea = foveal.foveal_mask(model, image, foveal.boxes(image, TEXT))
    with pytest.raises(BadInput, match="fovea: it belongs to an image of 160×160 pixels, not 200×160"):
        foveal.foveal_features(model, picture(width=200), fovea)
    with pytest.raises(BadInput, match="fovea: 2 masks do not go with 3 images"):
        foveal.foveal_features(model, torch.cat([image] * 3), fovea)
    with pytest.raises(BadInput, match="fovea: the model has 10×10 patches"):
        foveal.foveal_features(model, image, Attribution(torch.zeros(2, 5, 5), fovea.geometry))
    cropped = Attribution(fovea.values, (api_graph.geometry.Geometry(160, 160, 10, 10, 150, 150),) * 2)
    with pytest.raises(BadInput, match="fovea: it was made for a model that sees another part"):
        foveal.foveal_features(model, image, cropped)
    with pytest.raises(BadInput, match="heads: it is no list of whole numbers"):
        foveal.foveal_features(model, image, fovea, unleash=1.0, heads="first")


@pytest.mark.parametrize("size", [(60, 80), (3, 40), (4, 3)])
def test_nodes_clamp_what_comfyui_hands_on(model: ClipModel, size: tuple[int, int]) -> None:
    """Other nodes overshoot, and a picture may be three pixels high. In Python both are refused."""
    wild = torch.randn(2, *size, 3, generator=torch.Generator().manual_seed(0)) + 0.5
    tame = wild.clamp(0, 1)
    query = encode_queries(model, ["a ring"])
    for of in (
        lambda image: attribution.encode_image(model, image).contributions,
        lambda image: foveal.image_features(model, image).features,
        lambda image: foveal.unleash(model, image, tame).features,
        lambda image: foveal.unleash(model, tame, image).features,
        lambda image: torch.tensor(foveal.reactions(model, image, clean=tame.flip(1)).changes),
        lambda image: torch.tensor(foveal.reactions(model, tame.flip(1), clean=image).changes),
        lambda image: baselines.baseline(model, image, query).values,
    ):
        assert torch.equal(of(wild), of(tame))
