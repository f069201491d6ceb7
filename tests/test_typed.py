"""Type checkers of users: a project outside the repository is checked strictly against the package."""

from __future__ import annotations

import ast
import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import api_graph

ROOT = Path(__file__).parent.parent
SAMPLES = Path(__file__).parent / "typed"

pytestmark = pytest.mark.skipif(find_spec("pyright") is None, reason="pyright is not installed")


def findings(folder: Path, name: str) -> list[tuple[int, str]]:
    """What pyright says of a file in strict mode, as line numbers from 1 and messages."""
    shutil.copy(SAMPLES / name, folder)
    config = {"typeCheckingMode": "strict", "pythonVersion": "3.10", "extraPaths": [str(ROOT)]}
    (folder / "pyrightconfig.json").write_text(json.dumps(config), "utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(folder)]
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ran.returncode > 1:
        pytest.skip(f"pyright does not run here: {(ran.stderr or ran.stdout)[-300:]}")
    found = json.loads(ran.stdout)
    assert found["summary"]["filesAnalyzed"] == 1
    return [(one["range"]["start"]["line"] + 1, one["message"]) for one in found["generalDiagnostics"]]


def test_the_public_api_passes_a_strict_checker(tmp_path: Path) -> None:
    assert findings(tmp_path, "sample.py") == []


def test_wrong_calls_are_found(tmp_path: Path) -> None:
    lines = (SAMPLES / "wrong.py").read_text("utf-8").splitlines()
    marked = {number for number, line in enumerate(lines, start=1) if line.endswith("# wrong")}
    found = findings(tmp_path, "wrong.py")
    assert {line for line, _ in found} == marked, found


def test_the_sample_uses_every_public_function() -> None:
    tree = ast.parse((SAMPLES / "sample.py").read_text("utf-8"))
    used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    used |= {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names}
    functions = {name for name in api_graph.__all__ if not isinstance(getattr(api_graph, name), type)}
    assert functions - used == set()


def test_the_package_says_that_it_is_typed() -> None:
    assert (Path(api_graph.__file__).parent / "py.typed").is_file()
