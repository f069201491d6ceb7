"""Miniature sets of the FALIP paper's benchmarks in the official layouts: scenes that the demo CLIP knows."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from api_graph.bench.readers.point_clouds import VARIANTS
from api_graph.demo.scenes import Scene, scene
from api_graph.tasks.labels import SCANOBJECTNN
from tests.tasks.files import write

N = 20
LABELS = ("red circle", "blue star", "green cross", "yellow ring", "purple heart", "white square")


def _scenes() -> list[Scene]:
    """Scenes whose first object is one of the labels."""
    found: list[Scene] = []
    seed = 0
    while len(found) < N:
        picture = scene(seed, (1, 3))
        if picture.objects[0].name in LABELS:
            found.append(picture)
        seed += 1
    return found


def _saved(picture: Scene, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.image.save(path, "PNG")


def _names(labels: Sequence[str]) -> list[str]:
    return [f"n{place:08}" for place in range(len(labels))]


def referring(name: str, parts: Sequence[str], *, detected: bool = False) -> Callable[[Path], list[str]]:
    """Of each scene a sentence for its first object, and a second one on every fourth; two images without a box."""

    def make(root: Path) -> list[str]:
        truths: list[str] = []
        detections: dict[str, list[list[int]]] = {}
        for part in parts:
            rows = []
            for number, picture in enumerate(_scenes()):
                file = f"COCO_train2014_{number:012}.jpg"
                _saved(picture, root / "train2014" / file)
                boxes = [[o.box[0], o.box[1], o.box[2] - o.box[0], o.box[3] - o.box[1]] for o in picture.objects]
                text = f"the {picture.objects[0].name}"
                said = [text, f"that {picture.objects[0].name}"] if number % 4 == 0 else [text]
                rows.append(
                    {
                        "image_id": number,
                        "file_name": file.replace(".jpg", f"_{number}.jpg"),
                        "anns": [{"id": place, "bbox": box} for place, box in enumerate(boxes)],
                        "ann_id": 0,
                        "sentences": [{"raw": each} for each in said],
                    }
                )
                truths += [", ".join(f"{edge:.1f}" for edge in picture.objects[0].box)] * len(said)
                detections[str(number)] = [] if number in (3, 7) else boxes
            write(root / f"{name}_{part}.jsonl", "\n".join(map(json.dumps, rows)))
        if detected:
            write(root / f"{name.rstrip('+')}_dets_dict.json", json.dumps(detections))
        return truths

    return make


def dogs(root: Path) -> list[str]:
    folders = [f"{id}-{label.replace(' ', '_')}" for id, label in zip(_names(LABELS), LABELS, strict=True)]
    listed, truths = [], []
    for number, picture in enumerate(_scenes()):
        first = picture.objects[0]
        folder = folders[LABELS.index(first.name)]
        _saved(picture, root / "Images" / folder / f"{number}.jpg")
        edges = zip(("xmin", "ymin", "xmax", "ymax"), first.box, strict=True)
        box = "".join(f"<{side}>{edge}</{side}>" for side, edge in edges)
        text = f"<annotation><object><bndbox>{box}</bndbox></object></annotation>"
        write(root / "Annotation" / folder / str(number), text)
        listed.append(f"{folder}/{number}.jpg")
        truths.append(first.name)
    for folder in folders:
        (root / "Images" / folder).mkdir(parents=True, exist_ok=True)
    write(root / "test_list.txt", "\n".join(listed))
    return truths


def cub(root: Path) -> list[str]:
    """Every fifth picture is one of the train split."""
    images, labels, splits, boxes, truths = [], [], [], [], []
    for number, picture in enumerate(_scenes(), start=1):
        first = picture.objects[0]
        _saved(picture, root / "images" / "x" / f"{number}.jpg")
        images.append(f"{number} x/{number}.jpg")
        labels.append(f"{number} {LABELS.index(first.name) + 1}")
        splits.append(f"{number} {int(number % 5 == 0)}")
        left, top, right, bottom = first.box
        boxes.append(f"{number} {left} {top} {right - left} {bottom - top}")
        if number % 5:
            truths.append(first.name)
    write(root / "images.txt", "\n".join(images))
    write(root / "image_class_labels.txt", "\n".join(labels))
    write(root / "train_test_split.txt", "\n".join(splits))
    write(root / "bounding_boxes.txt", "\n".join(boxes))
    names = [f"{place} {place:03}.{label.replace(' ', '_')}" for place, label in enumerate(LABELS, start=1)]
    write(root / "classes.txt", "\n".join(names))
    return truths


def _synsets(root: Path) -> None:
    lines = [f"{id} {label}, other" for id, label in zip(_names(LABELS), LABELS, strict=True)]
    write(root / "LOC_synset_mapping.txt", "\n".join(lines))


def imagenet_s(root: Path) -> list[str]:
    """One mask is empty: the whole picture counts."""
    _synsets(root)
    write(root / "ImageNetS_categories_im919.txt", "\n".join(_names(LABELS)))
    found: list[tuple[int, int]] = []
    for number, picture in enumerate(_scenes()):
        label = LABELS.index(picture.objects[0].name)
        folder = _names(LABELS)[label]
        _saved(picture, root / "validation" / folder / f"{number:03}.JPEG")
        levels = np.zeros((*picture.objects[0].mask.shape, 3), dtype=np.uint8)
        levels[..., 0] = 0 if number == 2 else picture.objects[0].mask * (label + 1)
        path = root / "validation-segmentation" / folder / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(levels).save(path)
        found.append((label, number))
    return [LABELS[label] for label, _ in sorted(found)]


def imagenet_s_alphaclip(root: Path) -> list[str]:
    _synsets(root)
    items, truths = [], []
    for number, picture in enumerate(_scenes()):
        first = picture.objects[0]
        _saved(picture, root / "val" / f"{number}.JPEG")
        pixels = first.mask.T.reshape(-1).astype(int)  # column by column
        ends = np.flatnonzero(np.diff(pixels)) + 1
        counts = np.diff([0, *ends.tolist(), pixels.size]).tolist()
        mask = {"size": list(first.mask.shape), "counts": counts if not pixels[0] else [0, *counts]}
        wordnet = _names(LABELS)[LABELS.index(first.name)]
        items.append({"image_pth": f"val/{number}.JPEG", "category_word": wordnet, "mask": mask})
        truths.append(first.name)
    write(root / "imagenet_919.json", json.dumps(items))
    return truths


def waterbirds(root: Path) -> list[str]:
    """The demo CLIP knows no birds: what it says is scored all the same."""
    lines, boxes, truths = ["img_id,img_filename,y,split,place,place_filename"], [], []
    for number, picture in enumerate(_scenes(), start=1):
        left, top, right, bottom = picture.objects[0].box
        _saved(picture, root / f"{number}.jpg")
        lines.append(f"{number},{number}.jpg,{number % 2},2,{number // 2 % 2},x")
        boxes.append(f"{number} {left} {top} {right - left} {bottom - top}")
        truths.append("waterbird" if number % 2 else "landbird")
    write(root / "metadata.csv", "\n".join(lines))
    write(root / "bounding_boxes.txt", "\n".join(boxes))
    return truths


def _clouds(path: Path, labels: Sequence[int]) -> None:
    h5py = pytest.importorskip("h5py")
    path.parent.mkdir(parents=True, exist_ok=True)
    points = np.random.RandomState(len(labels)).rand(len(labels), 64, 3).astype(np.float32)
    with h5py.File(path, "w") as file:
        file.update({"data": points, "label": np.asarray(labels)[:, None]})


def modelnet40(root: Path) -> list[str]:
    write(root / "shape_names.txt", "\n".join(label.replace(" ", "_") for label in LABELS))
    write(root / "test_files.txt", "data/ply_data_test0.h5\ndata/ply_data_test1.h5\n")
    kinds = [number % len(LABELS) for number in range(N)]
    _clouds(root / "ply_data_test0.h5", kinds[:12])
    _clouds(root / "ply_data_test1.h5", kinds[12:])
    return [LABELS[kind] for kind in kinds]


def scanobjectnn(root: Path) -> list[str]:
    truths: list[str] = []
    for count, file in zip((6, 7, 7), VARIANTS.values(), strict=True):
        kinds = [(2 * number) % len(SCANOBJECTNN) for number in range(count)]
        _clouds(root / file.format("test"), kinds)
        truths += [SCANOBJECTNN[kind] for kind in kinds]
    return truths


_PLAIN = ("val", "testa", "testb")

BOXES: dict[str, Callable[[Path], list[str]]] = {
    "refcoco": referring("refcoco", _PLAIN),
    "refcoco-plus": referring("refcoco+", _PLAIN),
    "refcocog": referring("refcocog", ("val", "test")),
    "refcoco-detected": referring("refcoco", _PLAIN, detected=True),
    "refcoco-plus-detected": referring("refcoco+", _PLAIN, detected=True),
    "refcocog-detected": referring("refcocog", ("val", "test"), detected=True),
}
LABELLED: dict[str, Callable[[Path], list[str]]] = {
    "dogs": dogs,
    "cub": cub,
    "imagenet-s": imagenet_s,
    "imagenet-s-alphaclip": imagenet_s_alphaclip,
    "waterbirds": waterbirds,
}
CLOUDS: dict[str, Callable[[Path], list[str]]] = {"modelnet40": modelnet40, "scanobjectnn": scanobjectnn}
"""Each writes a set into a folder, and gives the right answers in the order of the items."""
