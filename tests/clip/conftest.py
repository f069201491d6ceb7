"""Fixtures of the CLIP tests."""

from __future__ import annotations

from typing import Any

import pytest

from tests.clip.small_models import load_golden


@pytest.fixture(params=["a", "b"])
def golden(request: pytest.FixtureRequest) -> dict[str, Any]:
    """One golden configuration: `model`, `config`, and every array of its maps file as a tensor."""
    return load_golden(request.param)
