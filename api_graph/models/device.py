"""Where a model computes, and how precisely."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

from api_graph.errors import BadInput

_DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "float16": torch.float16,
    "fp16": torch.float16,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
}


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device asked for; by default the first of cuda, mps, cpu that is there. BadInput if it is not there."""
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
    here, beside = torch.cuda.current_stream(device), _copying(device)
    with torch.cuda.stream(beside):
        there = tensor.pin_memory().to(device, non_blocking=True)
    here.wait_stream(beside)
    there.record_stream(here)  # its memory is not another's before what reads it there is done
    return there.to(dtype)


@cache
def _copying(device: torch.device) -> torch.cuda.Stream:
    """The stream on which pictures are copied to a GPU."""
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
    if dtype is None:
        return torch.float16 if device.type == "cuda" else torch.float32
    chosen = _DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if chosen is None or chosen not in _DTYPES.values():
        raise BadInput("unknown precision", input="dtype", value=str(dtype), hint="Use float32, float16 or bfloat16.")
    return chosen
