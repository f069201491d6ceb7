"""What is set once for a machine, and where the things lie that came with the package.

A person may set these environment variables, which are read here and nowhere else: `API_GRAPH_CACHE` is the folder of
the disk cache, `API_GRAPH_CACHE_GIB` its limit in GiB, `API_GRAPH_MODELS` names folders with checkpoints, separated as
in PATH, `API_GRAPH_MAX_RESULT` and `API_GRAPH_MAX_TEXT` are the most that one node may give, such as 4G, and
`API_GRAPH_MAX_VRAM` is the most that loaded models may take on an accelerator.
`api_graph.lvlm.remote.endpoints_file` reads those of endpoints.
"""

from __future__ import annotations

import os
import re
from difflib import get_close_matches
from functools import lru_cache
from importlib import resources
from pathlib import Path

import platformdirs

from api_graph.errors import BadInput
from api_graph.files import expanded, real_path
from api_graph.folders import Folders

_APP = "api-graph"
_DEFAULT_CACHE_GIB = 4.0


def cache_folder() -> Path:
    """Where results are kept between runs."""
    given = os.environ.get("API_GRAPH_CACHE")
    return expanded(given) if given else Path(platformdirs.user_cache_dir(_APP, appauthor=False))


def cache_limit() -> int:
    """Most bytes that the disk cache may take. Raises BadInput where the variable is no size."""
    given = os.environ.get("API_GRAPH_CACHE_GIB", str(_DEFAULT_CACHE_GIB))
    try:
        limit = float(given)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        raise BadInput("is not a size in GiB", input="API_GRAPH_CACHE_GIB", value=given, hint="Set it to a number.")
    return int(limit * 2**30)


MAX_RESULT, MAX_TEXT = "API_GRAPH_MAX_RESULT", "API_GRAPH_MAX_TEXT"
LIMITS = {MAX_RESULT: "4G", MAX_TEXT: "64M"}
"""Most bytes of what one node gives, by variable: of all that it gives, and of the texts in it."""


def limit(variable: str) -> int:
    """The limit in bytes that an environment variable sets, or its default. Raises BadInput where it is no size."""
    return _size(variable, os.environ.get(variable, LIMITS[variable]))


MAX_VRAM = "API_GRAPH_MAX_VRAM"
_COMPUTING, _LEAST_COMPUTING = 16, 2**29
"""Of an accelerator, a sixteenth and at least half a GiB is for computing; of a very small one, a half."""


def vram_budget(total: int) -> int:
    """Most bytes that loaded models may take on an accelerator that has `total`. Raises BadInput as `limit` does."""
    given = os.environ.get(MAX_VRAM)
    if given is not None:
        return _size(MAX_VRAM, given)
    return max(total // 2, total - max(total // _COMPUTING, _LEAST_COMPUTING))


@lru_cache(maxsize=8)
def _size(variable: str, text: str) -> int:
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE | re.ASCII)
    if found is None:
        raise BadInput("is not a size", input=variable, value=text, hint="Set it to a size such as 500M or 8G.")
    return int(float(found[1]) * 1024 ** " KMGT".index(found[2].upper() or " "))


def model_folders() -> tuple[Path, ...]:
    """Where graphs may name checkpoints."""
    given = os.environ.get("API_GRAPH_MODELS")
    if given:
        return tuple(expanded(p) for p in given.split(os.pathsep) if p)
    return (Path(platformdirs.user_data_dir(_APP, appauthor=False)) / "models",)


def headless_folders(
    output: str | os.PathLike[str] = "output",
    inputs: tuple[str | os.PathLike[str], ...] = (),
    trusted: frozenset[str] = frozenset(),
    *,
    keep_answers: bool = False,
) -> Folders:
    """Folders of a run from the command line or from Python.

    Images are looked for in `inputs`, or else in the current folder, and then among the shipped pictures. Endpoints'
    answers stay with `output`, or with `keep_answers` serve all runs.
    """
    given = tuple(Path(p) for p in inputs) or (Path.cwd(),)
    return Folders(
        inputs=(*given, shipped_graphs()),
        output=Path(output),
        temp=cache_folder() / "temp",
        models=model_folders(),
        trusted=trusted,
        answers=None if keep_answers else Path(output),
    )


# ------------------------------------------------------------------------------------------ what came with the package


DEMO_MODEL = "The demo model knows rendered shapes, as in the example picture, and nothing of other pictures."


EXAMPLE_PICTURE = "api_graph_example.png"
"""The picture among the shipped graphs that they open with. ComfyUI has an `example.png` of its own."""

EXAMPLE_MASKS = "api_graph_example_masks.png"
"""The masks of its five objects, a frame each."""


def shipped_graphs() -> Path:
    """The folder of the graphs and the example picture that come with the package."""
    return Path(str(resources.files("api_graph.graphs")))


def shipped() -> dict[str, Path]:
    """Files of the shipped graphs by name."""
    return {path.stem: path for path in sorted(shipped_graphs().glob("*.json"))}


def find_graph(name: str) -> Path:
    """The file that `name` means: a path, or the name of a shipped graph. Raises BadInput for neither."""
    path, shipped_file = expanded(name), shipped_graphs() / f"{name}.json"
    is_shipped = os.path.basename(name) == name and os.path.isfile(shipped_file)
    if os.path.isfile(path) or (os.path.exists(path) and not is_shipped):
        return path
    if is_shipped:
        return shipped_file
    raise BadInput(
        "there is no such file, and no shipped graph of this name",
        input="graph",
        value=name,
        hint=f"{meant_graphs(name)}`api-graph graphs` lists the shipped ones.",
    )


def meant_graphs(name: str, most: int = 1) -> str:
    """`Did you mean api_clip? `, with at most so many shipped graphs whose names are near to `name`; or nothing."""
    stem = os.path.splitext(os.path.basename(name))[0]
    near = get_close_matches(stem, shipped(), n=most)
    return f"Did you mean {' or '.join(near)}? " if near else ""


def is_shipped(name: str) -> bool:
    """Whether `find_graph` takes `name` for one of the shipped graphs, by its name or by its path."""
    path, folder = expanded(name), shipped_graphs()
    if os.path.isfile(path):
        return real_path(path).parent == real_path(folder)
    return os.path.basename(name) == name and os.path.isfile(folder / f"{name}.json")


def web_folder() -> Path | None:
    """The scripts and help pages of the nodes, for an editor; None where they are not installed."""
    return _shipped_folder("web")


def locales_folder() -> Path | None:
    """What the nodes are called in other languages, for an editor; None where that is not installed."""
    return _shipped_folder("locales")


def example_workflows_folder() -> Path | None:
    """The shipped graphs as the editor saves them, each with a picture; None where they are not installed."""
    return _shipped_folder("example_workflows")


def blueprints() -> dict[str, Path]:
    """Files of the shipped blueprints by name; none where they are not installed."""
    folder = _shipped_folder("subgraphs")
    return {} if folder is None else {path.stem: path for path in sorted(folder.glob("*.json"))}


def _shipped_folder(name: str) -> Path | None:
    """A folder that lies inside the installed package, or next to it in a checkout."""
    import api_graph

    candidates = (Path(parent) / name for parent in api_graph.__path__)
    return next((folder for folder in candidates if folder.is_dir()), None)


def processors() -> int:
    """Number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
