"""Folders of runs with a grid, as `map` leaves them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from tests.comparison.conftest import Runs

Made = Callable[..., Path]


@pytest.fixture
def made(tmp_path: Path) -> Made:
    """Makes a run: `rows` rows with every combination of `grid`, and the number that `score` gives of each."""

    def make(
        grid: Mapping[str, Sequence[Any]],
        score: Callable[[int, Mapping[str, Any]], Any],
        rows: int = 4,
        name: str = "run",
    ) -> Path:
        lines = []
        for row in range(rows):
            for values in product(*grid.values()):
                settings = dict(zip(grid, values, strict=True))
                number = score(row, settings)
                results = {} if number is None else {"Figures": {"mass": number}}
                lines.append({"values": {"item": f"i{row}", **settings}, "results": results})
        return Runs(tmp_path).run(name, lines, grid={name: list(values) for name, values in grid.items()})

    return make
