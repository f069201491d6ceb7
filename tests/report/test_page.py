"""The page itself: whole, of bounded size, and inert whatever the table holds."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from api_graph.errors import BadInput
from api_graph.report import page as module
from api_graph.report.page import write_report
from api_graph.report.text import clean

HOSTILE = (
    "<script>window.hacked = 1</script>",
    "</script><script>window.hacked = 1</script>",
    "</style></title></textarea><img src=x onerror='window.hacked = 1'>",
    '" onmouseover="window.hacked = 1" \'',
    "' autofocus onfocus='window.hacked = 1",
    "{{ 7 * 7 }}{% raw %}${window.hacked = 1}",
    "javascript:window.hacked=1",
    "<!-- <svg onload=window.hacked=1>",
    "&lt;b&gt; &amp;amp;",
    "\u202egnp.exe\u2066 مرحبا",
)
PIECES = ("<", "</", "<!--", "b", "dd", "script", ">", " x=", "'", '"', "&", "lt", "#60", ";", "{{", "\n", " ", "-->")


class Read(HTMLParser):
    """What a page holds: tags with their attributes, and the texts of values and of scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self._in: list[str] = []
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._in.append(tag)
        self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in self._in:
            while self._in.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        if self._in:
            self.texts[self._in[-1]][-1] += data

    def attributes(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def read(folder: Path, **options: Any) -> Read:
    return Read(write_report(folder, **options).page.read_text("utf-8"))


def assert_inert(page: Read) -> None:
    """Our own script and style alone; no handler; no address but of the page itself or of the run's folder."""
    assert [len(page.attributes(tag)) for tag in ("script", "style", "title", "dialog")] == [1, 1, 1, 1]
    for tag, attributes in page.tags:
        assert not [name for name in attributes if name.startswith("on") or name in ("style", "srcdoc", "action")]
        assert tag not in ("iframe", "object", "embed", "form", "base", "svg")
        for name in ("src", "href", "data-link"):
            assert re.match(r"data:|#|files/|$", attributes.get(name) or ""), attributes


def hostile_run(made: Any) -> Path:
    """Hostile texts wherever a run has texts of its own."""
    records = []
    for row, text in enumerate(HOSTILE):
        values = {"picture": text, text: text, "list": [text]}
        error = {"message": f"no (got {text}).", "node": "19", "title": text, "class_type": text, "kind": "node"}
        ok = row % 2 == 0
        folder = made.picture(made.folder / "files" / text.replace("/", "_") / "a.png", "red").parent
        files = {"10": [f"files/{folder.name}/a.png"], text: [text]}
        more = {"values": values, "texts": {"20": [text]}, "files": files, "steps": {text: 0.5}}
        records.append(made.record(row, ok=ok, error=None if ok else error, **more))
    everything = "".join(HOSTILE)
    graph = {"10": {"class_type": HOSTILE[0], "inputs": {}, "_meta": {"title": everything}}}
    pairs = {everything: everything}
    names = dict.fromkeys(("graph_name", "device", "started"), everything)
    parts = dict.fromkeys(("set", "columns", "versions", "arguments"), pairs)
    rows = {"source": everything, "kind": "jsonl", "count": 10}
    return made.write(records, made.manifest(graph=graph, rows=rows, **names, **parts))


def test_hostile_texts_are_texts(made: Any) -> None:
    page = read(hostile_run(made))
    assert_inert(page)
    for text in HOSTILE:
        assert page.texts["dd"].count(clean(text)) >= 3  # the value, and the answer, in the sheet and in the list


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=100) | st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_any_text_is_a_text(made: Any, text: str) -> None:
    page = read(made.write([made.record(0, values={"q": text})], made.manifest(graph_name=text[:50])))
    assert_inert(page)
    assert page.texts["dd"].count(clean(text)) >= 2


def test_the_policy_allows_this_script_and_this_style_alone(finished_run: Path) -> None:
    page = read(finished_run)
    policy = next(a["content"] for a in page.attributes("meta") if a.get("http-equiv") == "Content-Security-Policy")

    def digest(tag: str) -> str:
        return base64.b64encode(hashlib.sha256(page.texts[tag][0].encode()).digest()).decode()

    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest('style')}'; "
        f"script-src 'sha256-{digest('script')}'; base-uri 'none'; form-action 'none'"
    )
    # before anything that it is to govern
    assert [tag for tag, _ in page.tags][:4] == ["html", "head", "meta", "meta"]


def test_the_numbers_stand_there(finished_run: Path) -> None:
    page = read(finished_run)
    assert page.texts["h1"] == ["api_clip_ask"]
    assert page.texts["strong"][:6] == ["12", "9", "3", "4", "28.6 %", "cuda (H100)"]
    assert page.texts["figcaption"][:3] == ["original", "Map", "Annotated image"]
    # Encode image: 12 × 0.125 s of 2.0625 s; Query LVLM: 9 × 0.0625 s
    assert [cell for cell in page.texts["td"] if cell.endswith("%")] == ["73 %", "27 %"]
    assert {"1.5 s", "125 ms", "562 ms", "62 ms"} <= set(page.texts["td"])
    assert [a["class"] for a in page.attributes("td") if "bar" in (a.get("class") or "")] == [
        "bar share-73",
        "bar share-27",
    ]


def test_rows_in_order_of_the_table(finished_run: Path) -> None:
    page = read(finished_run)
    rows = [int(attributes["data-row"] or "") for _, attributes in page.tags if "data-row" in attributes]
    assert rows == [*range(12), *range(12)]
    assert sum(attributes.get("data-kind") == "failed" for _, attributes in page.tags) == 6


