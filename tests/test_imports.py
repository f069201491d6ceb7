"""Dependencies point one way: who may import whom, read from the files themselves."""

from __future__ import annotations

import ast
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

LEAVES = {
    "addresses",
    "arguments",
    "bounding_boxes",
    "deprecation",
    "errors",
    "geometry",
    "files",
    "fonts",
    "html_page",
    "json_values",
    "lazily",
    "moved",
    "notebook",
    "plotting",
    "progress",
    "regions",
    "segs",
    "socket_names",
    "sockets",
}
CONTRACT = LEAVES | {"folders", "context", "spec", "registry"}
ROOMS = {"models", "clip", "lvlm", "pixels", "segment", "tasks", "demo", "bench"}

# What each part of `api_graph` (and `nodes`) may import; itself it always may.
MAY_IMPORT = {
    "addresses": set(),
    "errors": set(),
    "deprecation": set(),
    "notebook": set(),
    "progress": {"notebook"},
    "arguments": {"errors"},
    "json_values": set(),
    "files": set(),
    "fonts": set(),
    "html_page": set(),
    "geometry": {"errors"},
    "lazily": set(),
    "moved": set(),
    "plotting": {"errors", "files", "notebook"},
    "evaluate": {"moved"},
    "folders": {"errors", "files", "json_values"},
    "settings": {"errors", "files", "folders", "json_values"},
    "regions": {"errors", "json_values"},
    "bounding_boxes": {"errors", "regions"},
    "segs": {"errors", "regions"},
    "socket_names": set(),
    "sockets": {"errors", "geometry", "json_values", "notebook", "socket_names"},
    "context": {"errors", "files", "folders", "json_values"},
    "spec": LEAVES | {"folders", "context"},
    "registry": {"errors", "spec", "nodes"},
    **{room: LEAVES | ROOMS for room in ROOMS},
    "annotation": LEAVES | ROOMS,
    "nodes": LEAVES | {"folders", "context", "spec"} | ROOMS,
    "comfy": CONTRACT | {"settings", "lvlm"},  # it waits for endpoints off ComfyUI's loop
    "graph": CONTRACT,
    "executor": CONTRACT | {"graph", "settings"},
    "runs": CONTRACT | {"graph", "executor", "settings"},
    "docs": CONTRACT | {"graph", "draw"},
    "draw": CONTRACT | {"graph"},
    "table": CONTRACT | {"graph", "executor", "runs", "settings", "pixels"},  # it reads the sizes of pictures
    "report": CONTRACT | {"graph", "executor", "runs", "settings", "table"},
    "benching": CONTRACT | {"graph", "executor", "runs", "settings", "table"} | ROOMS,
    "harness": CONTRACT | {"runs", "table"},
    "comparison": CONTRACT | {"settings", "table", "report", "bench"},
    "sweep": CONTRACT | {"table", "bench", "benching", "comparison"},
    "figure": CONTRACT | {"table", "report", "pixels"},
    "editor": CONTRACT | {"graph", "draw", "executor", "settings", "comfy"} | ROOMS,
    "cli": CONTRACT
    | {"graph", "draw", "executor", "runs", "settings", "table", "report", "benching", "comparison", "figure", "sweep"}
    | {"editor"}
    | {"annotation"}
    | ROOMS,
    "__main__": {"cli"},
}
COMFYUI = {"comfy", "comfy_api", "comfy_execution", "comfy_extras", "execution", "folder_paths", "server"}
SLOW = {
    "fsspec",
    "open_clip",
    "transformers",
    "networkx",
    "timm",
    "aiohttp",
    "tenacity",
    "matplotlib",
    "jinja2",
    "pyarrow",
    "ray",
}

