"""RefCOCO's JSON Lines: gold and detected boxes, the rules for file names and areas, malformed records."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api_graph.bench.readers.reclip import read_reclip
from api_graph.errors import BadInput
from api_graph.tasks.examples import ReferringExample


def datum(**changes: Any) -> dict[str, Any]:
    return {
        "image_id": 581857,
        "file_name": "COCO_train2014_000000581857_16.jpg",
        "anns": [
            {"id": 1, "bbox": [10, 20, 30, 40], "segmentation": []},
            {"id": 2, "bbox": [0.5, 0.0, 5.0, 5.5]},
        ],
        "ann_id": 2,
        "sentences": [{"raw": "the lady with the blue shirt"}, {"raw": "Lady"}],
        **changes,
    }


def lines(path: Path, *data: Any) -> Path:
    path.write_text("\n".join(json.dumps(d) for d in data), "utf-8")
    return path


def test_gold_boxes(tmp_path: Path) -> None:
    several = datum(ann_id=[1, 2], file_name="COCO_train2014_000000581857.jpg")
    first, second = read_reclip(lines(tmp_path / "refcoco_testa.jsonl", datum(), several), "images")
    assert first == ReferringExample(
        image=Path("images/COCO_train2014_000000581857.jpg"),
        boxes=((10, 20, 40, 60), (0.5, 0, 5.5, 5.5)),
        targets=((0.5, 0, 5.5, 5.5),),
        captions=("the lady with the blue shirt", "Lady"),
    )
    assert second.image == first.image  # a name without the object's number has nothing to strip
    assert second.targets == first.boxes


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("COCO_train2014_000000000009_3.jpg", "COCO_train2014_000000000009.jpg"),
        ("coco_train2014_000000000009_12", "coco_train2014_000000000009.jpg"),
        ("flickr_000000000009_3.jpg", "flickr_000000000009_3.jpg"),
        ("a/b.png", "a/b.png"),
    ],
)
def test_file_names(tmp_path: Path, name: str, file: str) -> None:
    (example,) = read_reclip(lines(tmp_path / "f.jsonl", datum(file_name=name)), "images")
    assert example.image == Path("images") / file


@pytest.mark.parametrize(
    "detections",
    [
        {"581857": [[1, 2, 3, 4], [5, 6, 7, 8]]},
        [
            {"image_id": 581857, "box": [1, 2, 3, 4]},
            {"image_id": 7, "box": [0, 0, 1, 1]},
            {"image_id": 581857, "box": [5, 6, 7, 8]},
        ],
    ],
)
def test_detected_boxes(tmp_path: Path, detections: Any) -> None:
    path = lines(tmp_path / "refcoco_dets_dict.json", detections)
    (example,) = read_reclip(lines(tmp_path / "f.jsonl", datum()), "images", detections=path)
    assert example.boxes == ((1, 2, 4, 6), (5, 6, 12, 14))
    assert example.targets == ((0.5, 0, 5.5, 5.5),)


def test_without_detections_the_candidate_is_the_whole_image(tmp_path: Path) -> None:
    path = lines(tmp_path / "dets.json", {"1": []})
    (example,) = read_reclip(lines(tmp_path / "f.jsonl", datum()), "images", detections=path)
    assert example.candidates((640, 480)) == ((0, 0, 640, 480),)


def test_small_boxes_are_left_out_unless_none_would_be_left() -> None:
    boxes = ((0.0, 0.0, 0.0, 9.0), (0.0, 0.0, 10.0, 10.0), (0.0, 0.0, 50.0, 50.0))
    example = ReferringExample(Path("a"), boxes, boxes, ("x",))
    assert example.candidates((100, 100)) == boxes[1:]
    assert example.candidates((100, 100), area_threshold=0.01) == boxes[2:]  # strictly above
    assert example.candidates((100, 100), area_threshold=0.25) == boxes


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"anns": [{"id": 1, "bbox": [1, 2, 3]}]}, "field 'anns[0].bbox': a list of 4 numbers is needed"),
        ({"anns": [{"id": 1, "bbox": [1, 2, -3, 4]}]}, "field 'anns[0].bbox': a box is x, y, width, height"),
        ({"anns": [{"id": 2, "bbox": [1, 2, float("nan"), 4]}]}, "field 'anns[0].bbox': a finite number"),
        ({"anns": [{"id": 2, "bbox": [1, 2, True, 4]}]}, "field 'anns[0].bbox': a finite number"),
        ({"anns": [7]}, "field 'anns[0]': an object is needed (got 7)"),
        ({"anns": None}, "field 'anns': it is missing"),
        ({"anns": "none"}, "field 'anns': a list is needed"),
        ({"ann_id": 3}, "field 'ann_id': none of the annotations has this id (got 3)"),
        ({"ann_id": []}, "field 'ann_id'"),
        ({"sentences": [{"sent": "x"}]}, "field 'sentences[0].raw': it is missing. There are: sent."),
        ({"sentences": [{"raw": " "}]}, "field 'sentences[0].raw': a text is needed"),
        ({"file_name": "../../etc/passwd"}, "field 'file_name': it leads out of the image folder"),
        ({"file_name": 5}, "field 'file_name': a text is needed"),
    ],
)
def test_a_malformed_record_names_file_line_and_field(tmp_path: Path, changes: dict[str, Any], said: str) -> None:
    path = lines(tmp_path / "refcoco_val.jsonl", datum(), datum(**changes))
    with pytest.raises(BadInput) as caught:
        read_reclip(path, "images")
    assert said in str(caught.value)
    assert f"{path}, line 2" in str(caught.value)


def test_what_is_no_json(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    path.write_text(json.dumps(datum()) + "\n\n{broken", "utf-8")
    with pytest.raises(BadInput, match="line 3: this is no JSON"):
        read_reclip(path, "images")
    with pytest.raises(BadInput, match="line 1: an object is needed"):
        read_reclip(lines(path, [1]), "images")
    path.write_bytes(b"{}\n\xff\xfe")
    with pytest.raises(BadInput, match="line 2: this is not UTF-8"):
        read_reclip(path, "images")
    with pytest.raises(BadInput, match="no such file"):
        read_reclip(tmp_path, "images")


@pytest.mark.parametrize(
    ("detections", "said"),
    [
        ({"x": []}, "field 'x': an image id is a whole number"),
        ({"1": [[1, 2]]}, r"field '1\[0\]': a list of 4 numbers"),
        ([{"image_id": 1}], r"field '\[0\].box': it is missing"),
        ("text", "expected image id"),
    ],
)
def test_malformed_detections(tmp_path: Path, detections: Any, said: str) -> None:
    path = lines(tmp_path / "dets.json", detections)
    with pytest.raises(BadInput, match=said):
        read_reclip(lines(tmp_path / "f.jsonl", datum()), "images", detections=path)
