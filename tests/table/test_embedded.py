"""Pictures inside a table: Parquet as datasets of the hub have it, tars, data frames, and Python's own pictures."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from api_graph import map_graph
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.table.chunks import Chunks
from api_graph.table.ray_cluster import RayOptions
from api_graph.table.rows import Row, Rows, open_table
from api_graph.table.verify import verify
from tests.table import runs

pyarrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

Member = tuple[str, bytes]


def encoded(number: int, side: int = 24, format: str = "png") -> bytes:
    image = Image.radial_gradient("L").resize((side, side)).convert("RGB")
    image.putpixel((number % side, number // side % side), (255, 0, number % 256))
    file = io.BytesIO()
    image.save(file, format)
    return file.getvalue()


def digits(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:20]


def write_tar(path: Path, members: Iterable[Member], mode: str = "w") -> Path:
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def samples(count: int) -> list[Member]:
    members: list[Member] = []
    for i in range(count):
        members += [
            (f"train/{i:04}.png", encoded(i)),
            (f"train/{i:04}.json", json.dumps({"query": f"question {i}"}).encode()),
        ]
    return members


def hub_table(count: int) -> Any:
    """As the datasets of the hub store a picture: a struct of its bytes and its path."""
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    cells = [{"bytes": encoded(i), "path": f"{i:04}.png"} for i in range(count)]
    queries = [f"question {i}" for i in range(count)]
    return pyarrow.table({"image": pyarrow.array(cells, kind), "query": queries})


# ------------------------------------------------------------------------------------------ what the rows have


def test_a_struct_of_bytes_and_path(tmp_path: Path) -> None:
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    cells = [
        {"bytes": b"one", "path": "a/b/one.png"},
        {"bytes": b"two", "path": None},
        {"bytes": None, "path": "pics/three.png"},
        {"bytes": None, "path": None},
        None,
        {"bytes": b"six", "path": "..\\..\\six.png"},
        {"bytes": b"seven", "path": ".."},
    ]
    parquet.write_table(pyarrow.table({"image": pyarrow.array(cells[:4], kind)}), tmp_path / "rows.parquet")
    first, second, third, fourth = open_table(tmp_path / "rows.parquet")
    assert first.values == {"image": f"{digits(b'one')}/one.png"}
    assert first.pictures == {f"{digits(b'one')}/one.png": b"one"}
    assert second.values == {"image": digits(b"two")} and second.pictures == {digits(b"two"): b"two"}
    assert third.values == {"image": "pics/three.png"} and third.pictures == {}
    assert fourth.values == {"image": None} and fourth.pictures == {}
    parquet.write_table(pyarrow.table({"image": pyarrow.array(cells[5:], kind)}), tmp_path / "rows.parquet")
    sixth, seventh = open_table(tmp_path / "rows.parquet")
    assert sixth.values == {"image": f"{digits(b'six')}/six.png"} and seventh.values == {"image": digits(b"seven")}


def test_a_null_struct_is_no_value(tmp_path: Path) -> None:
    kind = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
    parquet.write_table(pyarrow.table({"image": pyarrow.array([None], kind)}), tmp_path / "rows.parquet")
    (row,) = open_table(tmp_path / "rows.parquet")
    assert row.values == {"image": None} and row.pictures == {}


@pytest.mark.parametrize("kind", ["binary", "large_binary", "binary_view"])
def test_bytes(tmp_path: Path, kind: str) -> None:
    column = pyarrow.array([b"one", None], getattr(pyarrow, kind)())
    parquet.write_table(pyarrow.table({"image": column}), tmp_path / "rows.parquet")
    first, second = open_table(tmp_path / "rows.parquet")
    assert first.values == {"image": digits(b"one")} and first.pictures == {digits(b"one"): b"one"}
    assert second.values == {"image": None}


def test_another_picture_is_another_row(tmp_path: Path) -> None:
    """A row's key is of its content: results are kept for as long as the picture is the same, wherever it stands."""
    keys = []
    for cells in ([b"one", b"two"], [b"two", b"one"], [b"one", b"new"]):
        parquet.write_table(pyarrow.table({"image": cells}), tmp_path / "rows.parquet")
        keys.append([row.key for row in open_table(tmp_path / "rows.parquet")])
    assert keys[0] == keys[1][::-1] and keys[0][0] == keys[2][0] and keys[0][1] != keys[2][1]


def test_structs_of_json_are_kept(tmp_path: Path) -> None:
    columns = {"objects": [{"boxes": [[1, 2, 3, 4]], "label": "a"}], "image": [b"one"]}
    parquet.write_table(pyarrow.table(columns), tmp_path / "rows.parquet")
    (row,) = open_table(tmp_path / "rows.parquet")
    assert row.values["objects"] == {"boxes": [[1, 2, 3, 4]], "label": "a"}


