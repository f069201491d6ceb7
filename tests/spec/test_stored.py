"""The file that says what the nodes declare, for commands that run none: it is what the functions say, and is light."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from pkgutil import resolve_name
from typing import Annotated, Literal

import pytest
from pydantic import Field

from api_graph import registry
from api_graph.context import SaveContext
from api_graph.errors import SpecError
from api_graph.sockets import Attribution
from api_graph.spec import Choices, NodeSpec, Widget, node, spec_of
from api_graph.spec.model import Reference, whole
from api_graph.spec.stored import from_stored, to_stored

NODES = sorted(registry.all_nodes())
FUNCTIONS = ("function", "batched", "fingerprint", "needs", "estimate", "prepare")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder of nodes of its own, with a stored file of one node more than there are."""
    (tmp_path / "images.py").write_text("# nodes\n")
    monkeypatch.setattr(registry, "_FOLDER", tmp_path)
    registry.described_nodes.cache_clear()
    document = json.loads(registry.stored_nodes())
    document["nodes"].append({**document["nodes"][0], "id": "Another"})
    (tmp_path / registry.STORED).write_text(json.dumps(document))
    yield tmp_path
    registry.described_nodes.cache_clear()


@pytest.mark.parametrize("id", NODES)
def test_what_is_stored_is_what_the_function_declares(id: str) -> None:
    declared = registry.all_nodes()[id]
    read = from_stored(json.loads(json.dumps(to_stored(declared))))
    for each in fields(NodeSpec):
        own, stored = getattr(declared, each.name), getattr(read, each.name)
        if each.name in FUNCTIONS:
            assert own is stored is None or resolve_name(stored.place) is own
        elif each.name not in ("inputs", "_by_name"):
            assert stored == own, each.name
    for own, stored in zip(declared.inputs, read.inputs, strict=True):
        assert stored.options() == own.options() and isinstance(stored.choices, Choices) == isinstance(
            own.choices, Choices
        )
        for name in ("name", "socket", "default", "is_list", "description", "minimum", "maximum", "odd", "widget"):
            assert getattr(stored, name) == getattr(own, name), name
        found = resolve_name(stored.refuse.place) if isinstance(stored.refuse, Reference) else stored.refuse
        assert found is own.refuse
        for name in ("is_widget", "required", "takes_json"):
            assert getattr(stored, name) is getattr(own, name), name
        if own.adapter is not None and stored.adapter is not None:
            assert stored.adapter.json_schema() == own.adapter.json_schema()


def test_the_file_is_read() -> None:
    described = registry.described_nodes()
    assert list(described) == list(registry.all_nodes())
    assert all(isinstance(spec.function, Reference) for spec in described.values())
    loader = described["APText"]
    assert loader.function("hello") == "hello"  # it is imported when it is called


def test_a_described_node_becomes_whole_when_it_is_run() -> None:
    described, declared = registry.described_nodes(), registry.all_nodes()
    for id in ("APPsiCls", "APMeasure", "APLoadImage", "LoadImage"):
        assert whole(described[id]) is declared[id] is whole(declared[id])
    assert [output.type for output in described["APPsiCls"].outputs] == [None]
    assert [output.type for output in whole(described["APPsiCls"]).outputs] == [Attribution]


def test_a_file_older_than_the_nodes_is_not_used(folder: Path) -> None:
    for same in (b"# nodes\n", b"# nodes\r\n"):  # as a checkout on Windows has it
        (folder / "images.py").write_bytes(same)
        registry.described_nodes.cache_clear()
        assert "Another" in registry.described_nodes()
    registry.described_nodes.cache_clear()
    (folder / "images.py").write_text("# other nodes\n")
    assert registry.described_nodes() is registry.all_nodes()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"sources": "x"}', '{"sources": 1, "nodes": [{}]}'])
def test_a_damaged_file_is_not_used(folder: Path, text: str) -> None:
    (folder / registry.STORED).write_text(text)
    assert registry.described_nodes() is registry.all_nodes()


def test_a_missing_file_is_not_used(folder: Path) -> None:
    (folder / registry.STORED).unlink()
    assert registry.described_nodes() is registry.all_nodes()


def keys(folders: object, name: str) -> dict[str, str]:
    return {}


@node("TStored", category="test", title="Stored", version=3, output=True, fingerprint=keys, aliases=("kept",))
def stored(
    context: SaveContext,
    name: Annotated[str, Choices(lambda: ("a", "b"), open=True)],
    kind: Annotated[Literal["x", "y"], Widget(labels=("on", "off"))] = "y",
    count: Annotated[int, Field(ge=1, le=9, description="How often.")] = 2,
    hint: Annotated[str | None, Field(description="A link.")] = None,
) -> None:
    """It has a bit of everything."""


def test_by_hand() -> None:
    assert to_stored(spec_of(stored)) == {
        "id": "TStored",
        "function": f"{__name__}:stored",
        "title": "Stored",
        "category": "test",
        "description": "It has a bit of everything.",
        "inputs": [
            {
                "name": "name",
                "socket": "COMBO",
                "is_widget": True,
                "choices": {"list": ["a", "b"], "open": True, "inside": None},
            },
            {
                "name": "kind",
                "socket": "COMBO",
                "is_widget": True,
                "default": "y",
                "choices": ["x", "y"],
                "widget": {"labels": ["on", "off"]},
            },
            {
                "name": "count",
                "socket": "INT",
                "is_widget": True,
                "default": 2,
                "description": "How often.",
                "minimum": 1,
                "maximum": 9,
            },
            {"name": "hint", "socket": "STRING", "default": None, "description": "A link."},
        ],
        "outputs": [],
        "version": 3,
        "output": True,
        "fingerprint": f"{__name__}:keys",
        "fingerprinted": ["name"],
        "aliases": ["kept"],
        "context": ["context", "SaveContext"],
    }


def test_a_function_that_no_module_names_is_refused() -> None:
    @node("TInside", category="test", title="Inside")
    def inside() -> None:
        """It cannot be found again."""

    with pytest.raises(SpecError, match="is no function of a module"):
        to_stored(spec_of(inside))


LIGHT = [["graphs"], ["nodes"], ["nodes", "APEncodeImage"], ["check", "api_clip"], ["check", "rec_foveal"]]
LIGHT += [["cache", "info"], ["cache", "prune"], ["endpoints"], ["--version"]]


@pytest.mark.parametrize("words", LIGHT, ids=" ".join)
def test_commands_that_run_nothing_wait_for_no_torch(words: list[str], tmp_path: Path) -> None:
    code = (
        "import sys; from api_graph.cli import main\n"
        "try: main()\n"
        "except SystemExit as ended: assert not ended.code, ended.code\n"
        "print(*sorted({'torch', 'numpy', 'PIL', 'transformers'} & {*sys.modules}), file=sys.stderr)"
    )
    run = [sys.executable, "-c", code, *words]
    done = subprocess.run(run, capture_output=True, text=True, cwd=tmp_path, check=True)
    assert (done.stderr, bool(done.stdout)) == ("\n", True)
