"""Lines end at \\n: what else Python's splitlines takes for a line end stands inside texts, and stays there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from api_graph.bench.readers.cub import read_cub
from api_graph.bench.readers.dogs import read_dogs
from api_graph.bench.readers.imagenet_s import read_imagenet_s, read_synsets
from api_graph.bench.readers.reclip import read_reclip
from api_graph.tasks.labels import read_labels
from api_graph.tasks.record import csv_rows, json_lines, spaced_lines, text_lines
from tests.tasks.files import write

CASE = Path(__file__).parents[3] / "shared" / "cases" / "reclip" / "u2028.jsonl"

INSIDE = ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1d", "\x1e"]


@pytest.fixture(params=INSIDE, ids=lambda one: f"U+{ord(one):04X}")
def odd(request: pytest.FixtureRequest) -> str:
    """A text that splitlines would part in two."""
    text = f"left{request.param}right"
    assert len(text.splitlines()) == 2
    return text


def test_lines_of_a_text(odd: str) -> None:
    assert text_lines(f"{odd}\nb\r\n\nc") == [odd, "b", "", "c"]
    assert text_lines(f"{odd}\rb\r") == [odd, "b"]
    assert text_lines("") == [] and text_lines("\n") == [""]


def test_json_lines(tmp_path: Path, odd: str) -> None:
    # json.dumps would escape control characters, which JSON does not allow raw; the others stand as they are
    texts = [json.dumps({"text": odd}, ensure_ascii=False), "", json.dumps({"text": "b"})]
    for end in ("\n", "\r\n"):
        read = list(json_lines(write(tmp_path / "a.jsonl", end.join(texts))))
        assert [(one.line, one.text("text")) for one in read] == [(1, odd), (3, "b")]


def test_a_carriage_return_between_fields_ends_no_line(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(b'{"a": 1,\r "b": 2}')
    (read,) = json_lines(tmp_path / "a.jsonl")
    assert read.fields == {"a": 1, "b": 2}


def test_reclip(tmp_path: Path, odd: str) -> None:
    datum = {
        "image_id": 1,
        "file_name": "a_1.jpg",
        "ann_id": 7,
        "anns": [{"id": 7, "bbox": [1, 2, 3, 4]}],
        "sentences": [{"raw": odd}],
    }
    (example,) = read_reclip(write(tmp_path / "f.jsonl", json.dumps(datum, ensure_ascii=False) + "\n"), "images")
    assert example.captions == (odd,) and example.boxes == ((1, 2, 4, 6),)


def test_tables_and_lists(tmp_path: Path, odd: str) -> None:
    (row,) = csv_rows(write(tmp_path / "a.csv", f"name,n\n{odd},1\n"), ["name"])
    assert row.text("name") == odd
    read = list(spaced_lines(write(tmp_path / "a.txt", f"1 {odd}\n2 b\n"), ["id", "name"]))
    assert [(one.line, one.fields["name"]) for one in read] == [(1, odd), (2, "b")]
    assert read_labels(write(tmp_path / "labels.txt", f"{odd}\nb\n")) == (odd, "b")
    assert read_synsets(write(tmp_path / "names.txt", f"n01440764 {odd}, tench\n")) == {"n01440764": odd}


def test_benchmarks(tmp_path: Path, odd: str) -> None:
    file = f"n02085620-Chihuahua/{odd}.jpg"
    (tmp_path / "Images" / "n02085620-Chihuahua").mkdir(parents=True)
    write(tmp_path / "test_list.txt", f"{file}\n")
    voc = "<annotation><object><bndbox>{}</bndbox></object></annotation>"
    box = "".join(f"<{side}>{n}</{side}>" for n, side in enumerate(("xmin", "ymin", "xmax", "ymax"), 1))
    write(tmp_path / "Annotation" / "n02085620-Chihuahua" / odd, voc.format(box))
    (dog,) = read_dogs(tmp_path).examples
    assert dog.image == tmp_path / "Images" / file
    root = tmp_path / "CUB_200_2011"
    write(root / "classes.txt", "1 a\n")
    write(root / "images.txt", f"1 a/{odd}.jpg\n")
    write(root / "image_class_labels.txt", "1 1\n")
    write(root / "train_test_split.txt", "1 0\n")
    write(root / "bounding_boxes.txt", "1 1 2 3 4\n")
    (bird,) = read_cub(root).examples
    assert bird.image == root / "images" / "a" / f"{odd}.jpg"


def test_a_category_of_imagenet_s_is_named_by_its_own_line(tmp_path: Path) -> None:
    names = write(tmp_path / "names.txt", "n00000001 one\n")
    with pytest.raises(ValueError, match=r"categories.txt, line 3"):
        read_imagenet_s(tmp_path, names, write(tmp_path / "categories.txt", "n00000001\n\nn00000002\n"))


@pytest.mark.skipif(not CASE.is_file(), reason="the shared cases are not here")
def test_the_case_is_read() -> None:
    examples = read_reclip(CASE, "images")
    lines = [line for line in CASE.read_bytes().split(b"\n") if line.strip()]
    assert len(examples) == len(lines)
