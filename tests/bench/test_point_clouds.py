"""ModelNet40 and ScanObjectNN: HDF5 files in their official layouts, with h5py and with a stand-in for it."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from api_graph.bench.readers.point_clouds import VARIANTS, read_modelnet40, read_scanobjectnn
from api_graph.tasks.labels import SCANOBJECTNN
from tests.tasks.files import complaint, write


class FakeFile(dict):
    """h5py.File, as far as it is used, over arrays kept as .npz."""

    def __init__(self, path: Path, mode: str) -> None:
        assert mode == "r"
        super().__init__(np.load(path, allow_pickle=False).items())

    def __enter__(self) -> FakeFile:
        return self

    def __exit__(self, *_: object) -> None: ...


@pytest.fixture(params=["h5py", "fake"])
def save(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes an HDF5 file where h5py is installed; else, and as well, a stand-in for it reads what this wrote."""
    if request.param == "fake":
        monkeypatch.setitem(sys.modules, "h5py", types.SimpleNamespace(File=FakeFile))

        def write_arrays(path: Path, **arrays: np.ndarray) -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("wb") as file:
                np.savez(file, **arrays)

        return write_arrays
    h5py = pytest.importorskip("h5py")

    def write_hdf5(path: Path, **arrays: np.ndarray) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        with h5py.File(path, "w") as file:
            file.update(arrays)

    return write_hdf5


def clouds(count: int) -> np.ndarray:
    return np.arange(count * 5 * 3, dtype=np.float32).reshape(count, 5, 3)


def test_modelnet40(tmp_path: Path, save: Any) -> None:
    write(tmp_path / "shape_names.txt", "airplane\nnight_stand\n")
    write(tmp_path / "test_files.txt", "data/modelnet40_ply_hdf5_2048/ply_data_test0.h5\nelsewhere/ply_data_test1.h5\n")
    save(tmp_path / "ply_data_test0.h5", data=clouds(2), label=np.array([[1], [0]], dtype=np.uint8))
    save(tmp_path / "ply_data_test1.h5", data=clouds(1), label=np.array([1]))
    read = read_modelnet40(tmp_path)
    assert read.labels == ("airplane", "night stand")
    assert read.targets.tolist() == [1, 0, 1]
    assert torch.equal(read.points[:2], torch.from_numpy(clouds(2)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_scanobjectnn(tmp_path: Path, save: Any, variant: str) -> None:
    save(tmp_path / VARIANTS[variant].format("test"), data=clouds(1), label=np.array([14]))
    read = read_scanobjectnn(tmp_path, variant)
    assert (read.labels[int(read.targets[0])], read.points.shape) == ("toilet", (1, 5, 3))
    assert len(SCANOBJECTNN) == 15


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"data": clouds(1)}, "field 'label': an array of numbers is missing"),
        ({"data": clouds(1)[..., :2], "label": np.zeros(1)}, "field 'data': finite points (n, N, 3)"),
        ({"data": clouds(1) * np.nan, "label": np.zeros(1)}, "field 'data': finite points"),
        ({"data": clouds(2), "label": np.zeros(1)}, "field 'label': there are 2 clouds and 1 labels"),
        ({"data": clouds(1), "label": np.array([15])}, "field 'label': labels are 0 to 14 (got 15)"),
    ],
)
def test_malformed_clouds(tmp_path: Path, save: Any, arrays: dict[str, np.ndarray], said: str) -> None:
    save(tmp_path / VARIANTS["OBJ_BG"].format("test"), **arrays)
    assert said in complaint(read_scanobjectnn, tmp_path, "OBJ_BG")


def test_hdf5_without_h5py_and_without_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "there is no such file" in complaint(read_scanobjectnn, tmp_path)
    write(tmp_path / VARIANTS["OBJ_ONLY"].format("test"), "")
    assert "Install api-graph[data]" in complaint(read_scanobjectnn, tmp_path)
    assert "there is no such variant" in complaint(read_scanobjectnn, tmp_path, "OBJ")


def test_a_damaged_hdf5_file(tmp_path: Path, save: Any) -> None:
    write(tmp_path / VARIANTS["OBJ_ONLY"].format("test"), "not HDF5")
    assert "this HDF5 file cannot be read" in complaint(read_scanobjectnn, tmp_path)
