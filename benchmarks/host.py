"""What a row of `api-graph map` costs the host: CPU milliseconds, beside those of its parts measured in the same run.

    python -m benchmarks.host [--rows 300] [--large 12] [--graph api_clip_map ...] [--format png ...] [--model demo ...]
                              [--rounds 3] [--json result.json]

JPEG pictures like photographs (detail of all sizes, and noise) of 640×480 and of 4000×3000 go through saved graphs with
`map_graph`, one question each, without a cache. `--format none` leaves out the nodes that write pictures, so that only
figures are kept. `--model null` is a CLIP of 336×336 pixels whose vision tower costs nothing: what is left is what the
host takes for any model.

Each run is a process of its own with one thread for each operation. It runs a few rows first, then many, and a row's
cost is the difference: start, models and libraries are not in it. CPU time is that of the process and of those that it
has started. `compute` is what was spent holding the compute lock, where one run of rows waits for another; `rest` is
all else, wherever it was done. Rounds go through all settings in turn, and the figures are medians.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from api_graph import map_graph
from api_graph.clip import ClipModel, PreparedImages, decompose, load_clip
from api_graph.executor.shared import ComputeLock
from api_graph.files import PictureFormat
from api_graph.pixels.blend import alpha_blend
from api_graph.pixels.heatmap import mean_filter
from api_graph.pixels.overlay import overlay
from api_graph.pixels.read import read_image, to_levels, to_tensor
from api_graph.pixels.resize import to_pixels
from api_graph.pixels.write import write_numbered, write_png
from api_graph.settings import find_graph
from api_graph.sockets import Attribution

GRAPHS = ("api_clip_map", "api_clip")
FORMATS = ("png", "jpeg", "webp", "none")
MODELS = ("demo", "null")
SMALL, LARGE = (640, 480), (4000, 3000)
_OCTAVES, _NOISE, _QUALITY = 8, 2.0, 90
_SAVES = ("APSaveImage", "APSaveHeatmap")
_NULL_SIDE = 336
_DISTINCT = 12
"""Pictures of one run: each is saved under as many names as there are rows for it, with another first pixel."""


@dataclass(frozen=True)
class Setting:
    graph: str
    format: str
    model: str
    size: tuple[int, int]

    @property
    def name(self) -> str:
        return f"{self.graph} {self.format} {self.model} {self.size[0]}×{self.size[1]}"


# ------------------------------------------------------------------------------------------ pictures and models


def photograph(size: tuple[int, int], seed: int) -> Image.Image:
    """A picture with as much detail at each scale as photographs have, and noise of two levels."""
    random = np.random.default_rng(seed)
    width, height = size
    total: NDArray[np.float32] = np.full((height, width, 3), 128, np.float32)
    for octave in range(_OCTAVES):
        cells = random.standard_normal((2**octave * 3, 2**octave * 4, 3), np.float32) * (40 / 2 ** (octave * 0.8))
        for channel in range(3):
            total[..., channel] += np.asarray(
                Image.fromarray(cells[..., channel]).resize((width, height), Image.Resampling.BICUBIC)
            )
    total += random.standard_normal((height, width, 1), np.float32) * _NOISE
    return Image.fromarray(total.clip(0, 255).astype(np.uint8))


def made_table(folder: Path, rows: int, size: tuple[int, int]) -> None:
    """A table with `rows` pictures and one question about each, and one with a quarter of them, in `folder`."""
    folder.mkdir()
    pictures = [photograph(size, seed) for seed in range(min(rows, _DISTINCT))]
    lines = []
    for number in range(rows):
        picture = pictures[number % len(pictures)]
        picture.paste((number % 256, number // 256, 0), (0, 0, 8, 8))
        picture.save(folder / f"{number}.jpg", quality=_QUALITY)
        lines.append(json.dumps({"image": f"{number}.jpg", "query": f"thing {number}"}) + "\n")
    (folder / "few.jsonl").write_text("".join(lines[: max(1, rows // 4)]))
    (folder / "many.jsonl").write_text("".join(lines))


def made_graph(name: str, format: str) -> dict[str, Any]:
    """The saved graph, without what writes pictures where nobody wants them."""
    nodes = json.loads(find_graph(name).read_text("utf-8"))
    nodes = {id: node for id, node in nodes.items() if id != "extra"}
    if format == "none":
        nodes = {id: node for id, node in nodes.items() if node["class_type"] not in _SAVES}
    return {"prompt": nodes}


def make_null() -> None:
    """From now on the demo model's input has 336 pixels a side, and its vision tower gives the same for any image."""
    kept: dict[int, list[tuple[torch.Tensor, ...]]] = {}
    read, of = decompose._read, PreparedImages.of

    def tower(tower: Any, pixels: torch.Tensor, choices: Any) -> list[tuple[torch.Tensor, ...]]:
        count = len(pixels)
        if count not in kept:
            kept[count] = read(tower, torch.nn.functional.interpolate(pixels, size=_demo_size()), choices)
        return [tuple(each.clone() for each in own) for own in kept[count]]

    larger = replace(load_clip("demo").preprocess, size=(_NULL_SIDE, _NULL_SIDE))
    transform = larger.transform()

    def prepared(model: ClipModel, images: Any) -> PreparedImages:
        return of(replace(model, preprocess=larger, transform=transform), images)

    decompose._read = tower  # type: ignore[assignment]
    PreparedImages.of = prepared  # type: ignore[method-assign,assignment]


def _demo_size() -> tuple[int, int]:
    return load_clip("demo").preprocess.size


# ------------------------------------------------------------------------------------------ one run


