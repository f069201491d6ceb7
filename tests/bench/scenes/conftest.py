"""One setting for all tests of the scenes' benchmark: models are loaded once, and few scenes are drawn."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from api_graph.bench.scenes import Part, Setting, run_parts, sizes_for

COUNT = 3


@pytest.fixture(scope="session")
def setting() -> Setting:
    return Setting(sizes=sizes_for(limit=COUNT))


@pytest.fixture(scope="session")
def all_parts(setting: Setting) -> list[Part]:
    return list(run_parts(setting))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As `run_parts` has it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield
    torch.set_num_threads(before)
