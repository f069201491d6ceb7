"""Rendered scenes with known truth, as a benchmark that comes with the package: `api-graph bench scenes`.

`run_parts` makes its tables one by one, and `write_parts` writes them. Only the demo models and CPUs are needed.
"""

from api_graph.bench.scenes.run import PARTS, check_folder, chosen_parts, document, run_parts, write_parts
from api_graph.bench.scenes.setting import FULL, QUICK, Setting, Sizes, sizes_for
from api_graph.bench.scenes.table import Part, Row, cells
from api_graph.bench.scenes.ways import WAYS, Place, Way

__all__ = [
    "FULL",
    "PARTS",
    "QUICK",
    "WAYS",
    "Part",
    "Place",
    "Row",
    "Setting",
    "Sizes",
    "Way",
    "cells",
    "check_folder",
    "chosen_parts",
    "document",
    "run_parts",
    "sizes_for",
    "write_parts",
]
