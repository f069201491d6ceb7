"""What the code imports is declared, and ComfyUI's users get no more than what the nodes need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.test_imports import COMFYUI, FILES, imports_in, module_of, read
from tools.structure import importers, modules

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
NODES_NEED = (ROOT / "requirements.txt").read_text("utf-8")

# Imported where they are there, and named by the message where they are not.
OPTIONAL = {"IPython", "bitsandbytes", "isal", "pillow_heif", "torchaudio"}
# In files that nodes read, but for the command line, which writes the endpoints file, and for Python, which plots.
NO_NODES = {"matplotlib", "tomli_w", "tqdm"}
MODULES = {"pillow": {"PIL"}, "open-clip-torch": {"open_clip"}, "tomli": {"tomli", "tomllib"}}


def names(lines: list[str]) -> set[str]:
    return {canonicalize_name(Requirement(line).name) for line in lines}


def declared_in_requirements() -> list[str]:
    return [line for line in NODES_NEED.splitlines() if line.strip() and not line.startswith("#")]


def modules_of(distributions: set[str]) -> set[str]:
    """The top-level modules of these distributions, by name where they are not installed here."""
    found = {module for name in distributions for module in MODULES.get(name, {name.replace("-", "_")})}
    for module, owners in metadata.packages_distributions().items():
        if {canonicalize_name(owner) for owner in owners} & distributions:
            found.add(module)
    return found


def third_party(paths: list[Path]) -> dict[str, set[str]]:
    """Each module of others that these files import, with the files' modules."""
    found: dict[str, set[str]] = {}
    for path in paths:
        for name in imports_in(read(path), path):
            top = name.split(".")[0]
            if top not in sys.stdlib_module_names | COMFYUI | OPTIONAL | {"api_graph", "nodes", ""}:
                found.setdefault(top, set()).add(module_of(path))
    return found


def reached_from_comfyui() -> list[Path]:
    """The files that the pack can come to import inside ComfyUI: from its nodes and its side of ComfyUI."""
    by_module, imported = modules(), {}
    for module, users in importers().items():
        for user in users:
            imported.setdefault(user, set()).add(module)
    reached: set[str] = set()
    waiting = ["api_graph.nodes.pack", "api_graph.comfy", "api_graph.registry"]
    while waiting:
        module = waiting.pop()
        if module and module not in reached:
            reached.add(module)
            waiting.append(module.rpartition(".")[0])
            if module != "api_graph":  # it hands on public names, which ComfyUI never asks for
                waiting.extend(imported.get(module, ()))
    return [by_module[module] for module in reached]


def test_every_import_is_declared() -> None:
    extras = [line for lines in PROJECT["optional-dependencies"].values() for line in lines]
    known = modules_of(names(PROJECT["dependencies"]) | names(extras))
    assert {m: where for m, where in third_party(FILES).items() if m not in known} == {}


def test_what_has_no_extra_is_in_the_plain_install() -> None:
    """Only what is loaded late, with a message that names the extra, may stay outside."""
    known = modules_of(names(PROJECT["dependencies"]))
    missing = {m for m in third_party(FILES) if m not in known}
    assert missing == {"comfyui_frontend_package", "fsspec", "h5py", "lmms_eval", "matplotlib", "ray"} & missing


def test_the_dependencies_are_static() -> None:
    """The registry's tools read pyproject.toml without building anything."""
    assert PROJECT.get("dynamic", []) == []
    assert len(PROJECT["dependencies"]) > 10


def test_nodes_need_exactly_what_they_import() -> None:
    needed = set(third_party(reached_from_comfyui())) - NO_NODES
    listed = names(declared_in_requirements())
    assert needed - modules_of(listed) == set()
    unused = {name for name in listed if not modules_of({name}) & needed}
    assert unused <= {"tomli"}  # imported by a name that is put together, on Python 3.10 alone


def test_nodes_ask_for_nothing_newer_than_the_command_line() -> None:
    own = {canonicalize_name(Requirement(line).name): Requirement(line) for line in PROJECT["dependencies"]}
    for line in declared_in_requirements():
        asked = Requirement(line)
        name = canonicalize_name(asked.name)
        assert name in own
        if name != "transformers":  # its nodes say themselves what they need
            assert set(asked.specifier) <= set(own[name].specifier) or not asked.specifier
    assert Requirement("transformers") in [Requirement(line) for line in declared_in_requirements()]


