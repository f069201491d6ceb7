"""ModelNet40 and ScanObjectNN: labelled point clouds from HDF5 files with `data` (n, N, 3) and `label` (n)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from api_graph.bench.readers.hdf5 import dataset, opened
from api_graph.errors import BadInput
from api_graph.tasks.labels import SCANOBJECTNN, read_labels, readable_name
from api_graph.tasks.record import bad_record, read_text, text_lines

if TYPE_CHECKING:
    from torch import Tensor

    from api_graph.tasks.examples import LabelledClouds

VARIANTS = {
    "OBJ_ONLY": "main_split_nobg/{}_objectdataset.h5",
    "OBJ_BG": "main_split/{}_objectdataset.h5",
    "PB_T50_RS": "main_split/{}_objectdataset_augmentedrot_scale75.h5",
}
"""The file of each variant of ScanObjectNN, by split; FALIP does not say which variant it used."""


def read_modelnet40(root: str | os.PathLike[str], split: str = "test") -> LabelledClouds:
    """The clouds of `test_files.txt` (2,468) or `train_files.txt`, with the names of `shape_names.txt`.

    `root` is the folder modelnet40_ply_hdf5_2048. Its lists name files by where they once lay; they are looked for
    beside the list.
    """
    import torch

    from api_graph.tasks.examples import LabelledClouds

    folder = Path(root)
    labels = tuple(readable_name(name) for name in read_labels(folder / "shape_names.txt"))
    listed = [line.strip() for line in text_lines(read_text(folder / f"{split}_files.txt")) if line.strip()]
    if not listed:
        raise BadInput("the list names no file", input="path", value=str(folder / f"{split}_files.txt"))
    files = [read_clouds(folder / Path(name).name, len(labels)) for name in listed]
    points, targets = (torch.cat(tensors) for tensors in zip(*files, strict=True))
    return LabelledClouds("ModelNet40", labels, points, targets)


def read_scanobjectnn(root: str | os.PathLike[str], variant: str = "OBJ_ONLY", split: str = "test") -> LabelledClouds:
    """The clouds of one variant below the folder h5_files; `split` is "test" or "training"."""
    from api_graph.tasks.examples import LabelledClouds

    if variant not in VARIANTS:
        hint = f"Use one of {', '.join(VARIANTS)}."
        raise BadInput("there is no such variant", input="variant", value=variant, hint=hint)
    points, targets = read_clouds(Path(root) / VARIANTS[variant].format(split), len(SCANOBJECTNN))
    return LabelledClouds(f"ScanObjectNN {variant}", SCANOBJECTNN, points, targets)


def read_clouds(path: Path, classes: int) -> tuple[Tensor, Tensor]:
    """Points (n, N, 3) and targets (n,) of one file. Needs h5py, the extra `data`."""
    if not path.is_file():
        raise BadInput("there is no such file", input="path", value=str(path), hint="Check the data set's folder.")
    with opened(path) as file:
        found = {field: np.asarray(dataset(path, file, field, field)) for field in ("data", "label") if field in file}
    return _checked(path, found, classes)


def _checked(path: Path, found: dict[str, np.ndarray], classes: int) -> tuple[Tensor, Tensor]:
    import torch

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


def __getattr__(name: str) -> type[LabelledClouds]:
    if name != "LabelledClouds":  # it was here in version 0.1, and takes torch
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from api_graph.tasks.examples import LabelledClouds

    return LabelledClouds
