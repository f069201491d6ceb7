"""gtsegs_ijcv.mat as its owners made it: a MATLAB 7.3 file of cells, which refer to pictures, masks and names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

h5py = pytest.importorskip("h5py")


class Outlined(NamedTuple):
    """A picture (H, W, 3), its mask (H, W), and its name."""

    picture: np.ndarray
    mask: np.ndarray
    name: str


def write_mat(path: Path, outlined: Sequence[Outlined]) -> None:
    """Columns first, as MATLAB stores arrays; masks lie one cell deeper; the file has a block of MATLAB's before it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w", userblock_size=512) as file:
        stored = file.create_group("#refs#")
        cells = {
            name: file.create_dataset(f"value/{name}", (len(outlined), 1), dtype=h5py.ref_dtype)
            for name in ("img", "gt", "id")
        }
        for i, one in enumerate(outlined):
            cell = stored.create_dataset(f"c{i}", (1, 1), dtype=h5py.ref_dtype)
            cell[0, 0] = stored.create_dataset(f"m{i}", data=one.mask.astype(np.uint8).T).ref
            letters = np.array([[ord(letter)] for letter in one.name], np.uint16)
            cells["gt"][i, 0] = cell.ref
            cells["img"][i, 0] = stored.create_dataset(f"p{i}", data=one.picture.transpose(2, 1, 0)).ref
            cells["id"][i, 0] = stored.create_dataset(f"n{i}", data=letters).ref