# ------------------------------------------------------------------------------------- nothing else installed


def closure(wanted: set[str]) -> set[str]:
    """These distributions, and all that they require here."""
    found: set[str] = set()
    waiting = list(wanted)
    while waiting:
        name = canonicalize_name(waiting.pop())
        if name in found:
            continue
        try:
            lines = metadata.requires(name) or []
        except metadata.PackageNotFoundError:
            continue
        found.add(name)
        needed = [Requirement(line) for line in lines]
        waiting += [each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    return found


def link_distribution(name: str, site: Path) -> None:
    """Link what a distribution has installed into another `site-packages`."""
    distribution = metadata.distribution(name)
    tops = {file.parts[0] for file in distribution.files or () if file.parts[0] not in ("..", "__pycache__")}
    for top in tops:
        source, target = Path(str(distribution.locate_file(top))), site / top
        if source.exists() and not target.exists():
            target.symlink_to(source)


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment that holds what requirements.txt lists, and nothing else."""
    folder = tmp_path_factory.mktemp("bare")
    venv.create(folder, with_pip=False, symlinks=True)
    (site,) = [*folder.glob("lib/python*/site-packages"), *folder.glob("Lib/site-packages")]
    for name in closure(names(declared_in_requirements())):
        link_distribution(name, site)
    return next(path for path in (folder / "bin" / "python", folder / "Scripts" / "python.exe") if path.exists())


RUN = """
import asyncio, importlib.util, json, sys, types
from pathlib import Path

root = Path(sys.argv[1])
folder_paths = sys.modules["folder_paths"] = types.ModuleType("folder_paths")
folder_paths.models_dir = "models"
folder_paths.get_folder_paths = lambda kind: []
folder_paths.add_model_folder_path = lambda kind, path: None
folder_paths.get_input_directory = folder_paths.get_output_directory = folder_paths.get_temp_directory = lambda: "."
spec = importlib.util.spec_from_file_location("a_pack", root / "__init__.py")
pack = sys.modules["a_pack"] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(pack)

def run(prompt):
    done = {}
    while len(done) < len(prompt):
        for id, node in prompt.items():
            links = {n: v for n, v in node["inputs"].items() if isinstance(v, list)}
            if id in done or any(v[0] not in done for v in links.values()):
                continue
            made = pack.NODE_CLASS_MAPPINGS[node["class_type"]]
            values = {n: done[v[0]][v[1]] if n in links else v for n, v in node["inputs"].items()}
            values = {n: [v] for n, v in values.items()} if made.INPUT_IS_LIST else values
            given = made().run(**values)
            given = asyncio.run(given) if asyncio.iscoroutine(given) else given
            done[id] = given["result"] if isinstance(given, dict) else given
    return done

import torch

with torch.inference_mode():
    done = run(json.loads(sys.argv[2]))

print(json.dumps({"modules": sorted({n.split(".")[0] for n in sys.modules}), "nodes": len(done)}))
"""


def _without_savers(name: str) -> str:
    graph = json.loads((ROOT / "graphs" / f"{name}.json").read_text("utf-8"))
    return json.dumps({id: node for id, node in graph.items() if "Save" not in node["class_type"]})


def run_bare(bare: Path, graph: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    keep = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "PYTEST", "VIRTUAL_ENV"))}
    command = [str(bare), "-c", RUN, str(ROOT), _without_savers(graph)]
    return subprocess.run(command, cwd=cwd, env=keep, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("graph", ["api_clip", "api_lvlm"])
def test_the_pack_runs_with_nothing_else_installed(bare: Path, graph: str, tmp_path: Path) -> None:
    ran = run_bare(bare, graph, tmp_path)
    assert ran.returncode == 0, ran.stderr
    done = json.loads(ran.stdout.splitlines()[-1])
    assert done["nodes"] > 5
    assert not {"pyarrow", "ray", "rich"} & set(done["modules"])
