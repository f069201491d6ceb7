"""Whether the memory of a run over a table grows: its peak after 2,000 rows, and after 20,000.

    python -m benchmarks.map_memory [--rows 20000] [--questions 5] [--json result.json]

Rows with tiny pictures, and several questions about each, go through graphs/api_clip_map.json with `map_graph`. The
peak is that of this process (`ru_maxrss`), including Python, torch and the model.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from api_graph import map_graph

GRAPH = "api_clip_map"
EARLY = 2_000
_SIDE = 32
_UNIT = 2**20 if sys.platform == "darwin" else 2**10  # of ru_maxrss: bytes there, KiB elsewhere


def made_table(folder: Path, rows: int, questions: int) -> Path:
    """A table with so many rows in `folder`, and its pictures."""
    table = folder / "rows.jsonl"
    with table.open("w", encoding="utf-8") as file:
        for number in range(rows):
            name = f"{number // questions}.png"
            if number % questions == 0:
                Image.effect_noise((_SIDE, _SIDE), 60).save(folder / name)
            file.write(f"{json.dumps({'image': name, 'query': f'thing {number}'})}\n")
    return table


def peaks(table: Path, output: Path, every: int) -> Iterator[int]:
    """The peak in MiB each time when `every` more rows are done."""
    for done, result in enumerate(map_graph(GRAPH, table, output=output, cache=False), start=1):
        if result.error is not None:
            raise RuntimeError(result.error)
        if done % every == 0:
            yield resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // _UNIT


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--questions", type=int, default=5)
    parser.add_argument("--early", type=int, default=EARLY, help="rows after which the first peak is taken")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = list(peaks(made_table(folder, options.rows, options.questions), folder / "out", options.early))
    figures = {"rows": options.rows, "peak_early_mib": found[0], "peak_mib": found[-1], "growth": found[-1] / found[0]}
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
