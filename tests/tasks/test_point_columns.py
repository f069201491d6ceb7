"""What a text cloud, an array or a mesh says of its points: each in the ways that people write it, and the unclear."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.tasks.pointcloud.read import read_points

POINTS = [[0.5, -1.25, 2.5], [3.75, 4.5, -5.5], [0.25, 6.5, 7.25]]
CASES = Path(__file__).parents[3] / "shared" / "cases" / "pointclouds"

LEFT_OUT = "points are NaN or infinite and left out"


def save(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def complaint(path: Path, content: str | bytes, columns: str = "") -> str:
    with pytest.raises(BadInput) as caught:
        read_points(save(path, content), columns)
    return str(caught.value)


def lines(*rows: str, end: str = "\n") -> str:
    return end.join(rows) + end


# ----------------------------------------------------------------------------------------------- tables

BY_NAME = {
    "names": lines("x y z", "0.5 -1.25 2.5", "3.75 4.5 -5.5", "0.25 6.5 7.25"),
    "capitals": lines("X;Y;Z", "0.5;-1.25;2.5", "3.75;4.5;-5.5", "0.25;6.5;7.25"),
    "CloudCompare": lines("//X Y Z Red", "3", "0.5 -1.25 2.5 9", "3.75 4.5 -5.5 9", "0.25 6.5 7.25 9"),
    "hash": lines("# z, x, y", "2.5,0.5,-1.25", "-5.5,3.75,4.5", "7.25,0.25,6.5"),
    "columns around": lines("id,label,z,y,x,t", "7,a,2.5,-1.25,0.5,1", "8,b,-5.5,4.5,3.75,1", "9,c,7.25,6.5,0.25,1"),
    "units": lines("z [m]\tx [m]\ty [m]", "2.5\t0.5\t-1.25", "-5.5\t3.75\t4.5", "7.25\t0.25\t6.5"),
    "quotes": lines('"n","x","y","z"', '"1","0.5","-1.25","2.5"', '"2","3.75","4.5","-5.5"', '"5","0.25","6.5","7.25"'),
    "pandas": lines(",x,y,z", "0,0.5,-1.25,2.5", "1,3.75,4.5,-5.5", "2,0.25,6.5,7.25"),
    "R": lines("x y z", "1 0.5 -1.25 2.5", "2 3.75 4.5 -5.5", "3 0.25 6.5 7.25"),
    "a title above": lines("a scan", "x y z", "0.5 -1.25 2.5", "3.75 4.5 -5.5", "0.25 6.5 7.25"),
    "trailing": lines("x;y;z;", "0.5;-1.25;2.5;", "3.75;4.5;-5.5;", "0.25;6.5;7.25;"),
    "decimal commas": lines("X;Y;Z", "0,5;-1,25;2,5", "3,75;4,5;-5,5", "0,25;6,5;7,25"),
    "decimal commas, tabs": lines("i\tX\tY\tZ", "0\t0,5\t-1,25\t2,5", "1\t3,75\t4,5\t-5,5", "2\t0,25\t6,5\t7,25"),
    "decimal commas, quotes": lines('"X","Y","Z"', '"0,5","-1,25","2,5"', '"3,75","4,5","-5,5"', '"0,25","6,5","7,25"'),
}
WITHOUT_NAMES = {
    "decimal commas, blanks": lines("0,5 -1,25 2,5", "3,75 4,5 -5,5", "0,25 6,5 7,25"),
    "commas and blanks": lines("0.5, -1.25, 2.5", "3.75, 4.5, -5.5", "0.25 , 6.5 , 7.25"),
    "a count above": lines("3", "0.5 -1.25 2.5", "3.75 4.5 -5.5", "0.25 6.5 7.25"),
    "comments": lines("# made, by hand", "0.5 -1.25 2.5", "// between", "3.75 4.5 -5.5", "", "0.25 6.5 7.25"),
    "exponents": lines("5e-1 -1.25E0 25e-1", "+3.75 4.5 -5.5", ".25 6.5 7.25"),
    "old Mac": lines("0.5 -1.25 2.5", "3.75 4.5 -5.5", "0.25 6.5 7.25", end="\r"),
    "Windows": lines("0.5;-1.25;2.5", "3.75;4.5;-5.5", "0.25;6.5;7.25", end="\r\n"),
}


@pytest.mark.parametrize("name", [*BY_NAME, *WITHOUT_NAMES])
@pytest.mark.parametrize("suffix", [".txt", ".csv"])
def test_a_table_is_read(tmp_path: Path, name: str, suffix: str) -> None:
    content = (BY_NAME | WITHOUT_NAMES)[name]
    assert read_points(save(tmp_path / f"a{suffix}", content)).tolist() == POINTS


INDEXED = lines("0 0.5 -1.25 2.5", "1 3.75 4.5 -5.5", "2 0.25 6.5 7.25")


def test_an_index_without_a_name_is_told_by_its_steps(tmp_path: Path) -> None:
    for content in (INDEXED, INDEXED.replace(" ", ";").replace(".", ","), INDEXED.replace("\n2", "\n2")):
        with pytest.warns(ApiGraphWarning, match="the first column counts the points; x, y, z are the next"):
            assert read_points(save(tmp_path / "a.txt", content)).tolist() == POINTS
    unclear = "the first column counts the points, so it may be an index and no x"
    for content in (
        INDEXED.replace("0 ", "0.0 ").replace("1 ", "1.0 ").replace("2 ", "2.0 "),
        lines("5 0.5 1.5 2.5", "6 0.5 1.5 3.5"),
        lines("0 1 1 1", "1 1 1 1", "2 1 1 1"),
        lines("17 0.5 1.5 2.5", "3 0.5 1.5 3.5", "90 0.5 1.5 3.5", "4 0.5 1.5 3.5"),
    ):
        said = complaint(tmp_path / "a.txt", content)
        assert unclear in said and 'columns = "1 2 3"' in said and '"2 3 4"' in said
        first = read_points(tmp_path / "a.txt", "1 2 3")[:, 0]
        assert first.tolist() == [float(line.split()[0]) for line in content.splitlines()]
        second = read_points(tmp_path / "a.txt", "2,3,4")[:, 0]
        assert second.tolist() == [float(line.split()[1]) for line in content.splitlines()]


def test_whole_numbers_that_count_nothing_are_x(tmp_path: Path) -> None:
    three = lines("0 0.5 1.5", "1 0.5 1.5", "2 0.5 1.5")
    colours = lines("0 0 0 255", "0 1 0 255", "1 0 1 255", "1 1 1 255")
    for content in (three, colours):
        read = read_points(save(tmp_path / "a.txt", content))
        assert read.tolist() == [[float(word) for word in line.split()[:3]] for line in content.splitlines()]


def test_columns_by_name_and_number(tmp_path: Path) -> None:
    file = save(tmp_path / "a.csv", lines("a,East,North,Up", "1,0.5,-1.25,2.5", "9,3.75,4.5,-5.5", "4,0.25,6.5,7.25"))
    for columns in ("East North Up", "east,north,up", "2 3 4", "2;3;4"):
        assert read_points(file, columns).tolist() == POINTS
    assert 'columns = "1 2 3"' in complaint(file, file.read_text())
    for columns in ("East North", "East North Down", "1 2 2", "0 1 2", "3 4 5", "x y z"):
        assert "these are not three columns of the file" in complaint(file, file.read_text(), columns)
    assert "There are: a, East, North, Up" in complaint(file, file.read_text(), "x y z")


def test_pandas_without_names(tmp_path: Path) -> None:
    content = lines(",0,1,2", "0,0.5,-1.25,2.5", "1,3.75,4.5,-5.5", "2,0.25,6.5,7.25")
    assert "no columns are called x, y and z" in complaint(tmp_path / "a.csv", content)
    assert read_points(tmp_path / "a.csv", "2 3 4").tolist() == POINTS
    without = lines("0,1,2", "0.5,-1.25,2.5", "3.75,4.5,-5.5", "0.25,6.5,7.25")
    assert "no columns are called x, y and z" in complaint(tmp_path / "a.csv", without)
    assert read_points(tmp_path / "a.csv", "1 2 3").tolist() == POINTS


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (lines("0,5,-1,25,2,5", "3,75,4,5,5,5"), "its commas may part numbers or be decimal commas"),
        (lines("0,5,1,25,2,5", "3,75,4,5,5,5"), "its commas may part numbers or be decimal commas"),
        (lines("0,5,1,25,2", "3,75,4,5,5,5"), "its commas may part numbers or be decimal commas"),
        (lines("x,y,z", "0,5,1,25,2,5"), "line 2: the row has 6 cells, and 3 columns are named"),
        (lines("x;y;z", "1,234;5,678;9,012"), "its commas may part thousands or be decimal commas"),
        (lines("x;y;z", "1,234,567;5;9"), "this is no number (got '1,234,567')"),
        (lines("x;y;z", "0,5;1.5;2"), "some numbers have a decimal point, and others a comma"),
        (lines("0.5,1.5,2.5 255 0 0"), "this is no number (got '0.5,1.5,2.5')"),
        (lines("x,y,z", "1,2,3", "1,2"), "line 3: a point needs x, y and z"),
        (lines("x,y,z,r", "1,2,3,4", "1,2,3"), "line 3: the row has 3 cells, and 4 columns are named"),
        (lines("x,y,z", "7,1,2,3", "3,1,2,3"), "line 2: the row has 4 cells, and 3 columns are named"),
        (lines("x,x,z", "1,2,3"), "no columns are called x, y and z"),
        (lines("3", "0 0 0", "1 1 1"), "line 1: 3 points are announced, and there are 2"),
        (lines("1", "0 0 0", "1 1 1"), "line 1: 1 points are announced, and there are 2"),
        (lines("0 0 1_0"), "this is no number (got '1_0')"),
        (lines("0 0 ١"), "this is no number"),
    ],
)
def test_what_may_be_read_in_two_ways_is_said(tmp_path: Path, content: str, said: str) -> None:
    assert said in complaint(tmp_path / "a.csv", content)


def test_whole_numbers_between_commas_are_read_when_that_is_said(tmp_path: Path) -> None:
    file = save(tmp_path / "a.csv", lines("12,34,56,255,0,7", "12,35,57,255,0,7"))
    assert read_points(file, "1 2 3").tolist() == [[12, 34, 56], [12, 35, 57]]
    signed = save(tmp_path / "c.csv", lines("0,-5,1,25,2,5", "3,75,4,5,5,5"))  # 0.-5 is no number
    assert read_points(signed).tolist() == [[0, -5, 1], [3, 75, 4]]
    named = save(tmp_path / "b.csv", lines("x,y,z,r,g,b", "12,34,56,255,0,7", "12,35,57,255,0,7"))
    assert read_points(named).tolist() == [[12, 34, 56], [12, 35, 57]]


# ------------------------------------------------------------------------------------------ points that are none


@pytest.mark.parametrize("bad", ["nan", "NaN", "-inf", "", "NA", "1e300"])
def test_a_bad_point_costs_that_point(tmp_path: Path, bad: str) -> None:
    content = lines("x,y,z", "0.5,-1.25,2.5", f"1,{bad},2", "3.75,4.5,-5.5", "0.25,6.5,7.25")
    with pytest.warns(ApiGraphWarning, match=f"1 of 4 {LEFT_OUT}; the first is point 2"):
        assert read_points(save(tmp_path / "a.csv", content)).tolist() == POINTS
    with pytest.raises(BadInput, match="every point is NaN or infinite"):
        read_points(save(tmp_path / "b.csv", lines("x,y,z", f"1,{bad},2")))


def test_a_bad_point_of_any_kind_of_file(tmp_path: Path) -> None:
    points = np.array([*POINTS[:2], [np.nan] * 3, POINTS[2], [np.inf, 0, 0]])
    np.save(tmp_path / "a.npy", points)
    text = "\n".join(" ".join(map(str, point)) for point in points.tolist())
    ply = "ply\nformat ascii 1.0\nelement vertex 5\n" + "".join(f"property float {axis}\n" for axis in "xyz")
    save(tmp_path / "a.off", f"OFF\n5 0 0\n{text}\n")
    save(tmp_path / "a.ply", f"{ply}end_header\n{text}\n")
    for name in ("a.npy", "a.off", "a.ply"):
        with pytest.warns(ApiGraphWarning, match=f"2 of 5 {LEFT_OUT}; the first is point 3"):
            assert read_points(tmp_path / name).tolist() == POINTS


def test_coordinates_that_32_bits_round_are_said(tmp_path: Path) -> None:
    far = lines("5600000.001 0 0", "5600000.251 0.1 0")
    with pytest.warns(ApiGraphWarning, match="32 bits round its coordinates by up to"):
        read_points(save(tmp_path / "a.txt", far))
    read_points(save(tmp_path / "b.txt", lines("5600000 0 0", "5603000 0.1 0")))


# ----------------------------------------------------------------------------------------------- arrays


def stored(path: Path, array: np.ndarray) -> Path:
    np.save(path, array)
    return path


def test_an_array_with_a_column_for_each_point(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    for width in (3, 4, 6):
        for array in (points[:, :width], points[:, :width].T):
            read = read_points(stored(tmp_path / "a.npy", array))
            assert np.array_equal(read.numpy(), points[:, :3])
    for shape in ((3, 3), (3, 6), (6, 6), (4, 16), (30, 40)):
        said = complaint(tmp_path / "b.npy", stored(tmp_path / "b.npy", np.ones(shape)).read_bytes())
        assert ("does not tell whether a row" in said) == (shape != (30, 40))
        assert read_points(tmp_path / "b.npy", "1 2 3").shape == (shape[0], 3)


def test_an_array_with_an_index(tmp_path: Path) -> None:
    points = np.random.default_rng(0).normal(size=(40, 4))
    points[:, 0] = np.arange(40)
    file = stored(tmp_path / "a.npy", points)
    assert "may be an index and no x" in complaint(file, file.read_bytes())
    assert np.array_equal(read_points(file, "2 3 4").numpy(), points[:, 1:].astype(np.float32))


def test_arrays_with_names(tmp_path: Path) -> None:
    points = np.array([*POINTS, [1.0, 2.0, 3.0]])
    record = np.zeros(4, dtype=[("id", "i8"), ("z", "f8"), ("y", "f4"), ("x", "f8")])
    for axis, name in enumerate("xyz"):
        record[name] = points[:, axis]
    assert read_points(stored(tmp_path / "a.npy", record)).tolist() == points.tolist()
    for arrays in ({"a": points}, {"n": points[0], "points": points}, dict(zip("xyz", points.T, strict=True))):
        np.savez(tmp_path / "a.npz", **arrays)  # pyright: ignore[reportArgumentType]
        assert read_points(tmp_path / "a.npz").tolist() == points.tolist()
    np.savez(tmp_path / "a.npz", a=points, b=points)
    assert "There are: a, b" in complaint(tmp_path / "b.npz", (tmp_path / "a.npz").read_bytes())
    file = stored(tmp_path / "a.npy", np.zeros(3, dtype=[("a", "f4"), ("b", "f4"), ("c", "f4")]))
    assert 'columns = "a b c"' in complaint(file, file.read_bytes())
    assert read_points(file, "a b c").shape == (3, 3)


# ------------------------------------------------------------------------------------------------- OFF

TRIANGLES = lines("3 0 1 2", "3 2 1 0")
OFFS = {
    "colours": "COFF\n3 2 0\n0.5 -1.25 2.5 1 2 3 4\n3.75 4.5 -5.5 1 2 3 4\n0.25 6.5 7.25 1 2 3 4\n",
    "normals": "NOFF 3 2 0\n0.5 -1.25 2.5 0 0 1\n3.75 4.5 -5.5 0 0 1\n0.25 6.5 7.25 0 0 1\n",
    "both": "CNOFF\n# c\n3 2\n0.5 -1.25 2.5 0 0 1 9 9 9 9\n3.75 4.5 -5.5 0 0 1 9 9 9 9\n0.25 6.5 7.25 0 0 1 9 9 9 9\n",
    "texture": "STOFF3 2 0\n0.5 -1.25 2.5 0 0\n3.75 4.5 -5.5 0 0 # here\n0.25 6.5 7.25 0 0\n",
    "wrapped": "OFF\n3 2 0\n0.5\n-1.25 2.5\n3.75 4.5\n-5.5\n0.25\n6.5\n7.25\n",
    "on one line": "OFF\n3 2 0\n0.5 -1.25 2.5 3.75 4.5 -5.5 0.25 6.5 7.25\n",
    "wrapped normals": "NOFF\n3 2 0\n0.5 -1.25 2.5\n0 0 1\n3.75 4.5 -5.5\n0 0 1\n0.25 6.5 7.25\n0 0 1\n",
    "wrapped colours": "COFF\n3 2 0\n0.5 -1.25 2.5\n1 2 3\n3.75 4.5 -5.5\n1 2 3\n0.25 6.5 7.25\n1 2 3\n",
}


@pytest.mark.parametrize("name", OFFS)
@pytest.mark.parametrize("faces", [TRIANGLES, "3 0 1 2\n3 2 1 0 255 255 0\n"])
def test_kin_of_off(tmp_path: Path, name: str, faces: str) -> None:
    assert read_points(save(tmp_path / "a.off", OFFS[name] + faces)).tolist() == POINTS


@pytest.mark.parametrize("word", ["4OFF", "nOFF", "OFF BINARY", "GOFF"])
def test_other_kinds_of_off_are_said(tmp_path: Path, word: str) -> None:
    said = complaint(tmp_path / "a.off", f"{word}\n1 0 0\n0 0 0 0\n")
    assert any(part in said for part in ("four or more dimensions", "binary OFF", 'does not say "OFF"'))


# ------------------------------------------------------------------------------------------------- PLY


def ply(order: str, elements: list[str], body: bytes, end: str = "\n") -> bytes:
    return end.join(["ply", f"format {order} 1.0", *elements, "end_header", ""]).encode() + body


FACES = ["element face 2", "property list uchar int vertex_indices"]
VERTICES = ["element vertex 3", "property float x", "property float y", "property float z"]


@pytest.mark.parametrize(("order", "sign"), [("binary_little_endian", "<"), ("binary_big_endian", ">")])
def test_lists_before_the_points_of_a_binary_ply(tmp_path: Path, order: str, sign: str) -> None:
    faces = struct.pack(f"{sign}B3iB4i", 3, 0, 1, 2, 4, 0, 1, 2, 0)
    packed = b"".join(struct.pack(f"{sign}3f", *point) for point in POINTS)
    file = save(tmp_path / "a.ply", ply(order, [*FACES, *VERTICES], faces + packed))
    assert read_points(file).tolist() == POINTS
    listed = [VERTICES[0], "property list ushort double near", *VERTICES[1:]]
    each = [struct.pack(f"{sign}H{n}d3f", n, *[9.0] * n, *point) for n, point in zip((2, 0, 1), POINTS, strict=True)]
    assert (
        read_points(save(tmp_path / "b.ply", ply(order, [*FACES, *listed], faces + b"".join(each)))).tolist() == POINTS
    )
    assert "ends after 2 of 3 vertices" in complaint(tmp_path / "c.ply", file.read_bytes()[:-1])
    assert "ends after 0 of 3 vertices" in complaint(tmp_path / "d.ply", ply(order, [*FACES, *VERTICES], faces[:9]))


def test_lists_before_the_points_of_a_ply_as_text(tmp_path: Path) -> None:
    listed = [VERTICES[0], "property list uchar int near", *VERTICES[1:]]
    body = b"3 0 1 2\n\n4 0 1 2 0\n2 8 8 0.5 -1.25 2.5\n0 3.75 4.5 -5.5\n1 8 0.25 6.5 7.25\n"
    assert read_points(save(tmp_path / "a.ply", ply("ascii", [*FACES, *listed], body))).tolist() == POINTS


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_data_begins_where_the_header_ends(tmp_path: Path, end: str) -> None:
    packed = b"".join(struct.pack("<3f", *point) for point in POINTS)
    said = ["comment an end_header is at the end,\x0b as ever", *VERTICES]
    assert read_points(save(tmp_path / "a.ply", ply("binary_little_endian", said, packed, end))).tolist() == POINTS


def test_a_count_of_nothing_takes_no_memory(tmp_path: Path) -> None:
    content = ply("binary_little_endian", ["element void 99999999999999", *VERTICES], b"")
    assert "ends after 0 of 3 vertices" in complaint(tmp_path / "a.ply", content)


# ------------------------------------------------------------------------------------------------- the cases


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.filterwarnings("ignore")
def test_the_cases_are_one_cloud() -> None:
    first, *others = [read_points(file) for file in sorted(CASES.iterdir())]
    assert first.shape == (64, 3) and len(others) > 4
    assert all(float((other - first).abs().max()) < 1e-5 for other in others)
    assert first[0].tolist() == pytest.approx([0.151054, -0.158712, 0.769411])
