"""`api-graph cache`: the results that are kept between runs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from api_graph.cli.console import human_size, parse_size, print_json, say
from api_graph.cli.exits import OK
from api_graph.cli.options import CacheFolder, Debug, Json

if TYPE_CHECKING:
    from api_graph.executor import DiskCache

Size = Annotated[
    str | None,
    typer.Option("--to", metavar="SIZE", help="Bytes to leave: 500M, 2G; default: the limit.", show_default=False),
]


def info(cache: CacheFolder = None, as_json: Json = False, debug: Debug = False) -> int:
    """Say where results are kept, how many, and how much room they take."""
    held = _open(cache).info()
    if as_json:
        print_json(held._asdict())
    else:
        say(f"{held.folder}: {held.entries} results, {human_size(held.bytes)} of at most {human_size(held.limit)}")
    return OK


def prune(to: Size = None, cache: CacheFolder = None, as_json: Json = False, debug: Debug = False) -> int:
    """Remove the results unread for longest until the rest fits."""
    disk = _open(cache)
    _removed(disk, disk.prune(disk.limit if to is None else parse_size(to)), as_json)
    return OK


def clear(cache: CacheFolder = None, as_json: Json = False, debug: Debug = False) -> int:
    """Remove all kept results."""
    disk = _open(cache)
    _removed(disk, disk.clear(), as_json)
    return OK


def _open(folder: Path | None) -> DiskCache:
    from api_graph.executor import DiskCache
    from api_graph.settings import cache_folder, cache_limit

    return DiskCache(folder or cache_folder(), cache_limit())


def _removed(disk: DiskCache, count: int, as_json: bool) -> None:
    left = disk.info()
    if as_json:
        print_json({"removed": count, **left._asdict()})
    else:
        say(f"{left.folder}: {count} results removed, {left.entries} left, {human_size(left.bytes)}")
