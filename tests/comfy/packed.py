"""What ComfyUI's tools pack of this repository: what git tracks, without what .comfyignore names."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def packed(root: Path = ROOT) -> set[str]:
    """Names of the files, with "/". Skips where this is no checkout."""
    if not (root / ".git").exists():
        pytest.skip("this is no checkout")
    command = ["git", "ls-files", "-z"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    left_out = [line for line in (root / ".comfyignore").read_text("utf-8").splitlines() if line]
    assert all(line.endswith("/") and not set(line) & set("*?[!") for line in left_out), "plain folders only"
    return {name for name in listed.split("\0") if name and not name.startswith(tuple(left_out))}


def unpack(folder: Path) -> None:
    """The pack as somebody has it who installed it from ComfyUI's registry."""
    for name in packed():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, target)
