"""The folder of a row's files."""

from __future__ import annotations

from pathlib import Path

import pytest

from api_graph.table.places import clear_row_folder, row_folder
from api_graph.table.writing import WriteFailed, whole_file

KEY = "3f9a0123456789abcdef-2"


def test_one_level_above_the_row(tmp_path: Path) -> None:
    assert row_folder(tmp_path, KEY).relative_to(tmp_path).as_posix() == f"files/3f/{KEY}"


def test_what_an_earlier_try_left_is_removed(tmp_path: Path) -> None:
    folder = row_folder(tmp_path, KEY)
    beside = row_folder(tmp_path, KEY.removesuffix("-2"))
    for each in (folder / "deep", beside):
        each.mkdir(parents=True)
        (each / "a_00001_.png").touch()
    clear_row_folder(tmp_path, KEY)
    clear_row_folder(tmp_path, KEY)
    assert not folder.exists()
    assert (beside / "a_00001_.png").exists()


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.pdf").touch()
    folder = row_folder(tmp_path, KEY)
    folder.parent.mkdir(parents=True)
    folder.symlink_to(tmp_path / "mine")
    with pytest.raises(WriteFailed):
        clear_row_folder(tmp_path, KEY)
    assert (tmp_path / "mine" / "thesis.pdf").exists()


def test_a_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "a.json"
    with whole_file(path) as file:
        file.write(b"old")
    with pytest.raises(KeyboardInterrupt), whole_file(path) as file:
        file.write(b"new")
        raise KeyboardInterrupt
    assert [each.name for each in path.parent.iterdir()] == ["a.json"]
    assert path.read_bytes() == b"old"


def test_a_folder_that_cannot_be_one(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    refused = pytest.raises(WriteFailed, match=r"a\.json cannot be written \(.+\)\. Free some space")
    with refused, whole_file(tmp_path / "file" / "a.json"):
        raise AssertionError("there is nothing to write to")