def test_a_sample_of_a_tar(tmp_path: Path) -> None:
    members = [
        ("a/0001.jpg", b"jpg"),
        ("a/0001.json", b'{"query": "what?", "boxes": [[1, 2, 3, 4]]}'),
        ("a/0001.TXT", " grün \n".encode()),
        ("a/0001.left.png", b"left"),
        ("a/0001.npy", b"passed over"),
        ("a/0001.answer.txt", b"yes"),
        ("a/0002.json", b"[1, 2]"),
        ("README", b"passed over"),
        ("a/0003.cls", b"7"),
    ]
    table = open_table(write_tar(tmp_path / "rows.tar", members))
    first, second, third = table
    assert first.values == {
        "__key__": "a/0001",
        "image": f"{digits(b'jpg')}/0001.jpg",
        "query": "what?",
        "boxes": [[1, 2, 3, 4]],
        "txt": "grün",
        "left": f"{digits(b'left')}/0001.left.png",
        "answer": "yes",
    }
    assert sorted(first.pictures.values()) == [b"jpg", b"left"]
    assert second.values == {"__key__": "a/0002", "json": [1, 2]}
    assert third.values == {"__key__": "a/0003", "cls": "7"}
    assert table.kind == "tar" and table.count() == 3
    assert table.columns == ("__key__", "image", "query", "boxes", "txt", "left", "answer", "json", "cls")
    assert table.partial["image"] == 2 and "__key__" not in table.partial


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_tars_named_by_a_glob_are_one_table(tmp_path: Path, ending: str) -> None:
    mode = "w:gz" if ending == ".tar.gz" else "w"
    for number in (2, 0, 1):
        write_tar(tmp_path / f"part-{number}{ending}", [(f"{number}.txt", f"row {number}".encode())], mode)
    table = open_table(str(tmp_path / f"part-*{ending}"))
    assert [row.values["txt"] for row in table] == ["row 0", "row 1", "row 2"]
    with pytest.raises(BadInput, match="there is no such file"):
        open_table(str(tmp_path / f"other-*{ending}"))


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ([("1.txt", b"\xff")], "utf-8"),
        ([("1.json", b"{")], "Expecting property name"),
        ([("1.json", b'{"txt": 1}'), ("1.txt", b"one")], "two of its files give the column 'txt'"),
        ([("1.txt", b"one"), ("1.txt", b"two")], "the file .txt is there twice"),
        ([(f"1.{i}.txt", b"one") for i in range(65)], "more than 64 files share this name"),
        ([("1.png", b"one"), ("1.jpg", b"two")], "two of its files give the column 'image'"),
    ],
)
def test_a_sample_that_is_no_row(tmp_path: Path, members: list[Member], problem: str) -> None:
    rows = list(open_table(write_tar(tmp_path / "rows.tar", [("0.txt", b"good"), *members, ("2.txt", b"good")])))
    assert [row.fault is None for row in rows] == [True, False, True]
    assert problem in str(rows[1].fault) and "rows.tar: 1" in str(rows[1].fault)


def test_a_text_without_end(tmp_path: Path) -> None:
    """A header may promise what it likes: what is too long is not read."""
    path = write_tar(tmp_path / "rows.tar.gz", [("0.txt", b"good"), ("1.txt", bytes((16 << 20) + 1))], "w:gz")
    good, faulty = open_table(path)
    assert good.fault is None and ".txt has 16 MiB, and a text may have 16" in str(faulty.fault)


def test_links_and_folders_in_a_tar_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "rows.tar"
    with tarfile.open(path, "w") as tar:
        for name, kind in (("1.png", tarfile.SYMTYPE), ("2.png", tarfile.LNKTYPE), ("3.png", tarfile.DIRTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "/etc/passwd"
            tar.addfile(info)
        info = tarfile.TarInfo("../../4.txt")
        info.size = 3
        tar.addfile(info, io.BytesIO(b"one"))
    (row,) = open_table(path)
    assert row.values == {"__key__": "../../4", "txt": "one"}  # a name, and no place


@pytest.mark.parametrize("cut", [400, 600])
@pytest.mark.parametrize("compressed", [False, True])
def test_a_tar_that_is_cut_short(tmp_path: Path, cut: int, compressed: bool) -> None:
    path = write_tar(tmp_path / "whole", [("0.txt", os.urandom(600).hex().encode()), ("1.txt", bytes(500))])
    content = path.read_bytes()
    content = gzip.compress(content, mtime=0) if compressed else content
    name = tmp_path / ("rows.tar.gz" if compressed else "rows.tar")
    name.write_bytes(content[:cut])
    with pytest.raises(BadInput, match="the tar file is damaged"):
        list(open_table(name))


def test_frames(tmp_path: Path) -> None:
    """A data frame is a table by Arrow's interface, whoever has made it."""
    pandas = pytest.importorskip("pandas")
    table = hub_table(3)
    wanted = [(row.key, row.values, row.pictures) for row in open_table(_written(tmp_path, table))]
    frames: Sequence[Any] = (table, table.to_reader(), pandas.DataFrame({"query": table["query"].to_pylist()}))
    for frame in frames[:2]:
        opened = open_table(frame)
        assert (opened.kind, opened.columns, opened.count()) == ("python", ("image", "query"), 3)
        for _ in range(2):  # each reading starts at the first row
            assert [(row.key, row.values, row.pictures) for row in opened] == wanted
    assert [row.values for row in open_table(frames[2])] == [{"query": f"question {i}"} for i in range(3)]


def _written(folder: Path, table: Any) -> Path:
    parquet.write_table(table, folder / "rows.parquet")
    return folder / "rows.parquet"


def test_a_frame_of_objects_says_what_helps() -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"image": [Image.new("RGB", (2, 2))]})
    with pytest.raises(BadInput, match="the data frame has no Arrow form") as caught:
        open_table(frame)
    assert "to_dict('records')" in caught.value.hint
    (row,) = open_table(frame.to_dict("records"))
    assert len(row.pictures) == 1


