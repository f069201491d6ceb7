"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

GraphName = Annotated[
    str,
    typer.Argument(
        metavar="GRAPH",
        help="A graph's .json file, a PNG or WebP with a graph in it, or the name of a shipped graph.",
        show_default=False,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout, and nothing else.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show tracebacks, and what libraries warn of.")]
Out = Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the files that the graph saves.")]
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
NoMetadata = Annotated[
    bool, typer.Option("--no-metadata", help="Do not embed the graph in the pictures that it saves.")
]
