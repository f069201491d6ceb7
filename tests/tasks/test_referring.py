"""Choosing boxes: with the demo model on rendered scenes, with random models, and through the benchmark's loop."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest
import torch
from PIL import Image

from api_graph.bench.readers.reclip import read_reclip
from api_graph.clip import ClipModel, encode_text, foveal_features, foveal_mask, load_clip
from api_graph.demo.scenes import TEST_SEEDS, Scene, scene
from api_graph.errors import BadInput
from api_graph.pixels.prompts import draw_circle
from api_graph.pixels.read import to_tensor
from api_graph.regions import Boxes
from api_graph.tasks.examples import ReferringExample
from api_graph.tasks.features import Fovea, box_features, plain_features, seeing
from api_graph.tasks.prompt_methods import METHODS, prompt_method, prompt_methods
from api_graph.tasks.referring import Chooser, choose_box, evaluate_referring
from api_graph.tasks.scores import score_boxes
from tests.clip.small_models import random_clip


@pytest.fixture(scope="module")
def demo() -> ClipModel:
    return load_clip("demo", device="cpu")


@pytest.fixture(scope="module")
def picture() -> Scene:
    return scene(TEST_SEEDS[0], (4, 4), width=200, height=120)


@pytest.fixture(scope="module")
def boxes(picture: Scene) -> list[tuple[int, int, int, int]]:
    return [o.box for o in picture.objects]


DRAWN = [method for method in METHODS if method not in ("none", "foveal")]
METHODS = [
    *METHODS,
    "circle+foveal",
    "foveal + blur",
    "circle:falip",
    "outside:fgvp_grey",
    "crop:fgvp",
    "circle+replace v",
]


@pytest.mark.parametrize("method", METHODS)
def test_every_method_scores_every_box(demo: ClipModel, picture: Scene, boxes: list, method: str) -> None:
    with warnings.catch_warnings():
        # The reference draws a circle of no width on small images, and says so.
        warnings.filterwarnings("ignore", message="nothing is drawn")
        choice = choose_box(picture.image, boxes, picture.objects[1].name, demo, method)
    assert choice.scores.shape == (len(boxes),)
    assert choice.scores[choice.index] == choice.scores.max()
    assert (choice.margin == 0) == (method == "none")


@pytest.mark.parametrize("method", ["foveal", "crop", "blur"])
def test_the_object_that_is_named_is_chosen(demo: ClipModel, method: str) -> None:
    hits, count = 0, 0
    for seed in TEST_SEEDS[:12]:
        drawn = scene(seed)
        chooser = Chooser.of(demo, method)
        own = drawn.unique_objects()
        for chosen, target in zip(
            chooser.choose(drawn.image, [o.box for o in drawn.objects], [o.name for o in own]), own, strict=True
        ):
            hits += drawn.objects[chosen.index] is target
            count += 1
    assert hits / count > 0.75  # chance is about a quarter


def test_without_a_prompt_the_first_box_is_chosen(demo: ClipModel, picture: Scene, boxes: list) -> None:
    for thing in picture.objects:
        choice = choose_box(picture.image, boxes, thing.name, demo, "none")
        assert (choice.index, choice.margin) == (0, 0)
        assert choice.scores.tolist() == [choice.scores[0]] * len(boxes)


def test_alpha_0_is_no_prompt(demo: ClipModel, picture: Scene, boxes: list) -> None:
    foveal = choose_box(picture.image, boxes, "a red star", demo, "foveal", alpha=0.0)
    plain = choose_box(picture.image, boxes, "a red star", demo, "none")
    assert torch.allclose(foveal.scores, plain.scores, atol=1e-3)
    assert foveal.index == 0


def test_foveal_scores_are_those_of_the_public_functions(demo: ClipModel, picture: Scene, boxes: list) -> None:
    squashed = seeing(demo, "squash")
    masks = torch.stack([foveal_mask(box, (200, 120), demo.tower.grid, alpha=0.5) for box in boxes])
    features = foveal_features(picture.image, masks, squashed, layers="all")
    expected = 100 * torch.cosine_similarity(features, encode_text(demo, "a photo of a red star"))
    choice = choose_box(picture.image, boxes, "A red STAR", demo, alpha=0.5, layers="all")
    scale = float(demo.module.logit_scale.exp()) / 100  # type: ignore[operator]
    assert torch.allclose(choice.scores, scale * expected, atol=1e-3)


def test_permuting_the_boxes_permutes_the_scores(demo: ClipModel, picture: Scene, boxes: list) -> None:
    order = [2, 0, 3, 1]
    scores = choose_box(picture.image, boxes, "a star", demo).scores
    permuted = choose_box(picture.image, [boxes[i] for i in order], "a star", demo).scores
    assert torch.allclose(permuted, scores[order], atol=1e-3)


def test_equal_boxes_tie_and_the_first_is_chosen(demo: ClipModel, picture: Scene, boxes: list) -> None:
    choice = choose_box(picture.image, [boxes[1], boxes[1]], "a star", demo)
    assert choice.index == 0
    assert choice.margin < 1e-3
    assert choose_box(picture.image, boxes[:1], "a star", demo).margin == 1.0


def test_ensembles_add_what_their_members_score(demo: ClipModel, picture: Scene, boxes: list) -> None:
    apart = [choose_box(picture.image, boxes, "a star", demo, method).scores for method in ("foveal", "crop")]
    summed = choose_box(picture.image, boxes, "a star", demo, ["foveal", "crop"]).scores
    best = choose_box(picture.image, boxes, "a star", demo, ["foveal", "crop"], aggregate="max").scores
    assert torch.allclose(summed, apart[0] + apart[1], atol=1e-3)
    assert torch.allclose(best, torch.maximum(*apart), atol=1e-3)
    twice = choose_box(picture.image, boxes, "a star", [demo, demo]).scores
    assert torch.allclose(twice, 2 * apart[0], atol=1e-3)


def test_subtracting_the_caption_itself_makes_all_boxes_tie(demo: ClipModel, picture: Scene, boxes: list) -> None:
    choice = choose_box(picture.image, boxes, "a red star", demo, subtract=["a RED star"])
    assert choice.scores.abs().max() < 1e-3
    other = choose_box(picture.image, boxes, "a red star", demo, subtract=["a blue ring", "a heart"])
    assert other.scores.abs().max() > 0.1


@pytest.mark.parametrize("method", ["circle", "foveal", "circle+foveal"])
def test_unleash_changes_what_a_prompt_does(demo: ClipModel, picture: Scene, boxes: list, method: str) -> None:
    plain = choose_box(picture.image, boxes, "a star", demo, method).scores
    unleashed = choose_box(picture.image, boxes, "a star", demo, method, unleash=1.0).scores
    assert (plain - unleashed).abs().max() > 1e-2


def test_unleashed_circles_react_to_the_clean_image(demo: ClipModel, picture: Scene, boxes: list) -> None:
    image = to_tensor(picture.image)[0]
    values = torch.tensor(boxes, dtype=torch.float64)
    drawn = draw_circle(image, values)
    expected = foveal_features(drawn, None, demo, unleash=0.7, clean=image)
    assert torch.allclose(
        box_features(demo, image, values, prompt_method("circle"), Fovea(unleash=0.7)), expected, atol=1e-4
    )


def test_shade_is_named_in_the_text(demo: ClipModel, picture: Scene, boxes: list) -> None:
    own = choose_box(picture.image, boxes, "A star", demo, "shade").scores
    said = choose_box(picture.image, boxes, "A star", demo, "shade", template="{} is in red color.").scores
    other = choose_box(picture.image, boxes, "A star", demo, "shade", template="a photo of {}").scores
    assert torch.equal(own, said)
    assert not torch.allclose(own, other)


def test_boxes_come_in_many_forms(demo: ClipModel, picture: Scene, boxes: list) -> None:
    expected = choose_box(picture.image, boxes, "a star", demo).scores
    values = torch.tensor(boxes, dtype=torch.float64)
    xywh = torch.cat([values[:, :2], values[:, 2:] - values[:, :2]], 1)
    share = values / torch.tensor([200, 120, 200, 120])
    for given, format in (
        (values, "xyxy"),
        (values.numpy(), "xyxy"),
        (Boxes(values, (200, 120)), "xyxy"),
        ("\n".join(" ".join(map(str, b)) for b in boxes), "xyxy"),
        (xywh, "xywh"),
        (share, "normalized"),
    ):
        scores = choose_box(picture.image, given, "a star", demo, format=format).scores
        assert torch.allclose(scores, expected, atol=1e-3)


def test_a_long_image_is_seen_as_a_whole(demo: ClipModel) -> None:
    wide = Image.new("RGB", (400, 100), "grey")
    corners = [[0, 0, 40, 100], [360, 0, 400, 100]]
    cropping = seeing(demo, "shortest")
    expected = choose_box(wide, corners, "a star", demo).scores
    assert torch.equal(choose_box(wide, corners, "a star", cropping).scores, expected)
    with pytest.raises(BadInput, match="the model sees nothing of box 1"):
        choose_box(wide, corners, "a star", cropping, resize_mode="model")
    assert seeing(demo, "model") is demo


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"query": " "}, "query: the text is empty"),
        ({"boxes": []}, "boxes: there is no box"),
        ({"boxes": [[500, 500, 510, 510]]}, "box 1 lies outside the image"),
        ({"boxes": [[30, 0, 10, 10]]}, "box 1 has a negative width"),
        ({"boxes": [[0, 0, 10]]}, "box 1 has 3 numbers"),
        ({"method": "square"}, "method: there is no such method"),
        ({"method": "circle+blur"}, "method: there is no such method"),
        ({"method": "foveal+foveal"}, "method: there is no such method"),
        ({"method": "none+foveal"}, "method: there is no such method"),
        ({"method": "circle:falipp"}, "Did you mean falip"),
        ({"method": "replace v"}, "there is no such method"),
        ({"method": "circle+foveal+replace v"}, "there is no such method"),
        ({"method": "square:falip"}, "there is no such method"),
        ({"method": "crop+foveal"}, "a crop shows nothing but the box"),
        ({"method": []}, "there is no method"),
        ({"method": 3}, "there is no"),
        ({"model": []}, "there is no model"),
        ({"model": "demmo"}, "demmo"),
        ({"aggregate": "mean"}, "unknown aggregation"),
        ({"resize_mode": "crop"}, "unknown resize mode"),
        ({"template": "a photo of"}, "no template"),
        ({"alpha": float("nan")}, "alpha"),
        ({"layers": "last"}, "layers"),
        ({"form": "row"}, "form"),
        ({"image": torch.rand(2, 80, 80, 3)}, "one image is needed"),
    ],
)
def test_bad_input(demo: ClipModel, picture: Scene, boxes: list, changes: dict, said: str) -> None:
    arguments = {"model": demo, "image": picture.image, "boxes": boxes, "query": "a star", **changes}
    with pytest.raises(BadInput) as caught:
        choose_box(**arguments)
    assert said in str(caught.value)


def test_plain_features_are_the_models_own() -> None:
    for model in (random_clip(), random_clip(custom_text=True)):
        pixels = torch.randn(3, 3, *model.preprocess.size)
        expected = model.module.encode_image(pixels)  # type: ignore[operator]
        assert torch.allclose(plain_features(model, pixel_values=pixels), expected, atol=1e-5)


def test_prompt_methods_of_convolutional_models_need_no_patches() -> None:
    model = random_clip(layers=(1, 1, 1, 1), width=8, head_width=8, image_size=32, patch_size=None)
    features = box_features(model, torch.rand(1, 50, 40, 3), torch.tensor([[0.0, 0, 20, 20]]), prompt_method("crop"))
    assert features.shape == (1, 24)


def test_prompt_methods_keep_their_order() -> None:
    assert [method.name for method in prompt_methods(["crop", "circle+foveal"])] == ["crop", "circle+foveal"]


# --- the benchmark


@pytest.fixture(scope="module")
def benchmark(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rendered scenes in ReCLIP's layout; as targets the objects that their names alone tell apart."""
    folder = tmp_path_factory.mktemp("refdemo")
    lines = []
    for image_id, seed in enumerate(TEST_SEEDS[:8]):
        drawn = scene(seed)
        name = f"COCO_demo_{image_id:012d}"
        drawn.image.save(folder / f"{name}.jpg", quality=95)
        anns = [
            {"id": 10 * image_id + i, "bbox": [o.box[0], o.box[1], o.box[2] - o.box[0], o.box[3] - o.box[1]]}
            for i, o in enumerate(drawn.objects)
        ]
        for number, thing in enumerate(drawn.objects):
            if thing in drawn.unique_objects():
                lines.append(
                    {
                        "image_id": image_id,
                        "file_name": f"{name}_{number}.jpg",
                        "anns": anns,
                        "ann_id": 10 * image_id + number,
                        "sentences": [{"raw": f"The {thing.name}"}, {"raw": thing.name}],
                    }
                )
    (folder / "demo.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def test_the_benchmark_without_a_prompt_is_the_rate_of_the_first_box(demo: ClipModel, benchmark: Path) -> None:
    examples = read_reclip(benchmark / "demo.jsonl", benchmark)
    report = evaluate_referring(examples, Chooser.of(demo, "none"))
    assert report.sentences == 2 * len(examples)
    assert report.accuracy == report.first_box
    assert report.mean_margin == 0


def test_the_benchmark_with_falip_and_with_subtraction(demo: ClipModel, benchmark: Path) -> None:
    examples = read_reclip(benchmark / "demo.jsonl", benchmark)
    done: list[int] = []
    plain = evaluate_referring(examples, Chooser.of(demo), progress=done.append)
    assert plain.accuracy > plain.first_box + 0.3
    assert done == list(range(1, len(examples) + 1))
    subtracted = [evaluate_referring(examples, Chooser.of(demo), subtract=5, seed=seed) for seed in (1, 1, 2)]
    assert subtracted[0] == subtracted[1]
    assert subtracted[0].mean_margin != subtracted[2].mean_margin
    with pytest.raises(BadInput, match="no sentence"):
        evaluate_referring([], Chooser.of(demo))


def test_the_benchmark_with_detected_boxes(demo: ClipModel, benchmark: Path) -> None:
    (benchmark / "dets.json").write_text(json.dumps({"0": [[0, 0, 160, 160]]}))
    examples = read_reclip(benchmark / "demo.jsonl", benchmark, detections=benchmark / "dets.json")
    report = evaluate_referring(examples, Chooser.of(demo))
    assert report.accuracy == 0  # the one candidate is the whole image, of which no object fills half
    assert report.mean_margin == 1


def test_one_vector_scores_as_a_batch_of_one(demo: ClipModel) -> None:
    features, text = torch.rand(3, 5), torch.rand(5)
    assert torch.equal(score_boxes(features, text), score_boxes(features, text[None])[0])


def test_just_half_of_the_target_is_no_hit(demo: ClipModel, benchmark: Path) -> None:
    """In 32 bits the IoU of these boxes is 0.50000006."""
    (picture,) = {example.image for example in read_reclip(benchmark / "demo.jsonl", benchmark)[:1]}
    half, target = (12.4, 12.7, 34.1, 33.4), (12.4, 12.7, 34.1, 54.1)
    report = evaluate_referring([ReferringExample(picture, (half,), (target,), ("a ring",))], Chooser.of(demo))
    assert report.accuracy == report.first_box == 0
    with pytest.raises(BadInput, match="area_threshold: it is a share of the image"):
        evaluate_referring(
            [ReferringExample(picture, (half,), (target,), ("a ring",))], Chooser.of(demo), area_threshold=5
        )