def test_pictures_and_bytes_in_python(tmp_path: Path) -> None:
    (tmp_path / "ring.png").write_bytes(encoded(1))
    named = Image.open(tmp_path / "ring.png")
    pixels = Image.fromarray(np.asarray(named.convert("RGB")))
    rows = list(
        open_table([{"image": named}, {"image": pixels}, {"image": encoded(1)}, {"image": pixels.convert("L")}])
    )
    assert str(rows[0].values["image"]).endswith("/ring.png")
    assert rows[2].values == {"image": digits(encoded(1))}
    for row, picture in zip(rows, [named, pixels, named, pixels.convert("L")], strict=True):
        (content,) = row.pictures.values()
        found = Image.open(io.BytesIO(content)) if isinstance(content, bytes) else content
        assert np.array_equal(np.asarray(found), np.asarray(picture))
    assert len({row.key for row in rows}) == 4


def test_a_picture_that_png_does_not_have() -> None:
    rows = list(open_table([{"image": Image.new("CMYK", (2, 2))}, {"image": Image.new("RGB", (2, 2))}]))
    assert "the picture image cannot be written as PNG" in str(rows[0].fault) and rows[1].fault is None


def test_a_dataset_is_read_row_by_row() -> None:
    """Datasets have a length and items, but are no sequences by name; copying them would hold all pictures at once."""

    class Dataset:
        given = 0

        def __len__(self) -> int:
            return 3

        def __getitem__(self, index: int) -> Mapping[str, object]:
            if index >= 3:
                raise IndexError
            Dataset.given += 1
            return {"image": Image.new("RGB", (2, 2), (index, 0, 0))}

        def __iter__(self) -> Any:
            return (self[i] for i in range(3))

    table = open_table(Dataset())  # type: ignore[arg-type]
    before = Dataset.given
    next(iter(table))
    assert Dataset.given == before + 1 and table.count() == 3


# ------------------------------------------------------------------------------------------ runs


def parquet_of(folder: Path, count: int) -> Path:
    return _written(folder, hub_table(count))


def tar_of(folder: Path, count: int) -> Path:
    return write_tar(folder / "rows.tar", samples(count))


SOURCES: Mapping[str, Callable[[Path, int], Path]] = {"parquet": parquet_of, "tar": tar_of}


def pictures_of(out: Path) -> dict[str, list[bytes]]:
    """By question, the pixels of the row's pictures."""
    return {
        record["values"]["query"]: [
            Image.open(out / name).tobytes() for names in record["files"].values() for name in names
        ]
        for record in runs.records(out)
    }


@pytest.fixture(scope="module")
def as_usual(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[bytes]]:
    """What the same pictures give as files."""
    folder = tmp_path_factory.mktemp("files")
    for i in range(12):
        (folder / f"{i:04}.png").write_bytes(encoded(i))
    rows = [{"image": f"{i:04}.png", "query": f"question {i}"} for i in range(12)]
    results = map_graph(runs.GRAPH, rows, output=folder / "out", input_folders=[folder], cache=False)
    assert all(result.ok for result in results)
    return pictures_of(folder / "out")


