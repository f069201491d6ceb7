"""Where a run may read and write. Graphs are untrusted: whatever they name must lie in one of these folders."""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate, islice
from pathlib import Path, PurePath

from api_graph.errors import BadInput
from api_graph.files import expanded, real_path, sha256_of

_ANNOTATED = re.compile(r"^(?P<name>.*?)\s*\[(?P<root>input|output|temp)\]$", re.DOTALL)

_FORMER_NAMES = {"example.png": "api_graph_example.png"}
"""What files that came with the package were called in earlier versions, and are called now: saved graphs name them."""

_MOST_NAMES = 100_000
"""Names of a folder that are looked through for one that nearly fits."""
_LONGEST_NAME, _LONGEST_PATH = 255, 4096  # bytes, on all systems of today


@dataclass(frozen=True)
class Folders:
    """The folders of one run.

    `trusted` holds the texts that the person who started the run typed for its inputs: only those may name a path
    anywhere on the machine. A path that stands in a graph file must lie in `inputs` (images) or `models` (checkpoints).
    `answers` is the run's folder with which answers of endpoints are kept; None shares them between runs.
    `name_of_row` makes of the prefix that a node asks for that of its files: over a table it tells the row (see
    `api_graph.table.names`), else it is the same.
    """

    inputs: tuple[Path, ...]
    output: Path
    temp: Path
    models: tuple[Path, ...] = ()
    trusted: frozenset[str] = field(default=frozenset())
    answers: Path | None = None
    name_of_row: Callable[[str], str] = field(default=str, compare=False)

    def input_file(self, name: str, *, input: str = "image") -> Path:
        """The file that `name` means; ComfyUI's suffixes `[input]`, `[output]` and `[temp]` choose the folder.

        Raises BadInput, which calls it `input`, when there is none, when it lies outside the folders given, and when it
        is no plain file: a device, such as /dev/zero, may have no end.
        """
        match = _ANNOTATED.match(name)
        root = match["root"] if match else "input"
        roots = {"input": self.inputs, "output": (self.output,), "temp": (self.temp,)}[root]
        asked = match["name"] if match else name
        found = self._find(asked, roots, trusted=name in self.trusted)
        if found is None and root == "input":
            found = self.renamed(asked)
        if found is not None:
            if not found.is_file():
                raise BadInput("it is a folder or a device, not a file", input=input, value=name, hint="Name one file.")
            return found
        where = ", ".join(str(r) for r in roots) or "no folder at all"
        trust = f"on the command line, --set {input}=PATH may name any file."
        if root == "input" and _leads_out(asked, roots):  # whether there is such a file is not for everybody to know
            problem = f"there is no such file in the input folder ({where}): the name leads out of it"
            raise BadInput(problem, input=input, value=name, hint=f"{_input_hint(asked)}; {trust}")
        put = f"Put the file there; {trust}"
        raise BadInput(
            f"there is no such file in the {root} folder ({where})",
            input=input,
            value=name,
            hint=_nearly_named(asked, roots) or put,
        )

    def renamed(self, name: str) -> Path | None:
        """The input file that an earlier version shipped as `name` and that has another name now; or None."""
        return self._find(_FORMER_NAMES[name], self.inputs, trusted=False) if name in _FORMER_NAMES else None

    def model_path(self, name: str) -> Path | None:
        """The checkpoint file or folder that `name` (or "local-dir:NAME", as open_clip writes it) means.

        None when it names none in the folders given.
        """
        return self._find(name.removeprefix("local-dir:"), self.models, trusted=name in self.trusted)

    def _find(self, name: str, roots: tuple[Path, ...], *, trusted: bool) -> Path | None:
        if not name.strip() or not can_be_a_path(name):
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
        if "\\" in name and os.name == "posix":  # as Windows writes paths; a file of just that name went before
            return self._find(name.replace("\\", "/"), roots, trusted=trusted)
        return None


