"""What a graph may name, and what only the person at the keyboard may."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from api_graph.errors import BadInput
from api_graph.folders import Folders


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in (
        "input/a.png",
        "input/sub/b.png",
        "output/c.png",
        "temp/d.png",
        "secret.png",
        "models/m/w.safetensors",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    (tmp_path / "input" / "link.png").symlink_to(tmp_path / "secret.png")
    (tmp_path / "input" / "sub" / "out").symlink_to(tmp_path)
    (tmp_path / "input" / "near.png").symlink_to(tmp_path / "input" / "a.png")
    (tmp_path / "other").symlink_to(tmp_path / "input")
    return tmp_path


def folders(place: Path, *trusted: str) -> Folders:
    return Folders(
        (place / "input",), place / "output", place / "temp", (place / "models",), trusted=frozenset(trusted)
    )


def test_the_former_name_of_the_shipped_picture(place: Path) -> None:
    (place / "shipped").mkdir()
    (place / "shipped" / "api_graph_example.png").write_bytes(b"x")
    where = Folders((place / "input", place / "shipped"), place / "output", place / "temp")
    shipped = (place / "shipped" / "api_graph_example.png").resolve()
    assert where.input_file("example.png") == where.input_file("example.png [input]") == shipped
    with pytest.raises(BadInput):
        where.input_file("example.png [output]")
    (place / "input" / "example.png").write_bytes(b"x")
    assert where.input_file("example.png") == (place / "input" / "example.png").resolve()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("a.png", "input/a.png"),
        ("sub/b.png", "input/sub/b.png"),
        ("a.png [input]", "input/a.png"),
        ("c.png [output]", "output/c.png"),
        ("d.png[temp]", "temp/d.png"),
        ("sub/../a.png", "input/a.png"),
        ("near.png", "input/a.png"),
    ],
)
def test_names_inside_the_folders(place: Path, name: str, file: str) -> None:
    assert folders(place).input_file(name) == (place / file).resolve()


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png",
        "/etc/passwd",
        "link.png",
        "sub/out/secret.png",
        "c.png",
        "",
        " ",
        "a\0.png",
        "../secret.png [output]",
        "~",
    ],
)
def test_names_outside_are_not_there(place: Path, name: str) -> None:
    with pytest.raises(BadInput, match=r"no such file|leads out"):
        folders(place).input_file(name)


def test_the_folder_itself_may_be_a_link(place: Path) -> None:
    linked = Folders((place / "other",), place / "output", place / "temp")
    assert linked.input_file("a.png").samefile(place / "input" / "a.png")
    with pytest.raises(BadInput, match="no such file"):
        linked.input_file("link.png")


def test_an_absolute_path_needs_trust(place: Path) -> None:
    secret = str(place / "secret.png")
    with pytest.raises(BadInput, match="--set image=PATH"):
        folders(place).input_file(secret)
    assert folders(place, secret).input_file(secret) == (place / "secret.png").resolve()


def test_trust_is_by_exact_text(place: Path) -> None:
    with pytest.raises(BadInput):
        folders(place, "a.png").input_file(str(place / "secret.png"))


def test_a_path_as_windows_writes_it(place: Path) -> None:
    for name in ("sub\\b.png", "sub\\b.png [input]", ".\\sub\\b.png"):
        assert folders(place).input_file(name) == (place / "input/sub/b.png").resolve()
    for name in ("..\\secret.png", "sub\\..\\..\\secret.png", "sub\\out\\secret.png", str(place / "secret.png")):
        with pytest.raises(BadInput, match="no such file"):
            folders(place).input_file(name.replace("/", "\\"))


@pytest.mark.skipif(os.name != "posix", reason="there, it is a separator")
def test_a_file_of_just_that_name_goes_before(place: Path) -> None:
    (place / "input" / "sub\\b.png").write_bytes(b"y")
    assert folders(place).input_file("sub\\b.png").read_bytes() == b"y"


@pytest.mark.parametrize(
    ("there", "name", "said"),
    [
        ("sub/Big.PNG", "sub/big.png", "'sub/Big.PNG' is there: upper and lower case differ"),
        ("Deep/x.png", "deep/x.png", "'Deep/x.png' is there: upper and lower case differ"),
        ("Deep/x.png", "deep\\X.png", "'Deep/x.png' is there: upper and lower case differ"),
        ("x y.png", " x y.png", "'x y.png' is there: the blanks differ"),
        ("caf\u00e9.png", "cafe\u0301.png", "another Unicode form is there: NFD is asked for, and its name is in NFC"),
        ("cafe\u0301/1.png", "caf\u00e9/1.png", "another Unicode form is there: NFC is asked for, and .* in NFD"),
        ("Caf\u00e9.png", "cafe\u0301.png", "is there: upper and lower case differ"),
    ],
)
def test_a_name_that_nearly_fits_is_hinted_at(place: Path, there: str, name: str, said: str) -> None:
    """It is never taken: the next machine may tell the two names apart."""
    path = place / "input" / there
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"x")
    if (place / "input" / name.replace("\\", "/")).exists():
        pytest.skip("this file system knows one name for both")
    with pytest.raises(BadInput, match="no such file") as caught:
        folders(place).input_file(name)
    assert re.search(said, caught.value.hint)
    path.unlink()
    with pytest.raises(BadInput, match="Put the file there"):
        folders(place).input_file(name)


def test_nothing_outside_is_hinted_at(place: Path) -> None:
    (place / "input" / "Out.png").symlink_to(place / "secret.png")
    (place / "input" / "Dir.png").mkdir()
    for name in ("../SECRET.png", "out.png", "SUB/out/secret.png", "dir.png", "x\0.png", "sub//B.png", "/A.png"):
        with pytest.raises(BadInput, match=r"Put the file there; on|\(input_folders in Python\)(, and name .*)?; on"):
            folders(place).input_file(name)


def test_models(place: Path) -> None:
    assert folders(place).model_path("m") == (place / "models" / "m").resolve()
    assert folders(place).model_path("m/w.safetensors") == (place / "models/m/w.safetensors").resolve()
    assert folders(place).model_path("../secret.png") is None
    assert folders(place).model_path(str(place / "models")) == (place / "models").resolve()
    assert folders(place).model_path(str(place)) is None


def test_a_name_that_leads_out_is_told_apart_from_one_that_is_not_there(place: Path) -> None:
    """Whether there is such a file outside is not told."""
    where = folders(place)
    for name in (str(place / "secret.png"), str(place / "never.png")):
        with pytest.raises(BadInput, match="the name leads out of it") as out:
            where.input_file(name)
        assert f"say --input {place} (input_folders in Python); on" in out.value.hint
    with pytest.raises(BadInput, match=r"the name leads out .* say --input DIR .* name the file from there; on"):
        where.input_file("../secret.png")
    for name in ("never.png", str(place / "input" / "never.png")):
        with pytest.raises(BadInput, match=r"^image: there is no such file in the input folder"):
            where.input_file(name)
    assert where.input_file(str(place / "input" / "a.png")) == (place / "input" / "a.png").resolve()
