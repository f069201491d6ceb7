"""What a graph may name, and what only the person at the keyboard may."""

from __future__ import annotations

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
    with pytest.raises(BadInput, match="no such file"):
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


def test_models(place: Path) -> None:
    assert folders(place).model_path("m") == (place / "models" / "m").resolve()
    assert folders(place).model_path("m/w.safetensors") == (place / "models/m/w.safetensors").resolve()
    assert folders(place).model_path("../secret.png") is None
    assert folders(place).model_path(str(place / "models")) == (place / "models").resolve()
    assert folders(place).model_path(str(place)) is None
