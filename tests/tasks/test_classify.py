"""Zero-shot classification of images and regions, and of point clouds, with the demo model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from api_graph.clip import ClipModel, encode_text, foveal_features, foveal_mask, load_clip
from api_graph.demo.scenes import TEST_SEEDS, Scene, scene
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.tasks.classification import Classification, classified, classify, evaluate_classification
from api_graph.tasks.examples import Benchmark, LabelledClouds, LabelledImage
from api_graph.tasks.features import Fovea, plain_features
from api_graph.tasks.pointcloud.classification import (
    classify_point_cloud,
    evaluate_point_clouds,
    foreground_boxes,
    fused,
    view_features,
)
from api_graph.tasks.pointcloud.project import depth_images, project
from tests.clip.small_models import random_clip


@pytest.fixture(scope="module")
def demo() -> ClipModel:
    return load_clip("demo", device="cpu")


@pytest.fixture(scope="module")
def pictures() -> list[Scene]:
    return [scene(seed) for seed in TEST_SEEDS[:6]]


def names_of(drawn: Scene) -> list[str]:
    return sorted({o.name for o in drawn.objects})


# --- what comes out


def test_a_classification_reads_its_scores() -> None:
    found = Classification(torch.tensor([[0.0, np.log(3.0)], [1.0, 1.0]]), ("cat", "dog"))
    assert found.indices == [1, 0]  # the first of equals
    assert found.names == ["dog", "cat"]
    assert found.top(1) == [[("dog", pytest.approx(0.75))], [("cat", 0.5)]]
    assert [name for name, _ in found.top(9)[1]] == ["cat", "dog"]
    again = Classification.from_storage(*found.to_storage())
    assert torch.equal(again.scores, found.scores) and again.labels == found.labels


def test_features_and_labels_of_two_models() -> None:
    with pytest.raises(BadInput, match="same model"):
        classified(torch.rand(2, 3), torch.rand(4, 5), ("a",) * 4, 1.0)


# --- images


def test_scores_are_scaled_cosines_to_the_labels(demo: ClipModel, pictures: list[Scene]) -> None:
    images = [p.image for p in pictures]
    found = classify(images, ["red circle", "blue star"], demo, templates="a {}")
    texts = encode_text(demo, ["a red circle", "a blue star"])
    expected = F.cosine_similarity(plain_features(demo, images)[:, None], texts[None], dim=-1)
    assert torch.allclose(found.scores, demo.module.logit_scale.exp() * expected, atol=1e-3)  # type: ignore[operator]


@pytest.mark.parametrize("method", ["foveal", "crop", "blur"])
def test_a_region_says_which_object_is_meant(demo: ClipModel, pictures: list[Scene], method: str) -> None:
    hits, count = 0, 0
    for drawn in pictures:
        for thing in drawn.objects:
            found = classify(drawn.image, names_of(drawn), demo, boxes=[thing.box], method=method, alpha=8.0)
            hits += found.names == [thing.name]
            count += 1
    assert hits / count > 0.7  # chance is about a quarter


def test_a_mask_is_its_bounding_rectangle(demo: ClipModel, pictures: list[Scene]) -> None:
    drawn, thing = pictures[0], pictures[0].objects[0]
    by_box = classify(drawn.image, names_of(drawn), demo, boxes=[thing.box])
    by_mask = classify(drawn.image, names_of(drawn), demo, masks=torch.from_numpy(thing.mask)[None].float())
    assert torch.allclose(by_box.scores, by_mask.scores, atol=1e-3)


def test_several_boxes_become_one_mask(demo: ClipModel, pictures: list[Scene]) -> None:
    drawn = pictures[0]
    first, second = (o.box for o in drawn.objects[:2])
    masks = torch.stack([foveal_mask(box, drawn.image.size, demo.tower.grid) for box in (first, second)])
    features = foveal_features(drawn.image, masks.amax(0, keepdim=True), demo)
    expected = F.cosine_similarity(features, encode_text(demo, ["a photo of a star."]))
    found = classify(drawn.image, "star", demo, boxes=[first, second])
    assert float(found.scores) == pytest.approx(float(demo.module.logit_scale.exp() * expected), abs=1e-3)  # type: ignore[operator]


def test_boxes_per_image_and_images_alone_or_together(demo: ClipModel, pictures: list[Scene]) -> None:
    images = [p.image for p in pictures[:3]]
    boxes = [[o.box for o in p.objects[:n]] for p, n in zip(pictures, (1, 2, 3), strict=False)]
    labels = ["red circle", "star"]
    together = classify(images, labels, demo, boxes=boxes)
    for i, image in enumerate(images):
        assert torch.allclose(classify(image, labels, demo, boxes=boxes[i]).scores[0], together.scores[i], atol=1e-3)
    tensors = classify(images, labels, demo, boxes=[torch.tensor(b).double() for b in boxes])
    assert torch.allclose(tensors.scores, together.scores, atol=1e-4)
    one_for_all = classify(images, labels, demo, boxes=torch.tensor(boxes[0]).double())
    assert torch.allclose(one_for_all.scores[0], together.scores[0], atol=1e-3)


def test_alpha_0_and_no_region_are_the_plain_model(demo: ClipModel, pictures: list[Scene]) -> None:
    drawn = pictures[0]
    plain = classify(drawn.image, names_of(drawn), demo).scores
    assert torch.allclose(
        classify(drawn.image, names_of(drawn), demo, boxes=[drawn.objects[0].box], alpha=0.0).scores, plain, atol=1e-3
    )


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"labels": ""}, "there is no label"),
        ({"method": "foveal"}, "this method needs a region"),
        ({"method": "circle"}, "this method needs a region"),
        ({"boxes": [[1, 1, 5, 5]], "masks": torch.ones(1, 160, 160)}, "not both"),
        ({"masks": torch.zeros(1, 160, 160)}, "masks: mask 1 has nothing at or above 0.5"),
        ({"masks": torch.ones(1, 10, 10)}, "Resize the mask"),
        ({"masks": torch.ones(3, 160, 160)}, "masks need the shape"),
        ({"boxes": [[[1, 1, 5, 5]], [[1, 1, 5, 5]]]}, "there are 1 images"),
        ({"boxes": [[900, 1, 905, 5]]}, "outside the image"),
        ({"boxes": []}, "there is no box"),
        ({"templates": "photo of"}, "no template"),
        ({"model": "nothing-like-it"}, "nothing-like-it"),
    ],
)
def test_bad_input(demo: ClipModel, pictures: list[Scene], changes: dict, said: str) -> None:
    arguments = {"model": demo, "image": pictures[0].image, "labels": ["a", "b"], **changes}
    with pytest.raises(BadInput) as caught:
        classify(**arguments)
    assert said in str(caught.value)


def test_a_benchmark(demo: ClipModel, pictures: list[Scene], tmp_path: Path) -> None:
    labels = tuple(sorted({o.name for p in pictures for o in p.objects}))
    examples = []
    for number, drawn in enumerate(pictures):
        drawn.image.save(tmp_path / f"{number}.png")
        thing = drawn.objects[0]
        region = {"boxes": (thing.box,)} if number % 2 else {"mask": partial(np.copy, thing.mask)}
        label = labels.index(thing.name)
        examples.append(LabelledImage(tmp_path / f"{number}.png", label, group=thing.shape, **region))  # type: ignore[arg-type]
    benchmark = Benchmark("demo", labels, tuple(examples))
    done: list[int] = []
    found = evaluate_classification(demo, benchmark, "blur", templates="a {}", batch=4, progress=done.append)
    assert (found.count, done) == (6, [4, 6])
    assert found.top1 > 0.6  # chance: one of about twenty
    assert found.worst is not None and found.worst[1] <= found.top1 <= found.top5
    assert evaluate_classification(demo, benchmark, "blur", templates="a {}") == found
    with pytest.raises(BadInput, match="there is no picture to judge by"):
        evaluate_classification(demo, replace(benchmark, examples=()), "blur")
    plain = evaluate_classification(demo, benchmark, "none", templates="a {}")
    assert plain.top1 < found.top1


def test_a_picture_without_a_box_is_seen_as_it_is(demo: ClipModel, pictures: list[Scene], tmp_path: Path) -> None:
    drawn = pictures[0]
    drawn.image.save(tmp_path / "a.png")
    labels = tuple(names_of(drawn))
    benchmark = Benchmark("demo", labels, (LabelledImage(tmp_path / "a.png", 0),))
    rates = {m: evaluate_classification(demo, benchmark, m).top1 for m in ("none", "foveal", "circle")}
    assert len(set(rates.values())) == 1


# --- point clouds


def cloud(count: int, seed: int = 0) -> torch.Tensor:
    points = torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))
    return points / points.norm(dim=1, keepdim=True)


def test_views_are_fused_with_their_weights() -> None:
    views, classes = torch.randn(2, 6, 5), F.normalize(torch.randn(3, 5), dim=-1)
    betas = [1.0, 0.5, 0.25, 1.0, 0.75, 0.0]
    expected = torch.zeros(2, 3)
    for b in range(2):
        for c in range(3):
            for j, beta in enumerate(betas):
                expected[b, c] += beta * F.cosine_similarity(views[b, j], classes[c], dim=0)
    found = fused(views, classes, ("a", "b", "c"), 7.0, betas)
    assert torch.allclose(found.scores, 7 / 6**0.5 * expected, atol=1e-5)
    assert torch.allclose(
        fused(views, classes, ("a",) * 3, 1.0).scores, fused(views, classes, ("a",) * 3, 1.0, [1] * 6).scores
    )
    for bad in ([1.0], [float("nan")] * 6):
        with pytest.raises(BadInput, match="betas"):
            fused(views, classes, ("a",) * 3, 1.0, bad)


def test_pointclips_concatenation_gives_the_same_numbers() -> None:
    """PointCLIP concatenates the views' unit vectors and the text six times, and normalises the text again."""
    views, classes = F.normalize(torch.randn(1, 6, 5), dim=-1), F.normalize(torch.randn(3, 5), dim=-1)
    repeated = F.normalize(classes.repeat(1, 6), dim=-1)
    expected = 100 * views.flatten(1) @ repeated.T
    assert torch.allclose(fused(views, classes, ("a",) * 3, 100.0).scores, expected, atol=1e-4)


