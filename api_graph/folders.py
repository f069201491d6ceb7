"""Where a run may read and write. Graphs are untrusted: whatever they name must lie in one of these folders."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path, PurePath

from api_graph.errors import BadInput
from api_graph.files import expanded, real_path

_ANNOTATED = re.compile(r"^(?P<name>.*?)\s*\[(?P<root>input|output|temp)\]$", re.DOTALL)


@dataclass(frozen=True)
class Folders:
    """The folders of one run.

    `trusted` holds the texts that the person who started the run typed for its inputs: only those may name a path
    anywhere on the machine. A path that stands in a graph file must lie in `inputs` (images) or `models` (checkpoints).
    `answers` is the run's folder with which answers of endpoints are kept; None shares them between runs.
    """

    inputs: tuple[Path, ...]
    output: Path
    temp: Path
    models: tuple[Path, ...] = ()
    trusted: frozenset[str] = field(default=frozenset())
    answers: Path | None = None

    def input_file(self, name: str, *, input: str = "image") -> Path:
        """The file that `name` means; ComfyUI's suffixes `[input]`, `[output]` and `[temp]` choose the folder.

        Raises BadInput, which calls it `input`, when there is none, when it lies outside the folders given, and when it
        is no plain file: a device, such as /dev/zero, may have no end.
        """
        match = _ANNOTATED.match(name)
        root = match["root"] if match else "input"
        roots = {"input": self.inputs, "output": (self.output,), "temp": (self.temp,)}[root]
        found = self._find(match["name"] if match else name, roots, trusted=name in self.trusted)
        if found is not None:
            if not found.is_file():
                raise BadInput("it is a folder or a device, not a file", input=input, value=name, hint="Name one file.")
            return found
        where = ", ".join(str(r) for r in roots) or "no folder at all"
        raise BadInput(
            f"there is no such file in the {root} folder ({where})",
            input=input,
            value=name,
            hint=f"Put the file there; on the command line, --set {input}=PATH may name any file.",
        )

    def model_path(self, name: str) -> Path | None:
        """The checkpoint file or folder that `name` (or "local-dir:NAME", as open_clip writes it) means.

        None when it names none in the folders given.
        """
        return self._find(name.removeprefix("local-dir:"), self.models, trusted=name in self.trusted)

    def _find(self, name: str, roots: tuple[Path, ...], *, trusted: bool) -> Path | None:
        if not name.strip() or "\0" in name:
            return None
        if trusted and os.path.exists(expanded(name)):
            return real_path(expanded(name))
        parts = name.split("/")
        plain = os.name == "posix" and {"", os.curdir, os.pardir}.isdisjoint(parts)
        for root in roots:
            # Tables ask for every row, and following links from the top of the file system down takes its time: where
            # there is none between `root` and the file, it is plainly inside.
            steps = list(accumulate(parts, os.path.join, initial=os.path.abspath(root)))
            linked = not plain or any(map(os.path.islink, steps[1:]))
            candidate = inside(root, name) if linked else Path(steps[-1])
            if candidate is not None and os.path.exists(candidate):
                return candidate
        return None


def names_in(roots: Iterable[Path], wanted: Callable[[Path], bool]) -> list[str]:
    """Sorted names of what lies at the top of any of `roots` and is `wanted`, each once."""
    return sorted({path.name for root in roots if root.is_dir() for path in root.iterdir() if wanted(path)})


def inside(root: Path, name: str | PurePath) -> Path | None:
    """`root`/`name` with links followed, or None when that leads out of `root`."""
    base = real_path(root)
    candidate = real_path(base / name)
    return candidate if candidate.is_relative_to(base) else None
