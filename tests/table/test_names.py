"""Names of a row's files: what a template gives, and that every file system takes them."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.graph import read_graph
from api_graph.registry import all_nodes
from api_graph.table.binding import Binding
from api_graph.table.manifest import read_manifest
from api_graph.table.map import map_graph
from api_graph.table.names import MOST_BYTES, FileNames, RowName, clean, cut, names_of_files, slug
from api_graph.table.rows import Row

from .runs import picture, records

KEY = "3f9a1b2c3d4e5f607182"
GRAPH = {
    "1": {"class_type": "APLoadImage", "inputs": {"image": "example.png"}, "_meta": {"title": "image"}},
    "2": {"class_type": "APText", "inputs": {"text": "the ring"}, "_meta": {"title": "query"}},
    "3": {"class_type": "APShowText", "inputs": {"value": ["2", 0]}},
    "4": {"class_type": "APSaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "shown"}},
}
DEVICES = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|clock\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)


def name_of(template: str, prefix: str = "map", number: int = 7, **values: Any) -> str:
    binding = Binding(read_graph({"prompt": GRAPH}), all_nodes())
    binding.check(["image", *values])
    row = Row(number, KEY, {"image": "sub/cat.jpeg", **values})
    name = FileNames(template, binding, ["image", *values]).of(row, binding.graph_of(row))
    assert name is not None
    return name(prefix)


@pytest.mark.parametrize(
    ("template", "values", "name"),
    [
        ("{image.stem}_{query.slug}_{key:8}", {}, "cat_the-ring_3f9a1b2c_map"),
        ("{query.slug}", {"query": "What is  RED, and what isn't?"}, "what-is-red-and-what-isn-t_map"),
        ("{query}", {"query": "a/b\\c: d?"}, "a_b_c_ d_map"),
        ("{image}", {}, "sub_cat.jpeg_map"),
        ("{row}-{row:4}", {}, "7-0007_map"),
        ("{key}", {}, f"{KEY}_map"),
        ("{id:3}x", {"id": 12345}, "123x_map"),
        ("{shot.stem}", {"shot": r"C:\pics\a.b.png"}, "a.b_map"),
        ("{shot.stem}", {"shot": "x", "shot.stem": "a column"}, "a column_map"),
        ("{a b}_{c.d.slug}", {"a b": 1, "c.d": "E F"}, "1_e-f_map"),
        # Empty values leave no marks behind.
        ("{image.stem}_{id}_{key:8}", {"id": None}, "cat_3f9a1b2c_map"),
        ("{id}_{note}_{key:8}", {"id": "", "note": ""}, "3f9a1b2c_map"),
        ("{id}", {"id": ""}, "map"),
        ("{{{id}}}", {"id": 3}, "{3}_map"),
        # Windows.
        ("{id}", {"id": "CON"}, "CON_map"),
        ("{id}", {"id": "nul.txt"}, "_nul.txt_map"),
        ("{id}", {"id": "ends. . "}, "ends_map"),
        ("{id}", {"id": ".hidden"}, "hidden_map"),
        ("{id}", {"id": "-rf"}, "rf_map"),
        ("{id}", {"id": "a\nb\x00c\x7fd\ud800e"}, "a_b_c_d_e_map"),
        ("{id}", {"id": "\u202egnp.exe"}, "gnp.exe_map"),
        ("{id.slug}", {"id": "写真 हिन्दी Ünï-çø_dé"}, "写真-हिन्दी-ünï-çø-dé_map"),
        ("{id}", {"id": "e\u0301"}, "é_map"),
    ],
)
def test_what_a_template_gives(template: str, values: dict[str, Any], name: str) -> None:
    assert name_of(template, **values) == name


def test_a_prefix_keeps_its_folder_and_what_is_wrong_with_it() -> None:
    assert name_of("{key:8}", "maps/cat") == "maps/3f9a1b2c_cat"
    assert [name_of("{key:8}", wrong) for wrong in ("", "..", "a/..")] == ["", "..", "a/.."]
    assert name_of("{id}", "con.x", id="") == "_con.x"


def test_long_values_are_cut_and_the_key_is_not() -> None:
    name = name_of("{image.stem}_{query.slug}_{key:8}", query="why " * 500)
    assert name.startswith("cat_why-why-") and name.endswith("why_3f9a1b2c_map")
    assert 95 <= len(f"{name}_00001_.png".encode()) <= MOST_BYTES
    chinese = name_of("{query.slug}_{key:8}", query="字" * 500)
    assert re.fullmatch("字+_3f9a1b2c_map", chinese) and len(f"{chinese}_00001_.png".encode()) in range(98, 101)
    both = name_of("{image.stem}_{query.slug}_{key:8}", image="i" * 300 + ".png", query="q" * 300)
    assert abs(both.count("i") - both.count("q")) <= 1


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(st.text(st.characters()), st.booleans()), min_size=1), st.text(st.characters(), min_size=1))
def test_every_file_system_takes_the_name(parts: list[tuple[str, bool]], prefix: str) -> None:
    given_prefix = prefix.replace("\\", "/").rpartition("/")[2]
    name = RowName(tuple((clean(text), cuttable) for text, cuttable in parts))(prefix).rpartition("/")[2]
    if given_prefix in ("", ".", ".."):
        return
    whole = f"{name}_00001_.png"
    assert len(whole.encode()) <= MOST_BYTES
    assert not set(whole) & set('<>:"/\\|?*') and whole == unicodedata.normalize("NFC", whole)
    assert not any(unicodedata.category(character) in ("Cc", "Cs", "Cf") for character in whole)
    assert not DEVICES.match(whole)


@given(st.text(st.characters()), st.integers(0, 40))
def test_a_cut_is_a_beginning_in_whole_characters(text: str, most: int) -> None:
    text = clean(text)
    found = cut(text, most)
    assert text.startswith(found) and len(found.encode()) <= most
    assert found == text or len(text[: len(found) + 1].encode()) > most


@given(st.text(st.characters()))
def test_a_slug_is_a_slug(text: str) -> None:
    assert slug(slug(text)) == slug(text) and not set(slug(text)) & set(" _./")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("{imgae}", "has a field that is no column and no input: 'imgae' .*There are: key, row, image, id"),
        ("{image.name}", "has a field that is no column and no input"),
        ("{image!r}", "has a field that cannot be read: 'image'"),
        ("{id:8x}", "has a field that cannot be read"),
        ("{image", "cannot be read"),
        ("a/{key}", "has what no file may be called: 'a/'"),
        ("{}", "has a field that is no column and no input: ''"),
    ],
)
def test_a_template_that_cannot_be_used(template: str, said: str) -> None:
    binding = Binding(read_graph({"prompt": GRAPH}), all_nodes())
    with pytest.raises(BadInput, match=rf"^--names: the template of file names {said}"):
        FileNames(template, binding, ["image", "id"])


def test_the_default_has_what_there_is() -> None:
    binding = Binding(read_graph({"prompt": GRAPH}), all_nodes())
    assert names_of_files(None, None, binding, ["image"]) == "{image.stem}_{query.slug}_{key:8}"
    bare = Binding(read_graph({"prompt": {"3": {"class_type": "APShowText", "inputs": {"value": "x"}}}}), all_nodes())
    assert names_of_files(None, None, bare, ["id"]) == "{key:8}"
    assert names_of_files(None, None, bare, ["image"]) == "{image.stem}_{key:8}"


# ------------------------------------------------------------------------------------------ in a folder


def names_in(out: Path) -> list[str]:
    return sorted(Path(name).name for line in records(out) for names in line["files"].values() for name in names)


def test_a_folder_keeps_its_template(tmp_path: Path) -> None:
    for number in range(3):
        picture(tmp_path / f"{number}.png", number)
    rows = [{"image": f"{number}.png"} for number in range(3)]

    def run(count: int, **more: Any) -> None:
        keep = {"keep": ["query"], "cache": False, "input_folders": [tmp_path]}
        list(map_graph(GRAPH, rows[:count], output=tmp_path / "out", **keep, **more))

    with pytest.raises(BadInput, match=r"--names: .* no column and no input: 'imge'"):
        run(1, names="{imge}")
    assert not (tmp_path / "out").exists()
    run(1, names="{image.stem}-{row:3}")
    run(2)
    assert names_in(tmp_path / "out") == ["0-000_shown_00001_.png", "1-001_shown_00001_.png"]
    with pytest.raises(BadInput, match=r"named by '\{image.stem\}-\{row:3\}'"):
        run(3, names="{key}")
    manifest = read_manifest(tmp_path / "out")
    assert manifest is not None and manifest.names == "{image.stem}-{row:3}"


def test_the_default_and_none(tmp_path: Path) -> None:
    picture(tmp_path / "0.png", 0)
    more: dict[str, Any] = {"keep": ["query"], "cache": False, "input_folders": [tmp_path]}
    list(map_graph(GRAPH, [{"image": "0.png"}] * 2, output=tmp_path / "out", **more))
    lines = records(tmp_path / "out")
    assert [line["files"]["4"] for line in lines] == [
        [f"files/{line['key'][:2]}/{line['key']}/0_the-ring_{line['key'][:8]}_shown_00001_.png"] for line in lines
    ]
    list(map_graph(GRAPH, [{"image": "0.png"}], output=tmp_path / "plain", names="", **more))
    assert names_in(tmp_path / "plain") == ["shown_00001_.png"]


def test_several_files_of_a_row_are_apart(tmp_path: Path) -> None:
    picture(tmp_path / "0.png", 0)
    graph = {**GRAPH, "5": GRAPH["4"], "6": {**GRAPH["4"], "inputs": {"images": ["1", 0], "filename_prefix": "Shown"}}}
    more: dict[str, Any] = {"keep": ["query"], "cache": False, "input_folders": [tmp_path]}
    list(map_graph(graph, [{"image": "0.png"}], output=tmp_path / "out", names="{image.stem}", **more))
    assert names_in(tmp_path / "out") == ["0_Shown_00003_.png", "0_shown_00001_.png", "0_shown_00002_.png"]
