"""Images × boxes: which box goes on which image is what `pairing` says, in every node that takes both."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import pytest
import torch
from api_graph.nodes import core_compositing
from torch import Tensor

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.pixels.pairing import EVERY, Pairs
from api_graph.registry import all_nodes
from api_graph.sockets import Attribution
from api_graph.spec import NodeSpec, spec_of
from api_graph.tasks.socket_types import BoxScores
from tests.nodes.world import World

NODES = all_nodes()
EACH = "box i on image i"
ALL = "every box on every image"

ONE_MASK_PER_IMAGE = {"APAlphaBlend", "APControlHeatmap", "APOverlay", "APPreviewHeatmap"}
"""A heatmap is made from its image: map i lies on image i, or one on all."""
ONE_IMAGE = {"APSetOfMark", "APChooseMark", "APSmartCrop", "APBoxesToSegs"}
"""They refuse several images."""
OWN_RULES = {"APPasteBack", "APFovea", *(spec_of(function).id for function in core_compositing.NODES)}
"""A crop goes where its placement says, a fovea has all boxes of an image; ComfyUI's nodes repeat the shorter batch."""


def takes_both(spec: NodeSpec) -> bool:
    """Whether a node takes images and, beside them, boxes or masks of objects."""
    sockets = {one.socket for one in spec.inputs}
    if spec.id in OWN_RULES | ONE_IMAGE:
        return False
    regions = {"AP_BOXES"} if spec.id in ONE_MASK_PER_IMAGE else {"AP_BOXES", "MASK", "BOUNDING_BOX"}
    return "IMAGE" in sockets and any(regions & set(socket.split(",")) for socket in sockets)


BOTH = [id for id, spec in NODES.items() if takes_both(spec)]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


def inputs_of(id: str, world: World, images: int, regions: int, **more: Any) -> dict[str, Any]:
    """A call of a node that takes both: images of noise, with so many boxes or masks."""
    size = (160, 160)
    corners = [(10 + 9 * i, 20 + 7 * i, 60 + 11 * i, 90 + 5 * i) for i in range(regions)]
    given: dict[str, Any] = {
        "image": world.noise(images, 160, 160, 3, seed=images),
        "boxes": world.boxes(*corners, size=size),
        "masks": world.masks(*corners, size=size),
        "model": world.clip,
        "segmenter": world.segmenter,
        "marks": "\n".join(map(str, range(regions))),
        "answer": "0",
        "scores": BoxScores(torch.arange(images * regions, 0, -1).float()),
        **more,
    }
    return {name: value for name, value in given.items() if NODES[id].input(name) is not None}


def results_of(id: str, world: World, inputs: dict[str, Any]) -> list[Tensor]:
    """One tensor for each result that the node gives."""
    found = world.seen(NODES[id], NODES[id].function, inputs).result
    if isinstance(found, BadInput):
        raise found
    if id == "APChooseBox":
        return [found.image]
    return list(found.values if isinstance(found, Attribution) else found)


@pytest.mark.parametrize("id", sorted(ONE_IMAGE))
def test_several_images_are_refused(id: str, world: World) -> None:
    with pytest.raises(BadInput, match=r"2 images|one image") as refused:
        results_of(id, world, inputs_of(id, world, 2, 2))
    assert refused.value.input == "image"


def test_the_nodes_that_take_both_are_known() -> None:
    assert {"APDrawCircle", "APOutside", "APCropBoxes", "APDrawBox", "APShade", "APKeypoint"} <= set(BOTH)
    assert {"APContour", "APFgvp", "APFovealMask", "APSegment", "APChooseBox"} <= set(BOTH)


@pytest.mark.parametrize("id", BOTH)
def test_a_node_that_takes_both_has_a_pairing_at_the_end_of_what_0_1_had(id: str) -> None:
    names = [one.name for one in NODES[id].inputs]
    assert "pairing" in names, (
        f"{id} takes images and boxes or masks: append a `pairing: PairingChoice = EVERY`, and pair by Pairs.of"
    )
    pairing = NODES[id].input("pairing")
    assert pairing is not None and pairing.choices == (ALL, EACH) and pairing.default == ALL
    assert pairing.default is EVERY, "a default that is not known for one warns of nothing"


@pytest.mark.parametrize("id", [id for id in BOTH if id != "APChooseBox"])
def test_every_box_goes_on_every_image(id: str, world: World) -> None:
    """2 images × 3 boxes are what each image gives alone, one after the other."""
    inputs = inputs_of(id, world, 2, 3)
    together = results_of(id, world, inputs)
    alone = [results_of(id, world, {**inputs, "image": one}) for one in inputs["image"].split(1)]
    expected = [*itertools.chain(*alone)]
    assert len(together) == 6 and len(alone[0]) == 3
    for found, wanted in zip(together, expected, strict=True):
        assert torch.allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize("id", [id for id in BOTH if id != "APChooseBox"])
def test_box_i_goes_on_image_i(id: str, world: World) -> None:
    inputs = inputs_of(id, world, 3, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ApiGraphWarning)
        every = results_of(id, world, {**inputs, "pairing": ALL})
        pairs = results_of(id, world, {**inputs, "pairing": EACH})
    assert len(every) == 9 and len(pairs) == 3
    for i, found in enumerate(pairs):
        assert torch.equal(found, every[4 * i])  # box i of image i


