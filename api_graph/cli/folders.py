"""Folders that are named on the command line."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.files import expanded
from api_graph.settings import cache_folder


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


def existing_folder(path: Path, option: str) -> Path:
    """`path`, where it is a folder. Raises BadInput."""
    folder = expanded(path)
    if not os.path.isdir(folder):
        raise BadInput("there is no such folder", input=option, value=str(path), hint="Check the path.")
    return folder


def existing_folders(paths: Iterable[Path] | None, option: str) -> tuple[Path, ...]:
    """All of `paths`, where they are folders. Raises BadInput."""
    return tuple(existing_folder(path, option) for path in paths or ())


def kept_results(cache: Path | None, no_cache: bool) -> Path | None:
    """Where --cache and --no-cache mean results to be kept between runs; None for nowhere. Raises BadInput."""
    if no_cache:
        return None
    return cache_folder() if cache is None else writable_folder(cache, "--cache")