@pytest.mark.parametrize("method", ["none", "foveal", "foveal cells"])
def test_a_cloud_is_classified_alone_as_in_a_batch(demo: ClipModel, method: str) -> None:
    labels = ["circle", "star", "cross"]
    clouds = torch.stack([cloud(300), 0.5 * cloud(300, 1)])
    together = classify_point_cloud(clouds, labels, demo, method=method)
    alone = classify_point_cloud(clouds[1], labels, demo, method=method)
    assert together.scores.shape == (2, 3)
    assert torch.allclose(alone.scores[0], together.scores[1], atol=1e-3)


def test_view_features_are_those_of_the_public_functions() -> None:
    model, points = random_clip(), cloud(200)
    images = depth_images(project(points), model.preprocess.size)
    boxes = foreground_boxes(images[:, 0])
    expected = [
        foveal_features(
            model=model, pixel_values=image[None], masks=foveal_mask(box, (32, 32), (4, 4), alpha=0.7)[None]
        )
        for image, box in zip(images, boxes, strict=True)
    ]
    found = view_features(model, points[None], fovea=Fovea(alpha=0.7))
    assert torch.allclose(found[0], torch.cat(expected), atol=1e-4)
    plain = view_features(model, points[None], "none")
    assert torch.allclose(plain, view_features(model, points[None], fovea=Fovea(alpha=0.0)), atol=1e-4)
    assert Geometry.whole(32, 32).unseen == 0


