"""HDF5 files of strangers: what is damaged is a BadInput, and nothing but the file itself is read."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from api_graph.errors import BadInput
from api_graph.tasks.record import bad_record


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The open file. Needs h5py, the extra `data`. Raises BadInput, whatever h5py says of a damaged file."""
    try:
        import h5py  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        problem = "reading HDF5 files needs h5py, which is not installed"
        raise BadInput(problem, input="path", value=str(path), hint="Install api-graph[data].") from error
    try:
        with h5py.File(path, "r") as file:
            yield file
    except BadInput:
        raise
    except Exception as error:  # a damaged file is answered with nearly any exception
        raise bad_record(path, f"this HDF5 file cannot be read ({error})", hint="Download it again.") from error


def dataset(path: Path, file: Any, key: Any, field: str) -> Any:
    """A dataset by its name, or by a reference to it. Raises BadInput where its values lie in another file."""
    found = file[key]
    elsewhere = getattr(found, "external", None) or getattr(found, "is_virtual", False)
    if elsewhere or (hasattr(found, "file") and found.file.filename != file.filename):
        raise bad_record(path, "its values lie in another file, which is not read", field=field)
    return found
