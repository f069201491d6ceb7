"""What `api-graph map` costs, compared with a loop of single runs and with the bare batched loop that it replaces.

    python -m benchmarks.map [--images 400] [--questions 5] [--json result.json]

A table of rendered scenes, with several questions about each, goes through graphs/api_clip_map.json (annotated image,
heatmap and figures for every row). Three variants run in one process, with the demo model loaded beforehand:

* `map`: `map_graph` into a new folder, without the disk cache;
* `single`: `run_graph` row by row, with results kept in memory, as one would write it without knowing of tables. It is
  slow, and so runs over a sample of the rows;
* `bare`: a script for this purpose only. Threads decode, the model encodes all distinct images and questions in
  batches, and as many threads as `map` has make maps, figures and pictures, and save them. It has no graph, no checks
  and no journal, cannot be resumed, and does not embed the graph in the pictures.

The variants are timed in turn, several times, and the figures are medians of the ratios within each round.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any

import torch
from api_graph.nodes.attribution import split_tokens

from api_graph import run_graph
from api_graph.clip import ClipModel, ImageTokens, encode_image, encode_queries, load_clip
from api_graph.clip.maps import psi_cls
from api_graph.demo.scenes import TEST_SEEDS, scene
from api_graph.executor import Executor, MemoryCache
from api_graph.executor.shared import torch_threads
from api_graph.pixels.heatmap import figures, mean_filter, normalize
from api_graph.pixels.overlay import overlay
from api_graph.pixels.read import read_image, to_tensor
from api_graph.pixels.resize import to_pixels
from api_graph.pixels.write import write_png
from api_graph.table.map import map_graph

GRAPH = "api_clip_map"
THREADS = 4
BATCH = 32
Rows = Sequence[dict[str, str]]


def made_table(folder: Path, images: int, questions: int) -> Rows:
    """A table of scenes, saved as PNG files in `folder`, with so many questions about each. No two texts are equal."""
    rows = []
    for number, seed in enumerate(TEST_SEEDS[:images]):
        made = scene(seed)
        made.image.save(folder / f"{number}.png")
        for turn in range(questions):
            thing = made.objects[turn % len(made.objects)].name
            rows.append({"image": f"{number}.png", "query": f"the {thing} of {number}, {turn}"})
    return rows


def mapped(rows: Rows, folder: Path, output: Path) -> None:
    """All rows through `map_graph`."""
    results = map_graph(GRAPH, rows, output=output, input_folders=[folder], cache=False, threads=THREADS)
    if failed := [result.error for result in results if not result.ok]:
        raise RuntimeError(failed[0])


def single(rows: Rows, folder: Path, output: Path) -> None:
    """One `run_graph` after the other, over one executor."""
    executor = Executor(MemoryCache())
    for row in rows:
        run_graph(GRAPH, row, executor, output=output, input_folders=[folder])


def bare(rows: Rows, folder: Path, output: Path, model: ClipModel) -> None:
    """The same pictures, by a script for this purpose only."""
    names = list(dict.fromkeys(row["image"] for row in rows))
    output.mkdir(parents=True)
    shared = torch_threads(max(1, torch.get_num_threads() // 4))  # as `map` shares them out
    with shared, ThreadPoolExecutor(THREADS) as threads, torch.inference_mode():
        decoded = list(threads.map(lambda name: to_tensor(read_image(folder / name))[0], names))
        saved = []
        for first in range(0, len(names), BATCH):
            batch = names[first : first + BATCH]
            tokens = encode_image(model, decoded[first : first + BATCH])
            each = split_tokens(tokens, [1] * len(batch))
            asked = [[row["query"] for row in rows if row["image"] == name] for name in batch]
            features = encode_queries(model, [query for queries in asked for query in queries]).features
            taken = 0
            for index, (name, one) in enumerate(zip(batch, each, strict=True)):
                own = features[taken : taken + len(asked[index])]
                taken += len(own)
                stem = output / Path(name).stem
                saved.append(threads.submit(_bare_image, one, own, decoded[first + index], stem))
        for future in saved:
            future.result()


def _bare_image(one: ImageTokens, queries: torch.Tensor, image: torch.Tensor, stem: Path) -> None:
    with torch.inference_mode():
        values = psi_cls(one, queries)
        figures(one.placed(values))
        maps = one.placed(normalize(values, "minmax"))
        heatmaps = mean_filter(to_pixels(maps), 15)
        overlays = overlay(image, heatmaps, 0.6)
        for number, (heatmap, picture) in enumerate(zip(heatmaps, overlays, strict=True)):
            write_png(stem.with_name(f"{stem.name}_{number}_heatmap.png"), heatmap)
            write_png(stem.with_name(f"{stem.name}_{number}_overlay.png"), picture)


def measure(images: int, questions: int, rounds: int, sample: int) -> dict[str, Any]:
    """Rows per second of each variant, and the ratios of `map` to the other two."""
    model = load_clip("demo")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        rows = made_table(folder, images, questions)
        mapped(rows[:1], folder, folder / "warm")  # loads what is loaded once
        single(rows[:1], folder, folder / "warm")

        def rate(variant: Callable[..., None], rows: Rows, *more: Any) -> float:
            output, started = folder / "out", time.perf_counter()
            variant(rows, folder, output, *more)
            seconds = time.perf_counter() - started
            shutil.rmtree(output)
            return len(rows) / seconds

        found = [
            {"map": rate(mapped, rows), "bare": rate(bare, rows, model), "single": rate(single, rows[:sample])}
            for _ in range(rounds)
        ]
    return {
        "rows": len(rows),
        "rows_per_second": {name: round(median(each[name] for each in found), 1) for name in found[0]},
        "map_to_bare": round(median(each["map"] / each["bare"] for each in found), 3),
        "map_to_single": round(median(each["map"] / each["single"] for each in found), 2),
        "rounds": found,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--images", type=int, default=400)
    parser.add_argument("--questions", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sample", type=int, default=200, help="rows of the single runs")
    parser.add_argument("--json", type=Path, help="write the figures there")
    options = parser.parse_args()
    figures = measure(options.images, options.questions, options.rounds, options.sample)
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
