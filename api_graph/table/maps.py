"""The maps of rows as numbers: what each node that gives an attribution gave, in the model's own grid.

`npz` is a file for each row, `parquet` one for the rows that ran together. A line of the results names its file.
"""

from __future__ import annotations

import hashlib
import json
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict, cast

import numpy as np
from numpy.typing import NDArray

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.files import whole_file
from api_graph.geometry import Geometry
from api_graph.table.output import write_errors
from api_graph.table.tars import opened_file

if TYPE_CHECKING:
    from torch import Tensor

    from api_graph.sockets import Attribution
    from api_graph.table.rows import Row

MapKind = Literal["npz", "parquet"]
Precision = Literal["float16", "float32"]
Floats = NDArray[np.float16] | NDArray[np.float32]

FOLDER = "maps"
_ABOUT = "about"
"""The array of an npz file that has, as a text of JSON, where the cells of each map lie."""
_DIGITS = 20
_FILES_KEPT = 4


class SavedMap(NamedTuple):
    """A map that a node gave for a row, `values` (gh, gw), and where its cells lie in the source image."""

    values: Floats
    geometry: Geometry


SavedMaps = Mapping[str, Sequence[SavedMap]]
"""A row's maps by node id."""


def as_numbers(maps: Mapping[str, Sequence[Attribution]], precision: Precision) -> SavedMaps:
    """A row's maps in this precision; what float16 does not hold becomes its largest, with a warning."""
    return {
        id: [SavedMap(_floats(one.values[0], precision), one.geometry[0]) for one in attributions]
        for id, attributions in maps.items()
    }


def _floats(map: Tensor, precision: Precision) -> Floats:
    values = map.detach().float().cpu().numpy()
    if precision == "float32":
        return values
    largest = float(np.finfo(np.float16).max)
    finite = np.isfinite(values)
    if np.any(np.abs(values[finite]) > largest):
        said = f"maps have values beyond {largest:,.0f}, the largest of float16: take --map-precision float32"
        warnings.warn(said, ApiGraphWarning, stacklevel=2)
    return np.where(finite, np.clip(values, -largest, largest), values).astype(np.float16)


def write_npz(path: Path, maps: SavedMaps) -> None:
    """Write a row's maps: an array called NODE.NUMBER for each, and `about`. Raises WriteFailed."""
    arrays = {f"{id}.{index}": one for id, each in maps.items() for index, one in enumerate(each)}
    about = json.dumps({name: _fields(one.geometry) for name, one in arrays.items()})
    named = {**{name: one.values for name, one in arrays.items()}, _ABOUT: np.asarray(about)}
    with write_errors(path), whole_file(path) as file:
        np.savez(file, **named)  # pyright: ignore[reportArgumentType]  # it takes one for `allow_pickle`


def write_map_table(folder: Path, rows: Sequence[tuple[Row, SavedMaps]], precision: Precision) -> Path:
    """Write the maps of rows as one Parquet file, which is named after these rows. Raises WriteFailed."""
    import pyarrow as pa
    import pyarrow.parquet as parquet

    flat = [(row, id, index, one) for row, maps in rows for id, each in maps.items() for index, one in enumerate(each)]
    numbers = np.concatenate([one.values.ravel() for *_, one in flat])
    offsets = np.cumsum([0, *(one.values.size for *_, one in flat)], dtype=np.int32)
    kind = pa.float16() if precision == "float16" else pa.float32()
    columns = {
        "row": pa.array([row.number for row, *_ in flat], pa.int64()),
        "key": pa.array([row.key for row, *_ in flat]),
        "node": pa.array([id for _, id, *_ in flat]),
        "map": pa.array([index for _, _, index, _ in flat], pa.int32()),
        "height": pa.array([one.values.shape[0] for *_, one in flat], pa.int32()),
        "width": pa.array([one.values.shape[1] for *_, one in flat], pa.int32()),
        "geometry": pa.array([json.dumps(_fields(one.geometry)) for *_, one in flat]),
        "values": pa.ListArray.from_arrays(pa.array(offsets), pa.array(numbers, kind)),
    }
    keys = "\n".join(row.key for row, _ in rows)
    path = folder / f"{hashlib.sha256(keys.encode()).hexdigest()[:_DIGITS]}.parquet"
    with write_errors(path), whole_file(path) as file:
        parquet.write_table(pa.table(columns), file)
    return path


def read_maps(path: Path, key: str) -> dict[str, list[SavedMap]]:
    """The maps of the row `key` in a file, by node id. Raises BadInput for a file that is missing or damaged."""
    found: dict[str, list[SavedMap]] = {}
    try:
        if path.suffix == ".npz":
            with opened_file(path) as file, np.load(file, allow_pickle=False) as arrays:
                for name, fields in json.loads(str(arrays[_ABOUT])).items():
                    found.setdefault(name.rpartition(".")[0], []).append(SavedMap(arrays[name], _geometry(fields)))
            return found
        rows, kind = _map_table(str(path), path.stat().st_mtime_ns)
        for each in rows[key]:
            values = cast("Floats", np.asarray(each["values"], kind).reshape(each["height"], each["width"]))
            found.setdefault(each["node"], []).append(SavedMap(values, _geometry(json.loads(each["geometry"]))))
    except (OSError, ValueError, LookupError, TypeError, zipfile.BadZipFile) as error:
        hint = "The same `map` does its rows again."
        reason = str(error).partition("\n")[0]
        raise BadInput(f"the maps cannot be read ({reason})", input="maps", value=str(path), hint=hint) from error
    return found


@lru_cache(_FILES_KEPT)
def _map_table(path: str, changed_ns: int) -> tuple[dict[str, list[_MapRow]], type[np.float16] | type[np.float32]]:
    """The rows of a file by their keys, and the type of their values. `changed_ns` tells that it is another file."""
    import pyarrow.parquet as parquet

    table = parquet.read_table(path)
    rows: dict[str, list[_MapRow]] = {}
    for each in cast("list[_MapRow]", table.to_pylist()):
        rows.setdefault(each["key"], []).append(each)
    return rows, table.schema.field("values").type.value_type.to_pandas_dtype()


class _MapRow(TypedDict):
    key: str
    node: str
    height: int
    width: int
    geometry: str
    values: list[float]


def drop_unnamed(folder: Path, named: Iterable[str]) -> None:
    """Remove the files of a folder of maps that no line of the results names: what a killed run has left."""
    if not folder.is_dir():
        return
    names = set(named)
    for path in folder.iterdir():
        if path.name not in names:
            with write_errors(path):
                path.unlink(missing_ok=True)


def _fields(geometry: Geometry) -> list[float]:
    return [geometry.width, geometry.height, geometry.left, geometry.top, geometry.right, geometry.bottom]


def _geometry(fields: Sequence[float]) -> Geometry:
    width, height, *edges = fields
    return Geometry(int(width), int(height), *cast("tuple[float, float, float, float]", tuple(map(float, edges))))
