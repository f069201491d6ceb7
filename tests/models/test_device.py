"""Where models compute, and how precisely."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from ctypes.util import find_library
from pathlib import Path

import pytest
import torch

from api_graph.errors import BadInput
from api_graph.models.device import choose_device, choose_dtype, dtype_name, lvlm_dtype

ROOT = Path(__file__).parents[2]


def test_devices_and_precisions() -> None:
    assert choose_device("cpu") == torch.device("cpu")
    assert choose_device(None).type in {"cpu", "cuda", "mps"}
    assert choose_dtype(None, torch.device("cuda")) == torch.float16
    assert choose_dtype(None, torch.device("cpu")) == torch.float32
    assert choose_dtype("bfloat16", torch.device("cpu")) == choose_dtype(torch.bfloat16, torch.device("cpu"))
    for device in ("cuda:99", "abacus"):
        with pytest.raises(BadInput, match=f"device: this machine has no such device .*{device}"):
            choose_device(device)
    for dtype in ("int8", torch.int8):
        with pytest.raises(BadInput, match="dtype: unknown precision"):
            choose_dtype(dtype, torch.device("cpu"))


@pytest.mark.parametrize("device", ["auto", "cpu"])
@pytest.mark.parametrize("precision", ["auto", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("dtype_of", [choose_dtype, lvlm_dtype])
def test_the_name_of_a_precision_is_that_of_its_dtype(device: str, precision: str, dtype_of) -> None:
    where = choose_device(None if device == "auto" else device)
    meant = str(dtype_of(None if precision == "auto" else precision, where))
    assert dtype_name(device, precision, dtype_of) == meant
    code = (
        "import sys; from api_graph.models import device\n"
        f"print(device.dtype_name({device!r}, {precision!r}, device.{dtype_of.__name__}))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == meant  # and torch is not imported, or only where it must be


def test_a_device_that_is_not_there_has_no_precision() -> None:
    missing = "mps" if torch.cuda.is_available() else "cuda"
    with pytest.raises(BadInput, match="device: this machine has no such device"):
        dtype_name(missing, "auto")


# A torch that only says how it was built, and that it has been asked. What stands for NVIDIA's library is any library.
STAND_IN = """
class cuda:
    is_available = staticmethod(lambda: True)
device = lambda name: type("device", (), {"type": name})
float16, float32, bfloat16 = "torch.float16", "torch.float32", "torch.bfloat16"
"""
NVIDIA = find_library("cuda") is not None or any(
    map(os.path.exists, ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg", "/dev/nvmap"))
)


@pytest.mark.skipif(sys.platform != "linux" or NVIDIA, reason="a Linux without NVIDIA's driver is needed")
@pytest.mark.parametrize(
    ("build", "driver", "asked"),
    [
        ({"cuda": None, "hip": None}, False, False),
        ({"cuda": None, "hip": None}, True, False),
        ({"cuda": "13.0", "hip": None}, False, False),
        ({"cuda": "13.0", "hip": None}, True, True),
        ({"cuda": None, "hip": "7.0"}, False, True),
        ({"cuda": None}, False, True),  # a build of its own kind
        (None, False, True),
    ],
)
def test_torch_is_asked_where_it_may_have_cuda(
    tmp_path: Path, build: dict[str, str | None] | None, driver: bool, asked: bool
) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text(STAND_IN)
    if build is not None:
        lines = [f"{name} = {value!r}" for name, value in build.items()]
        (tmp_path / "torch" / "version.py").write_text("\n".join(lines))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    environment["LD_LIBRARY_PATH"] = os.pathsep.join([str(tmp_path / "lib"), os.environ.get("LD_LIBRARY_PATH", "")])
    if driver:
        library = find_library("m")
        found = [Path(folder, str(library)) for folder in ("/lib/x86_64-linux-gnu", "/lib/aarch64-linux-gnu", "/lib64")]
        (tmp_path / "lib").mkdir()
        (tmp_path / "lib" / "libcuda.so.1").symlink_to(next(path for path in found if path.exists()))
    code = (
        "import json, sys; from api_graph.models.device import dtype_name\n"
        "names = [dtype_name('auto', 'auto'), 'torch' in sys.modules, dtype_name('auto', 'bfloat16')]\n"
        "print(json.dumps(names))"
    )
    answer = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert json.loads(answer.stdout) == ["torch.float16" if asked else "torch.float32", asked, "torch.bfloat16"]
