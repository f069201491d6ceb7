"""Every row of the paper's tables runs, on the demo model and data in the benchmarks' layouts."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from api_graph.bench.readers.reclip import read_reclip
from api_graph.clip import ClipModel, load_clip
from api_graph.demo.scenes import TEST_SEEDS, Scene, scene
from api_graph.tasks.classification import evaluate_classification
from api_graph.tasks.examples import Benchmark, LabelledClouds, LabelledImage, ReferringExample
from api_graph.tasks.pointcloud.classification import evaluate_point_clouds
from api_graph.tasks.referring import Chooser, evaluate_referring
from api_graph.tasks.rows import CLASSIFICATION, POINT_CLOUDS, REFERRING


@pytest.fixture(scope="module")
def model() -> ClipModel:
    """The demo model is shallower than a ViT-B/16: the code's constant 8 means nothing to it."""
    return load_clip("demo", device="cpu")


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Scene]:
    drawn = scene(TEST_SEEDS[0], width=240, height=210)  # large enough for a circle as the official code draws it
    folder = tmp_path_factory.mktemp("coco")
    drawn.image.save(folder / "COCO_demo_000000000001.jpg")
    return folder, drawn


@pytest.fixture(scope="module")
def examples(picture: tuple[Path, Scene]) -> list[ReferringExample]:
    folder, drawn = picture
    anns = [{"id": i, "bbox": [x, y, r - x, b - y]} for i, (x, y, r, b) in enumerate(o.box for o in drawn.objects)]
    lines = [
        {
            "image_id": 1,
            "file_name": f"COCO_demo_000000000001_{i}.jpg",
            "anns": anns,
            "ann_id": [i],
            "sentences": [{"raw": thing.name}],
        }
        for i, thing in enumerate(drawn.objects)
    ]
    (folder / "refcoco+_testa.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return read_reclip(folder / "refcoco+_testa.jsonl", folder)


@pytest.fixture(autouse=True)
def loud() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("name", REFERRING)
def test_referring(model: ClipModel, examples: list[ReferringExample], name: str) -> None:
    row = REFERRING[name]
    fovea = row.fovea if row.fovea.layers == "last 4" else type(row.fovea)(**{**vars(row.fovea), "layers": "last 4"})
    report = evaluate_referring(examples, Chooser.of(model, row.method, fovea), subtract=row.subtract)
    assert report.sentences == len(examples)
    assert (report.mean_margin == 0) == (name == "no mask")
    assert all(10 < figure < 55 for figure in row.reported.values())


@pytest.mark.parametrize("name", CLASSIFICATION)
def test_classification(model: ClipModel, picture: tuple[Path, Scene], name: str) -> None:
    folder, drawn = picture
    labels = tuple(sorted({o.name for o in drawn.objects}))
    image = folder / "COCO_demo_000000000001.jpg"
    things = tuple(LabelledImage(image, labels.index(o.name), (o.box,), group=o.size) for o in drawn.objects)
    report = evaluate_classification(model, Benchmark("demo", labels, things), str(CLASSIFICATION[name].method))
    assert (report.count, report.top5) == (len(things), 1.0)
    assert list(CLASSIFICATION[name].reported) == ["StanfordDogs", "CUB-200-2011", "ImageNet-S", "Waterbirds"]


@pytest.mark.parametrize("name", POINT_CLOUDS)
def test_point_clouds(model: ClipModel, name: str) -> None:
    clouds = torch.nn.functional.normalize(torch.randn(2, 50, 3, generator=torch.Generator().manual_seed(0)), dim=-1)
    data = LabelledClouds("ModelNet40", ("circle", "star"), clouds, torch.tensor([0, 1]))
    assert evaluate_point_clouds(model, data, str(POINT_CLOUDS[name].method)).count == 2
