"""What the user asked for of a table run, and what the workers need to know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from api_graph.errors import BadInput
from api_graph.files import QUALITY, PictureFormat, PictureKind, SaveFormats
from api_graph.graph.model import ApiNode
from api_graph.settings import cache_folder
from api_graph.table.grid import GridValues
from api_graph.table.maps import MapKind, Precision
from api_graph.table.shards import Shard
from api_graph.table.tars import SMALLEST

GIB = 1 << 30


_KINDS = {"image_format": PictureKind, "heatmap_format": PictureKind, "maps": MapKind, "map_precision": Precision}
"""Options that have one of a few values."""


@dataclass(frozen=True)
class RunOptions:
    """What the user asked for.

    `columns` maps names of the graph's inputs to columns that have other names, and `keep` names inputs that stay as
    the graph has them, on purpose. `inputs` are folders in which rows may name files, besides the table's own; `models`
    are folders of checkpoints. `cache` is the folder of the disk cache, None for none. `names` is the template of file
    names (see `table.names`), None for the folder's own or the default. `batch_size` is the largest batch that a model
    gets, `chunk_size` the number of rows in a chunk; None derives both from `memory`, the bytes of results that may be
    held at a time. `threads` is the number of threads that read files and make pictures; None is one for each
    processor. `limit` is the number of the table's rows that count, `max_failures` the number of failed rows after
    which the run still goes on. With `keep_null` a row without a value in a column has the graph's own there, where it
    would be faulty otherwise. With `keep_answers`, cached answers of endpoints serve runs with any output folder.
    `grid` has by name of an input the values that every row of the table is run with, in all combinations, and
    `controls` adds those that the graph can have; `limit` counts the table's own rows. With `adopt` the lines of a
    folder that has lost its manifest are taken over, as far as they are of rows of the table. `image_format` and
    `heatmap_format` are those of the files, and `quality` that of JPEG and WebP; None is what the folder has, or png.
    With `tar` the rows' files go into tars of so many bytes. With `maps` the rows' maps are kept as numbers of
    `map_precision`. With `allow_private` remote files may lie on this machine's own servers and in private networks.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    keep: Sequence[str] = ()
    inputs: Sequence[Path] = ()
    models: Sequence[Path] = ()
    cache: Path | None = field(default_factory=cache_folder)
    metadata: bool = True
    names: str | None = None
    batch_size: int | None = None
    chunk_size: int | None = None
    threads: int | None = None
    memory: int = 2 * GIB
    shard: Shard | None = None
    limit: int | None = None
    retry_failed: bool = False
    max_failures: int | None = None
    keep_answers: bool = False
    keep_null: bool = False
    adopt: bool = False
    image_format: PictureKind | None = None
    heatmap_format: PictureKind | None = None
    quality: int | None = None
    grid: GridValues = field(default_factory=dict)
    controls: bool = False
    allow_private: bool = False
    maps: MapKind | None = None
    map_precision: Precision | None = None
    tar: int | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "chunk_size", "threads", "limit"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise BadInput("must be at least 1", input=name, value=number)
        if self.quality is not None and not 1 <= self.quality <= 100:
            raise BadInput("a quality is a number from 1 to 100", input="quality", value=self.quality)
        if self.tar is not None and self.tar < SMALLEST:
            raise BadInput(f"a tar has at least {SMALLEST >> 20} MiB", input="tar", value=self.tar)
        for name, kinds in _KINDS.items():
            kind = getattr(self, name)
            if kind is not None and kind not in get_args(kinds):
                hint = f"Use one of {', '.join(get_args(kinds))}."
                raise BadInput("there is no such format", input=name, value=kind, hint=hint)


@dataclass(frozen=True)
class Job:
    """What the workers of a run need to know. All of it is JSON, so that it can be sent to other machines.

    `graph` is in API format, with constants applied. `columns` maps names of inputs to columns; with `texts` the rows'
    values are texts, save for those of `grid`, names of inputs that the rows of a grid set; `settings` is the number of
    rows that each row of the table has become, and `unused` are columns that set nothing whatever their names.
    `trusted` are the texts that the user typed, which may name any file; `names` is the template of file names.
    `memory` is the number of bytes of results that may be held at a time, models not counted. With `maps` the rows'
    maps are kept as numbers, Parquet files in `maps_folder` of the output folder. `base` is the URL of the table's
    folder, where rows name files by names relative to that. Paths are absolute.
    """

    graph: Mapping[str, ApiNode]
    output: str
    inputs: tuple[str, ...]
    models: tuple[str, ...]
    temp: str
    columns: Mapping[str, str]
    texts: bool
    cache: str | None
    run_id: str
    trusted: tuple[str, ...] = ()
    names: str = ""
    metadata: bool = True
    batch_size: int | None = None
    threads: int = 8
    memory: int = 2 * GIB
    keep_answers: bool = False
    image_format: PictureKind = "png"
    heatmap_format: PictureKind = "png"
    quality: int = QUALITY
    grid: tuple[str, ...] = ()
    settings: int = 1
    unused: tuple[str, ...] = ()
    maps: MapKind | None = None
    map_precision: Precision = "float32"
    maps_folder: str = ""
    base: str = ""
    allow_private: bool = False

    @property
    def formats(self) -> SaveFormats:
        """How pictures are written."""
        return SaveFormats(
            PictureFormat(self.image_format, self.quality), PictureFormat(self.heatmap_format, self.quality)
        )
