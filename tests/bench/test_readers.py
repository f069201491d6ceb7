"""The benchmarks' readers on small files in each official layout, and on malformed ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from api_graph.bench.readers.cub import read_cub, read_waterbirds
from api_graph.bench.readers.dogs import read_dogs, read_voc_boxes
from api_graph.bench.readers.imagenet_s import read_alpha_clip, read_class_mask, read_imagenet_s, read_synsets
from tests.tasks.files import complaint, write

# --- CUB-200-2011 and Waterbirds


@pytest.fixture
def cub(tmp_path: Path) -> Path:
    root = tmp_path / "CUB_200_2011"
    write(root / "classes.txt", "1 001.Black_footed_Albatross\n2 002.Laysan_Albatross\n")
    write(root / "images.txt", "1 001.Black_footed_Albatross/a.jpg\n2 002.Laysan_Albatross/b.jpg\n3 002.x/c d.jpg\n")
    write(root / "image_class_labels.txt", "1 1\n2 2\n3 2\n")
    write(root / "train_test_split.txt", "1 0\n2 1\n3 0\n")
    write(root / "bounding_boxes.txt", "1 60.0 27.0 325.0 304.0\n2 1.5 2.0 3.0 4.0\n3 0.0 0.0 5.0 6.0\n")
    return root


def test_cub(cub: Path) -> None:
    test, train = read_cub(cub), read_cub(cub, "train")
    assert test.labels == ("Black footed Albatross", "Laysan Albatross")
    assert [(e.image.name, e.label, e.region()) for e in test.examples] == [
        ("a.jpg", 0, ((60.0, 27.0, 385.0, 331.0),)),
        ("c d.jpg", 1, ((0.0, 0.0, 5.0, 6.0),)),
    ]
    assert [e.image for e in train.examples] == [cub / "images" / "002.Laysan_Albatross" / "b.jpg"]


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("bounding_boxes.txt", "1 60.0 27.0 wide 304.0\n", "line 1, field 'width': a finite number is needed"),
        ("bounding_boxes.txt", "1 60.0 27.0 3.0\n", "line 1, field 'height': it is missing"),
        ("bounding_boxes.txt", "1 0 0 0 3\n", "line 1, field 'width': a box needs sides above 0"),
        ("image_class_labels.txt", "1 1\n2 3\n3 2\n", "line 2, field 'value': the number is not within 1 to 2"),
        ("image_class_labels.txt", "1 1\n", "images.txt, line 2, field 'id': this image has no class label"),
        ("train_test_split.txt", "1 yes\n", "line 1, field 'value': a finite number"),
        ("classes.txt", "1 a\n3 b\n", "classes.txt, field 'id': the classes are not numbered"),
        ("images.txt", "one a.jpg\n", "images.txt, line 1, field 'id'"),
    ],
)
def test_a_malformed_cub_names_file_line_and_field(cub: Path, name: str, text: str, said: str) -> None:
    write(cub / name, text)
    assert said in complaint(read_cub, cub)


WATERBIRDS = (
    "img_id,img_filename,y,split,place,place_filename\n"
    "1,001.Black_footed_Albatross/a.jpg,1,2,0,/f/forest.jpg\n"
    "2,002.Laysan_Albatross/b.jpg,0,2,1,/o/ocean.jpg\n"
    "3,002.Laysan_Albatross/c.jpg,0,0,1,/o/ocean.jpg\n"
)


def test_waterbirds(cub: Path, tmp_path: Path) -> None:
    root = tmp_path / "waterbird_complete95_forest2water2"
    write(root / "metadata.csv", WATERBIRDS)
    read = read_waterbirds(root, cub / "bounding_boxes.txt")
    assert read.labels == ("landbird", "waterbird")
    assert [(e.label, e.group, e.region()) for e in read.examples] == [
        (1, "waterbird on land", ((60.0, 27.0, 385.0, 331.0),)),
        (0, "landbird on water", ((1.5, 2.0, 4.5, 6.0),)),
    ]
    assert [e.region() for e in read_waterbirds(root, split="train").examples] == [()]


def test_malformed_waterbirds(cub: Path, tmp_path: Path) -> None:
    write(tmp_path / "metadata.csv", WATERBIRDS.replace(",0,2,1,", ",2,2,1,"))
    assert "metadata.csv, line 3, field 'y': the number is not within 0 to 1" in complaint(read_waterbirds, tmp_path)
    write(tmp_path / "metadata.csv", WATERBIRDS.replace("place,", "where,"))
    assert "line 1, field 'place': the column is missing" in complaint(read_waterbirds, tmp_path)
    write(tmp_path / "metadata.csv", WATERBIRDS.replace("\n2,", "\n9,"))
    said = complaint(read_waterbirds, tmp_path, cub / "bounding_boxes.txt")
    assert "line 3, field 'img_id': CUB has no box" in said
    assert "there is no such split" in complaint(lambda: read_waterbirds(tmp_path, split="dev"))


# --- Stanford Dogs

VOC = """<annotation><folder>02085620</folder><size><width>333</width></size>
<object><name>Chihuahua</name><bndbox><xmin>25</xmin><ymin>10</ymin><xmax>276</xmax><ymax>498</ymax></bndbox></object>
<object><name>Chihuahua</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></object>
</annotation>"""


@pytest.fixture
def dogs(tmp_path: Path) -> Path:
    breeds = ("n02085620-Chihuahua", "n02085782-Japanese_spaniel")
    for breed, name in zip(breeds, ("n02085620_7", "n02085782_2"), strict=True):
        write(tmp_path / "Images" / breed / f"{name}.jpg", "")
        write(tmp_path / "Annotation" / breed / name, VOC)
    lines = "n02085782-Japanese_spaniel/n02085782_2.jpg\nn02085620-Chihuahua/n02085620_7.jpg\n"
    write(tmp_path / "test_list.txt", lines)
    return tmp_path


def test_stanford_dogs(dogs: Path) -> None:
    read = read_dogs(dogs)
    assert read.labels == ("Chihuahua", "Japanese spaniel")
    assert [e.label for e in read.examples] == [1, 0]
    assert read.examples[1].image == dogs / "Images" / "n02085620-Chihuahua" / "n02085620_7.jpg"
    assert read.examples[1].region() == ((25, 10, 276, 498), (1, 2, 3, 4))


def test_the_dogs_own_list_is_a_matlab_file(dogs: Path) -> None:
    (dogs / "test_list.txt").rename(dogs / "aside.txt")
    assert "there is no such list" in complaint(read_dogs, dogs)
    cells = np.empty((2, 1), dtype=object)  # a column of MATLAB cells with a text each
    cells[:, 0] = (dogs / "aside.txt").read_text().split()
    savemat(dogs / "test_list.mat", {"file_list": cells})
    assert [e.label for e in read_dogs(dogs).examples] == [1, 0]
    savemat(dogs / "test_list.mat", {"other": cells})
    assert "test_list.mat, field 'file_list': it cannot be read" in complaint(read_dogs, dogs)
    write(dogs / "test_list.mat", "")
    assert "test_list.mat, field 'file_list': it cannot be read" in complaint(read_dogs, dogs)


def test_malformed_dogs(dogs: Path) -> None:
    write(dogs / "test_list.txt", "n02085620-Chihuahua/n02085620_7.jpg\ncats/tom.jpg\n")
    assert "test_list.txt, line 2, field 'file': it names none of the breeds" in complaint(read_dogs, dogs)
    assert "no folder Images" in complaint(read_dogs, dogs / "Images")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (VOC.replace("<ymin>10</ymin>", ""), "field 'object[0].ymin': it is missing"),
        (VOC.replace("<xmax>3<", "<xmax>three<"), "field 'object[1].xmax': a finite number is needed (got 'three')"),
        (VOC.replace("<xmax>276<", "<xmax>24<"), "field 'object[0].bndbox': a box needs sides above 0"),
        (VOC.replace("</annotation>", ""), "line 4: this is no XML"),
        ("<annotation/>", "field 'object/bndbox': it holds no object"),
        ('<!DOCTYPE a [<!ENTITY b "ha">]>' + VOC, "no document type and no entities"),
        ("<annotation>&b;</annotation>", "this is no XML"),
    ],
)
def test_malformed_voc(tmp_path: Path, text: str, said: str) -> None:
    said_of = complaint(read_voc_boxes, write(tmp_path / "n02085620_7", text))
    assert said in said_of and "n02085620_7" in said_of


def test_an_annotation_that_hides_its_entities_in_another_encoding_is_refused(tmp_path: Path) -> None:
    bomb = '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE a [<!ENTITY b "ha">]>' + VOC
    (tmp_path / "bomb").write_bytes(bomb.encode("utf-16"))
    assert "this is not UTF-8 text" in complaint(read_voc_boxes, tmp_path / "bomb")


def test_a_huge_annotation_is_not_read(tmp_path: Path) -> None:
    assert "larger than" in complaint(read_voc_boxes, write(tmp_path / "huge", VOC + " " * (1 << 20)))


# --- ImageNet-S

SYNSETS = "n01440764 tench, Tinca tinca\nn01443537 goldfish, Carassius auratus\n"


@pytest.fixture
def synsets(tmp_path: Path) -> Path:
    return write(tmp_path / "LOC_synset_mapping.txt", SYNSETS)


def test_synsets(synsets: Path) -> None:
    assert read_synsets(synsets) == {"n01440764": "tench", "n01443537": "goldfish"}


def test_imagenet_s(tmp_path: Path, synsets: Path) -> None:
    categories = write(tmp_path / "ImageNetS_categories_im919.txt", "n01443537\nn01440764\n")
    write(tmp_path / "validation" / "n01440764" / "ILSVRC2012_val_1.JPEG", "")
    levels = np.zeros((4, 6, 3), dtype=np.uint8)
    levels[1:3, 2:5, 0] = 2  # class 2: R + 256·G
    levels[0, 0] = (2, 1, 0)  # class 258
    (tmp_path / "validation-segmentation" / "n01440764").mkdir(parents=True)
    png = tmp_path / "validation-segmentation" / "n01440764" / "ILSVRC2012_val_1.png"
    Image.fromarray(levels).save(png)
    read = read_imagenet_s(tmp_path, synsets, categories)
    assert read.labels == ("goldfish", "tench")
    (example,) = read.examples
    assert (example.label, example.region()) == (1, ((2.0, 1.0, 5.0, 3.0),))
    assert np.argwhere(read_class_mask(png, 258)).tolist() == [[0, 0]]
    assert "no pictures" in complaint(read_imagenet_s, tmp_path / "validation", synsets, categories)
    write(categories, "n01443537\ngoldfish\n")
    assert "im919.txt, line 2, field 'id': the list of names" in complaint(
        read_imagenet_s, tmp_path, synsets, categories
    )


def alpha_clip(**changes: Any) -> dict[str, Any]:
    mask = {"size": [3, 4], "counts": [4, 2, 1, 2, 3]}
    return {"image_pth": "val/a.JPEG", "category_word": "n01443537", "mask": mask, **changes}


def test_alpha_clips_imagenet_s(tmp_path: Path, synsets: Path) -> None:
    path = tmp_path / "imagenet_919.json"
    write(path, json.dumps([alpha_clip(), alpha_clip(category_word="n01440764")]))
    read = read_alpha_clip(path, tmp_path, synsets)
    assert read.labels == ("tench", "goldfish")
    assert [e.label for e in read.examples] == [1, 0]
    # Columns: 000 0|11 0|11 000: rows 1 and 2 of columns 1 and 2
    assert read.examples[0].region() == ((1.0, 1.0, 3.0, 3.0),)
    assert read.examples[0].image == tmp_path / "val" / "a.JPEG"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"category_word": "n00000000"}, "field '[0].category_word': the list of names does not hold"),
        ({"mask": "xyz"}, "field '[0].mask': COCO run lengths"),
        ({"mask": {"size": [3], "counts": []}}, "field '[0].mask.size': a list of 2 numbers"),
        ({"image_pth": None}, "field '[0].image_pth': it is missing"),
    ],
)
def test_malformed_alpha_clip(tmp_path: Path, synsets: Path, changes: dict[str, Any], said: str) -> None:
    path = write(tmp_path / "imagenet_919.json", json.dumps([alpha_clip(**changes)]))
    assert said in complaint(read_alpha_clip, path, tmp_path, synsets)


def test_an_alpha_clip_mask_is_complained_of_when_it_is_decoded(tmp_path: Path, synsets: Path) -> None:
    short = alpha_clip(mask={"size": [3, 4], "counts": [4, 2]})
    path = write(tmp_path / "imagenet_919.json", json.dumps([short]))
    (example,) = read_alpha_clip(path, tmp_path, synsets).examples
    said = complaint(example.region)
    assert "imagenet_919.json, field '[0].mask.counts': the runs do not add up to 3 × 4" in said
