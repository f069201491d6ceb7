"""Point clouds from files of every kind, and malformed ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from api_graph.errors import BadInput
from api_graph.tasks.pointcloud.read import read_points

POINTS = [[0.5, -1.0, 2.0], [3.0, 4.0, 5.5]]

PLY = """ply
format {} 1.0
comment made by hand
element camera 1
property uchar id
element vertex 2
property uchar red
property {} x
property double y
property float z
element face 1
property list uchar int vertex_indices
end_header
"""


def save(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def read(path: Path, content: str | bytes) -> list[list[float]]:
    return read_points(save(path, content)).tolist()


def complaint(path: Path, content: str | bytes) -> str:
    with pytest.raises(BadInput) as caught:
        read_points(save(path, content))
    assert path.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["a.txt", "a.csv", "a.xyz", "a.PTS"])
@pytest.mark.parametrize("text", ["0.5 -1 2\n3 4 5.5 9 9\n", "x,y,z\n0.5,-1,2\n\n# c\n3;4;5.5\n"])
def test_tables(tmp_path: Path, name: str, text: str) -> None:
    assert read(tmp_path / name, text) == POINTS


def test_arrays(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[*p, 7.0] for p in POINTS]))
    assert read_points(tmp_path / "a.npy").tolist() == POINTS
    np.save(tmp_path / "b.npy", np.ones((4, 3), dtype=np.int16))
    assert read_points(str(tmp_path / "b.npy")).shape == (4, 3)


@pytest.mark.parametrize("array", [np.zeros(3), np.zeros((2, 2)), np.array([["a", "b", "c"]]), np.zeros((1, 2, 3))])
def test_arrays_of_another_kind(tmp_path: Path, array: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", array)
    assert "an array of numbers (N, 3) is needed" in complaint(tmp_path / "a.npy", (tmp_path / "a.npy").read_bytes())


def test_an_array_that_would_run_code_is_not_unpickled(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([[print, 1, 2]], dtype=object), allow_pickle=True)
    assert "this is no array of numbers" in complaint(tmp_path / "a.npy", (tmp_path / "a.npy").read_bytes())


def test_ply_as_text(tmp_path: Path) -> None:
    assert read(tmp_path / "a.ply", PLY.format("ascii", "float") + "7\n1 0.5 -1 2\n2 3 4 5.5\n3 0 1 1\n") == POINTS


@pytest.mark.parametrize(("order", "sign"), [("binary_little_endian", "<"), ("binary_big_endian", ">")])
@pytest.mark.parametrize(("kind", "code"), [("float32", "f4"), ("double", "f8")])
def test_binary_ply(tmp_path: Path, order: str, sign: str, kind: str, code: str) -> None:
    layout = np.dtype([("red", "u1"), ("x", sign + code), ("y", sign + "f8"), ("z", sign + "f4")])
    vertices = np.array([(1, *POINTS[0]), (2, *POINTS[1])], dtype=layout)
    content = PLY.format(order, kind).encode() + b"\x07" + vertices.tobytes() + b"\x03faces follow"
    assert read(tmp_path / "a.ply", content) == POINTS
    cut = PLY.format(order, kind).encode() + b"\x07" + vertices.tobytes()[:-1]
    assert "field 'element vertex': the file ends after 1 of 2 vertices" in complaint(tmp_path / "a.ply", cut)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("plx\n", 'begins with "ply"'),
        ("ply\nformat ascii 1.0\nelement vertex 1\n", 'a line "end_header"'),
        (PLY.format("utf", "float"), "line 2: this line of the header means nothing"),
        (PLY.format("ascii", "real"), "line 8: this is no property"),
        (PLY.format("ascii", "float").replace("vertex 2", "vertex -2"), "line 6, field 'element vertex'"),
        (PLY.format("ascii", "float").replace("vertex 2", "points 2"), "field 'element vertex': it has no vertices"),
        (PLY.format("ascii", "float").replace("double y", "double q"), "line 6, field 'y': the vertices lack it"),
        (PLY.format("ascii", "float").replace("double y", "float x"), "line 9, field 'x': the property stands twice"),
        (PLY.format("ascii", "float").replace("uchar id", "list float int ids"), "line 5: this is no property"),
        (
            PLY.format("ascii", "float").replace("property double y", "property list uchar double y"),
            "'y': the vertices",
        ),
        (PLY.format("ascii", "float").replace("format ascii 1.0\n", ""), "field 'format'"),
        (PLY.format("ascii", "float") + "7\n1 0.5 -1 2\n", "line 15: the file ends after 1 of 2 vertices"),
        (PLY.format("ascii", "float") + "7\n1 0.5 -1 2\n2 3 four 5\n", "line 16, field 'y': a finite number"),
        (PLY.format("ascii", "float") + "7\n1 0.5 -1 2\n2 3\n", "line 16, field 'y': it is missing"),
    ],
)
def test_malformed_ply(tmp_path: Path, content: str, said: str) -> None:
    assert said in complaint(tmp_path / "a.ply", content)


def test_a_ply_that_claims_more_than_it_holds_takes_no_memory(tmp_path: Path) -> None:
    for order in ("ascii", "binary_little_endian"):
        content = PLY.format(order, "float").replace("vertex 2", "vertex 99999999999999")
        assert "of 99999999999999 vertices" in complaint(tmp_path / "a.ply", content)


OFF = "{}\n# a comment\n0.5 -1 2\n3 4 5.5 255 0 0\n3 0 1 1\n"


@pytest.mark.parametrize("head", ["OFF\n2 1 0", "OFF2 1 0", "OFF 2 1 0", "off\n\n2 1"])
def test_off(tmp_path: Path, head: str) -> None:
    assert read(tmp_path / "a.off", OFF.format(head)) == POINTS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("2 1 0\n", 'line 1: the first line does not say "OFF"'),
        ("OFF\n", "the file ends before its counts"),
        ("OFF\ntwo 1 0\n", "line 2, field 'vertices': a finite number"),
        ("OFF\n2 0 0\n0 0 0\n", "line 3: the file ends after 1 of 2 vertices"),
        ("OFF\n99999999999 0 0\n", "the file ends after 0 of 99999999999"),
        ("OFF\n1 0 0\n0 zero 0\n", "line 3, field 'y': a finite number is needed (got 'zero')"),
        ("OFF\n1 0 0\n0 0\n", "line 3, field 'z': it is missing"),
        ("OFF\n0 0 0\n", "there is no point in it"),
    ],
)
def test_malformed_off(tmp_path: Path, content: str, said: str) -> None:
    assert said in complaint(tmp_path / "a.off", content)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("0 0 0\n1 2\n", "line 2: a point needs x, y and z"),
        ("0 0 0\n1 b 2\n", "line 2, field 'y': this is no number (got 'b')"),
        ("nan 0 0\nnan 1 2\n", "every point is NaN or infinite"),
        ("# nothing\n", "there is no point in it"),
        (b"\xff\xfe", "line 1: this is not UTF-8"),
    ],
)
def test_malformed_tables(tmp_path: Path, content: str | bytes, said: str) -> None:
    assert said in complaint(tmp_path / "a.txt", content)


def test_files_of_another_kind(tmp_path: Path) -> None:
    assert "this kind of file is not read" in complaint(tmp_path / "a.obj", "v 0 0 0")
    with pytest.raises(BadInput, match="no such file"):
        read_points(tmp_path / "none.ply")
