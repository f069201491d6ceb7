"""What FALIP is judged on: nodes/tasks.py."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from api_graph.clip import ClipModel, ImageFeatures, QueryFeatures
from api_graph.context import Context
from api_graph.pixels.prompts import draw_box
from api_graph.regions import Boxes
from api_graph.tasks.classification import Classification, classified
from api_graph.tasks.features import Fovea, seeing
from api_graph.tasks.pointcloud.classification import fused, view_features
from api_graph.tasks.pointcloud.project import depth_images, project, unit_sphere
from api_graph.tasks.scores import score_boxes
from api_graph.tasks.socket_types import BoxScores, LabelFeatures, MeanText, PointClouds
from api_graph.tasks.subtract import mean_text, sample_captions
from api_graph.tasks.templates import TEMPLATES, template_texts
from tests.nodes.case import Case, Unseen, at, case, refused
from tests.nodes.world import World


@case("APResizeMode")
def resize_mode(world: World) -> Case:
    return Case(
        lambda model, mode: seeing(model, mode),
        given={"model": world.clip},
        others={"model": at(world.other_clip), "mode": [at("longest"), at("shortest")]},
        view=lambda model: (model.module, model.preprocess, model.name),
    )


@case("APFillTemplate")
def fill_template(world: World) -> Case:
    def expected(text: str, template: str, lower_case: bool) -> str:
        return template.replace("{}", text.strip().lower() if lower_case else text.strip())

    return Case(
        expected,
        given={"text": " The Dog "},
        others={"text": at("A Cat"), "template": at("Here is {}!"), "lower_case": at(False)},
        refusals=[refused("template", template="a photo")],
    )


@case("APScoreBoxes")
def scored(world: World) -> Case:
    def expected(
        features: ImageFeatures, query: QueryFeatures, subtract: MeanText | None, logit_scale: float
    ) -> BoxScores:
        negatives = None if subtract is None else subtract.vector
        return BoxScores(score_boxes(features.features, query.features[0], logit_scale, negatives=negatives))

    queries = [QueryFeatures(world.noise(count, 8, seed=count), ("text",) * count) for count in (1, 2)]
    return Case(
        expected,
        given={"features": ImageFeatures(world.noise(3, 8, seed=3)), "query": queries[0]},
        others={
            "features": at(ImageFeatures(world.noise(3, 8, seed=4))),
            "query": at(queries[1]),
            "subtract": at(MeanText(world.noise(8, seed=5) / 9, 3)),
            "logit_scale": at(10.0),
        },
    )


@case("APAggregateScores")
def aggregate_scores(world: World) -> Case:
    def expected(first: Any, second: Any, third: Any, fourth: Any, mode: str) -> BoxScores:
        given = torch.stack([one.scores for one in (first, second, third, fourth) if one is not None])
        return BoxScores(given.sum(0) if mode == "sum" else given.amax(0))

    scores = [BoxScores(world.noise(4, seed=seed)) for seed in range(6)]
    return Case(
        expected,
        given={"first": scores[0], "second": scores[1]},
        others={
            "first": at(scores[2]),
            "second": at(scores[3]),
            "third": at(scores[4]),
            "fourth": at(scores[5], third=scores[4]),
            "mode": at("max"),
        },
        refusals=[refused("second", second=BoxScores(world.noise(3)))],
    )


@case("APMeanText")
def mean_of_captions(world: World) -> Case:
    def expected(model: ClipModel, captions: str, template: str, count: int, seed: int) -> MeanText:
        drawn = sample_captions([line for line in captions.splitlines() if line.strip()], count, seed=seed)
        return MeanText(mean_text(model, drawn, template), len(drawn))

    return Case(
        expected,
        given={"model": world.clip, "captions": "a red circle\n\nthe blue star\nsomething green\na ring"},
        others={
            "model": at(world.other_clip),
            "captions": at("a yellow ring"),
            "template": at("here is {}"),
            "count": at(2),
            "seed": at(3, count=2),
        },
        refusals=[refused("template", template="a photo"), refused("captions", captions=" \n")],
    )


@case("APChooseBox")
def choose_box(world: World) -> Case:
    def expected(scores: BoxScores, boxes: Boxes, image: Tensor, pairing: str) -> tuple[object, ...]:
        chances = scores.scores.softmax(0)
        best, second = chances.sort(descending=True).values[:2].tolist()
        choice = int(scores.scores.argmax())
        chosen = Boxes(boxes.values[choice][None], boxes.size)
        lines = [f"box {choice} of {len(boxes)}, ahead by {best - second:.3f}"]
        for number, (p, box) in enumerate(zip(chances.tolist(), boxes.values.tolist(), strict=True)):
            left, top, right, bottom = (f"{edge:.0f}" for edge in box)
            lines.append(f"{number}: {p:.3f} at ({left}, {top}, {right}, {bottom})")
        picture, corners = draw_box(image, chosen.values), boxes.values[choice].tolist()
        return choice, "\n".join(lines), picture, chosen, best - second, chances.tolist(), corners

    size = (60, 50)
    return Case(
        expected,
        given={
            "scores": BoxScores(torch.tensor([0.5, 2.0, 1.0])),
            "boxes": world.boxes((1, 2, 20, 30), (10, 20, 50, 40), (5, 5, 30, 30), size=size),
            "image": world.noise(1, 50, 60, 3, seed=1),
        },
        others={
            "scores": at(BoxScores(torch.tensor([3.0, 2.0, 1.0]))),
            "boxes": at(world.boxes((1, 2, 20, 30), (20, 10, 40, 45), (5, 5, 30, 30), size=size)),
            "image": at(world.noise(1, 50, 60, 3, seed=2)),
            "pairing": Unseen("one image has one pairing; tests/nodes/test_pairing.py tries several"),
        },
        refusals=[refused("scores", scores=BoxScores(torch.zeros(2))), refused("boxes", pairing="box i on image i")],
    )


@case("APChooseMark")
def choose_mark(world: World) -> Case:
    def expected(answer: str, marks: str, masks: Tensor, image: Tensor) -> tuple[object, ...]:
        names = marks.split()
        if answer not in names:
            said = f"no mark is chosen: the answer names none of {', '.join(names)}, or several"
            return -1, said, image, torch.zeros(1, *masks.shape[1:])
        index = names.index(answer)
        rows, columns = masks[index].nonzero(as_tuple=True)
        box = [int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1]
        picture = draw_box(image, torch.tensor([box], dtype=torch.float64))
        told = f"mark {answer} of {len(names)}, at ({', '.join(map(str, box))})"
        return index, told, picture, masks[index : index + 1]

    masks = torch.zeros(3, 50, 60)
    masks[0, 2:30, 1:20] = masks[1, 20:40, 10:50] = masks[2, 5:30, 5:30] = 1
    return Case(
        expected,
        given={"answer": "2", "marks": "1\n2\n3", "masks": masks, "image": world.noise(1, 50, 60, 3, seed=1)},
        others={
            "answer": [at("3"), at("a star")],
            "marks": at("2\n1\n3"),
            "masks": at(masks.flip(1)),
            "image": at(world.noise(1, 50, 60, 3, seed=2)),
        },
        refusals=[
            refused("marks", marks="1\n2"),
            refused("masks", masks=torch.zeros(1, 64, 64)),
            refused("masks", masks=torch.zeros(3, 50, 60)),
            refused("image", image=world.noise(2, 50, 60, 3, seed=1)),
        ],
    )


@case("APTemplates")
def template_set(world: World) -> Case:
    names = [*(name for name in TEMPLATES if name != "photo"), "openai"]
    return Case(lambda name: "\n".join(template_texts(name)), given={}, others={"name": [at(name) for name in names]})


@case("APEncodeLabels")
def encode_labels(world: World) -> Case:
    return Case(
        lambda model, labels, templates: LabelFeatures.of(model, labels, templates.splitlines()),
        given={"model": world.clip, "labels": "circle\nstar"},
        others={
            "model": at(world.other_clip),
            "labels": at("ring\nsquare\nstar"),
            "templates": at("a {}.\nthe {}."),
        },
        refusals=[refused("templates", templates="a photo"), refused("labels", labels=" ")],
    )


def verdict(classes: Classification, top: int) -> tuple[object, ...]:
    """The best label and the `top` best of each row."""
    lines = [", ".join(f"{label} {p:.3f}" for label, p in row) for row in classes.top(top)]
    found = [pair for row in classes.top(top) for pair in row]
    best, chances = [label for label, _ in found], [p for _, p in found]
    indices = [classes.labels.index(label) for label in best]
    first = "\n".join(row[0][0] for row in classes.top(1))
    return first, "\n".join(lines), classes, best, chances, indices


def labels_of(world: World, seed: int, size: int) -> LabelFeatures:
    unit = torch.nn.functional.normalize(world.noise(7, size, seed=seed) - 0.5, dim=-1)
    return LabelFeatures(unit, tuple("abcdefg"), 20.0 + seed)


@case("APClassify")
def classify(world: World) -> Case:
    return Case(
        lambda features, labels, top: verdict(
            classified(features.features, labels.features, labels.labels, labels.scale), top
        ),
        given={"features": ImageFeatures(world.noise(2, 8, seed=1)), "labels": labels_of(world, 1, 8)},
        others={
            "features": at(ImageFeatures(world.noise(1, 8, seed=2))),
            "labels": at(labels_of(world, 2, 8)),
            "top": at(2),
        },
    )


@case("APLoadPointCloud")
def load_point_cloud(world: World) -> Case:
    def expected(context: Context, file: str, count: int, unit: bool, columns: str) -> PointClouds:
        points = torch.from_numpy(np.load(context.folders.inputs[0] / file)).float()
        points = points[:, [int(number) - 1 for number in columns.split()]] if columns else points
        points = points[:count] if count else points
        return PointClouds((unit_sphere(points) if unit else points)[None])

    return Case(
        expected,
        given={"file": world.cloud_file("a.npy", 1, 1500)},
        others={
            "file": at(world.cloud_file("b.npy", 2, 90)),
            "count": [at(10), at(0)],
            "unit": at(False),
            "columns": at("3 1 2"),
        },
        refusals=[
            refused("file", file="nowhere.ply"),
            refused("columns", columns="4 5 6"),
            refused("file", file=world.file("bad.txt", lambda path: path.write_text("0 0 one\n"))),
        ],
    )


@case("APProjectPointCloud")
def project_point_cloud(world: World) -> Case:
    def expected(points: PointClouds, side: int) -> tuple[Tensor, Tensor]:
        depth = depth_images(project(points.points), (side, side))[:, 0]
        there = (depth > 0).float()
        bright = there * (1 - 0.75 * depth / depth.amax((1, 2), keepdim=True).clamp(min=1e-6))
        return bright[..., None].repeat(1, 1, 1, 3), there

    clouds = [PointClouds(unit_sphere(world.noise(50, 3, seed=seed))[None]) for seed in (1, 2)]
    return Case(expected, given={"points": clouds[0]}, others={"points": at(clouds[1]), "side": at(64)})


@case("APClassifyPointCloud")
def classify_point_cloud(world: World) -> Case:
    def expected(
        model: ClipModel,
        points: PointClouds,
        labels: LabelFeatures,
        method: str,
        alpha: float,
        sigma: float,
        layers: str,
        weights: str,
        top: int,
    ) -> tuple[object, ...]:
        fovea = Fovea(alpha=alpha, sigma=sigma, layers=layers)
        betas = [float(word) for word in weights.replace(",", " ").split()] or None
        views = view_features(model, points.points, method, fovea)
        return verdict(fused(views, labels.features, labels.labels, labels.scale, betas), top)

    clouds = [PointClouds(unit_sphere(world.noise(50, 3, seed=seed))[None]) for seed in (1, 2)]
    size = 128  # of the demo's space of texts
    return Case(
        expected,
        given={"model": world.clip, "points": clouds[0], "labels": labels_of(world, 1, size)},
        others={
            "model": at(world.other_clip),
            "points": at(clouds[1]),
            "labels": at(labels_of(world, 2, size)),
            "method": [at("foveal cells"), at("none")],
            "alpha": at(2.0),
            "sigma": at(1.0),
            "layers": at("last 1"),
            "weights": at("1 1, 0.5 1 1 0.25"),
            "top": at(2),
        },
        refusals=[refused("weights", weights="1 2"), refused("weights", weights="one"), refused("layers", layers="9")],
    )
