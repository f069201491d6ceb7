"""Any table, any graph, stopped anywhere: what `map` calls finished is whole, and nothing is taken from it unseen."""

from __future__ import annotations

import json
import os
import random
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image

from api_graph.errors import ApiGraphWarning
from api_graph.registry import all_nodes, registry_of
from api_graph.sockets import Image as Picture
from api_graph.spec import node
from api_graph.table.map import map_graph
from api_graph.table.verify import verify
from tests.table.runs import files_in, named_files, picture, records

PICTURES = 3

Rows = list[dict[str, Any]]


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Any]:
    """A picture that is inverted some times, saved, or not, and a text that is shown, or not."""
    graph: dict[str, Any] = {
        "1": {"class_type": "APLoadImage", "inputs": {"image": "0.png"}, "_meta": {"title": "image"}},
        "2": {"class_type": "APText", "inputs": {"text": "?"}, "_meta": {"title": "query"}},
    }
    last = "1"
    for id in draw(st.sampled_from([[], ["3"], ["3", "4"]])):
        graph[id] = {"class_type": "ImageInvert", "inputs": {"image": [last, 0]}}
        last = id
    saves = draw(st.integers(0, 2))
    for id in ("5", "6")[:saves]:
        graph[id] = {"class_type": "APSaveImage", "inputs": {"images": [last, 0], "filename_prefix": f"p{id}"}}
    if not saves or draw(st.booleans()):
        graph["7"] = {"class_type": "APShowText", "inputs": {"value": ["2", 0]}}
    return graph


ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "image": st.sampled_from([f"{n}.png" for n in range(PICTURES)]),
            "query": st.text("ab", min_size=1, max_size=3),
        }
    ),
    min_size=1,
    max_size=14,
)


def as_table(folder: Path, kind: str, rows: Rows) -> tuple[Any, dict[str, str]]:
    """The rows as a table of some kind, and what it does not set; a folder has its pictures for rows."""
    if kind == "folder":
        return folder, {"query": "?"}
    if kind == "python":
        return rows, {}
    path = folder / f"rows.{kind}"
    if kind == "jsonl":
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    else:
        path.write_text("image,query\n" + "".join(f'{row["image"]},"{row["query"]}x"\n' for row in rows))
    return path, {}


@contextmanager
def taken(path: Path, content: bytes | None) -> Iterator[None]:
    """Inside, the file has another content, or there is none; its times are as they were."""
    stat, before = path.stat(), path.read_bytes()

    def written(content: bytes) -> None:
        path.write_bytes(content)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    if content is None:
        path.unlink()
    else:
        written(content)
    try:
        yield
    finally:
        written(before)


@settings(
    max_examples=6,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    kind=st.sampled_from(["jsonl", "csv", "folder", "python"]),
    rows=ROWS,
    graph=graphs(),
    stops=st.lists(st.tuples(st.integers(0, 6), st.floats(0, 1)), max_size=2),
    chance=st.randoms(use_true_random=False),
)
def test_nothing_can_be_taken_unseen(
    tmp_path_factory: pytest.TempPathFactory,
    kind: str,
    rows: Rows,
    graph: dict[str, Any],
    stops: list[tuple[int, float]],
    chance: random.Random,
) -> None:
    folder = tmp_path_factory.mktemp("any")
    for number in range(PICTURES):
        picture(folder / f"{number}.png", number)
    source, constants = as_table(folder, kind, rows)
    out = folder / "out"

    def run() -> Any:
        return map_graph(graph, source, constants, output=out, input_folders=[folder], cache=False)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ApiGraphWarning)
        for rows_before, share in stops:
            stopped = run()
            list(islice(stopped, rows_before))
            stopped.close()
            journal = out / "results.jsonl"
            if journal.exists():  # a kill may cut it anywhere
                os.truncate(journal, int(share * journal.stat().st_size))
        list(run())
    count = PICTURES if kind == "folder" else len(rows)
    found = verify(out, depth="content")
    assert (found.ok, found.rows, found.lines, found.failed) == (True, count, count, 0), found
    assert files_in(out) == named_files(out)

    lines = (out / "results.jsonl").read_bytes().splitlines(keepends=True)
    for number in range(len(lines)):
        with taken(out / "results.jsonl", b"".join(lines[:number] + lines[number + 1 :])):
            assert verify(out).counts["lost"] == 1
    read = {name for record in records(out) for name in record["reads"]}
    files = [*(out / name for name in named_files(out)), *(folder / name for name in read)]
    for path in [*files, out / "manifest.json", *([out / "listing.jsonl"] if kind == "folder" else [])]:
        with taken(path, None):
            assert not verify(out).ok, path
    for path in files:
        content = path.read_bytes()
        at = chance.randrange(len(content))
        with taken(path, content[:at] + content[at + 1 :]):
            assert not verify(out).ok, path
        with taken(path, content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]):
            assert not verify(out, depth="content").ok, path
    assert verify(out, depth="content").ok


