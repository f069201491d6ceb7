"""Prints the files and functions of the product that one run passes, from the command line to the written picture.

    python tools/passed.py [--list] [run | map]

`run` is `api-graph run api_clip`; `map` is `api-graph map api_clip_map` over a table of one row. Each is done once
in a process of its own, with an empty cache. Counted are distinct code objects of `api_graph/` and `nodes/`; imports
and comprehensions are left out, and so is what a slow machine alone does: lines of progress now and then, and files of
what took its time in a row of a table.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from types import CodeType, FrameType

ROOT = Path(__file__).resolve().parent.parent
ROOMS = tuple(str(ROOT / room) + os.sep for room in ("api_graph", "nodes"))
COMPREHENSIONS = ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")
TABLE = '{"image": "api_graph_example.png", "query": "the yellow ring"}\n'


class Passed:
    """Notes every code object of the product that a thread enters, unless that is part of an import."""

    def __init__(self) -> None:
        self.codes: set[CodeType] = set()
        self._importing = threading.local()

    def start(self) -> None:
        threading.setprofile(self._look)
        sys.setprofile(self._look)

    def stop(self) -> None:
        sys.setprofile(None)
        threading.setprofile(None)

    def _look(self, frame: FrameType, event: str, argument: object) -> None:
        if event not in ("call", "return"):
            return
        code = frame.f_code
        depth = getattr(self._importing, "depth", 0)
        if code.co_name == "<module>":
            self._importing.depth = max(0, depth + (1 if event == "call" else -1))
        elif event == "call" and depth == 0 and code.co_filename.startswith(ROOMS):
            self.codes.add(code)


def passed_by(command: list[str]) -> dict[str, list[str]]:
    """File -> names of what was passed in it, of one command line in this process."""
    from api_graph.cli import main, progress
    from api_graph.table import worker

    for module, threshold in (
        (progress, "_NODE_LINE_EVERY"),
        (progress, "_ROWS_LINE_EVERY"),
        (worker, "_WORTH_STORING"),
    ):
        assert hasattr(module, threshold)
        setattr(module, threshold, math.inf)
    passed = Passed()
    passed.start()
    try:
        sys.argv = ["api-graph", *command]
        main()
    except SystemExit as end:
        if end.code:
            raise
    finally:
        passed.stop()
    found: dict[str, list[str]] = {}
    codes = {code for code in passed.codes if code.co_name not in COMPREHENSIONS}
    for code in sorted(codes, key=lambda code: (code.co_filename, code.co_firstlineno)):
        name = getattr(code, "co_qualname", code.co_name)
        found.setdefault(os.path.relpath(code.co_filename, ROOT), []).append(name)
    return found


def in_own_process(what: str) -> dict[str, list[str]]:
    """The same, in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "API_GRAPH_CACHE": str(Path(folder, "cache"))}
        environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), environment.get("PYTHONPATH", "")]).rstrip(os.pathsep)
        done = Path(folder, "passed.json")
        command = [sys.executable, __file__, what, "--into", str(done)]
        subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        return json.loads(done.read_text("utf-8"))


def _command(what: str) -> list[str]:
    if what == "run":
        return ["run", "api_clip", "--set", "query=the yellow ring", "--out", "output"]
    Path("table.jsonl").write_text(TABLE, "utf-8")
    return ["map", "api_clip_map", "table.jsonl", "--input", str(ROOT / "graphs"), "--out", "rows"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("what", nargs="*", choices=["run", "map", []], help="what to follow; both unless said")
    parser.add_argument("--list", action="store_true", help="name every function")
    parser.add_argument("--into", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.into:
        Path(given.into).write_text(json.dumps(passed_by(_command(given.what[0]))), "utf-8")
        return
    for what in given.what or ["run", "map"]:
        found = in_own_process(what)
        print(f"{what}: {len(found)} files, {sum(map(len, found.values()))} functions")
        if given.list:
            for file, names in found.items():
                print(f"  {file}  {len(names)}: {', '.join(names)}")


if __name__ == "__main__":
    main()
