"""Where models compute, and how precisely."""

from __future__ import annotations

import pytest
import torch

from api_graph.errors import BadInput
from api_graph.models.device import choose_device, choose_dtype


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
