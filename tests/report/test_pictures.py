"""Which pictures a row has, and that no others are ever read."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from api_graph.report import pictures as module
from api_graph.report.collect import collect
from api_graph.report.page import write_report
from api_graph.report.pictures import Card, Picture, Pictures


def cards_of(made: Any, records: Sequence[dict[str, Any]], budget: int = 10**9, **manifest: Any) -> list[Card]:
    folder = made.write(records, made.manifest(**manifest))
    summary = collect(folder, pictures=200, rows=0)
    return Pictures(folder, summary.facts).cards(summary.pictured.ordered(), budget)


def pictures_of(made: Any, record: dict[str, Any], **manifest: Any) -> Sequence[Picture]:
    (card,) = cards_of(made, [record], **manifest)
    return card.pictures


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """The files that were opened for their pictures."""
    paths: list[Path] = []
    thumbnail = module.thumbnail
    monkeypatch.setattr(module, "thumbnail", lambda path: (paths.append(path), thumbnail(path))[1])
    yield paths


def test_image_then_heatmap_then_annotated(made: Any) -> None:
    original, heatmap, annotated = pictures_of(made, made.pictured(3))
    assert (original.kind, original.label, original.name) == ("original", "original", "p3.png")
    assert (heatmap.kind, heatmap.label, heatmap.name) == ("heatmap", "Map", "map_00001_.png")
    assert (annotated.kind, annotated.label, annotated.name) == ("annotated", "Annotated image", "annotated_00001_.png")
    assert [one.thumbnail is not None for one in (original, heatmap, annotated)] == [True] * 3
    assert heatmap.link == "files/3f/9a/00000000000000000003/map_00001_.png"
    assert original.link == ""


def test_a_node_that_is_called_heatmap_saves_heatmaps(made: Any) -> None:
    graph = {"10": {"class_type": "APSaveImage", "inputs": {}, "_meta": {"title": "The Heatmap"}}}
    kinds = [one.kind for one in pictures_of(made, made.pictured(3), graph=graph)]
    assert kinds == ["original", "heatmap", "annotated"]


def test_an_absolute_name_inside_the_input_folders(made: Any) -> None:
    record = made.pictured(3)
    record["values"]["picture"] = str(made.inputs / "p3.png")
    assert pictures_of(made, record)[0].thumbnail is not None


def test_an_image_that_is_the_same_for_all_rows(made: Any) -> None:
    made.picture(made.inputs / "example.png", "red")
    record = made.record(0, values={"question": "what?"})
    (original,) = pictures_of(made, record)
    assert (original.name, original.thumbnail is not None) == ("example.png", True)


def outside(made: Any) -> Path:
    return made.picture(made.folder.parent / "secret" / "secret.png", "red")


@pytest.mark.parametrize(
    "name",
    [
        "{secret}",
        "../secret/secret.png",
        "link.png",
        "folder/secret.png",
        "../secret/secret.png [output]",
        "../secret/secret.png [temp]",
        "~/secret.png",
        "nul\0.png",
        "half\ud800.png",
        "x" * 5000 + ".png",
        "fifo.png",
        "folder",
        ".",
        "/dev/zero",
    ],
)
def test_nothing_outside_is_read(made: Any, opened: list[Path], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    secret = outside(made)
    monkeypatch.setenv("HOME", str(secret.parent))
    for root in (made.inputs, made.folder):
        (root / "link.png").symlink_to(secret)
        (root / "folder").symlink_to(secret.parent)
        os.mkfifo(root / "fifo.png")
    name = name.replace("{secret}", str(secret))
    record = made.record(0, values={"picture": name}, files={"10": [name]})
    original, saved = pictures_of(made, record)
    assert (original.thumbnail, original.problem) == (None, "not in the input folders")
    assert (saved.thumbnail, saved.problem, saved.link) == (None, "no such file", "")
    assert opened == []


def test_broken_pictures_say_so(made: Any) -> None:
    record = made.pictured(3)
    for folder in (made.inputs, made.folder):
        for path in folder.rglob("*.png"):
            path.write_bytes(path.read_bytes()[:100])
    pictures = pictures_of(made, record)
    assert [(one.thumbnail, one.problem) for one in pictures] == [(None, "damaged")] * 3


def test_links_are_addresses_beside_the_page(made: Any) -> None:
    name = "javascript:alert(1)#?%\"'<>.png"
    made.picture(made.folder / name, "red")
    (saved,) = pictures_of(made, made.record(0, values={}, files={"10": [name]}), graph={})
    assert saved.thumbnail is not None
    assert saved.link == "javascript%3Aalert%281%29%23%3F%25%22%27%3C%3E.png"


def test_a_page_that_was_saved_is_linked_and_never_read(made: Any, opened: list[Path]) -> None:
    (made.folder / "words_00001_.html").write_text("<script>alert(1)</script>")
    folder = made.write([made.record(0, values={}, files={"10": ["words_00001_.html"]})])
    (card,) = Pictures(folder, (summary := collect(folder, pictures=200, rows=0)).facts).cards(
        summary.pictured.ordered(), 10**9
    )
    (saved,) = (one for one in card.pictures if one.kind != "original")
    assert (saved.thumbnail, saved.problem, saved.link) == (None, "a page", "words_00001_.html")
    assert not [path for path in opened if path.suffix == ".html"]
    page = write_report(folder).page.read_text("utf-8")
    assert '<a href="words_00001_.html" target="_blank" rel="noopener noreferrer">a page</a>' in page


def test_as_many_as_go_into_the_budget(made: Any) -> None:
    records = [made.pictured(row) for row in range(30)]
    cards = cards_of(made, records)
    assert [card.row.number for card in cards] == list(range(30))
    budget = sum(card.size for card in cards[:7]) + 10
    assert [card.row.number for card in cards_of(made, records, budget)] == list(range(7))


def test_more_rows_than_are_read_ahead(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AHEAD", 3)
    assert [card.row.number for card in cards_of(made, [made.record(row) for row in range(11)])] == list(range(11))


def test_an_image_of_many_rows_is_read_once(made: Any, opened: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    made.picture(made.inputs / "a.png", "red")
    cards_of(made, [made.record(row, values={"picture": "a.png"}) for row in range(20)])
    assert opened == [made.inputs / "a.png"]


def test_pillows_warnings_stay_inside(made: Any) -> None:
    Image.new("1", (10_000, 9_000)).save(made.inputs / "p0.png")  # Pillow warns of so many pixels
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        (original,) = pictures_of(made, made.record(0))
    assert (original.thumbnail is not None, caught) == (True, [])
