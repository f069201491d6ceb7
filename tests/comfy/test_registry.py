"""What ComfyUI's registry reads of pyproject.toml, and what its tools pack. Their own check looks at none of it."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from api_graph.registry import own_nodes
from tests.comfy.packed import packed, unpack

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
DOCUMENT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT, COMFY = DOCUMENT["project"], DOCUMENT["tool"]["comfy"]

VERSIONS = re.compile(r"(?:>=|<=|==|!=|~=|>|<)\d+\.\d+\.\d+(?:,(?:>=|<=|==|!=|~=|>|<)\d+\.\d+\.\d+)*")
"""What the tools understand: operators with three numbers. Others are dropped, with a warning that nobody reads."""

SYSTEMS = ("OS Independent", "Microsoft", "POSIX", "MacOS")


def test_nothing_that_the_registry_shows_is_empty() -> None:
    assert PROJECT.get("dynamic", []) == [], "what is dynamic is not resolved: the pack would have no dependencies"
    for name in ("name", "description", "version", "requires-python", "dependencies", "license", "classifiers"):
        assert PROJECT[name], name
    assert PROJECT["urls"]["Repository"].startswith("https://")
    for name in ("PublisherId", "DisplayName", "Icon", "requires-comfyui"):
        assert COMFY[name], name


def test_versions_and_systems_are_such_as_it_understands() -> None:
    assert VERSIONS.fullmatch(COMFY["requires-comfyui"])
    systems = [line.split(" :: ", 1)[1] for line in PROJECT["classifiers"] if line.startswith("Operating System")]
    assert systems and all(system.startswith(SYSTEMS) for system in systems)


def test_the_icon_is_in_the_repository() -> None:
    repository = PROJECT["urls"]["Repository"].removeprefix("https://github.com/")
    path = COMFY["Icon"].partition(f"/{repository}/main/")[2]
    with Image.open(ROOT / path) as icon:
        assert icon.format == "PNG" and icon.width == icon.height <= 800


def test_the_icon_is_as_its_script_draws_it() -> None:
    spec = importlib.util.spec_from_file_location("draw_icon", ROOT / "tools" / "draw_icon.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    with Image.open(module.FILE) as committed:
        drawn = module.icon()
        assert committed.size == drawn.size and committed.mode == drawn.mode
        assert abs(sum(committed.convert("L").histogram()[128:]) - sum(drawn.convert("L").histogram()[128:])) < 200


def test_the_package_lacks_nothing_that_the_pack_needs() -> None:
    names = packed()
    assert {"__init__.py", "pyproject.toml", "requirements.txt", "LICENSE", "README.md"} <= names
    for folder in ("api_graph", "nodes", "graphs", "web", "locales", "example_workflows", "subgraphs"):
        files = {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*") if path.is_file()}
        assert {name for name in files if "__pycache__" not in name} - names == set(), folder
    assert {f"web/docs/{id}.md" for id in own_nodes()} <= names
    assert not any(name.startswith(("tests/", "benchmarks/", "tools/")) for name in names)


RUN = """
import sys
from pathlib import Path
import api_graph, api_graph.settings
root = Path(sys.argv[1])
assert Path(api_graph.__file__).is_relative_to(root), api_graph.__file__
for folder in (api_graph.settings.web_folder(), api_graph.settings.locales_folder()):
    assert folder and folder.is_relative_to(root), folder
assert len(api_graph.settings.blueprints()) == 4
found = api_graph.run_graph("api_clip", output=root / "output", cache=False)
assert sum(len(output["files"]) for output in found.values()) > 1
"""


def test_what_is_packed_runs_alone(tmp_path: Path) -> None:
    unpack(tmp_path / "api-graph")
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, "-c", RUN, str(tmp_path / "api-graph")]
    done = subprocess.run(command, cwd=tmp_path / "api-graph", env=clean, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_comfy_cli_packs_just_that(tmp_path: Path) -> None:
    """`comfy node pack` itself, where API_GRAPH_COMFY_CLI names the command."""
    cli = os.environ.get("API_GRAPH_COMFY_CLI")
    if not cli:
        pytest.skip("API_GRAPH_COMFY_CLI names no comfy-cli")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    surroundings = {**os.environ, "HOME": str(tmp_path), "DO_NOT_TRACK": "1"}
    words = [cli, "--skip-prompt", "--no-enable-telemetry", "node", "pack"]
    subprocess.run(words, cwd=clone, env=surroundings, check=True, capture_output=True)
    with zipfile.ZipFile(clone / "node.zip") as file:
        assert set(file.namelist()) == packed(clone)
