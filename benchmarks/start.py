"""What it costs to begin: CPU seconds (user and system) of commands that compute nothing.

    python -m benchmarks.start [--repeat N] [GRAPH ...]

Each command is a process of its own, and the least of N is printed. A graph is run once before, with an empty cache: a
cached run is the same command again.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

COMMANDS = ("graphs", "nodes", "check api_clip", "endpoints", "cache info")
GRAPHS = ("api_clip", "api_clip_map", "rec_foveal", "api_lvlm", "api_clip_ask", "lvlm_words")


def main() -> None:
    parser = argparse.ArgumentParser(description="CPU seconds of commands that compute nothing.")
    parser.add_argument("graphs", nargs="*", default=GRAPHS)
    parser.add_argument("--repeat", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for command in COMMANDS:
            print(f"{command}: {least(command, Path(folder), asked.repeat):.2f}")
        for graph in asked.graphs:
            first = least(f"run {graph}", Path(folder), 1)
            print(f"run {graph}: {first:.2f}, cached {least(f'run {graph}', Path(folder), asked.repeat):.2f}")


def least(command: str, folder: Path, repeat: int) -> float:
    """The least CPU seconds of `repeat` processes."""
    environment = {**os.environ, "API_GRAPH_CACHE": str(folder / "cache")}
    path = [str(Path(__file__).parents[1]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment["PYTHONPATH"] = os.pathsep.join(path)
    taken: list[float] = []
    for _ in range(repeat):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        words = [sys.executable, "-m", "api_graph", *command.split()]
        subprocess.run(words, cwd=folder, env=environment, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)
    return min(taken)


if __name__ == "__main__":
    main()