def _leads_out(name: str, roots: tuple[Path, ...]) -> bool:
    """Whether a name is of a path outside of all folders: an absolute one, or one with ".."."""
    goes_up = os.path.isabs(name) or os.pardir in name.replace("\\", "/").split("/")
    return goes_up and can_be_a_path(name) and bool(roots) and not any(inside(root, name) for root in roots)


def _input_hint(name: str) -> str:
    """How a file outside of the input folders is let in."""
    folder = os.path.dirname(name) if os.path.isabs(name) else "DIR"
    named = "" if os.path.isabs(name) else ", and name the file from there"
    return f"Rows and graphs may not leave them: say --input {folder} (input_folders in Python){named}"


def _nearly_named(name: str, roots: tuple[Path, ...]) -> str:
    """The hint that a file is there whose name differs in case, in blanks or in its Unicode form alone; or nothing.

    It is never taken for the file itself: a folder may hold both, and the next machine may tell them apart.
    """
    parts = name.replace("\\", "/").split("/")
    if not {"", os.curdir, os.pardir}.isdisjoint(parts):
        return ""
    for root in roots:
        found: list[str] = []
        for part in parts:
            folder = root.joinpath(*found)
            if os.path.exists(folder / part):
                found.append(part)
                continue
            try:
                state = os.stat(folder)
                found.append(_names_by_fold(str(folder), (state.st_mtime_ns, state.st_ino))[_fold(part)])
            except (OSError, ValueError, LookupError):
                break
        near = "/".join(found)
        if len(found) == len(parts) and found != parts:
            there = inside(root, near)
            if there is not None and there.is_file():
                return _how_it_differs("/".join(parts), near)
    return ""


def _how_it_differs(name: str, near: str) -> str:
    if unicodedata.normalize("NFC", name) == unicodedata.normalize("NFC", near):
        forms = [("NFC" if unicodedata.is_normalized("NFC", text) else "NFD") for text in (name, near)]
        return (
            f"A file of the same name in another Unicode form is there: {forms[0]} is asked for, and its name is in "
            f"{forms[1]}. Write both in one form."
        )
    blanks = any(part != part.strip() for part in (*name.split("/"), *near.split("/")))
    differs = "the blanks" if blanks else "upper and lower case"
    return f"{near!r} is there: {differs} differ. Write the name as it is."


@lru_cache(maxsize=16)
def _names_by_fold(folder: str, state: tuple[int, int]) -> Mapping[str, str]:
    """The names in a folder by what is left of them without case, blanks and Unicode form. `state` tells it changed."""
    with os.scandir(folder) as items:
        return {_fold(item.name): item.name for item in islice(items, _MOST_NAMES)}


def _fold(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name.strip()).casefold())


def names_in(roots: Iterable[Path], wanted: Callable[[Path], bool]) -> list[str]:
    """Sorted names of what lies at the top of any of `roots` and is `wanted`, each once."""
    return sorted({path.name for root in roots if root.is_dir() for path in root.iterdir() if wanted(path)})


def content_of(path: str | os.PathLike[str], *, input: str) -> str:
    """sha256 of a file that an input names, for a fingerprint. Raises BadInput, naming `input`."""
    try:
        return sha256_of(path)
    except OSError as error:
        raise BadInput(f"it cannot be read ({error.strerror})", input=input, value=str(path)) from error


def inside(root: Path, name: str | PurePath) -> Path | None:
    """`root`/`name` with links followed; None when that leads out of `root`, and for what can be no file's name."""
    base = real_path(root)
    if not can_be_a_path(base / name):
        return None
    candidate = real_path(base / name)
    return candidate if candidate.is_relative_to(base) else None


def can_be_a_path(name: str | PurePath) -> bool:
    """Whether a file system could have it: without NUL, writable in its encoding, and no part of it too long."""
    try:
        parts = os.fsencode(name).split(os.fsencode(os.sep))
    except UnicodeEncodeError:  # half of a surrogate pair
        return False
    total = sum(map(len, parts)) + len(parts)
    return total < _LONGEST_PATH and not any(b"\0" in part or len(part) > _LONGEST_NAME for part in parts)
