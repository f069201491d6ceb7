"""Where a model computes, and how precisely."""

from __future__ import annotations

import ctypes
import os
import runpy
import sys
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from api_graph.errors import BadInput

if TYPE_CHECKING:
    import torch
    from torch import Tensor

_DTYPES = {
    "float32": "float32",
    "fp32": "float32",
    "float16": "float16",
    "fp16": "float16",
    "bfloat16": "bfloat16",
    "bf16": "bfloat16",
}
_DRIVER = "libcuda.so.1"
_NVIDIA = ("/proc/driver/nvidia", "/dev/nvidiactl", "/dev/dxg", "/dev/nvmap")
"""What NVIDIA's kernel drivers show: of a card, inside WSL, and on a Jetson."""


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device asked for; by default the first of cuda, mps, cpu that is there. BadInput if it is not there."""
    import torch

    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise BadInput(
            "this machine has no such device",
            input="device",
            value=str(device),
            hint="Use 'cpu', or leave it empty to take what is there.",
        ) from error
    return chosen


def sent(tensor: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """A tensor of the processor's on a GPU, in `dtype`: copied from pinned memory on a stream of its own.

    Nobody waits for that. The copy runs while the GPU still computes what was asked of it before.
    """
    import torch

    here, beside = torch.cuda.current_stream(device), _copying(device)
    with torch.cuda.stream(beside):
        there = tensor.contiguous().pin_memory().to(device, non_blocking=True)
    here.wait_stream(beside)
    there.record_stream(here)  # its memory is not another's before what reads it there is done
    return there.to(dtype)


@cache
def _copying(device: torch.device) -> torch.cuda.Stream:
    """The stream on which pictures are copied to a GPU."""
    import torch

    return torch.cuda.Stream(device)


def check_device(own: torch.device, device: str | torch.device | None, load: str) -> None:
    """Raise BadInput where a loaded model is not on the `device` asked for; `load` is the function that puts it there.

    A model is shared by whoever has it, so that nobody moves it in passing.
    """
    if device is None:
        return
    wanted = choose_device(device)
    if own.type != wanted.type or (wanted.index is not None and (own.index or 0) != wanted.index):
        hint = f"Leave device out, or load it there: {load}(name, device={str(device)!r})."
        raise BadInput(f"the model is loaded already, on {own}", input="device", value=str(device), hint=hint)


def choose_dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    """The precision asked for; by default float16 on cuda, float32 elsewhere. BadInput if it is none of ours."""
    import torch

    if dtype is None:
        return torch.float16 if device.type == "cuda" else torch.float32
    known = {name: getattr(torch, of_torch) for name, of_torch in _DTYPES.items()}
    chosen = known.get(dtype) if isinstance(dtype, str) else dtype
    if chosen is None or chosen not in known.values():
        raise BadInput("unknown precision", input="dtype", value=str(dtype), hint="Use float32, float16 or bfloat16.")
    return chosen


def lvlm_dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    """The precision asked for; by default bfloat16 on a GPU that has it, else as for CLIP."""
    import torch

    if dtype is None and device.type == "cuda" and torch.cuda.is_bf16_supported():
        return torch.bfloat16
    return choose_dtype(dtype, device)


def dtype_name(
    device: str, precision: str, dtype_of: Callable[[str | None, torch.device], torch.dtype] = choose_dtype
) -> str:
    """What a loader's `device` and `precision` mean on this machine, as torch names it: "torch.float32".

    torch is imported only where nothing else can say what "auto" means, or whether the device is there. Where it is
    imported anyway, it is asked.
    """
    if device == "cpu" or (
        device == "auto" and (precision != "auto" or not ("torch" in sys.modules or _may_have_cuda()))
    ):
        return f"torch.{'float32' if precision == 'auto' else precision}"
    where = choose_device(None if device == "auto" else device)
    return str(dtype_of(None if precision == "auto" else precision, where))


@cache
def _may_have_cuda() -> bool:
    """Whether torch may find a CUDA device here, told without importing torch.

    A build without CUDA and ROCm finds none, and nor does one for CUDA where there is neither NVIDIA's library nor a
    trace of its kernel drivers. Of whatever is less certain the answer is yes.
    """
    try:
        found = find_spec("torch")
        build = runpy.run_path(str(Path(str(found and found.origin)).with_name("version.py")))
        if build["cuda"] is None and build["hip"] is None:
            return False
        if build["hip"] is not None or sys.platform != "linux" or any(map(os.path.exists, _NVIDIA)):
            return True
    except Exception:  # a build of its own kind
        return True
    try:
        ctypes.CDLL(_DRIVER)
    except OSError:
        return False
    return True
