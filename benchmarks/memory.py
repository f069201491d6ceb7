"""Whether `--memory` holds: the peak of a run over large pictures, less what the process takes with its model loaded.

    python -m benchmarks.memory [--rows 8] [--width 5000] [--height 4000] [--memory 256M] [--small 0] [--json FILE]

The rows go through graphs/api_clip_map.json with `map_graph`, in a process of their own, and so does one row alone. The
ratio is that of the first peak to the larger of `--memory` and the second. `--small N` puts N rows of 640×480 before
and after the large ones. The peak is Linux's `VmHWM`, which can be set back; there are no figures elsewhere.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from PIL import Image

from api_graph import map_graph
from api_graph.cli.console import parse_size

GRAPH = "api_clip_map"
MIB = 1 << 20


def made_table(folder: Path, sizes: list[tuple[int, int]]) -> Path:
    """A table with a picture of each size in `folder`."""
    folder.mkdir()
    table = folder / "rows.jsonl"
    noise = Image.effect_noise((512, 512), 60).convert("RGB")
    with table.open("w", encoding="utf-8") as file:
        for number, size in enumerate(sizes):
            picture = noise.resize(size)
            picture.putpixel((0, 0), (number % 256, number // 256, 0))
            picture.save(folder / f"{number}.jpg")
            file.write(f"{json.dumps({'image': f'{number}.jpg', 'query': f'thing {number}'})}\n")
    return table


def status(name: str) -> int:
    """A figure of this process in bytes: VmRSS or VmHWM."""
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{name}:"))


def run(table: Path, first: Path, output: Path, memory: int) -> dict[str, float]:
    """Bytes at the peak of a run over `table`, above those after a run over `first`, and the run's seconds."""
    for result in map_graph(GRAPH, first, output=output / "first", cache=False):
        assert result.error is None, result.error
    Path("/proc/self/clear_refs").write_text("5", "ascii")
    loaded, started = status("VmRSS"), time.perf_counter()
    for result in map_graph(GRAPH, table, output=output / "out", cache=False, memory=memory):
        assert result.error is None, result.error
    return {"bytes": status("VmHWM") - loaded, "seconds": time.perf_counter() - started}


def in_own_process(table: Path, first: Path, output: Path, memory: int) -> dict[str, float]:
    """`run` in a process that has done nothing else."""
    command = [sys.executable, "-m", "benchmarks.memory", "--run", table, first, output, str(memory)]
    done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--width", type=int, default=5000)
    parser.add_argument("--height", type=int, default=4000)
    parser.add_argument("--memory", default="256M")
    parser.add_argument("--small", type=int, default=0, help="rows of 640×480 before and after the large ones")
    parser.add_argument("--json", type=Path, help="write the figures there")
    parser.add_argument("--run", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        table, first, output = map(Path, options.run[:3])
        print(json.dumps(run(table, first, output, int(options.run[3]))))
        return
    memory, size = parse_size(options.memory, "--memory"), (options.width, options.height)
    small = [(640, 480)] * options.small
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        first = made_table(folder / "first", [(64, 64)])
        alone, many = (
            made_table(folder / "alone", [size]),
            made_table(folder / "many", [*small, *[size] * options.rows, *small]),
        )
        one = in_own_process(alone, first, folder / "1", memory)
        all_of_them = in_own_process(many, first, folder / "2", memory)
    peak, bound = all_of_them["bytes"], max(memory, one["bytes"])
    figures = {
        "alone_mib": one["bytes"] / MIB,
        "memory_mib": memory / MIB,
        "peak_mib": peak / MIB,
        "ratio": peak / bound,
        "seconds_alone": one["seconds"],
        "seconds": all_of_them["seconds"],
    }
    print(json.dumps(figures, indent=2))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
