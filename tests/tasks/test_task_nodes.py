"""The tasks' nodes: from loaded models and texts to a choice, a label, and what a point cloud is."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from api_graph.nodes import attribution, foveal, tasks

from api_graph.clip import ClipModel, load_clip
from api_graph.context import Context
from api_graph.demo.scenes import TEST_SEEDS, Scene, scene
from api_graph.errors import BadInput
from api_graph.executor.cache.entry import Entry, pack, unpack
from api_graph.folders import Folders
from api_graph.pixels.read import to_tensor
from api_graph.regions import Boxes
from api_graph.spec import NodeSpec, spec_of
from api_graph.tasks.classification import classify
from api_graph.tasks.pointcloud.classification import classify_point_cloud
from api_graph.tasks.referring import choose_box
from api_graph.tasks.socket_types import BoxScores


@pytest.fixture(scope="module")
def model() -> ClipModel:
    return load_clip("demo", device="cpu")


@pytest.fixture(scope="module")
def picture() -> Scene:
    return scene(TEST_SEEDS[1])


@pytest.fixture(scope="module")
def image(picture: Scene) -> torch.Tensor:
    return to_tensor(picture.image)[0]


@pytest.fixture(scope="module")
def boxes(picture: Scene) -> Boxes:
    return Boxes(torch.tensor([o.box for o in picture.objects], dtype=torch.float64), picture.image.size)


def scored(model: ClipModel, image: torch.Tensor, boxes: Boxes, text: str, **options: Any) -> BoxScores:
    fovea = foveal.foveal_mask(model, image, boxes)
    features = foveal.foveal_features(model, image, fovea)
    query = attribution.encode_query(model, tasks.fill_template(text))
    scale = float(model.module.logit_scale.exp())  # type: ignore[operator]
    return tasks.score_boxes(features, query, logit_scale=scale, **options)


def test_a_chain_of_nodes_chooses_as_the_function_does(
    model: ClipModel, picture: Scene, image: torch.Tensor, boxes: Boxes
) -> None:
    for thing in picture.objects:
        found = tasks.choose_box(scored(model, image, boxes, thing.name.upper()), boxes, image)
        expected = choose_box(picture.image, boxes, thing.name, model)
        assert found.choice == expected.index
        assert found.box.values.tolist() == [boxes.values[expected.index].tolist()]
        first, *rest = found.text.splitlines()
        assert first == f"box {expected.index} of {len(boxes)}, ahead by {expected.margin:.3f}"
        left, top, right, bottom = (f"{edge:.0f}" for edge in boxes.values[0].tolist())
        assert rest[0] == f"0: {expected.probabilities[0]:.3f} at ({left}, {top}, {right}, {bottom})"


def test_a_squashed_image_is_seen_as_a_whole(model: ClipModel) -> None:
    wide = torch.rand(1, 100, 300, 3)
    cropping = tasks.resize_mode(model, "shortest")
    corner = foveal.boxes(wide, "0 0 30 100")
    with pytest.raises(BadInput, match="the model sees nothing of box 1"):
        foveal.foveal_mask(cropping, wide, corner)
    squashed = tasks.resize_mode(cropping)
    mask = foveal.foveal_mask(squashed, wide, corner).values[0]
    assert torch.nonzero(mask.any(0)).flatten().tolist() == [0]  # 30 of 300 pixels are in the first of 8 columns
    assert tasks.resize_mode(squashed, "longest").preprocess.geometry(300, 100).unseen == 0
    assert squashed.module is model.module


def test_the_chosen_box_is_drawn(image: torch.Tensor, boxes: Boxes) -> None:
    scores = BoxScores(torch.arange(len(boxes)).float())
    drawn = tasks.choose_box(scores, boxes, image).image
    left, top, right, bottom = boxes.values[-1].int().tolist()
    changed = (drawn != image).any(-1)[0]
    assert changed[top, left:right].all()
    assert drawn[0, top, (left + right) // 2].tolist() == [1, 0, 0]
    changed[top:bottom, left:right] = False
    assert not changed.any()


def test_subtraction_as_in_the_function(model: ClipModel, picture: Scene, image: torch.Tensor, boxes: Boxes) -> None:
    captions = "a red circle\n\nthe Blue star\nsomething green"
    mean = tasks.mean_text(model, captions)
    assert mean.count == 3
    found = scored(model, image, boxes, "a star", subtract=mean).scores
    expected = choose_box(picture.image, boxes, "a star", model, subtract=[c for c in captions.split("\n") if c]).scores
    assert torch.allclose(found, expected, atol=1e-3)
    assert tasks.mean_text(model, captions, count=2).count == 2


def test_scores_are_aggregated() -> None:
    a, b, c = (BoxScores(torch.tensor(values)) for values in ([1.0, 5.0], [4.0, 2.0], [0.0, 9.0]))
    assert tasks.aggregate_scores(a, b).scores.tolist() == [5, 7]
    assert tasks.aggregate_scores(a, b, c, mode="max").scores.tolist() == [4, 9]
    with pytest.raises(BadInput, match="different numbers of boxes"):
        tasks.aggregate_scores(a, BoxScores(torch.zeros(3)))
    with pytest.raises(BadInput, match="there are 3 boxes"):
        tasks.choose_box(a, Boxes(torch.zeros(3, 4).double(), (9, 9)), torch.zeros(1, 9, 9, 3))


def test_templates_are_filled() -> None:
    assert tasks.fill_template(" The Dog ") == "a photo of the dog"
    assert tasks.fill_template("The Dog", "{}!", lower_case=False) == "The Dog!"
    assert len(tasks.template_set("openai").splitlines()) == 80
    with pytest.raises(BadInput, match="no template"):
        tasks.fill_template("dog", "a photo")


def test_regions_are_classified_as_the_function_does(
    model: ClipModel, picture: Scene, image: torch.Tensor, boxes: Boxes
) -> None:
    names = sorted({o.name for o in picture.objects})
    labels = tasks.encode_labels(model, "\n".join(names))
    fovea = foveal.foveal_mask(model, image, boxes, join="max")
    found = tasks.classify(foveal.foveal_features(model, image, fovea), labels, top=2)
    expected = classify(picture.image, names, model, boxes=boxes)
    assert torch.allclose(found.classes.scores, expected.scores, atol=1e-3)
    assert found.label == expected.names[0]
    (best, p), (second, q) = expected.top(2)[0]
    assert found.text == f"{best} {p:.3f}, {second} {q:.3f}"


# --- point clouds


@pytest.fixture
def context(tmp_path: Path) -> Context:
    folders = Folders((tmp_path,), tmp_path / "out", tmp_path / "temp")
    return SimpleNamespace(folders=folders)  # type: ignore[return-value]


def cloud(count: int = 1500) -> np.ndarray:
    points = np.random.RandomState(0).standard_normal((count, 3))
    return points / np.linalg.norm(points, axis=1, keepdims=True)


def test_point_clouds_are_loaded(context: Context, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", 3 * cloud() + 5)
    (tmp_path / "notes.md").write_text("")
    (tmp_path / "b.txt").write_text("0 0 0\n0 0 one\n")
    assert tasks.point_files(context.folders) == ["a.npy", "b.txt"]
    loaded = tasks.load_point_cloud(context, "a.npy").points
    assert loaded.shape == (1, 1024, 3)
    assert float(loaded.norm(dim=-1).max()) == pytest.approx(1)
    assert torch.allclose(loaded.mean(1), torch.zeros(3), atol=1e-5)
    raw = tasks.load_point_cloud(context, "a.npy", 0, False).points
    assert torch.allclose(raw[0], torch.from_numpy(3 * cloud() + 5).float())
    for name, said in (("b.txt", "file: .*line 2, field 'z'"), ("none.ply", "file: there is no such file")):
        with pytest.raises(BadInput, match=said):
            tasks.load_point_cloud(context, name)


def test_the_same_file_under_another_name_is_the_same(context: Context, tmp_path: Path) -> None:
    for name in ("a.txt", "b.txt", "c.csv"):
        (tmp_path / name).write_text("0 0 0\n")
    a, b, c = (tasks.point_fingerprint(context.folders, file=n) for n in ("a.txt", "b.txt", "c.csv"))
    assert a == b != c


def test_point_clouds_are_classified_as_the_function_does(model: ClipModel, context: Context, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", cloud(600))
    points = tasks.load_point_cloud(context, "a.npy", unit=False)
    labels = tasks.encode_labels(model, "circle\nstar", tasks.template_set("point cloud"))
    found = tasks.classify_point_cloud(model, points, labels, weights="1 1, 0.5 1 1 0.25")
    expected = classify_point_cloud(cloud(600), ["circle", "star"], model, betas=[1, 1, 0.5, 1, 1, 0.25])
    assert torch.allclose(found.classes.scores, expected.scores, atol=1e-3)
    for weights in ("one", "1 2"):
        with pytest.raises(BadInput, match="weights"):
            tasks.classify_point_cloud(model, points, labels, weights=weights)


def test_views_are_pictures() -> None:
    near_and_far = tasks.PointClouds(torch.tensor([[[0.0, 0.0, 0.9], [0.5, 0.5, -0.9]]]))
    views = tasks.project_point_cloud(near_and_far, 64)
    assert views.image.shape == (6, 64, 64, 3) and views.mask.shape == (6, 64, 64)
    assert torch.equal(views.image.amax(-1) > 0, views.mask == 1)
    assert float(views.image.min()) == 0 and 0.5 < float(views.image.max()) <= 1
    first = views.image[0, ..., 0]
    assert first.max() > first[first > 0].min()  # what is near is brighter


# --- the contract

SPECS: list[NodeSpec] = [
    spec_of(function)
    for function in (
        tasks.resize_mode,
        tasks.fill_template,
        tasks.score_boxes,
        tasks.aggregate_scores,
        tasks.mean_text,
        tasks.choose_box,
        tasks.template_set,
        tasks.encode_labels,
        tasks.classify,
        tasks.load_point_cloud,
        tasks.project_point_cloud,
        tasks.classify_point_cloud,
    )
]


def test_ids_and_titles_are_their_own() -> None:
    assert len({spec.id for spec in SPECS}) == len({spec.title for spec in SPECS}) == len(SPECS)
    assert all(spec.description and i.description for spec in SPECS for i in spec.inputs if i.adapter)


def test_what_the_nodes_give_can_be_stored(model: ClipModel, image: torch.Tensor, boxes: Boxes) -> None:
    scores = scored(model, image, boxes, "a star")
    labels = tasks.encode_labels(model, "circle\nstar")
    points = tasks.PointClouds(torch.rand(1, 20, 3) - 0.5)
    results = {
        "APScoreBoxes": scores,
        "APMeanText": tasks.mean_text(model, "a\nb"),
        "APChooseBox": tasks.choose_box(scores, boxes, image),
        "APEncodeLabels": labels,
        "APClassify": tasks.classify(foveal.image_features(model, image), labels),
        "APClassifyPointCloud": tasks.classify_point_cloud(model, points, labels),
    }
    for spec in SPECS:
        if spec.id in results:
            outputs = spec.unpack(results[spec.id])
            tensors, described = pack(Entry(tuple([o] for o in outputs)), spec)
            again = unpack(tensors, described, spec)
            assert [type(values[0]) for values in again] == [type(output) for output in outputs]
            packed, _ = pack(Entry(again), spec)
            assert packed.keys() == tensors.keys()
            assert all(torch.equal(packed[name], tensors[name]) for name in tensors)
