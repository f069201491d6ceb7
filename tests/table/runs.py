"""What the tests of `api-graph map` share: tables of pictures, runs as processes, and what a run has left."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[2]
GRAPH = "api_clip_map"
PLAIN = {
    "1": {"class_type": "APLoadImage", "inputs": {"image": "0.png"}, "_meta": {"title": "image"}},
    "2": {"class_type": "APSaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "same"}},
}
"""A graph without a model: it saves each picture as it is."""
SAVED = 2
"""Pictures that GRAPH saves for each row."""

_MEASURED = ("seconds", "ran", "cached", "steps", "written")  # what a run took, and when it wrote; not its results


def picture(path: Path, number: int, side: int = 24) -> None:
    """A small picture of which there is no second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.radial_gradient("L").resize((side, side)).convert("RGB")
    image.putpixel((number % side, number // side % side), (255, 0, number % 256))
    image.save(path)


def rows_of(pictures: int, questions: int) -> list[dict[str, Any]]:
    """As many questions about each picture."""
    return [
        {"image": f"pics/{i}.png", "query": f"question {turn} of {i}"}
        for i in range(pictures)
        for turn in range(questions)
    ]


def table(folder: Path, rows: Sequence[Mapping[str, Any]], name: str = "rows.jsonl", side: int = 24) -> Path:
    """The rows as a file in `folder`, with all pictures that they name; large ones make a run take its time."""
    for image in sorted({row["image"] for row in rows if isinstance(row.get("image"), str)}):
        path = folder / image
        if not path.exists():
            picture(path, int(path.stem), side)
    path = folder / name
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    return path


def records(out: Path) -> list[dict[str, Any]]:
    """The lines of results.jsonl, as they stand."""
    return [json.loads(line) for line in (out / "results.jsonl").read_text("utf-8").splitlines()]


def results(out: Path) -> dict[int, dict[str, Any]]:
    """By the row's number: its record without what was measured, and its pictures as they are read."""
    found: dict[int, dict[str, Any]] = {}
    for record in records(out):
        assert record["row"] not in found, "a row stands twice in the results"
        files = [file for group in record["files"].values() for file in group]
        kept = {name: value for name, value in record.items() if name not in _MEASURED}
        found[record["row"]] = {**kept, "pictures": {file: _picture(out / file) for file in files}}
    return found


def _picture(path: Path) -> tuple[object, ...]:
    """Size, texts and a digest of the pixels: equal pictures may be packed otherwise, as isal did once in millions."""
    with Image.open(path) as picture:
        pixels = hashlib.sha256(picture.tobytes()).hexdigest()
        return picture.format, picture.mode, picture.size, getattr(picture, "text", {}), pixels


def files_in(out: Path) -> set[str]:
    """Names of all files of rows, half-written ones among them."""
    return {path.relative_to(out).as_posix() for path in (out / "files").rglob("*") if path.is_file()}


def named_files(out: Path) -> set[str]:
    """Names of all files that the results speak of."""
    return {file for record in records(out) for group in record["files"].values() for file in group}


def surroundings(cache: Path) -> dict[str, str]:
    """Environment of a run as a process."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "API_GRAPH_CACHE": str(cache), "OMP_NUM_THREADS": "1"}


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """`api-graph WORDS` as a process, in `folder`."""
    command = [sys.executable, "-m", "api_graph", *words]
    return subprocess.Popen(
        command,
        cwd=folder,
        env=surroundings(folder / "cache"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background job ignores Ctrl-C, and would hand that on.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def lines_written(out: Path) -> int:
    """How many rows are finished so far."""
    try:
        return (out / "results.jsonl").read_bytes().count(b"\n")
    except FileNotFoundError:
        return 0


def in_parts(rows: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    """Neighbours together."""
    return (rows[first : first + size] for first in range(0, len(rows), size))
