"""Tables of questions and boxes, whose cells are untrusted; and the rendered scenes."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

import api_graph
from api_graph.demo.scenes import TEST_SEEDS, scene
from api_graph.errors import BadInput
from api_graph.lvlm.heads.items import SCENE_SEEDS, ItemTable, scene_items
from tests.lvlm.asked import picture, tiny

ROWS = [
    ("a.png", "What colour?", [[30, 16, 60, 40]]),
    ("in/b.png", "Where, exactly?", [[0, 0, 9, 9], [50, 40, 99, 60]]),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "t" / "in").mkdir(parents=True)
    for name, _, _ in ROWS:
        picture().save(tmp_path / "t" / name)
    picture().save(tmp_path / "out.png")
    return tmp_path / "t"


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def test_tables_are_what_the_items_are(folder: Path) -> None:
    model = tiny("llava")
    lines = write(folder / "t.jsonl", [{"image": i, "question": q, "boxes": b, "more": 1} for i, q, b in ROWS])
    table = folder / "t.csv"
    table.write_text(
        'query,boxes,image\nWhat colour?,30 16 60 40,a.png\n"Where, exactly?","[[0,0,9,9],[50,40,99,60]]",in/b.png\n',
        "utf-8",
    )
    expected = api_graph.find_heads(
        model, [(folder / image, question, boxes) for image, question, boxes in ROWS]
    ).record
    for path in (lines, table, str(table)):
        found = api_graph.find_heads(model, path).record
        assert (found.heads, found.made.items_digest) == (expected.heads, expected.made.items_digest)
        assert (found.made.source, found.made.table) == ("table", os.path.basename(path))
    assert len(ItemTable(table, limit=1).items()) == 1
    own = ItemTable(table, lambda name: folder / "a.png")
    assert [item.image for item in own.items()] == [folder / "a.png"] * 2


GOOD = {"image": "a.png", "query": "What?", "boxes": [[0, 0, 9, 9]]}


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({**GOOD, "image": "none.png"}, r"t\.jsonl, line 2, field 'image': there is no such file"),
        ({**GOOD, "image": "../out.png"}, r"line 2, field 'image': there is no such file"),
        ({**GOOD, "image": "/etc/hostname"}, r"line 2, field 'image': there is no such file"),
        ({**GOOD, "image": "link.png"}, r"line 2, field 'image': there is no such file"),
        ({**GOOD, "image": "in"}, r"line 2, field 'image': there is no such file"),
        ({**GOOD, "image": "a\0b"}, r"line 2, field 'image': there is no such file"),
        ({**GOOD, "image": "x" * 5000}, r"line 2, field 'image': there is no such file"),
        ({**GOOD, "image": 7}, r"line 2, field 'image': a text is needed"),
        ({**GOOD, "query": ""}, r"line 2, field 'query': a text is needed"),
        ({"image": "a.png", "boxes": [[0, 0, 9, 9]]}, r"line 2, field 'query': it is missing"),
        ({**GOOD, "question": "Which?"}, r"line 2, field 'question': there is query too"),
        ({**GOOD, "boxes": None}, r"line 2, field 'boxes': it is missing"),
        ({**GOOD, "boxes": 3}, r"t\.jsonl, line 2: boxes: these are no boxes"),
        ({**GOOD, "boxes": "9 9 8"}, r"t\.jsonl, line 2: boxes: line 1 has 3 numbers"),
        ([1], r"line 2: an object is needed"),
    ],
)
def test_rows_that_are_none(row: Any, said: str, folder: Path) -> None:
    (folder / "link.png").symlink_to(folder.parent / "out.png")
    table = write(folder / "t.jsonl", [GOOD, row])
    with pytest.raises(BadInput, match=said):
        api_graph.find_heads(tiny("llava"), table)


def test_tables_that_are_none(folder: Path) -> None:
    model = tiny("llava")
    (folder / "t.xlsx").write_bytes(b"PK")
    (folder / "empty.jsonl").write_text("\n")
    (folder / "other.csv").write_text("picture,question\n")
    for name, said in [
        ("t.xlsx", r"table: a table is a \.csv or a \.jsonl file"),
        ("none.csv", "there is no such file"),
        ("empty.jsonl", "table: the table has no rows"),
        ("other.csv", "field 'image': the column is missing"),
    ]:
        with pytest.raises(BadInput, match=said):
            api_graph.find_heads(model, folder / name)


def test_scenes_are_asked_about_one_object_by_turns() -> None:
    items = list(scene_items(8))
    assert [item.where for item in items] == [item.where for item in scene_items(8)]
    assert set(SCENE_SEEDS).isdisjoint(range(TEST_SEEDS.start, TEST_SEEDS.start + 10))
    colours = ["olor" in item.query or "olour" in item.query for item in items]
    assert 2 < sum(colours) < 6 or colours == [True, False] * 4
    for item in items:
        drawn = scene(int(item.where.split()[-1]), (2, 5))
        assert isinstance(item.boxes, list)
        ((left, top, right, bottom),) = item.boxes
        assert (left, top, right, bottom) in [o.box for o in drawn.objects]
        assert any(word in item.query for o in drawn.objects for word in (o.colour, o.shape))
    with pytest.raises(BadInput, match="scenes: at least one scene is needed"):
        list(scene_items(0))