@contextmanager
def lock_watched() -> Iterator[list[float]]:
    """CPU seconds of the threads that held the compute lock, meanwhile."""
    spent = [0.0]
    acquire, release = ComputeLock.acquire, ComputeLock.release
    began = [0.0]

    def acquired(lock: ComputeLock, number: int) -> None:
        acquire(lock, number)
        began[0] = time.thread_time()

    def released(lock: ComputeLock) -> None:
        spent[0] += time.thread_time() - began[0]
        release(lock)

    ComputeLock.acquire, ComputeLock.release = acquired, released  # type: ignore[method-assign]
    try:
        yield spent
    finally:
        ComputeLock.acquire, ComputeLock.release = acquire, release  # type: ignore[method-assign]


def cpu_seconds() -> float:
    """CPU time of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def run(folder: Path, output: Path, setting: Setting) -> dict[str, float]:
    """CPU ms a row, of which so much holding the compute lock, and rows a second, in this process."""
    if setting.model == "null":
        make_null()
    graph = made_graph(setting.graph, setting.format)
    measured = []
    with lock_watched() as held:
        for name in ("few", "few", "many"):  # the first loads what is loaded once
            began = cpu_seconds(), held[0], time.perf_counter()
            rows = 0
            kind = "png" if setting.format == "none" else setting.format
            own = output / f"{len(measured)}"
            results = map_graph(graph, folder / f"{name}.jsonl", output=own, cache=False, image_format=kind)
            for result in results:
                rows += 1
                if result.error is not None:
                    raise RuntimeError(result.error)
            measured.append((rows, cpu_seconds() - began[0], held[0] - began[1], time.perf_counter() - began[2]))
    rows, cpu, compute, seconds = (many - few for many, few in zip(measured[2], measured[1], strict=True))
    ms = 1000 / rows
    return {
        "cpu_ms": cpu * ms,
        "compute_ms": compute * ms,
        "rest_ms": (cpu - compute) * ms,
        "rows_per_second": rows / seconds,
    }


def parts(size: tuple[int, int]) -> dict[str, float]:
    """CPU ms of what a row is made of, each by itself, in this process."""
    picture = photograph(size, 0)
    model = load_clip("demo")
    assert model.transform is not None
    geometry = model.preprocess.geometry(*size)
    maps = Attribution(torch.rand(1, 10, 10, generator=torch.Generator().manual_seed(0)), (geometry,))
    resized = to_pixels(maps)
    heatmap = mean_filter(resized, 15)
    image = to_tensor(picture, eight_bits=True)[0]
    coloured = overlay(image, heatmap, 0.6)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / "in.jpg"
        picture.save(path, quality=_QUALITY)
        work: dict[str, Callable[[], object]] = {
            "decode": lambda: read_image(path),
            "to_tensor": lambda: to_tensor(picture, eight_bits=True),
            "model_input": lambda: model.transform(picture),  # type: ignore[misc]
            "resize": lambda: to_pixels(maps),
            "mean_filter": lambda: mean_filter(resized, 15),
            "overlay": lambda: overlay(image, heatmap, 0.6),
            "alpha_blend": lambda: alpha_blend(image, heatmap),
            "to_levels": lambda: to_levels(heatmap[0]),
            "write_overlay_png": lambda: write_png(folder / "out.png", coloured),
            "write_heatmap_png": lambda: write_png(folder / "out.png", heatmap[0]),
            "write_overlay_jpeg": lambda: write_numbered(folder, "out", coloured, format=PictureFormat("jpeg")),
        }
        with torch.inference_mode():
            return {name: _cpu_ms(part) for name, part in work.items()}


def _cpu_ms(part: Callable[[], object], least: float = 0.25) -> float:
    part()
    times: list[float] = []
    while sum(times) < least or len(times) < 3:
        began = time.process_time()
        part()
        times.append(time.process_time() - began)
    return 1000 * median(times)


# ------------------------------------------------------------------------------------------ all runs


def in_own_process(*arguments: object) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.host", "--run", *map(str, arguments)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def measure(settings: Sequence[Setting], rows: int, large: int, rounds: int) -> dict[str, dict[str, float]]:
    """The figures of each setting and, of each size, of its parts."""
    found: dict[str, list[dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        sizes = dict.fromkeys(setting.size for setting in settings)
        tables = {size: folder / f"{size[0]}" for size in sizes}
        for size, table in tables.items():
            made_table(table, rows if size == SMALL else large, size)
        for turn in range(rounds):
            for size in sizes:
                found.setdefault(f"parts {size[0]}×{size[1]}", []).append(in_own_process("parts", *size))
            for number, each in enumerate(settings):
                output = folder / f"out-{turn}-{number}"
                arguments = each.graph, each.format, each.model, *each.size
                found.setdefault(each.name, []).append(in_own_process("map", *arguments, tables[each.size], output))
                subprocess.run(["rm", "-r", output], check=True)
    return {
        name: {key: round(median(each[key] for each in figures), 2) for key in figures[0]}
        for name, figures in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--large", type=int, default=12, help="rows of 4000×3000; 0 for none")
    parser.add_argument("--graph", nargs="+", choices=GRAPHS, default=list(GRAPHS))
    parser.add_argument("--format", nargs="+", choices=FORMATS, default=list(FORMATS))
    parser.add_argument("--model", nargs="+", choices=MODELS, default=list(MODELS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--run", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        kind, *rest = options.run
        if kind == "parts":
            print(json.dumps(parts((int(rest[0]), int(rest[1])))))
        else:
            size = int(rest[3]), int(rest[4])
            print(json.dumps(run(Path(rest[5]), Path(rest[6]), Setting(rest[0], rest[1], rest[2], size))))
        return
    sizes = [SMALL, *([LARGE] if options.large else [])]
    settings = [Setting(*each) for each in product(options.graph, options.format, options.model, sizes)]
    figures = measure(settings, options.rows, options.large, options.rounds)
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
