"""Small files in the layouts of benchmarks, and what a reader says of bad ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from api_graph.errors import BadInput


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def complaint(function: Any, *arguments: Any) -> str:
    with pytest.raises(BadInput) as caught:
        function(*arguments)
    return str(caught.value)
