"""Point clouds in NumPy's files: which axis counts the points is told by the shape, or asked for."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api_graph.tasks.pointcloud.columns import AXES, chosen, named, steps_of
from api_graph.tasks.record import bad_record, read_bytes

MOST_BYTES = 1 << 30

MOST_COLUMNS = 16
"""What a point may plausibly have: x, y, z, a normal, colours, a label. A longer axis counts points."""

NAMES = ("points", "xyz")
"""The array of an .npz that is read where it holds several."""


def read_array(path: Path, columns: str) -> NDArray[np.float64]:
    """The points of an .npy or .npz, (N, 3): of (N, 3 and more), (3 and more, N), fields or arrays named x, y and z."""
    content = read_bytes(path, most=MOST_BYTES)
    try:
        loaded = np.load(io.BytesIO(content), allow_pickle=False)
        found = loaded if isinstance(loaded, np.ndarray) else {name: loaded[name] for name in loaded.files}
    except Exception as error:  # numpy answers a damaged file with nearly any exception
        raise bad_record(path, f"this is no array of numbers ({error})", hint="Save it with numpy.save.") from error
    array = found if isinstance(found, np.ndarray) else _one_of(path, found)
    if array.dtype.names:
        return _fields(path, {name: array[name] for name in array.dtype.names}, columns)
    if array.ndim != 2 or max(array.shape) < 3 or array.dtype.kind not in "fiu":
        raise bad_record(path, "an array of numbers (N, 3) is needed", value=array.shape)
    return _columns(path, array, columns)


def _one_of(path: Path, arrays: Mapping[str, NDArray]) -> NDArray:
    """The array of an .npz that holds the points."""
    if len(arrays) == 1:
        return next(iter(arrays.values()))
    if named(list(arrays)) is not None:
        x, y, z = (list(arrays.values())[index] for index in named(list(arrays)) or ())
        if x.ndim == 1 and x.shape == y.shape == z.shape:
            return np.stack([x, y, z], axis=1)
    for name in NAMES:
        if name in arrays:
            return arrays[name]
    names = ", ".join(arrays) or "none"
    hint = f"Call it points, or save it alone. There are: {names}."
    raise bad_record(path, "which of its arrays holds the points is not clear", hint=hint)


def _fields(path: Path, fields: Mapping[str, NDArray], columns: str) -> NDArray[np.float64]:
    names = list(fields)
    places = chosen(columns, names, len(names)) if columns else named(names)
    if places is None:
        raise bad_record(path, "no fields are called x, y and z", hint=_hint(names))
    taken = [fields[names[place]] for place in places]
    if any(field.ndim != 1 or field.dtype.kind not in "fiu" for field in taken):
        raise bad_record(path, "the fields x, y and z must be numbers, one for each point")
    return np.stack([field.astype(np.float64) for field in taken], axis=1)


def _columns(path: Path, array: NDArray, columns: str) -> NDArray[np.float64]:
    if columns:
        places = chosen(columns, None, array.shape[1])
        return array[:, places].astype(np.float64)
    array = _points_down(path, array)
    if array.shape[1] > len(AXES) and steps_of(array[:, :4].astype(np.float64), written_whole=False) != "none":
        hint = 'Say it: columns = "1 2 3" if that is x, "2 3 4" if it is an index.'
        raise bad_record(path, "the first column counts the points, so it may be an index and no x", hint=hint)
    return array[:, :3].astype(np.float64)


def _points_down(path: Path, array: NDArray) -> NDArray:
    """The array with a row for each point; BadInput where its shape does not tell which axis that is."""
    rows, width = array.shape
    across = 3 <= rows <= MOST_COLUMNS  # a column for each point is possible
    if 3 <= width <= MOST_COLUMNS and (rows > width or rows < 3):
        return array
    if across and width > MOST_COLUMNS:
        return array.T
    if rows > width:
        return array
    if not across:
        raise bad_record(path, "an array of numbers (N, 3) is needed", value=array.shape)
    problem = "the shape does not tell whether a row or a column is a point"
    hint = 'Say columns = "1 2 3" if each row is a point; otherwise save its transpose first.'
    raise bad_record(path, problem, value=array.shape, hint=hint)


def _hint(names: Sequence[str]) -> str:
    return f'Say which: columns = "{" ".join(names[:3])}". There are: {", ".join(names)}.'