def test_what_is_left_out_is_said(made: Any) -> None:
    folder = made.write(made.record(row) for row in range(1500))
    hints = read(folder, pictures=10, rows=100).texts["p"]
    assert "Rows: 10 of 1,500, evenly spread over the table." in hints
    assert (
        "Rows that can be searched here: 100 of 1,500, evenly spread over the table. Long texts are cut. "
        "All of them are in results.jsonl." in hints
    )
    hints = read(folder, pictures=0, rows=1500).texts["p"]
    assert "Rows that can be searched here: all 1,500. Long texts are cut." in hints


def test_notes(made: Any) -> None:
    made.write([made.record(0)], part="shards/1-of-40", tail=b"damaged\n")
    made.write([made.record(1)], made.manifest(fingerprint="0"), part="shards/2-of-40")
    notes = read(made.folder).texts["li"]
    assert notes[0].startswith("2 shards are shown; there are no results yet of 3/40, 4/40,")
    assert notes[0].endswith("22/40 and 18 more.")
    assert notes[1:3] == [
        "These shards were not all made by the same graph.",
        "1 damaged lines of the results were left out.",
    ]
    assert notes[3].startswith("Verify: 1 fault of the table, ") and "38 missing shards" in notes[3]


def test_a_run_that_goes_on_has_its_rate_so_far(made: Any) -> None:
    folder = made.write(
        [made.record(row) for row in range(30)],
        made.manifest(finished=None, totals=None, started="2026-11-21T07:00:00Z"),
    )
    os.utime(folder / "results.jsonl", (1795244460, 1795244460))  # 2026-11-21 07:01:00 UTC
    page = read(folder)
    assert page.texts["strong"][3] == "0.5"
    assert "so far" in page.texts["small"] and "not finished" in page.texts["small"]


def test_a_page_of_a_large_run_is_small(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Long texts full of characters that HTML must escape, as many causes as rows, and noise for pictures."""
    monkeypatch.setattr(module, "_PICTURES", 500_000)
    monkeypatch.setattr(module, "_ROWS", 300_000)
    monkeypatch.setattr(module, "_CAUSES", 100_000)
    nasty = "<&'\">" * 100
    for n in range(5):
        Image.effect_noise((300, 300), 80).save(made.folder / f"{n}.png")
    files = {str(n): [f"{n}.png"] for n in range(5)}
    records = [
        made.record(
            row,
            ok=row % 2 == 0,
            values={f"{c}{nasty}": nasty for c in range(12)},
            texts={"20": [nasty] * 8},
            files=files,
            error=None if row % 2 == 0 else {"message": f"{'x' * row}{nasty}", "node": "1"},
        )
        for row in range(400)
    ]
    report = write_report(made.write(records))
    assert (report.summary.rows, report.listed < 100, report.pictured < 100) == (400, True, True)
    assert report.page.stat().st_size < 1_200_000


def test_sizes_are_estimated_well(made: Any) -> None:
    """The budgets hold if a row takes no more than was thought, and are used up if it takes not much less."""
    folder = made.write(
        made.record(row, values={"q": "a question of about fifty characters, let us say"}) for row in range(500)
    )
    without = write_report(folder, pictures=0, rows=0).page.stat().st_size
    report = write_report(folder, pictures=0)
    thought = sum(row.size for row in report.summary.listed.ordered())
    assert 0.75 * thought < report.page.stat().st_size - without < thought


def test_links_only_from_beside_the_files(made: Any, tmp_path: Path) -> None:
    folder = made.write([made.pictured(0)])
    buttons = [a for a in read(folder).attributes("button") if "data-file" in a]
    assert [a.get("data-link") for a in buttons] == [
        None,
        "files/3f/9a/00000000000000000000/map_00001_.png",
        "files/3f/9a/00000000000000000000/annotated_00001_.png",
    ]
    elsewhere = [a for a in read(folder, out=tmp_path / "page.html").attributes("button") if "data-file" in a]
    assert [a.get("data-link") for a in elsewhere] == [None, None, None]


def test_the_page_appears_whole_or_not_at_all(finished_run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (finished_run / "report.html").write_text("the old one")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = sorted(finished_run.iterdir())
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(BadInput, match=r"--out: it cannot be written \(No space left on device\)"):
        write_report(finished_run)
    assert (finished_run / "report.html").read_text() == "the old one"
    assert sorted(finished_run.iterdir()) == before


def test_a_folder_that_is_not_there_is_made(finished_run: Path, tmp_path: Path) -> None:
    write_report(finished_run, tmp_path / "nowhere" / "page.html")
    assert (tmp_path / "nowhere" / "page.html").read_text().startswith("<!doctype html>")
    with pytest.raises(BadInput, match="cannot be written"):
        write_report(finished_run, tmp_path / "nowhere" / "page.html" / "page.html")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "–"),
        (0, "0 ms"),
        (0.0004, "< 1 ms"),
        (0.04, "40 ms"),
        (1.26, "1.3 s"),
        (125, "2 min 5 s"),
        (7260, "2 h 1 min"),
    ],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert module._seconds(seconds) == text


def test_no_script_tag_ends_early() -> None:
    folder = Path(module.__file__).parent
    sources = [(folder / name).read_text("utf-8") for name in ("report.js", "report.css", "../page.css")]
    assert not [s for s in sources if re.search(r"</(script|style)|<!--", s, re.IGNORECASE)]


def test_nothing_of_the_record_is_needed_to_be_ascii(made: Any) -> None:
    folder = made.write([made.record(0, texts={"20": ["Straße 東京 👩‍👩‍👧"]})])
    assert "Straße 東京 👩‍👩‍👧" in write_report(folder).page.read_text("utf-8")
    assert json.loads((folder / "manifest.json").read_text("utf-8"))["format"] == 1