COLOURS = [(0, 0, 0), (255, 0, 0), (0, 255, 0), (0, 0, 255)]


@node("TColour", category="test", title="Colour", store=True)
def colour(image: Picture) -> str:
    """The colour of the first pixel. Its result is kept on disk."""
    return str([round(255 * float(level)) for level in image[0, 0, 0]])


GRAPH = {
    "1": {"class_type": "APLoadImage", "inputs": {"image": "0.bmp"}, "_meta": {"title": "image"}},
    "2": {"class_type": "TColour", "inputs": {"image": ["1", 0]}},
    "3": {"class_type": "APText", "inputs": {"text": "?"}, "_meta": {"title": "query"}},
    "4": {"class_type": "APShowText", "inputs": {"value": ["2", 0]}},
    "5": {"class_type": "APShowText", "inputs": {"value": ["3", 0]}},
}


def by_rename(path: Path, content: bytes) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(content)
    os.utime(other, (1, 1))
    os.replace(other, path)


def in_place(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    os.utime(path, (1, 1))


@pytest.mark.parametrize("swap", [by_rename, in_place])
def test_pictures_that_are_exchanged_all_the_time_poison_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: Callable[[Path, bytes], None]
) -> None:
    """All pictures have one size and one time. After the storm each row says what its picture shows."""
    functions = [spec.function for spec in all_nodes().values()]
    for module in ("map", "worker"):
        monkeypatch.setattr(f"api_graph.table.{module}.all_nodes", lambda: registry_of([*functions, colour]))
    monkeypatch.setattr("api_graph.table.worker._WORTH_STORING", 0.0)
    (tmp_path / "pics").mkdir()
    bytes_of = {}
    for shown in COLOURS:
        Image.new("RGB", (40, 40), shown).save(tmp_path / "one.bmp")
        bytes_of[shown] = (tmp_path / "one.bmp").read_bytes()
    pictures = [tmp_path / f"pics/{number}.bmp" for number in range(3)]
    for path in pictures:
        in_place(path, bytes_of[COLOURS[0]])
    rows = [{"image": path.name, "query": f"{turn}"} for turn in range(60) for path in pictures]
    table = tmp_path / "pics/rows.jsonl"
    table.write_text("".join(f"{json.dumps(row)}\n" for row in rows))

    def said(out: str, cache: Path | bool) -> list[str]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ApiGraphWarning)
            # a picture that is being written when it is read is cut short: its row fails, and is done again here
            list(map_graph(GRAPH, table, output=tmp_path / out, cache=cache, memory=2**22, retry_failed=True))
        return [record["texts"]["4"][0] for record in sorted(records(tmp_path / out), key=lambda each: each["row"])]

    over, chance, swaps = threading.Event(), random.Random(5), [0]

    def storm() -> None:
        while not over.wait(chance.uniform(0, 0.002)):
            swap(chance.choice(pictures), bytes_of[chance.choice(COLOURS)])
            swaps[0] += 1

    thread = threading.Thread(target=storm)
    thread.start()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ApiGraphWarning)
            while swaps[0] <= 20:  # what was swapped since is done again
                list(map_graph(GRAPH, table, output=tmp_path / "out", cache=tmp_path / "cache", memory=2**22))
    finally:
        over.set()
        thread.join()
    for turn, shown in enumerate(COLOURS):
        for path in pictures:
            swap(path, bytes_of[shown])
        assert set(said(f"after{turn}", tmp_path / "cache")) == {str(list(shown))}
    for path in pictures:
        path.touch()  # with another time their content is compared, and the rows of other colours are done again
    assert set(said("out", tmp_path / "cache")) == {str(list(COLOURS[-1]))}
    assert verify(tmp_path / "out", depth="content").ok