FILES = sorted(path for folder in ("api_graph", "nodes") for path in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    """Dotted name under which a file is imported: `nodes/` is `api_graph.nodes`."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "api_graph" else ("api_graph", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def part_of(module: str) -> str:
    """`api_graph.clip.load` -> `clip`; the package itself is ''."""
    return [*module.split("."), ""][1]


def imports_in(tree: ast.AST, path: Path) -> Iterator[str]:
    """Every module that is imported in this tree, at any depth, in full; `import_module("...")` too."""
    for item in ast.walk(tree):
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom):
            yield from _imported_from(item, path)
        elif isinstance(item, ast.Call) and _name_of(item.func) == "import_module":
            yield from (a.value for a in item.args[:1] if isinstance(a, ast.Constant) and isinstance(a.value, str))


def _imported_from(item: ast.ImportFrom, path: Path) -> Iterator[str]:
    base = item.module or ""
    if item.level:
        package = module_of(path).split(".")
        keep = len(package) - item.level + (path.name == "__init__.py")
        base = ".".join([*package[:keep], *([item.module] if item.module else [])])
    # `from api_graph import errors` imports a module, or a name: the module is what matters here.
    yield from (f"{base}.{alias.name}" for alias in item.names) if base == "api_graph" else (base,)


def _name_of(function: ast.expr) -> str:
    return function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")


def at_import(tree: ast.Module) -> ast.Module:
    """What runs when the module is imported: no function bodies, nothing that only checkers see."""

    class Strip(ast.NodeTransformer):
        def visit_FunctionDef(self, item: ast.FunctionDef) -> ast.AST:
            return ast.Pass()

        def visit_AsyncFunctionDef(self, item: ast.AsyncFunctionDef) -> ast.AST:
            return ast.Pass()

        def visit_If(self, item: ast.If) -> ast.AST:
            return ast.Pass() if "TYPE_CHECKING" in ast.unparse(item.test) else self.generic_visit(item)

    return Strip().visit(ast.parse(ast.unparse(tree)))


def read(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def own_imports(path: Path) -> set[str]:
    """The parts of api_graph that a file imports, without its own."""
    parts = {part_of(name) for name in imports_in(read(path), path) if name.split(".")[0] == "api_graph"}
    return parts - {part_of(module_of(path)), ""}


@pytest.mark.parametrize("path", FILES, ids=module_of)
def test_dependencies_point_one_way(path: Path) -> None:
    part = part_of(module_of(path))
    if part == "":
        return
    assert part in MAY_IMPORT, f"{part} is a new room: say above what it may import"
    # `from api_graph import __version__` is a name of the package, which stands for no room.
    imported = own_imports(path) & MAY_IMPORT.keys()
    assert imported <= MAY_IMPORT[part], f"{module_of(path)} imports {sorted(imported - MAY_IMPORT[part])}"


def test_no_two_rooms_need_each_other() -> None:
    needs = {room: set[str]() for room in ROOMS}
    for path in FILES:
        if part_of(module_of(path)) in ROOMS:
            needs[part_of(module_of(path))] |= own_imports(path) & ROOMS
    while needs:
        free = [room for room, needed in needs.items() if not needed & needs.keys()]
        assert free, f"these rooms import each other in a circle: {sorted(needs)}"
        for room in free:
            del needs[room]


def top_level(tree: ast.AST, path: Path) -> set[str]:
    return {name.split(".")[0] for name in imports_in(tree, path)}


def test_comfyui_is_imported_in_one_place() -> None:
    found = {module_of(path) for path in FILES if top_level(read(path), path) & COMFYUI}
    assert {part_of(module) for module in found} == {"comfy"}


def test_comfyui_and_slow_packages_are_imported_late() -> None:
    found = {module_of(path): top_level(at_import(read(path)), path) & (COMFYUI | SLOW) for path in FILES}
    # The editor is a web server, and only its command imports it.
    of_editor = {
        module: names - {"aiohttp"} if part_of(module) == "editor" else names for module, names in found.items()
    }
    assert {module: names for module, names in of_editor.items() if names} == {}


def test_no_module_is_called_as_one_of_comfyuis() -> None:
    """In ComfyUI the top-level `nodes` and `tests` are ComfyUI's own."""
    assert [module_of(path) for path in FILES if top_level(read(path), path) & {"nodes", "tests", "graphs"}] == []


def test_importing_the_nodes_imports_nothing_slow() -> None:
    script = """
import json, sys
import api_graph.nodes, api_graph.registry, api_graph.comfy
api_graph.registry.own_nodes()
print(json.dumps(sorted(name.split(".")[0] for name in sys.modules)))
"""
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(json.loads(ran.stdout))
    assert "pydantic" in loaded
    assert not loaded & (SLOW | COMFYUI)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import a.b", ["a.b"]),
        ("from a.b import c", ["a.b"]),
        ("from api_graph import errors, clip", ["api_graph.errors", "api_graph.clip"]),
        ("from api_graph.clip import load", ["api_graph.clip"]),
        ("from . import x", ["api_graph.clip"]),
        ("from .load import x", ["api_graph.clip.load"]),
        ("from ..pixels import x", ["api_graph.pixels"]),
        ("def f():\n  import a", ["a"]),
        ("importlib.import_module('a.b')", ["a.b"]),
        ("import_module(name)", []),
    ],
)
def test_imports_are_read(text: str, found: list[str]) -> None:
    assert list(imports_in(ast.parse(text), ROOT / "api_graph" / "clip" / "model.py")) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("import a\ntry:\n  import b\nexcept ImportError:\n  import c", ["a", "b", "c"]),
        ("def f():\n  import a", []),
        ("class C:\n  import a\n  def f(self):\n    import b", ["a"]),
        ("if TYPE_CHECKING:\n  import a", []),
        ("if x:\n  import a", ["a"]),
    ],
)
def test_late_imports_are_told_from_early_ones(text: str, found: list[str]) -> None:
    assert list(imports_in(at_import(ast.parse(text)), ROOT / "api_graph" / "clip" / "model.py")) == found


LAZY = (
    "api_graph",
    "api_graph.bench.scorers",
    "api_graph.executor",
    "api_graph.lvlm",
    "api_graph.lvlm.remote",
    "api_graph.tasks",
)


@pytest.mark.parametrize("package", LAZY)
def test_no_name_of_a_lazy_package_is_that_of_a_module_in_it(package: str) -> None:
    """Who imports the module would find it under the name from then on."""
    folder = ROOT.joinpath(*package.split("."))
    inside = {path.stem for path in folder.iterdir() if path.suffix == ".py" or path.is_dir()}
    assert inside.isdisjoint(importlib.import_module(package).__all__)


def test_all_lazy_packages_are_looked_at() -> None:
    found = {
        ".".join(path.parent.relative_to(ROOT).parts)
        for path in (ROOT / "api_graph").rglob("__init__.py")
        if "lazily(" in path.read_text("utf-8")
    }
    assert found == set(LAZY)
