"""A results folder as `map` leaves it: four rows, the last of them failed, with pictures of plain colours."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.table.conftest import manifest, record, write_journal

GRAPH = {
    "1": {"class_type": "APLoadImage", "inputs": {"image": "x.png"}, "_meta": {"title": "image"}},
    "8": {"class_type": "APSaveHeatmap", "inputs": {"heatmap": ["7", 0]}, "_meta": {"title": "Grey map"}},
    "9": {"class_type": "APAlphaBlend", "inputs": {"image": ["1", 0]}},
    "10": {"class_type": "APSaveImage", "inputs": {"images": ["9", 0]}, "_meta": {"title": "Annotated image"}},
    "11": {"class_type": "APOverlay", "inputs": {"image": ["1", 0], "heatmap": ["7", 0], "opacity": 0.6}},
    "12": {"class_type": "APSaveImage", "inputs": {"images": ["11", 0]}, "_meta": {"title": "Coloured heatmap"}},
    "14": {"class_type": "APShowText", "inputs": {}, "_meta": {"title": "Answer"}},
    "15": {"class_type": "APMeasure", "inputs": {}, "_meta": {"title": "Figures"}},
}
TITLES = {"8": "Grey map", "10": "Annotated image", "12": "Coloured heatmap", "14": "Answer", "15": "Figures"}
SIZE = (60, 30)
GREY = 128
"""The level of every pixel of the grey maps."""


class Made:
    """A results folder, and what it was made of. Nodes that are left out saved nothing."""

    def __init__(self, root: Path) -> None:
        self.folder, self.pictures = root / "out", root / "pictures"
        for folder in (self.folder / "files", self.pictures):
            folder.mkdir(parents=True)
        self.graph: dict[str, Any] = {id: {**node} for id, node in GRAPH.items()}
        self.defaults: dict[str, dict[str, object]] = {"11": {"colormap": "viridis"}}
        self.bindings: dict[str, Any] = {}

    def write(self, *, nodes: str = "8 10 12", texts: Sequence[str] = ("red", "blue", "green"), **changed: Any) -> Path:
        """Write it anew. Each row has a text, files of the `nodes`, and what is `changed` in its record."""
        saved = nodes.split()
        (self.folder / "results.jsonl").unlink(missing_ok=True)
        records = [self._row(number, text, saved, changed) for number, text in enumerate(texts)]
        error = {"message": "no such file", "kind": "row"}
        nothing = {"outputs": {}, "texts": {}, "files": {}, "results": {}, "error": error}
        records.append(record(len(texts), ok=False, values={"image": "gone.png", "answer": "?"}, **nothing))
        write_journal(self.folder, records)
        manifest(
            graph=self.graph,
            inputs=[str(self.pictures)],
            results=TITLES,
            defaults=self.defaults,
            bindings=self.bindings,
        ).write(self.folder)
        return self.folder

    def _row(self, number: int, text: str, saved: list[str], changed: dict[str, Any]) -> dict[str, Any]:
        Image.new("RGB", SIZE, "red").save(self.pictures / f"p{number}.png")
        colours = {"8": (GREY,) * 3, "10": (0, 0, 255), "12": (0, 255, 0)}
        for id in saved:
            Image.new("RGB", SIZE, colours[id]).save(self.folder / "files" / f"{number}_{id}.png")
        files = {id: [f"files/{number}_{id}.png"] for id in saved}
        results: dict[str, Any] = {TITLES[id]: {"files": names} for id, names in files.items()}
        results |= {"Answer": {"text": text}, "Figures": {"text": "peak", "peak_x": [1.23456], "all": [1, 2]}}
        return record(
            number,
            values={"image": f"p{number}.png", "query": f"question {number}", "answer": "truth"},
            **{"outputs": {}, "texts": {"14": [text], "15": ["peak"]}, "files": files, "results": results, **changed},
        )


@pytest.fixture
def made(tmp_path: Path) -> Made:
    return Made(tmp_path)