def test_points_beyond_the_first_1024_do_not_count(demo: ClipModel) -> None:
    labels = ["circle", "star"]
    points = torch.cat([cloud(1024), 0.2 * cloud(500, 3)])
    first = classify_point_cloud(points, labels, demo).scores
    assert torch.allclose(classify_point_cloud(points[:1024], labels, demo).scores, first, atol=1e-4)
    assert not torch.allclose(classify_point_cloud(points, labels, demo, count=None).scores, first, atol=1e-4)


def test_files_arrays_and_clouds_that_are_not_normalised(demo: ClipModel, tmp_path: Path) -> None:
    points = cloud(100)
    labels = ["circle", "star"]
    expected = classify_point_cloud(points, labels, demo, normalize=True).scores
    np.save(tmp_path / "a.npy", points.numpy())
    for given in (tmp_path / "a.npy", str(tmp_path / "a.npy"), points.numpy(), points.tolist(), 40 * points + 7):
        assert torch.allclose(classify_point_cloud(given, labels, demo, normalize=True).scores, expected, atol=2e-3)
    assert classify_point_cloud(points, labels).scores.shape == (1, 2)  # the demo model by default


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"points": [[1.0, 2.0]]}, "points need the shape"),
        ({"points": "none.ply"}, "no such file"),
        ({"method": "circle"}, "there is no such method"),
        ({"betas": [1.0]}, "6 finite weights"),
        ({"count": 0}, "at least one point"),
        ({"labels": []}, "there is no label"),
    ],
)
def test_bad_point_input(demo: ClipModel, changes: dict, said: str) -> None:
    arguments = {"points": cloud(10), "labels": ["a", "b"], "model": demo, **changes}
    with pytest.raises(BadInput) as caught:
        classify_point_cloud(**arguments)
    assert said in str(caught.value)


def test_a_benchmark_of_clouds(demo: ClipModel) -> None:
    points = torch.stack([cloud(64, seed) for seed in range(5)])
    targets = torch.tensor([0, 1, 2, 0, 1])
    benchmark = LabelledClouds("demo", ("circle", "star", "cross"), points, targets)
    done: list[int] = []
    found = evaluate_point_clouds(demo, benchmark, batch=2, progress=done.append)
    with pytest.raises(BadInput, match="there is no cloud to judge by"):
        evaluate_point_clouds(demo, replace(benchmark, points=benchmark.points[:0]))
    assert done == [2, 4, 5]
    names = classify_point_cloud(points, benchmark.labels, demo).indices
    assert found.top1 == pytest.approx(sum(n == t for n, t in zip(names, targets.tolist(), strict=True)) / 5)
    assert (found.count, found.top5, found.worst) == (5, 1.0, None)
