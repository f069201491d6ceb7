"""A run's folder as `api-graph map` leaves it, made by hand: records, a manifest and small pictures."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageDraw

COLOURS = ("red", "green", "blue", "orange")
GRAPH = {
    "1": {"class_type": "APLoadImage", "inputs": {"image": "example.png"}, "_meta": {"title": "image"}},
    "2": {"class_type": "APText", "inputs": {"text": "?"}, "_meta": {"title": "query"}},
    "4": {"class_type": "APEncodeImage", "inputs": {}, "_meta": {"title": "Encode image"}},
    "8": {"class_type": "APSaveHeatmap", "inputs": {}, "_meta": {"title": "Map"}},
    "10": {"class_type": "APSaveImage", "inputs": {}, "_meta": {"title": "Annotated image"}},
    "19": {"class_type": "APQueryLVLM", "inputs": {}},
    "20": {"class_type": "APShowText", "inputs": {}, "_meta": {"title": "Answer"}},
}


class Made:
    """A run's folder and its input folder; rows are added one by one."""

    def __init__(self, root: Path) -> None:
        self.folder, self.inputs = root / "out", root / "pictures"
        self.folder.mkdir()
        self.inputs.mkdir()

    def record(self, row: int, *, ok: bool = True, **changes: Any) -> dict[str, Any]:
        """A record of results.jsonl: the row asked for an image's colour, and was answered, or failed."""
        name = f"p{row}.png"
        error = {
            "message": f"image: there is no such file (got '{name}'). Put it there.",
            "node": "1",
            "title": "image",
            "class_type": "APLoadImage",
            "input": "image",
            "kind": "node",
        }
        return {
            "row": row,
            "key": f"{row:020x}",
            "ok": ok,
            "values": {"picture": name, "question": f"What colour is shape {row}?"},
            "outputs": {},
            "texts": {"20": [COLOURS[row % 4]]} if ok else {},
            "files": {},
            "seconds": 0.25,
            "ran": 3 if ok else 1,
            "cached": 1,
            "steps": {"4": 0.125, "19": 0.0625} if ok else {"4": 0.125},
            "error": None if ok else error,
        } | changes

    def manifest(self, **changes: Any) -> dict[str, Any]:
        """A manifest of a run that has finished."""
        return {
            "format": 1,
            "graph": GRAPH,
            "graph_name": "api_clip_ask",
            "rows": {"source": "questions.jsonl", "kind": "jsonl", "count": 12},
            "set": {"strength": 0.75},
            "columns": {"image": "picture", "query": "question"},
            "inputs": [str(self.inputs)],
            "shard": None,
            "fingerprint": "f" * 64,
            "versions": {"api-graph": "0.1.0", "torch": "2.15.0"},
            "device": "cuda (H100)",
            "arguments": {"rows": "questions.jsonl", "chunk": 64},
            "started": "2026-11-21T07:00:00+00:00",
            "finished": "2026-11-21T07:02:00+00:00",
            "totals": {
                "rows": 12,
                "ok": 10,
                "failed": 2,
                "seconds": 3.0,
                "node_seconds": {"4": 1.5},
                "ran": {"4": 12, "19": 10},
                "cached": {"4": 0, "19": 2},
            },
        } | changes

    def write(
        self,
        records: Iterable[Mapping[str, Any]],
        manifest: Mapping[str, Any] | None = None,
        *,
        part: str = ".",
        tail: bytes = b"",
    ) -> Path:
        """Write the journal and the manifest, and return the run's folder."""
        folder = self.folder / part
        folder.mkdir(parents=True, exist_ok=True)
        lines = "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        (folder / "results.jsonl").write_bytes(lines.encode("utf-8", "surrogatepass") + tail)
        (folder / "manifest.json").write_text(json.dumps(self.manifest() if manifest is None else manifest), "utf-8")
        return self.folder

    def picture(self, path: Path, colour: str, size: tuple[int, int] = (320, 200), **options: Any) -> Path:
        """A grey picture with a coloured ring."""
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.new("RGB", size, "#777")
        ImageDraw.Draw(image).ellipse((size[0] // 4, 20, size[0] // 2, size[1] - 20), outline=colour, width=20)
        image.save(path, **options)
        return path

    def pictured(self, row: int, **changes: Any) -> dict[str, Any]:
        """A record whose image, heatmap and annotated image are there."""
        folder = f"files/3f/9a/{row:020x}"
        self.picture(self.inputs / f"p{row}.png", COLOURS[row % 4])
        self.picture(self.folder / folder / "map_00001_.png", "white")
        self.picture(self.folder / folder / "annotated_00001_.png", "yellow")
        files = {"10": [f"{folder}/annotated_00001_.png"], "8": [f"{folder}/map_00001_.png"]}
        return self.record(row, files=files, **changes)


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """A run's folder to be filled."""
    return Made(tmp_path)


@pytest.fixture
def finished_run(made: Made) -> Path:
    """Twelve rows: ten with their pictures, of which one failed for its query; two failed for want of their image."""
    records = [made.pictured(row) for row in range(9)]
    refused = {"message": "query: it is too long (got 'What colour is shape 9?').", "node": "19", "kind": "node"}
    records.append(made.pictured(9, ok=False, error=refused))
    return made.write([*records, made.record(11, ok=False), made.record(10, ok=False)])
