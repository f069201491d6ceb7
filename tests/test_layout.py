"""One tree, four lives: a ComfyUI pack in a folder with a hyphen, a checkout under pytest, a wheel, and two at once."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from api_graph.registry import own_nodes

ROOT = Path(__file__).parent.parent
NOT_OURS = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info", "output")

# As ComfyUI does it: its own `nodes`, `tests` and `folder_paths` are imported, then a pack is loaded by its place.
COMFYUI = """
import importlib.util, json, logging, sys, types

class Records(logging.Handler):
    def emit(self, record):
        warnings.append(record.getMessage())

warnings = []
logging.getLogger("api_graph").addHandler(Records())
for name in ("nodes", "tests", "folder_paths"):
    sys.modules[name] = types.ModuleType(name)
fake_nodes, folder_paths = sys.modules["nodes"], sys.modules["folder_paths"]
kinds = {}
folder_paths.models_dir = "models"
folder_paths.get_input_directory = lambda: "."
folder_paths.get_folder_paths = lambda kind: kinds[kind]
folder_paths.add_model_folder_path = lambda kind, path: kinds.setdefault(kind, []).append(path)
for name in json.loads(sys.argv[2]):
    __import__(name)
before = list(sys.path)

name = sys.argv[1].replace(".", "_x_")
spec = importlib.util.spec_from_file_location(name, sys.argv[1] + "/__init__.py")
pack = sys.modules[name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)

import api_graph
ours = [m for n, m in sorted(sys.modules.items()) if n.split(".")[0] == "api_graph"]
print(json.dumps({
    "classes": sorted(pack.NODE_CLASS_MAPPINGS),
    "titles": sorted(pack.NODE_DISPLAY_NAME_MAPPINGS),
    "methods": [hasattr(c, "INPUT_TYPES") for c in pack.NODE_CLASS_MAPPINGS.values()],
    "exports": sorted(n for n in vars(pack) if not n.startswith("_")),
    "same_path": sys.path == before,
    "same_nodes": sys.modules["nodes"] is fake_nodes,
    "files": [m.__file__ for m in ours],
    "version": api_graph.__version__,
    "kinds": kinds,
    "warnings": warnings,
}))
"""

# A node of this test's own, so that there is one to look for: declared as the pack's nodes are.
PROBE = '''"""A node that only this copy has."""

from __future__ import annotations

from api_graph.sockets import Mask
from api_graph.spec import node


@node("APLayoutProbe", category="test", title="Layout probe")
def probe(mask: Mask) -> Mask:
    """Pass a mask on."""
    return mask
'''
TAKE_PROBE = "\nfrom .layout_probe import probe\n\nNODES = (*NODES, probe)\n"


def tracked_files() -> list[Path]:
    """What a clone would hold, and new files that git does not ignore; [] where git knows nothing of this folder."""
    if shutil.which("git") is None:
        return []
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return [path for name in listed.stdout.split("\0") if name and (path := ROOT / name).is_file()]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pack, cloned into a folder that is no Python name."""
    folder = tmp_path_factory.mktemp("custom.nodes") / "ComfyUI-API-Graph"
    copy_pack(folder)
    (folder / "nodes" / "layout_probe.py").write_text(PROBE, "utf-8")
    with (folder / "nodes" / "pack.py").open("a", encoding="utf-8") as pack:
        pack.write(TAKE_PROBE)
    return folder


def copy_pack(folder: Path) -> None:
    files = tracked_files()
    if not files:  # an unpacked archive
        shutil.copytree(ROOT, folder, ignore=NOT_OURS)
    for path in files:
        target = folder / path.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)


@pytest.fixture(scope="module")
def other(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an older copy, laid out as a wheel lays it out."""
    site = tmp_path_factory.mktemp("site")
    shutil.copytree(pack / "api_graph", site / "api_graph")
    shutil.copytree(pack / "nodes", site / "api_graph" / "nodes")
    shutil.copytree(pack / "graphs", site / "api_graph" / "graphs")
    init = site / "api_graph" / "__init__.py"
    text, changed = re.subn(r'^__version__ = ".+"', '__version__ = "0.0.1"', init.read_text("utf-8"), flags=re.M)
    assert changed == 1
    init.write_text(text, "utf-8")
    return site


def run_python(arguments: list[str], cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter; PYTHONPATH holds what is said here and nothing else."""
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "COV"))}
    command = [sys.executable, *arguments]
    return subprocess.run(command, cwd=cwd, env={**keep, **variables}, capture_output=True, text=True, check=False)


def load_in_comfyui(pack: Path, cwd: Path, imported: tuple[str, ...] = (), **variables: str) -> dict[str, Any]:
    ran = run_python(["-c", COMFYUI, str(pack), json.dumps(imported)], cwd, **variables)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


def expected_ids() -> list[str]:
    return sorted(["APLayoutProbe", *own_nodes()])


def test_comfyui_loads_the_pack(pack: Path, tmp_path: Path) -> None:
    found = load_in_comfyui(pack, tmp_path)
    assert (tmp_path / "api_graph_example.png").is_file(), "the picture that the templates open with, in its inputs"
    assert found["classes"] == found["titles"] == expected_ids()
    assert all(found["methods"])
    assert found["exports"] == ["NODE_CLASS_MAPPINGS", "NODE_DISPLAY_NAME_MAPPINGS", "WEB_DIRECTORY"]
    assert found["same_path"] and found["same_nodes"]
    assert {Path(f).is_relative_to(pack) for f in found["files"]} == {True}
    assert str(pack / "nodes" / "__init__.py") in found["files"]
    assert found["kinds"] == {"api_graph": [str(Path("models", "api_graph"))]}
    assert found["warnings"] == []


