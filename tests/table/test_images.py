"""Pictures as rows: which are taken, under which names, in which order."""

from __future__ import annotations

import glob
import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.table.formats import images
from api_graph.table.formats.images import passed_over_in_words, split_glob
from api_graph.table.map import map_graph
from api_graph.table.rows import Table, open_table

links = pytest.mark.skipif(sys.platform == "win32", reason="needs links")


def make(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def names_in(table: Table) -> list[str]:
    rows = list(table)
    assert table.count() == len(rows)
    assert all(row.values.keys() == {"image"} and row.fault is None for row in rows)
    return [row.values["image"] for row in rows]


def test_a_folder_in_the_order_in_which_people_count(tmp_path: Path) -> None:
    make(tmp_path, "10.png", "9.png", "b/2.JPG", "b/10.jpg", "b/1/x.webp", "a2/x.gif", "a10/x.tiff", "01.png", "1.png")
    make(tmp_path, "notes.txt", "b/rows.csv", "png", "x.png.part")
    table = open_table(tmp_path)
    assert (table.kind, table.base, table.columns) == ("folder", tmp_path, ("image",))
    assert names_in(table) == [
        "01.png",
        "1.png",
        "9.png",
        "10.png",
        "a2/x.gif",
        "a10/x.tiff",
        "b/1/x.webp",
        "b/2.JPG",
        "b/10.jpg",
    ]


def test_hidden_files_are_left_out(tmp_path: Path) -> None:
    make(tmp_path, "a.png", "._a.png", ".thumbnails/a.png", "b/.hidden/c.png")
    assert names_in(open_table(tmp_path)) == ["a.png"]


@links
def test_links_that_lead_out_are_not_followed(tmp_path: Path) -> None:
    make(tmp_path, "outside/secret.png", "pics/real.png", "pics/deep/b.png")
    pics = tmp_path / "pics"
    (pics / "out.png").symlink_to(tmp_path / "outside" / "secret.png")
    (pics / "out").symlink_to(tmp_path / "outside")
    (pics / "round").symlink_to(pics)
    (pics / "again.png").symlink_to(pics / "deep" / "b.png")
    (pics / "nowhere.png").symlink_to(pics / "gone.png")
    (pics / "folder.png").mkdir()
    for source in (pics, f"{pics}/**", f"{pics}/**/*.png"):
        assert names_in(open_table(source)) == ["again.png", "deep/b.png", "real.png"]


def test_a_folder_without_pictures(tmp_path: Path) -> None:
    make(tmp_path, "notes.txt", ".hidden.png")
    with pytest.raises(BadInput, match=r"^ROWS: there are no pictures in this folder \(got .* Hidden files"):
        open_table(tmp_path)
    with pytest.raises(BadInput, match=r"^ROWS: this matches no picture \(got .* A glob names pictures"):
        open_table(f"{tmp_path}/*.png")


TREE = ["a.png", "b.jpg", "c.txt", "x/a.png", "x/b.png", "x/y/a.png", "x/y/z/a10.png", "x/y/z/a9.png", "w/[1].png"]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("*.png", ["a.png"]),
        ("*", ["a.png", "b.jpg"]),
        ("?.*", ["a.png", "b.jpg"]),
        ("[ab].jpg", ["b.jpg"]),
        ("*/*.png", ["w/[1].png", "x/a.png", "x/b.png"]),
        ("**/*.png", ["a.png", "w/[1].png", "x/a.png", "x/b.png", "x/y/a.png", "x/y/z/a9.png", "x/y/z/a10.png"]),
        ("**/z/**/a*.png", ["x/y/z/a9.png", "x/y/z/a10.png"]),
        ("x/**", ["a.png", "b.png", "y/a.png", "y/z/a9.png", "y/z/a10.png"]),
        ("x/*.png", ["a.png", "b.png"]),
        ("x/y/?.png", ["a.png"]),
        ("**/[[]1].png", ["w/[1].png"]),
    ],
)
def test_globs(tmp_path: Path, pattern: str, names: list[str]) -> None:
    make(tmp_path, *TREE)
    table = open_table(f"{tmp_path}/{pattern}")
    base = tmp_path / "x" / "y" if pattern.startswith("x/y/") else tmp_path / ("x" if pattern.startswith("x/") else "")
    assert (table.kind, table.base) == ("glob", base)
    assert names_in(table) == names


PART = st.sampled_from(["*", "**", "x", "y", "z", "?", "[a-x]", "a*"])


