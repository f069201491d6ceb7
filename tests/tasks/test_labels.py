"""Label sets and the names of classes."""

from __future__ import annotations

from pathlib import Path

import pytest

from api_graph.errors import ApiGraphWarning
from api_graph.tasks.labels import checked_labels, read_labels, readable_name
from tests.tasks.files import complaint, write


def test_labels(tmp_path: Path) -> None:
    assert read_labels(write(tmp_path / "labels.txt", "\ufeffa cat\n\n  a dog \n")) == ("a cat", "a dog")
    assert checked_labels("one\ntwo") == checked_labels(["one", " two", ""]) == ("one", "two")
    for bad, said in ((" \n", "there is no label"), ("a\nb\na", "stands twice"), ([1], "labels are texts")):
        assert said in complaint(checked_labels, bad)
    assert "there is no such file" in complaint(read_labels, tmp_path / "none.txt")


@pytest.mark.parametrize("text", ["a ring, a star", " a ring;a star\n", "ring|star", ["a ring, a star"]])
def test_one_label_that_may_be_several(text: str | list[str]) -> None:
    with pytest.warns(ApiGraphWarning, match="^'.*ring.*star' is one label: several stand on a line each"):
        assert len(checked_labels(text)) == 1


def test_several_labels_may_have_commas(recwarn: pytest.WarningsRecorder) -> None:
    assert checked_labels("tench, Tinca tinca\ngoldfish") == ("tench, Tinca tinca", "goldfish")
    assert checked_labels("a ring") == ("a ring",)
    assert not recwarn.list


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("001.Black_footed_Albatross", "Black footed Albatross"),
        ("n02085620-Chihuahua", "Chihuahua"),
        ("n02107574-Greater_Swiss_Mountain_dog", "Greater Swiss Mountain dog"),
        ("n02086910-papillon-x", "papillon-x"),
        ("night_stand", "night stand"),
    ],
)
def test_readable_names(folder: str, name: str) -> None:
    assert readable_name(folder) == name