def test_an_older_wheel_that_nobody_imported_is_not_used(pack: Path, other: Path, tmp_path: Path) -> None:
    found = load_in_comfyui(pack, tmp_path, PYTHONPATH=str(other))
    assert found["version"] != "0.0.1"
    assert {Path(f).is_relative_to(pack) for f in found["files"]} == {True}
    assert found["warnings"] == []


def test_an_older_wheel_that_was_imported_is_used_throughout(pack: Path, other: Path, tmp_path: Path) -> None:
    found = load_in_comfyui(pack, tmp_path, ("api_graph.errors",), PYTHONPATH=str(other))
    assert found["classes"] == expected_ids()
    assert found["version"] == "0.0.1"
    assert {Path(f).is_relative_to(other) for f in found["files"]} == {True}
    (warning,) = found["warnings"]
    assert f"in {pack} is not used: version 0.0.1 was imported before it" in warning
    assert re.match(r"API Graph \d+\.\d+\.\d+ ", warning)


def test_the_checkout_itself_imported_first_is_no_other_copy(pack: Path, tmp_path: Path) -> None:
    found = load_in_comfyui(pack, tmp_path, ("api_graph",), PYTHONPATH=str(pack))
    assert found["warnings"] == []
    assert found["classes"] == expected_ids()


# What pytest imports as `__init__` is the root file on its own: it must not take itself for a pack.
HERE = """
import sys
from pathlib import Path
import api_graph.nodes

def test_here():
    folder = Path(__file__).parent.parent
    assert Path(api_graph.__file__).is_relative_to(folder)
    assert Path(api_graph.nodes.__file__) == folder / "nodes" / "__init__.py"
    assert not hasattr(sys.modules.get("__init__"), "NODE_CLASS_MAPPINGS")
"""


@pytest.mark.parametrize("mode", ["importlib", "prepend"])
def test_pytest_runs_in_a_folder_with_a_hyphen(pack: Path, mode: str) -> None:
    (pack / "tests" / "test_here.py").write_text(HERE, "utf-8")
    arguments = ["-m", "pytest", "-p", "no:cacheprovider", f"--import-mode={mode}", "-q", "tests/test_here.py"]
    ran = run_python(arguments, pack)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "1 passed" in ran.stdout


@pytest.fixture(scope="module")
def wheel(pack: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """The wheel, built with what is installed here."""
    if find_spec("setuptools") is None or int(version("setuptools").split(".")[0]) < 77:
        pytest.skip("building needs setuptools 77 or newer")
    folder = tmp_path_factory.mktemp("wheel")
    shutil.copytree(pack, folder / "source")
    build = "import setuptools.build_meta as backend; backend.build_wheel('..')"
    ran = run_python(["-c", build], folder / "source")
    assert ran.returncode == 0, ran.stderr
    (built,) = folder.glob("*.whl")
    return zipfile.ZipFile(built)


def test_the_wheel_installs_one_top_level_package(wheel: zipfile.ZipFile) -> None:
    top = {name.split("/")[0] for name in wheel.namelist()}
    assert {name for name in top if not name.endswith(".dist-info")} == {"api_graph"}


def test_the_wheel_holds_every_module_and_data_file(wheel: zipfile.ZipFile, pack: Path) -> None:
    folders = {"api_graph": "api_graph", "nodes": "api_graph/nodes", "graphs": "api_graph/graphs"}
    files = [p.relative_to(pack) for folder in folders for p in (pack / folder).rglob("*") if p.is_file()]
    wanted = {
        f"{folders[p.parts[0]]}/{Path(*p.parts[1:]).as_posix()}" for p in files if p.suffix not in (".pyc", ".md")
    }
    assert sorted(wanted - set(wheel.namelist())) == []


def test_the_wheel_finds_its_nodes(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    wheel.extractall(tmp_path / "site")
    script = (
        "import json, api_graph.registry as r, api_graph.nodes as n; print(json.dumps([*r.own_nodes(), n.__file__]))"
    )
    ran = run_python(["-c", script], tmp_path, PYTHONPATH=str(tmp_path / "site"))
    assert ran.returncode == 0, ran.stderr
    *ids, place = json.loads(ran.stdout)
    assert sorted(ids) == expected_ids()
    assert Path(place) == tmp_path / "site" / "api_graph" / "nodes" / "__init__.py"


def test_the_wheel_runs_the_demo_without_the_repository(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """All that the commands open came along: models, graphs, what the nodes declare, cards, pages."""
    wheel.extractall(tmp_path / "site")
    surroundings = {"PYTHONPATH": str(tmp_path / "site"), "API_GRAPH_CACHE": str(tmp_path / "cache")}
    commands = {
        "demo": "peak at",
        "new api_clip_map --out mine.json": "mine.json: 13 nodes",
        "explain mine.json": "in the order in which they run",
        "map mine.json site/api_graph/graphs --out rows": "rows",
        "report rows": "report.html",
    }
    code = (
        "import shlex, sys, api_graph\nfrom api_graph.cli.app import app\nprint(api_graph.__file__)\n"
        "for line in sys.argv[1:]:\n    try: app(shlex.split(line), prog_name='api-graph')\n"
        "    except SystemExit as ended: assert not ended.code, line"
    )
    ran = run_python(["-c", code, *commands], tmp_path, **surroundings)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert ran.stdout.splitlines()[0] == str(tmp_path / "site" / "api_graph" / "__init__.py")
    assert [said for said in commands.values() if said not in ran.stdout] == []
    assert len(list((tmp_path / "output").glob("*.png"))) == 3
    assert (tmp_path / "rows" / "report.html").stat().st_size > 10_000
