"""Records and manifests as `api-graph map` writes them."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

from api_graph.table.journal import Journal
from api_graph.table.manifest import Manifest
from api_graph.table.rows import content_digest

GRAPH = {
    "1": {"class_type": "APLoadImage", "inputs": {"image": "star.png"}, "_meta": {"title": "image"}},
    "9": {"class_type": "APMeanFilter", "inputs": {"heatmap": ["1", 0], "kernel_size": 15}},
}


def key_of(number: int) -> str:
    return content_digest(str(number).encode()).hex()


def record(number: int, *, ok: bool = True, key: str | None = None, **more: Any) -> dict[str, Any]:
    """The result of one row."""
    return {
        "row": number,
        "key": key or key_of(number),
        "ok": ok,
        "values": {"image": f"{number}.png", "query": "what is rot und grün?"},
        "outputs": {"9": {"kernel": 15}},
        "texts": {"9": ["red"]},
        "files": {"10": [f"files/{number}.png"]},
        "seconds": 0.5,
        "ran": 7,
        "cached": 5,
        "steps": {"9": 0.25},
        "error": None if ok else {"message": "it failed", "kind": "node"},
        **more,
    }


def manifest(**changed: Any) -> Manifest:
    """The manifest of a run over 10 rows."""
    usual: dict[str, Any] = {
        "graph": GRAPH,
        "graph_name": "api_clip",
        "rows": {"source": "rows.csv", "kind": "csv", "count": 10},
        "set": {},
        "columns": {"image": "image"},
        "device": "cpu",
        "started": "2025-01-01T10:00:00+00:00",
    }
    return Manifest(**{**usual, **changed})


def write_journal(folder: Path, records: list[dict[str, Any]]) -> None:
    with closing(Journal(folder)) as journal:
        journal.append(records)
