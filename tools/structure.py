"""Prints the shape of the code: small modules that one neighbour alone imports, long ones, and lines that say `Any`.

    python tools/structure.py

A module under 60 lines that only one module of its own package imports is part of that module, unless it is an idea of
its own. `__init__` counts as an importer, and so does a module of a package inside.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("api_graph", "nodes")
SMALL_MODULE = 60
LONG_MODULE = 400
LONG_FUNCTION = 60


def modules() -> dict[str, Path]:
    """Every module of the product by its dotted name; `nodes/` is `api_graph.nodes`."""
    return {_name(path): path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py"))}


def importers() -> dict[str, set[str]]:
    """Which modules import each module, at any depth of their code."""
    known = modules()
    found: dict[str, set[str]] = defaultdict(set)
    for name, path in known.items():
        for imported in _imports(name, path):
            if imported in known and imported != name:
                found[imported].add(name)
    return found


def small_modules() -> dict[str, str]:
    """Modules under SMALL_MODULE lines with one importer, which lies in their own package: name -> importer."""
    found: dict[str, str] = {}
    by = importers()
    for name, path in modules().items():
        package = name.rpartition(".")[0]
        if path.name == "__init__.py" or _lines(path) >= SMALL_MODULE or len(by[name]) != 1:
            continue
        (importer,) = by[name]
        if importer == package or importer.startswith(f"{package}."):
            found[name] = importer
    return found


def long_modules() -> dict[str, int]:
    """Modules of more than LONG_MODULE lines."""
    return {name: lines for name, path in modules().items() if (lines := _lines(path)) > LONG_MODULE}


def long_functions() -> dict[str, int]:
    """Functions of more than LONG_FUNCTION lines from their docstring on: each option of a command has its own line."""
    found: dict[str, int] = {}
    for name, path in modules().items():
        for item in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (item.end_lineno or item.lineno) - item.body[0].lineno + 1
                if lines > LONG_FUNCTION:
                    found[f"{name}.{item.name}"] = lines
    return found


def lines_with_any() -> dict[str, int]:
    """How many lines of each module say `Any`, imports, comments and texts left out."""
    counted = {name: len(_any_lines(path.read_text("utf-8"))) for name, path in modules().items()}
    return {name: count for name, count in counted.items() if count}


def _any_lines(source: str) -> set[int]:
    imports: set[int] = set()
    for item in ast.walk(ast.parse(source)):
        if isinstance(item, ast.Import | ast.ImportFrom):
            imports |= set(range(item.lineno, (item.end_lineno or item.lineno) + 1))
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    words = (token for token in tokens if token.type == tokenize.NAME or _is_quoted_type(token))
    return {token.start[0] for token in words if re.search(r"\bAny\b", token.string)} - imports


def _is_quoted_type(token: tokenize.TokenInfo) -> bool:
    """Whether a text looks like a quoted annotation, as `cast("Callable[[Any], Tensor]", ...)` has it."""
    return token.type == tokenize.STRING and re.fullmatch(r"[\"'](Any|\w+\[.*\])[\"']", token.string) is not None


def _imports(name: str, path: Path) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for item in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(item, ast.Import):
            yield from (alias.name for alias in item.names)
        elif isinstance(item, ast.ImportFrom):
            base = item.module or ""
            if item.level:
                parts = package.split(".")
                base = ".".join([*parts[: len(parts) - item.level + 1], *([item.module] if item.module else [])])
            yield base
            yield from (f"{base}.{alias.name}" for alias in item.names)  # those that are modules themselves


def _name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    parts = parts if parts[0] == "api_graph" else ("api_graph", *parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _lines(path: Path) -> int:
    return len(path.read_text("utf-8").splitlines())


def _print(title: str, rows: dict[str, object]) -> None:
    print(title)
    for name, value in rows.items():
        print(f"  {name}  {value}")


def main() -> None:
    small, long, functions, anys = small_modules(), long_modules(), long_functions(), lines_with_any()
    _print(f"{len(small)} modules under {SMALL_MODULE} lines that one module alone imports:", dict(small))
    _print(f"{len(long)} modules above {LONG_MODULE} lines:", dict(long))
    _print(f"{len(functions)} functions above {LONG_FUNCTION} lines:", dict(functions))
    most = dict(sorted(anys.items(), key=lambda item: -item[1]))
    _print(f"{sum(anys.values())} lines with Any:", dict(most))


if __name__ == "__main__":
    main()
