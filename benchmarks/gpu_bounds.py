"""The figures of `benchmarks.gpu` as tables, with what they are to be, and whether they are."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

Figures = dict[str, Any]

BOUNDS: tuple[tuple[str, tuple[str, ...], float], ...] = (
    ("Ψ of plain encode's images/s", ("clip", "*", "psi / plain"), 0.95),
    ("the annotate graph from JPEG files of plain encode", ("clip", "ViT-L-14-336", "graph / plain"), 0.7),
    ("plain encode of the matmul rate", ("clip", "ViT-L-14-336", "plain / matmul"), 0.5),
    ("capture of plain tokens/s", ("lvlm", "*", "captured / plain"), 0.97),
    ("steering of plain tokens/s", ("lvlm", "*", "steered / plain"), 0.97),
    ("rank correlation of float16 maps with float32", ("half", "float16", "*"), 0.999),
    ("allocated after unloading, of the model", ("memory", "*", "left / model"), 0.01),
)
"""What is measured, where its figures lie, and at least how much that is to be; what is left, at most."""


def figures_at(found: object, path: Sequence[str]) -> list[float]:
    """The figures at a path of names, of which `*` is any."""
    if not path:
        return [float(found)] if isinstance(found, int | float) else []
    if not isinstance(found, dict):
        return []
    own = found.values() if path[0] == "*" else [found[path[0]]] if path[0] in found else []
    return [figure for one in own for figure in figures_at(one, path[1:])]


def bounds_met(found: Figures) -> list[tuple[str, str, str]]:
    """Each bound, the worst figure that there is of it, and whether it is met."""
    lines = []
    for what, path, bound in BOUNDS:
        at_most = path[0] == "memory"
        figures = figures_at(found, path)
        worst = (max if at_most else min)(figures) if figures else None
        met = (
            "not measured" if worst is None else "met" if (worst <= bound if at_most else worst >= bound) else "missed"
        )
        lines.append((f"{what} {'≤' if at_most else '≥'} {bound:g}", "" if worst is None else f"{worst:.4g}", met))
    return lines


def rows_of(found: object, name: str = "") -> list[tuple[str, str]]:
    """Every figure with the names that lead to it."""
    if isinstance(found, dict):
        return [row for key, one in found.items() for row in rows_of(one, f"{name}, {key}" if name else key)]
    return [(name, f"{found:,.4g}")] if isinstance(found, int | float) else []


def print_found(files: Mapping[str, Path]) -> None:
    """A table of the parts that are in their files, and one of the bounds; tiny runs meet none."""
    found = {part: json.loads(path.read_text("utf-8")) for part, path in files.items() if path.is_file()}
    print("| part | figure | |\n|---|---|---|")
    for part, held in found.items():
        print(f"| {part} | seconds ({held['machine']['device']}) | {held['seconds']:.0f} |")
        for name, figure in rows_of(held["figures"]):
            print(f"| {part} | {name} | {figure} |")
    print("\n| bound | worst | |\n|---|---|---|")
    for line in bounds_met({part: held["figures"] for part, held in found.items() if not held["machine"]["tiny"]}):
        print(f"| {' | '.join(line)} |")
