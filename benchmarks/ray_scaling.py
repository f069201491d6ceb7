"""How `api-graph map --engine ray` scales with its actors, compared with one actor and with the local engine.

    python -m benchmarks.ray_scaling [--rows 2000] [--actors 1 2 4] [--json result.json]

Every variant runs the same table through graphs/api_clip_map.json with the demo model, into a new folder, without the
disk cache, on a cluster that is started here beforehand. `seconds` are from the first finished rows to the last: they
leave out the start of the processes and the loading of the model, which matter less with a longer table. `whole` counts
these too. `same` is the number of rows whose texts and files are, to the byte, those of the local engine.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import ray

from api_graph.files import sha256_of
from api_graph.table.map import map_graph
from api_graph.table.ray_cluster import RayOptions
from benchmarks.map import GRAPH, Rows, made_table

QUESTIONS = 5


def timed(rows: Rows, folder: Path, output: Path, actors: int | None) -> dict[str, float]:
    """One run with so many actors; None is the local engine."""
    options = None if actors is None else RayOptions(actors)
    started = time.perf_counter()
    ends = []
    for result in map_graph(GRAPH, rows, output=output, input_folders=[folder], cache=False, ray=options):
        if not result.ok:
            raise RuntimeError(result.error)
        ends.append(time.perf_counter())
    first = sum(end - ends[0] < 0.01 for end in ends)  # rows that came at once with the first
    return {
        "whole": round(ends[-1] - started, 2),
        "seconds": round(ends[-1] - ends[0], 2),
        "rows_per_second": round((len(ends) - first) / (ends[-1] - ends[0]), 1),
    }


def left(output: Path) -> dict[int, Any]:
    """What a run has written for each row: its texts, and the digests of its files."""
    rows = (json.loads(line) for line in (output / "results.jsonl").read_text("utf-8").splitlines())
    return {
        row["row"]: (
            row["texts"],
            {file: sha256_of(output / file) for files in row["files"].values() for file in files},
        )
        for row in rows
    }


def measure(count: int, actors: list[int]) -> dict[str, Any]:
    """Run each variant once; also the ratios of their rates to the rate of the first number of actors."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = made_table(folder, count // QUESTIONS, QUESTIONS)
        variants = {"local": timed(rows, folder, folder / "local", None)}
        local = left(folder / "local")
        processors = max(os.cpu_count() or 1, *actors)
        ray.init(address="local", num_cpus=processors, include_dashboard=False, log_to_driver=False)
        for number in actors:
            variants[str(number)] = timed(rows, folder, folder / str(number), number)
            made = left(folder / str(number))
            variants[str(number)]["same"] = sum(made.get(row) == ours for row, ours in local.items())
        ray.shutdown()
    base = variants[str(actors[0])]["rows_per_second"]
    ratios = {name: round(found["rows_per_second"] / base, 2) for name, found in variants.items()}
    return {"rows": len(rows), "load": os.getloadavg()[0], "ways": variants, "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=2000)
    parser.add_argument("--actors", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    figures = measure(options.rows, options.actors)
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
