"""Labelled point clouds from HDF5 files with `data` (n, N, 3) and `label` (n)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from api_graph.bench.readers.record import bad_record
from api_graph.errors import BadInput


@dataclass(frozen=True, eq=False)
class LabelledClouds:
    """A benchmark of clouds: `points` float32 (n, N, 3), `targets` int64 (n,) into `labels`."""

    name: str
    labels: tuple[str, ...]
    points: Tensor
    targets: Tensor


def read_clouds(path: Path, classes: int) -> tuple[Tensor, Tensor]:
    """Points (n, N, 3) and targets (n,) of one file. Needs h5py, the extra `data`."""
    if not path.is_file():
        raise BadInput("there is no such file", input="path", value=str(path), hint="Check the data set's folder.")
    try:
        import h5py  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise BadInput(
            "reading HDF5 files needs h5py, which is not installed",
            input="path",
            value=str(path),
            hint="Install api-graph[data].",
        ) from error
    try:
        with h5py.File(path, "r") as file:
            found = {field: np.asarray(file[field]) for field in ("data", "label") if field in file}
    except Exception as error:  # a damaged file is answered with nearly any exception
        raise bad_record(path, f"this HDF5 file cannot be read ({error})", hint="Download it again.") from error
    return _checked(path, found, classes)


def _checked(path: Path, found: dict[str, np.ndarray], classes: int) -> tuple[Tensor, Tensor]:
    for field in ("data", "label"):
        if field not in found or found[field].dtype.kind not in "fiu":
            raise bad_record(path, "an array of numbers is missing", field=field)
    data, label = found["data"], found["label"].reshape(-1)
    if data.ndim != 3 or data.shape[2] != 3 or not np.isfinite(data).all():
        raise bad_record(path, "finite points (n, N, 3) are needed", field="data", value=data.shape)
    if len(label) != len(data):
        raise bad_record(path, f"there are {len(data)} clouds and {len(label)} labels", field="label")
    if len(label) and not 0 <= label.min() <= label.max() < classes:
        raise bad_record(path, f"labels are 0 to {classes - 1}", field="label", value=int(label.max()))
    return torch.from_numpy(data.astype(np.float32)), torch.from_numpy(label.astype(np.int64))
