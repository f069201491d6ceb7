"""ScanObjectNN's HDF5 files."""

from __future__ import annotations

import os
from pathlib import Path

from api_graph.bench.readers.hdf5 import LabelledClouds, read_clouds
from api_graph.errors import BadInput
from api_graph.tasks.labels import SCANOBJECTNN

VARIANTS = {
    "OBJ_ONLY": "main_split_nobg/{}_objectdataset.h5",
    "OBJ_BG": "main_split/{}_objectdataset.h5",
    "PB_T50_RS": "main_split/{}_objectdataset_augmentedrot_scale75.h5",
}
"""Which file a variant is, by split; FALIP does not say which one it used."""


def read_scanobjectnn(root: str | os.PathLike[str], variant: str = "OBJ_ONLY", split: str = "test") -> LabelledClouds:
    """The clouds of one variant below the folder h5_files; `split` is "test" or "training"."""
    if variant not in VARIANTS:
        hint = f"Use one of {', '.join(VARIANTS)}."
        raise BadInput("there is no such variant", input="variant", value=variant, hint=hint)
    points, targets = read_clouds(Path(root) / VARIANTS[variant].format(split), len(SCANOBJECTNN))
    return LabelledClouds(f"ScanObjectNN {variant}", SCANOBJECTNN, points, targets)