@given(st.lists(PART, max_size=3), st.sampled_from(["*.png", "a*.png", "**", "[!b].png"]))
def test_a_glob_finds_what_pythons_own_does(
    tmp_path_factory: pytest.TempPathFactory, folders: list[str], last: str
) -> None:
    root = tmp_path_factory.getbasetemp() / "tree"
    if not root.exists():
        make(root, *TREE)
    pattern = "/".join([*folders, last])
    expected = {
        Path(found).as_posix()
        for found in glob.glob(pattern, root_dir=root, recursive=True)
        if found.endswith((".png", ".jpg")) and (root / found).is_file()
    }
    try:
        table = open_table(f"{root}/{pattern}")
        found = [(table.base / name).relative_to(root).as_posix() for name in names_in(table)]
    except BadInput:
        found = []
    assert len(found) == len(set(found))
    assert set(found) == expected


@pytest.mark.parametrize(
    ("source", "base", "pattern"),
    [
        ("*.png", ".", ("*.png",)),
        ("a/b/**/*.png", "a/b", ("**", "*.png")),
        ("/*/b.png", "/", ("*", "b.png")),
        ("../a/[xy].png", "../a", ("[xy].png",)),
        ("a/b.png", "a/b.png", ()),
    ],
)
def test_the_fixed_part_of_a_glob(source: str, base: str, pattern: tuple[str, ...]) -> None:
    assert split_glob(Path(source)) == (Path(base), pattern)


def test_a_file_whose_name_looks_like_a_glob(tmp_path: Path) -> None:
    make(tmp_path, "pics [1]/a.png")
    (tmp_path / "rows[1].csv").write_text("image\na.png\n")
    assert open_table(tmp_path / "pics [1]").kind == "folder"
    assert open_table(tmp_path / "rows[1].csv").kind == "csv"


def test_no_glob_where_one_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="this is no glob"):
        open_table(tmp_path / "a.png", kind="glob")
    with pytest.raises(BadInput, match="there is no folder"):
        open_table(tmp_path / "gone", kind="folder")


@pytest.mark.skipif(sys.platform != "linux", reason="names are bytes on Linux alone")
def test_a_name_that_is_no_utf8(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"a\xff.png")).touch()
    (row,) = open_table(tmp_path)
    assert row.fault is None and (tmp_path / row.values["image"]).exists()


without_heif = pytest.mark.skipif(images._HAS_HEIF, reason="with pillow-heif, HEIC is read")
OTHERS = ["a.HEIC", "b.heic", "x/c.jxl", "d.mp4", "x/y/e.cr2", "f.svg"]
COUNTS = {".heic": 2, ".jxl": 1, ".mp4": 1, ".cr2": 1, ".svg": 1}


@without_heif
@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ("", COUNTS),
        ("/**/*", COUNTS),
        ("/*", {".heic": 2, ".mp4": 1, ".svg": 1}),
        ("/**/*.[jc]*", {".jxl": 1, ".cr2": 1}),
        ("/*.png", {}),
    ],
)
def test_pictures_passed_over_are_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, counts: dict[str, int]
) -> None:
    monkeypatch.chdir(tmp_path)
    make(tmp_path / "pics", "1.png", "x/1.jpg", "notes.txt", "x/rows.csv", ".hidden.heic", "old/z.heic", *OTHERS)
    make(tmp_path / "pics", "old/manifest.json", "x/d.heic/1.txt")
    (tmp_path / "pics" / "old" / "results.jsonl").write_text('{"row": 0, "key": "00112233445566778899", "ok": true}\n')
    graph = {
        "1": {"class_type": "APLoadImage", "inputs": {"image": "0.png"}, "_meta": {"title": "image"}},
        "2": {"class_type": "APSaveImage", "inputs": {"images": ["1", 0]}},
    }
    found = map_graph(graph, f"pics{source}", output="out", cache=False)
    found.close()
    assert dict(found.columns.passed_over) == counts
    said = [line for line in found.columns.lines() if line.startswith("passed over: ")]
    assert len(said) == bool(counts)
    if counts == COUNTS:
        assert said[0].startswith("passed over: 2 .heic, 1 .cr2, 1 .jxl, 1 .mp4, 1 .svg. HEIC is read once pillow-heif")


@without_heif
@pytest.mark.parametrize("source", ["", "/*", "/*.heic"])
def test_only_pictures_that_cannot_be_read(tmp_path: Path, source: str) -> None:
    make(tmp_path, "1.heic", "2.heic")
    with pytest.raises(BadInput, match=r"^ROWS: there are no pictures here that can be read .* Passed over: 2 \.heic"):
        open_table(f"{tmp_path}{source}")


def test_what_helps_is_about_what_is_there() -> None:
    assert "pillow-heif" not in passed_over_in_words({".jxl": 1_000, ".mov": 2})
    assert passed_over_in_words({".heic": 1}).endswith("pip install pillow-heif.")
    assert passed_over_in_words({".mov": 2, ".jxl": 1_000}).startswith("passed over: 1,000 .jxl, 2 .mov. Other ")
