"""Options that several commands share, and what is typed made into what is meant."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from filecmp import cmp
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated

import typer

from api_graph.errors import BadInput
from api_graph.files import expanded
from api_graph.folders import Folders
from api_graph.settings import DEMO_MODEL, cache_folder, shipped_graphs

if TYPE_CHECKING:
    from api_graph.graph import Graph
    from api_graph.registry import Registry


def shipped_names() -> list[str]:
    """The shipped graphs, for the shell's completion; where no name begins as typed it offers files."""
    from api_graph.settings import shipped

    return [*shipped()]


def benchmark_names() -> list[str]:
    """The benchmarks, for the shell's completion."""
    from api_graph.benching.registry import benchmarks

    return [*benchmarks()]


GraphName = Annotated[
    str,
    typer.Argument(
        metavar="GRAPH",
        help="A graph's .json file, a PNG or WebP with a graph in it, or the name of a shipped graph.",
        show_default=False,
        autocompletion=shipped_names,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks, and what libraries warn of.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files that the graph saves.")]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set an input; `api-graph check GRAPH` lists the names."),
]
Inputs = Annotated[
    list[Path] | None,
    typer.Option(
        "--input", metavar="DIR", help="Folder with the images that the graph names; default: this one. Repeatable."
    ),
]
CacheFolder = Annotated[
    Path | None,
    typer.Option(
        "--cache", metavar="DIR", help="Folder of kept results; default $API_GRAPH_CACHE.", show_default=False
    ),
]
Models = Annotated[
    list[Path] | None,
    typer.Option("--models", metavar="DIR", help="Folder with checkpoints; default $API_GRAPH_MODELS. Repeatable."),
]
Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help="Where models run: auto, cpu, cuda or mps.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Neither use nor keep results on disk.")]
KeepAnswers = Annotated[
    bool, typer.Option("--keep-answers", help="Cached answers of endpoints serve runs with any --out.")
]
AllowPrivate = Annotated[
    bool,
    typer.Option(
        "--allow-private",
        help="Remote files may lie on servers of this machine and of private networks, and plain http.",
    ),
]
NoMetadata = Annotated[
    bool, typer.Option("--no-metadata", help="Do not embed the graph in the pictures that it saves.")
]


def parse_settings(settings: Sequence[str], option: str = "--set") -> dict[str, str]:
    """`NAME=VALUE` texts by name. Raises BadInput for a text without `=`, and for a name that comes twice."""
    values: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise BadInput(
                "is not NAME=VALUE", input=option, value=setting, hint=f'Write for example {option} query="..."'
            )
        if name in values:
            raise BadInput("is set twice", input=option, value=name, hint="Set it once.")
        values[name] = value
    return values


def writable_folder(path: Path, option: str) -> Path:
    """`path`, where files can be made in it, or it can be made. Raises BadInput."""
    folder = expanded(path)
    try:
        existing = next(p for p in (folder, *folder.absolute().parents) if p.is_symlink() or p.exists())
        if not existing.is_dir():
            raise BadInput(
                "is a file, where a folder is wanted", input=option, value=str(existing), hint="Name another."
            )
        usable = os.access(existing, os.W_OK | os.X_OK)
    except OSError:
        usable = False
    if not usable:
        raise BadInput("cannot be written to", input=option, value=str(folder), hint="Name another folder.")
    return folder


def existing_folders(paths: Iterable[Path] | None, option: str) -> tuple[Path, ...]:
    """All of `paths`, where they are folders. Raises BadInput."""
    folders = tuple(expanded(path) for path in paths or ())
    for path, folder in zip(paths or (), folders, strict=True):
        if os.path.isfile(folder):
            problem = "is a file, where a folder is wanted"
            raise BadInput(problem, input=option, value=str(path), hint="Name its folder.")
        if not os.path.isdir(folder):
            raise BadInput("there is no such folder", input=option, value=str(path), hint="Check the path.")
    return folders


def kept_results(cache: Path | None, no_cache: bool) -> Path | None:
    """Where --cache and --no-cache mean results to be kept between runs; None for nowhere. Raises BadInput."""
    if no_cache:
        return None
    return cache_folder() if cache is None else writable_folder(cache, "--cache")


def prepared_graph(name: str, registry: Registry, values: Mapping[str, str], device: str) -> Graph:
    """The graph of that name or file, with its inputs set as they were typed. Raises GraphError or BadInput."""
    from api_graph.graph import on_device, read_graph, set_inputs
    from api_graph.settings import find_graph

    if device.lower() in ("gpu", "nvidia"):  # what else is near to it is "cpu"
        hint = "Say cuda for an NVIDIA GPU, mps for an Apple one, or auto."
        raise BadInput("is no device", input="--device", value=device, hint=hint)
    graph = set_inputs(read_graph(find_graph(name), registry), registry, {}, values)
    return on_device(graph, registry, device, input="--device") if device else graph


def demo_warning(
    graph: Graph, registry: Registry, folders: Folders, rows: Mapping[str, Iterable[object]] = MappingProxyType({})
) -> str | None:
    """What to say where a demo model gets pictures that did not come with this package; None where it gets none.

    `rows` has the values of some rows of a table, by the name of the input that they set.
    """
    loaders: list[str] = []
    files: list[object] = []
    for id, node in graph.nodes.items():
        spec = registry[node.class_type]
        for name in spec.fingerprinted:
            declared, title = spec.input(name), node.title or spec.title
            value = node.inputs.get(name, declared.default if declared is not None else None)
            if spec.model:
                loaders += [name] if value == "demo" else []
            else:
                names = (name, title, f"{title}.{name}", f"{id}.{name}")
                files += next((rows[one] for one in names if one in rows), [value])
    if not loaders or all(_came_along(file, folders) for file in files):
        return None
    options = " ".join(f"--set {name}=..." for name in dict.fromkeys(loaders))
    return f"{DEMO_MODEL} For photographs name a checkpoint: {options}"


def _came_along(name: object, folders: Folders) -> bool:
    """Whether a file is one of the examples, by its bytes. One that cannot be read is told where it is read."""
    if isinstance(name, str) and "://" in name:
        return False
    with suppress(BadInput, OSError):
        file = folders.input_file(name) if isinstance(name, str) else Path()
        return any(cmp(example, file, shallow=False) for example in shipped_graphs().glob("*example.p*"))
    return True