@pytest.mark.parametrize("id", BOTH)
def test_equal_counts_that_nobody_has_paired_are_warned_of_once(id: str, world: World) -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        results_of(id, world, inputs_of(id, world, 2, 2))
    found = [str(one.message) for one in said if issubclass(one.category, ApiGraphWarning)]
    assert len(found) == 1 and "2 images" in found[0] and "4 results" in found[0] and EACH in found[0]


@pytest.mark.parametrize("id", BOTH)
@pytest.mark.parametrize(("images", "regions"), [(1, 2), (2, 1), (2, 3)])
def test_other_counts_are_no_pairs(id: str, images: int, regions: int, world: World) -> None:
    with pytest.raises(BadInput, match=rf"\({regions}\) is not that of the images \({images}\)") as raised:
        results_of(id, world, inputs_of(id, world, images, regions, pairing=EACH))
    assert raised.value.input in {"boxes", "mask", "masks"} and raised.value.value == regions


@pytest.mark.parametrize("id", [id for id in BOTH if id not in {"APChooseBox", "APSegment"}])
@pytest.mark.parametrize(("images", "regions"), [(1, 1), (1, 3), (3, 1)])
def test_what_0_1_could_not_mean_otherwise_is_as_it_was(id: str, images: int, regions: int, world: World) -> None:
    """One image with many boxes, many images with one box: no warning, as many results as there were."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", ApiGraphWarning)
        found = results_of(id, world, inputs_of(id, world, images, regions))
    assert len(found) == (regions if id == "APFovealMask" else max(images, regions))


@pytest.mark.parametrize("id", [id for id in BOTH if NODES[id].input("together") is not None])
def test_together_is_one_picture_for_each_image(id: str, world: World) -> None:
    inputs = inputs_of(id, world, 3, 3, together=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ApiGraphWarning)  # 0.1 gave the same
        found = results_of(id, world, inputs)
    assert len(found) == 3
    for i in range(3):
        alone = results_of(id, world, {**inputs, "image": inputs["image"][i : i + 1]})
        assert len(alone) == 1 and torch.allclose(found[i], alone[0], atol=1e-6)
    apart = results_of(id, world, {**inputs, "pairing": EACH, "together": False})
    for one, other in zip(results_of(id, world, {**inputs, "pairing": EACH}), apart, strict=True):
        assert torch.equal(one, other)


def test_foveal_masks_follow_the_pairing(world: World) -> None:
    spec, features = NODES["APFovealMask"], NODES["APFovealFeatures"]
    given = inputs_of("APFovealMask", world, 2, 3)
    fovea: Any = spec.function(**given)
    found: Any = features.function(model=world.clip, image=given["image"], fovea=fovea)
    for i, one in enumerate(given["image"].split(1)):
        alone: Any = features.function(model=world.clip, image=one, fovea=spec.function(**{**given, "image": one}))
        assert torch.allclose(found.features[3 * i : 3 * i + 3], alone.features, atol=1e-5)
    joined: Any = spec.function(**given, join="max")
    assert len(joined.values) == 1
    two = inputs_of("APFovealMask", world, 2, 2, join="enclosing", pairing=EACH)
    enclosing: Any = spec.function(**two)
    assert len(enclosing.values) == 2


@pytest.mark.parametrize("count", [3, 5])
def test_masks_that_fit_no_images_are_refused(count: int, world: World) -> None:
    image = world.noise(2, 160, 160, 3)
    fovea = NODES["APFovealMask"].function(**inputs_of("APFovealMask", world, 1, count))
    with pytest.raises(BadInput, match=f"fovea: {count} masks do not go with 2 images"):
        NODES["APFovealFeatures"].function(model=world.clip, image=image, fovea=fovea)


def test_the_best_of_several_images(world: World) -> None:
    """Scores of 2 images × 3 boxes: the fifth is box 1 on image 1."""
    spec = NODES["APChooseBox"]
    given = inputs_of("APChooseBox", world, 2, 3, scores=BoxScores(torch.tensor([0.0, 1, 2, 3, 9, 4])))
    found: Any = spec.function(**given)
    assert found.choice == 1 and found.box.values.tolist() == given["boxes"].values[1:2].tolist()
    assert found.text.startswith("box 1 of 3 on image 1 of 2, ahead by 0.983")
    assert "\n1 on image 1: 0.99" in found.text and "\n2 on image 0: 0.00" in found.text
    left, top, right, bottom = map(int, given["boxes"].values[1].tolist())
    outside = torch.ones(160, 160, dtype=torch.bool)
    outside[top:bottom, left:right] = False
    assert torch.equal(found.image[0][outside], given["image"][1][outside])
    paired: Any = spec.function(
        **{**given, "pairing": EACH, "scores": BoxScores(torch.tensor([1.0, 5.0]))}
        | {"boxes": world.boxes((1, 2, 20, 30), (50, 60, 90, 99))}
    )
    assert paired.choice == 1 and torch.equal(paired.image[0, :40], given["image"][1, :40])
    with pytest.raises(BadInput, match="scores: there are 3 boxes and 2 images, which need 6 scores"):
        spec.function(**{**given, "scores": BoxScores(torch.zeros(3))})


def test_pairs() -> None:
    assert Pairs.of(2, 3, EVERY) == Pairs([0, 0, 0, 1, 1, 1], [0, 1, 2, 0, 1, 2])
    assert Pairs.of(2, 2, "box i on image i") == Pairs([0, 1], [0, 1])
    assert Pairs.of(2, 3, EVERY, together=True) == Pairs([0, 1], None)
    with pytest.raises(BadInput, match="pairing: unknown pairing"):
        Pairs.of(1, 1, "all")  # type: ignore[arg-type]
