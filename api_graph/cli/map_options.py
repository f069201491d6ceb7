"""The arguments and options of `api-graph map`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from api_graph.files import QUALITY, PictureKind

Rows = Annotated[
    str,
    typer.Argument(
        metavar="ROWS",
        help="A .jsonl, .csv, .tsv, .parquet or .tar file (.gz too), a folder of images, or a glob in quotes. A row "
        "without a value (null, an empty cell, no such key) in a column that sets an input is faulty. Lists set boxes "
        "and labels, an item for each line. Files that rows name lie in the table's folder or in --input. "
        "docs/tables.md has more.",
        show_default=False,
    ),
]
SharedSetting = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Set an input to the same for all rows. Repeatable."),
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column",
        metavar="NAME=COLUMN",
        help="The column that sets input NAME, if it is called otherwise. Repeatable.",
    ),
]
Keep = Annotated[
    list[str] | None,
    typer.Option(
        "--keep",
        metavar="NAME",
        help="All rows have the graph's own value of input NAME, or that of --set: a column of that name sets nothing "
        "then. Repeatable.",
    ),
]
KeepNull = Annotated[
    bool,
    typer.Option("--keep-null", help="A row without a value has the graph's own there, and is not faulty."),
]
RowInputs = Annotated[
    list[Path] | None,
    typer.Option("--input", metavar="DIR", help="Folder with the files that rows name, besides the table's own."),
]
FileNames = Annotated[
    str | None,
    typer.Option(
        "--names",
        metavar="TEMPLATE",
        help="Template of file names; fields are inputs, columns, key and row.",
        show_default="{image.stem}_{query.slug}_{key:8}",
    ),
]
ImageFormat = Annotated[
    PictureKind | None,
    typer.Option(
        help="How pictures are written: png and webp embed the graph, jpeg does not.",
        show_default="the folder's, or png",
    ),
]
HeatmapFormat = Annotated[
    PictureKind | None, typer.Option(help="How heatmaps are written.", show_default="the folder's, or png")
]
Quality = Annotated[
    int | None, typer.Option(metavar="N", help="Of jpeg and webp, 1 to 100.", show_default=str(QUALITY))
]
Maps = Annotated[
    Literal["npz", "parquet"] | None,
    typer.Option(help="Keep the rows' maps as numbers in the model's grid.", show_default="the folder's, or none"),
]
MapPrecision = Annotated[
    Literal["float16", "float32"] | None, typer.Option(help="Of --maps.", show_default="the folder's, or float32")
]
FastResize = Annotated[
    bool,
    typer.Option("--fast-resize", help="torch, not Pillow, resizes pictures for CLIP: faster, maps differ a little."),
]
Tar = Annotated[
    str,
    typer.Option(
        metavar="SIZE",
        help="Put the rows' files into tars of at most SIZE, as webdataset has them.",
        show_default="the folder's, or none",
    ),
]
RetryFailed = Annotated[bool, typer.Option("--retry-failed", help="Do failed rows once more.")]
Grid = Annotated[
    list[str] | None,
    typer.Option(
        "--grid",
        metavar="NAME=V1,V2,..",
        help="Run every row with each of these values; with several, with all combinations, the last changing fastest. "
        "The names are those of --set. A JSON list takes texts with commas.",
    ),
]
Controls = Annotated[
    bool,
    typer.Option(
        "--controls",
        help="Run every row with each control, too: with maps that know nothing of the question, say.",
    ),
]
Limit = Annotated[
    int | None, typer.Option(metavar="N", help="Only the table's first N rows; with --grid, all settings of these.")
]
Log = Annotated[
    Path | None,
    typer.Option("--log", metavar="FILE", help="Append how the run goes as lines of JSON.", show_default=False),
]
LogEvery = Annotated[float, typer.Option(metavar="S", min=0.1, help="Seconds between two lines of --log.")]
KeepGoing = Annotated[
    bool, typer.Option("--keep-going/--fail-fast", help="Note a failed row and go on, or stop there.")
]
MaxFailures = Annotated[
    int | None, typer.Option(metavar="N", help="Stop when more than N rows have failed.", show_default="no limit")
]
ResultFormat = Annotated[
    Literal["jsonl", "parquet"],
    typer.Option("--format", help="parquet writes results.parquet too, when all is done."),
]
BatchSize = Annotated[
    int | None,
    typer.Option(metavar="N", help="Most calls that a model gets at once.", show_default="what memory has room for"),
]
ChunkSize = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Rows that go together; with --grid, whole rows of the table.",
        show_default="what memory has room for",
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(metavar="N", help="Threads that read and write.", show_default="one for each processor"),
]
Memory = Annotated[str, typer.Option(metavar="SIZE", help="Memory for results, besides the models.")]
Shard = Annotated[
    str, typer.Option(metavar="I/N", help="Only part I of N, for job arrays; then `api-graph merge DIR`.")
]
Concurrency = Annotated[
    int | None, typer.Option(metavar="N", help="ray: how many actors.", show_default="one per GPU, or one")
]
Engine = Annotated[Literal["local", "ray"], typer.Option(help="This process, or Ray's actors.")]
GpusPerActor = Annotated[
    float | None,
    typer.Option(metavar="N", help="ray: GPUs of each; a fraction shares one.", show_default="1 where there are any"),
]
RayAddress = Annotated[
    str, typer.Option(metavar="ADDRESS", help="ray: an existing cluster.", show_default="one on this machine")
]
