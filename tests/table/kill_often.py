"""Run a table again and again, each time killed at a random moment, with SIGKILL; at last to the end.

    python -m tests.table.kill_often FOLDER KILLS SEED [OPTIONS]

FOLDER holds rows.jsonl, rows.tar or another such table, or is itself one of pictures; results go to FOLDER/out. OPTIONS
are further arguments of map_graph, as JSON. What lies in FOLDER/memory is put into fsspec's memory. A run is a fork of
this process, which has imported all that a run needs: it begins at once. It is killed when some more rows are finished,
and a random part of a row later, so that every kill hits a run that works. Prints, as JSON, at how many finished rows
each run was killed.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import Any

import torch

from tests.table.runs import GRAPH, lines_written

_MOST_ROWS = 6
_MOST_SECONDS = 0.15
_SECONDS_PER_ROW = 0.02


def main(folder: Path, kills: int, seed: int, options: dict[str, Any]) -> None:
    import open_clip  # noqa: F401

    import api_graph.table.map

    torch.set_num_threads(1)  # a fork has no threads but its own
    chance, at = random.Random(seed), []
    if (folder / "memory").is_dir():
        import fsspec

        fsspec.filesystem("memory").put(f"{folder}/memory/", "/", recursive=True)
    for _ in range(kills):
        out, child = folder / "out", os.fork()
        if not child:
            _run(folder, options)
        wanted = lines_written(out) + chance.randrange(_MOST_ROWS)
        while lines_written(out) < wanted and not os.waitpid(child, os.WNOHANG)[0]:
            time.sleep(0.002)
        time.sleep(chance.uniform(0, _MOST_SECONDS))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        assert os.WIFSIGNALED(status), "the run was over before it was killed"
        at.append(lines_written(out))
    rows = _table(folder)
    for result in api_graph.table.map.map_graph(GRAPH, *rows, output=folder / "out", cache=False, **options):
        assert result.ok, result.error
    print(json.dumps(at))


def _table(folder: Path) -> tuple[Path, dict[str, str]]:
    """The table, and what it does not set."""
    rows = next(folder.glob("rows.*"), None)
    return (folder, {"query": "the ring"}) if rows is None else (rows, {})


def _run(folder: Path, options: dict[str, Any]) -> None:
    from api_graph.table.map import map_graph

    code = 1
    try:
        for _ in map_graph(GRAPH, *_table(folder), output=folder / "out", cache=False, memory=2**22, **options):
            time.sleep(_SECONDS_PER_ROW)  # its threads work on; but no run is over before it is killed
        code = 0
    finally:
        os._exit(code)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), json.loads("".join(sys.argv[4:]) or "{}"))
