"""Point clouds from files that nobody vouches for: arrays, tables, PLY and OFF."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from api_graph.arguments import typed
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.tasks.pointcloud.arrays import MOST_BYTES, read_array
from api_graph.tasks.pointcloud.off import parse_off
from api_graph.tasks.pointcloud.ply import parse_ply
from api_graph.tasks.pointcloud.text_table import read_table
from api_graph.tasks.record import bad_record, read_bytes, read_text

Points = NDArray[np.float64]

_MOST_LOST = 1e-4
"""The share of a cloud's extent that rounding to 32 bits may take before it is said."""


@typed()
def read_points(path: str | os.PathLike[str], columns: str = "") -> Tensor:
    """The points of a file, float32 (N, 3): .npy, .npz, .txt, .xyz, .pts, .csv, .ply (text or binary) or .off.

    Columns of a table are known by their names x, y and z; without names they are the first three, unless the first
    one counts the points. `columns` says which they are, by name or counted from 1: "2 3 4". A PLY's or OFF's faces do
    not count. Points that are NaN or infinite are left out, with a warning. Raises BadInput naming file, line and field
    of what is malformed or may be read in two ways.
    """
    file = Path(path)
    suffix = file.suffix.lower()
    if suffix not in READERS:
        hint = f"Save it as one of {', '.join(READERS)}."
        raise BadInput("this kind of file is not read", input="path", value=str(path), hint=hint)
    columns = columns.strip()
    if columns and suffix in (".ply", ".off"):
        hint = "Leave it empty: the file itself says which are x, y and z."
        raise BadInput(f"a {suffix} file has no columns to choose", input="columns", value=columns, hint=hint)
    points = READERS[suffix](file, columns)
    if not len(points):
        raise bad_record(file, "there is no point in it")
    with np.errstate(over="ignore"):
        narrow = points.astype(np.float32)
    kept: NDArray[np.bool_] = np.asarray(np.isfinite(narrow).all(axis=1))
    if not kept.all():
        _warn_of_bad(file, points, kept)
    _warn_of_rounding(file, points[kept], narrow[kept])
    return torch.from_numpy(narrow[kept])


def _warn_of_bad(path: Path, points: Points, kept: NDArray[np.bool_]) -> None:
    first = int(np.flatnonzero(~kept)[0])
    lost = int((~kept).sum())
    if lost == len(points):
        raise bad_record(path, "every point is NaN or infinite", value=points[first].tolist())
    said = f"{path.name}: {lost:,} of {len(points):,} points are NaN or infinite and left out; the first is point"
    warnings.warn(f"{said} {first + 1}", ApiGraphWarning, stacklevel=3)


def _warn_of_rounding(path: Path, points: Points, narrow: NDArray[np.float32]) -> None:
    """Say where 32 bits are too few for the coordinates, as with metres of a national grid."""
    extent = float((points.max(axis=0) - points.min(axis=0)).max())
    lost = float(np.abs(points - narrow).max())
    if lost > _MOST_LOST * extent > 0:
        said = f"{path.name}: 32 bits round its coordinates by up to {lost:.3g}, and the cloud is {extent:.3g} wide"
        warnings.warn(f"{said}. Subtract its centre before saving it", ApiGraphWarning, stacklevel=3)


def _table(path: Path, columns: str) -> Points:
    return read_table(path, read_text(path, most=MOST_BYTES), columns)


def _ply(path: Path, _: str) -> Points:
    return parse_ply(path, read_bytes(path, most=MOST_BYTES))


def _off(path: Path, _: str) -> Points:
    return parse_off(path, read_text(path, most=MOST_BYTES))


READERS: dict[str, Callable[[Path, str], Points]] = {
    ".npy": read_array,
    ".npz": read_array,
    ".txt": _table,
    ".xyz": _table,
    ".pts": _table,
    ".csv": _table,
    ".ply": _ply,
    ".off": _off,
}
