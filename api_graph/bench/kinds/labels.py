"""Stanford Dogs, CUB-200-2011, ImageNet-S, Waterbirds, ModelNet40 and ScanObjectNN: what is shown?"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from api_graph.bench.declare import (
    BenchmarkSpec,
    Needed,
    Response,
    Scored,
    Verdict,
    by_category,
    mean_of_groups,
)
from api_graph.bench.readers.point_clouds import VARIANTS, read_modelnet40, read_scanobjectnn
from api_graph.bench.readers.questions import Question, needed
from api_graph.bench.scores import Figure, share_figure
from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.tasks.labels import SCANOBJECTNN

if TYPE_CHECKING:  # the readers import torch, for which nobody waits who only wants to know what there is
    from api_graph.tasks.examples import Benchmark, LabelledClouds, LabelledImage

TOP = 5

TOP_1, TOP_5, MACRO = "top-1", "top-5", "mean of the classes' top-1"


def _constants(labels: Sequence[str]) -> dict[str, str]:
    """What every row has: the labels, and how many of the best are kept."""
    return {"labels": "\n".join(labels), "top": str(min(TOP, len(labels)))}


def _score(question: Question, response: Response) -> Verdict:
    """Whether the first label is the right one: by its place, for two classes may have one name."""
    return Verdict(float(_places(response)[:1] == [question.facts["label"]]))


def _places(response: Response) -> list[object]:
    places = response.values.get("indices")
    return list(places) if isinstance(places, list) else []


def _top_5(scored: Sequence[Scored]) -> list[Figure]:
    """Of answers that list as many."""
    places = [_places(each.response) for each in scored]
    if not all(len(own) >= TOP for own in places):
        return []
    rights = [each.question.facts["label"] in own[:TOP] for each, own in zip(scored, places, strict=True)]
    return [share_figure(TOP_5, rights)]


def _macro(scored: Sequence[Scored]) -> Figure:
    classes: dict[object, list[float]] = {}
    for each in scored:
        classes.setdefault(each.question.facts["label"], []).append(each.value)
    return mean_of_groups(MACRO, list(classes.values()))


def _figures(scored: Sequence[Scored]) -> list[Figure]:
    """Over images, and the mean over classes. Groups are given where there are several, with the worst of them."""
    found = by_category(TOP_1, scored)
    groups = found[1:]
    figures = [found[0], *_top_5(scored), _macro(scored)]
    if len(groups) < 2:
        return figures
    if any("group" in each.question.facts for each in scored):
        worst = min(groups, key=lambda figure: figure.value)
        figures.append(Figure("worst group", worst.value, worst.n, worst.low, worst.high))
    return [*figures, *groups]


def _macro_first(scored: Sequence[Scored]) -> list[Figure]:
    """As the papers on ImageNet-S have it."""
    return sorted(_figures(scored), key=lambda figure: figure.name != MACRO)


# -------------------------------------------------------------------------------------------------------- images


def _images(data: Path, read: Callable[[Path], Benchmark]) -> list[Question]:
    """An item for each picture, with the boxes around what it is to show: the whole picture where there is none."""
    found = read(data)
    items: list[Question] = []
    for example in found.examples:
        if not example.image.is_file():
            problem = f"{found.name}: a picture is not there"
            raise BadInput(problem, input="--data", value=str(example.image), hint="Fetch the benchmark's pictures.")
        facts: dict[str, Json] = {"label": example.label, "boxes": _boxes(example)}
        if example.group:
            facts["group"] = example.group
        id = example.image.relative_to(data).as_posix()
        items.append(Question(id, (example.image,), "", "", (found.labels[example.label],), facts=facts))
    return items


def _boxes(example: LabelledImage) -> list[Json]:
    from api_graph.pixels.read import read_image

    region = example.region()
    if not region:
        width, height = read_image(example.image).size
        return [[0.0, 0.0, float(width), float(height)]]
    return [list(box) for box in region]


def _group(question: Question) -> str | None:
    return str(question.facts["group"]) if "group" in question.facts else None


def _classification(
    name: str,
    title: str,
    about: str,
    needs: Sequence[Needed],
    read: Callable[[Path], Benchmark],
    *,
    metric: str = "top-1, top-5, and the mean over classes",
    figures: Callable[[Sequence[Scored]], Sequence[Figure]] = _figures,
) -> BenchmarkSpec:
    return BenchmarkSpec(
        name=name,
        title=title,
        about=about,
        metric=metric,
        paper="FALIP",
        needs=needs,
        read=lambda data, parts: _images(data, read),
        score=_score,
        figures=figures,
        answer="label",
        category=_group,
        columns=lambda question: {"boxes": question.facts["boxes"]},
        constants=lambda data, parts: _constants(read(data).labels),
    )


def _dogs(data: Path) -> Benchmark:
    from api_graph.bench.readers.dogs import read_dogs

    return read_dogs(data)


def _cub(data: Path) -> Benchmark:
    from api_graph.bench.readers.cub import read_cub

    return read_cub(data)


def _imagenet_s(data: Path) -> Benchmark:
    from api_graph.bench.readers.imagenet_s import read_imagenet_s

    return read_imagenet_s(data, data / _SYNSETS.path, data / "ImageNetS_categories_im919.txt")


def _alpha_clip(data: Path) -> Benchmark:
    from api_graph.bench.readers.imagenet_s import read_alpha_clip

    return read_alpha_clip(data / "imagenet_919.json", data, data / _SYNSETS.path)


def _waterbirds(data: Path) -> Benchmark:
    from api_graph.bench.readers.cub import read_waterbirds

    boxes = needed(data / "bounding_boxes.txt", "Waterbirds", "CUB-200-2011's boxes of the same birds")
    return read_waterbirds(data, boxes)


_SYNSETS = Needed("LOC_synset_mapping.txt", "ImageNet's names")

CLASSIFICATION = (
    _classification(
        "dogs",
        "Stanford Dogs",
        "8,580 pictures of 120 breeds (test)",
        (
            Needed("Images", "Stanford Dogs' images"),
            Needed("Annotation", "Stanford Dogs' annotations"),
            Needed("test_list.*", "Stanford Dogs' lists"),
        ),
        _dogs,
    ),
    _classification(
        "cub",
        "CUB-200-2011",
        "5,794 pictures of 200 birds (test)",
        tuple(
            Needed(file, "CUB_200_2011")
            for file in (
                "images",
                "images.txt",
                "classes.txt",
                "image_class_labels.txt",
                "train_test_split.txt",
                "bounding_boxes.txt",
            )
        ),
        _cub,
    ),
    _classification(
        "imagenet-s",
        "ImageNet-S",
        "12,419 pictures of 919 classes with masks (val), in the official layout",
        (
            Needed("validation", "ImageNet-S, with ImageNet's val pictures"),
            Needed("validation-segmentation", "ImageNet-S"),
            Needed("ImageNetS_categories_im919.txt", "ImageNet-S"),
            _SYNSETS,
        ),
        _imagenet_s,
        figures=_macro_first,
    ),
    _classification(
        "imagenet-s-alphaclip",
        "ImageNet-S, as Alpha-CLIP has it",
        "ImageNet-S by Alpha-CLIP's list",
        (Needed("imagenet_919.json", "Alpha-CLIP's list, beside the pictures that it names"), _SYNSETS),
        _alpha_clip,
        figures=_macro_first,
    ),
    _classification(
        "waterbirds",
        "Waterbirds",
        "5,794 birds pasted onto land and water (test)",
        (Needed("metadata.csv", "Waterbirds"), Needed("bounding_boxes.txt", "CUB-200-2011")),
        _waterbirds,
        metric="top-1 over pictures, of each group and of the worst",
    ),
)


# -------------------------------------------------------------------------------------------------- point clouds


def _clouds(sets: Mapping[str, LabelledClouds]) -> Iterator[Question]:
    """An item for each cloud, whose points are the content of a NumPy file."""
    for part, clouds in sets.items():
        for place, (points, target) in enumerate(zip(clouds.points.numpy(), clouds.targets.tolist(), strict=True)):
            content = io.BytesIO()
            np.save(content, points, allow_pickle=False)
            facts: dict[str, Json] = {"label": target, **({"part": part} if part else {})}
            id = f"{part}/{place}" if part else str(place)
            yield Question(id, (content.getvalue(),), "", "", (clouds.labels[target],), facts=facts)


def _point_clouds(
    name: str,
    title: str,
    about: str,
    needs: Sequence[Needed],
    read: Callable[[Path, Sequence[str]], Mapping[str, LabelledClouds]],
    labels: Callable[[Path], Sequence[str]],
    parts: Sequence[str] = (),
) -> BenchmarkSpec:
    return BenchmarkSpec(
        name=name,
        title=title,
        about=about,
        metric="top-1, top-5, and the mean over classes",
        paper="FALIP",
        needs=needs,
        parts=parts,
        read=lambda data, parts: list(_clouds(read(data, parts))),
        score=_score,
        figures=_figures,
        answer="label",
        file_column="points",
        category=lambda question: str(question.facts["part"]) if "part" in question.facts else None,
        constants=lambda data, parts: _constants(labels(data)),
    )


def _modelnet40(data: Path, parts: Sequence[str]) -> dict[str, LabelledClouds]:
    return {"": read_modelnet40(data)}


def _scanobjectnn(data: Path, parts: Sequence[str]) -> dict[str, LabelledClouds]:
    return {part: read_scanobjectnn(data, part) for part in parts}


POINT_CLOUDS = (
    _point_clouds(
        "modelnet40",
        "ModelNet40",
        "2,468 point clouds of 40 classes (test)",
        (
            Needed("shape_names.txt", "modelnet40_ply_hdf5_2048"),
            Needed("test_files.txt", "modelnet40_ply_hdf5_2048"),
            Needed("ply_data_test*.h5", "modelnet40_ply_hdf5_2048"),
        ),
        _modelnet40,
        lambda data: _modelnet40(data, ())[""].labels,
    ),
    _point_clouds(
        "scanobjectnn",
        "ScanObjectNN",
        "scanned objects of 15 classes (test), in three variants: the paper does not say which it used",
        tuple(Needed(file.format("test"), f"ScanObjectNN's h5_files, {name}") for name, file in VARIANTS.items()),
        _scanobjectnn,
        lambda data: SCANOBJECTNN,
        tuple(VARIANTS),
    ),
)
