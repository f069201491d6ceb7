"""ModelNet40 as modelnet40_ply_hdf5_2048 distributes it: lists of HDF5 files, and the classes' names."""

from __future__ import annotations

import os
from pathlib import Path

import torch

from api_graph.bench.readers.hdf5 import LabelledClouds, read_clouds
from api_graph.bench.readers.record import read_text
from api_graph.errors import BadInput
from api_graph.tasks.labels import read_labels, readable_name


def read_modelnet40(root: str | os.PathLike[str], split: str = "test") -> LabelledClouds:
    """The clouds of `test_files.txt` (2,468) or `train_files.txt`, with the names of `shape_names.txt`.

    The lists name files by where they once lay; they are looked for beside the list.
    """
    folder = Path(root)
    labels = tuple(readable_name(name) for name in read_labels(folder / "shape_names.txt"))
    listed = [line.strip() for line in read_text(folder / f"{split}_files.txt").splitlines() if line.strip()]
    if not listed:
        raise BadInput("the list names no file", input="path", value=str(folder / f"{split}_files.txt"))
    parts = [read_clouds(folder / Path(name).name, len(labels)) for name in listed]
    points, targets = (torch.cat(tensors) for tensors in zip(*parts, strict=True))
    return LabelledClouds("ModelNet40", labels, points, targets)
