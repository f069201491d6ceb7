"""The house stays in order: few small modules, no long ones, real types, and a short way from command to picture."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import passed, structure


def test_small_modules_are_ideas_of_their_own() -> None:
    assert len(structure.small_modules()) <= 10, structure.small_modules()


def test_no_module_and_no_function_is_long() -> None:
    assert structure.long_modules() == {}
    assert structure.long_functions() == {}


def test_few_lines_say_any() -> None:
    assert sum(structure.lines_with_any().values()) < 250


@pytest.mark.parametrize(("what", "files", "functions"), [("run", 60, 298), ("map", 77, 428)])
def test_the_way_from_the_command_to_the_picture_is_short(what: str, files: int, functions: int) -> None:
    """Versions of Python and of the packages differ by a few functions."""
    found = passed.in_own_process(what)
    assert len(found) <= files and sum(map(len, found.values())) <= functions + 3, found


@pytest.mark.parametrize(
    ("source", "lines"),
    [
        ("from typing import Any\n", set()),
        ("x: Any = 1\ny: int\nz: dict[str, Any]\n", {1, 3}),
        ('y = cast("list[Any]", x)\n', {1}),
        ('"""Any of them."""\n# Any\nx = "Any of them"\n', set()),
    ],
)
def test_lines_with_any_are_counted(source: str, lines: set[int]) -> None:
    assert structure._any_lines(source) == lines


def test_small_modules_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {
        "api_graph/__init__.py": "",
        "api_graph/room/__init__.py": "from api_graph.room.shown import x\n",
        "api_graph/room/shown.py": "from api_graph.room import helper\n",
        "api_graph/room/helper.py": "x = 1\n",  # one importer, a neighbour
        "api_graph/room/long.py": "x = 1\n" * 60,
        "api_graph/room/user.py": "from api_graph.room.long import x\nfrom .shared import y\n",
        "api_graph/room/shared.py": "y = 1\n",  # two importers
        "api_graph/other.py": "def f():\n    from api_graph.room import shared\n    import api_graph.room.user\n",
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    monkeypatch.setattr(structure, "ROOT", tmp_path)
    found = structure.small_modules()
    # `user` has one importer too, but that lies in another room.
    assert found == {"api_graph.room.helper": "api_graph.room.shown", "api_graph.room.shown": "api_graph.room"}