@pytest.mark.parametrize("kind", SOURCES)
def test_results_are_those_of_files(tmp_path: Path, kind: str, as_usual: dict[str, list[bytes]]) -> None:
    source, out = SOURCES[kind](tmp_path, 12), tmp_path / "out"
    given = list(map_graph(runs.GRAPH, source, output=out, cache=False))
    assert [result.error for result in given] == [None] * 12
    assert pictures_of(out) == as_usual
    names = {name.name for result in given for files in result.files.values() for name in files}
    assert any(name.startswith("0003_question-3_") for name in names)  # the picture's own name, not its digest
    for record in runs.records(out):
        (read,) = record["reads"].values()
        content = encoded(int(record["values"]["query"].split()[1]))
        assert read["inside"] and read["sha256"] == hashlib.sha256(content).hexdigest() and read["size"] == len(content)
    found = verify(out)
    assert found.ok and found.finished and found.lines == 12
    assert list(map_graph(runs.GRAPH, source, output=out, cache=False)) == []  # and nothing is done twice


def test_frames_and_pictures_run(tmp_path: Path, as_usual: dict[str, list[bytes]]) -> None:
    rows = [{"image": Image.open(io.BytesIO(encoded(i))), "query": f"question {i}"} for i in range(12)]
    sources: dict[str, Rows] = {"frame": hub_table(12), "python": rows}
    for name, source in sources.items():
        assert all(result.ok for result in map_graph(runs.GRAPH, source, output=tmp_path / name, cache=False))
        assert pictures_of(tmp_path / name) == as_usual


def test_a_picture_that_has_changed_is_done_again(tmp_path: Path) -> None:
    source, out = parquet_of(tmp_path, 4), tmp_path / "out"
    list(map_graph(runs.GRAPH, source, output=out, cache=False))
    cells = hub_table(4).to_pylist()
    cells[2]["image"]["bytes"] = encoded(99)
    _written(tmp_path, pyarrow.Table.from_pylist(cells, hub_table(4).schema))
    found = verify(out)
    assert not found.ok and found.counts["lost"] == 1
    with pytest.warns(ApiGraphWarning, match="1 line is of a row that this run does not have"):
        (again,) = map_graph(runs.GRAPH, source, output=out, cache=False)
    assert again.values["query"] == "question 2"


@pytest.mark.parametrize("kind", SOURCES)
def test_nothing_is_left_of_the_pictures(tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are files for as long as their chunk runs, below the folder for what is passing."""
    monkeypatch.setenv("TMPDIR", str(tmp_path / "passing"))
    monkeypatch.setattr("tempfile.tempdir", None)
    (tmp_path / "passing").mkdir()
    list(map_graph(runs.GRAPH, SOURCES[kind](tmp_path, 3), output=tmp_path / "out", cache=False))
    left = [path for folder in (tmp_path / "passing", tmp_path / "out") for path in folder.glob("**/rows-*")]
    assert left == []


@pytest.mark.parametrize("kind", SOURCES)
def test_killed_at_random_moments(tmp_path: Path, kind: str) -> None:
    SOURCES[kind](tmp_path, 45)
    command = [sys.executable, "-m", "tests.table.kill_often", str(tmp_path), "5", "3"]
    surroundings = runs.surroundings(tmp_path / "cache")
    done = subprocess.run(command, capture_output=True, text=True, cwd=runs.ROOT, env=surroundings, check=False)
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout.splitlines()[-1])) == 5
    assert verify(tmp_path / "out").ok
    assert runs.results(tmp_path / "out").keys() == set(range(45))
    assert runs.files_in(tmp_path / "out") == runs.named_files(tmp_path / "out")


def test_a_broken_picture_is_the_fault_of_its_row(tmp_path: Path) -> None:
    members = samples(3)
    members[2] = ("train/0001.png", b"no picture")
    results = list(map_graph(runs.GRAPH, write_tar(tmp_path / "rows.tar", members), output=tmp_path / "out"))
    assert [bool(result.error) for result in sorted(results, key=lambda result: result.number)] == [False, True, False]
    failed = next(result for result in results if result.error)
    assert "0001.png" in str(failed.error) and "image" in str(failed.error)


def test_ray_refuses_them(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="pictures inside a table are not sent to other machines"):
        list(map_graph(runs.GRAPH, parquet_of(tmp_path, 2), output=tmp_path / "out", ray=RayOptions()))


@given(st.lists(st.integers(0, 400), max_size=60), st.integers(1, 5))
@settings(deadline=None)
def test_pictures_that_wait_have_a_bound(sizes: list[int], at_once: int) -> None:
    """However large they are, the rows that are read ahead bring half of the memory at most, and one picture more."""
    taken = 0

    def rows() -> Iterable[Row]:
        nonlocal taken
        for number, size in enumerate(sizes):
            taken += size
            yield Row(number, str(number), {}, None, {str(number): bytes(size)})

    chunks = Chunks(iter(rows()), 1000, at_once)
    given = 0
    while chunk := chunks.take():
        given += sum(len(content) for row in chunk for content in row.pictures.values())
        assert taken - given <= 500 + 400
        chunks.learn(chunk, 0)
    assert given == sum(sizes)
