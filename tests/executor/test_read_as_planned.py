"""A file that changes between the making of a key and the reading: its result is never kept under that key."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from api_graph.context import Context
from api_graph.executor import DiskCache, MemoryCache
from api_graph.files import files_noted, sha256_of
from api_graph.folders import Folders
from api_graph.spec import node

OLD, NEW = "old words", "new words"  # of one size
GRAPH = {"1": ("ReadBytes", {"name": "a.txt"}), "2": ("Spell", {"text": ["1", 0]})}


def by_rename(path: Path, text: str) -> None:
    stat = path.stat()
    other = path.with_suffix(".new")
    other.write_text(text)
    os.utime(other, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    os.replace(other, path)


def in_place(path: Path, text: str) -> None:
    stat = path.stat()
    path.write_text(text)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def _content(folders: Folders, name: str) -> Mapping[str, str]:
    return {"name": sha256_of(folders.input_file(name))}


@pytest.fixture
def reading(lab):
    """The lab with a node that reads a file, one that is made from it, and what may happen just around the reading."""
    lab.before = lab.after = lambda: None

    @node("ReadBytes", category="test", title="Read", fingerprint=_content, waits=True, store=True)
    def read(context: Context, name: str) -> str:
        """A file."""
        lab.before()
        found = context.folders.input_file(name).read_text()
        lab.after()
        return found

    @node("Spell", category="test", title="Spell", store=True)
    def spell(text: str) -> str:
        """Loud."""
        return text.upper()

    lab.nodes += [read, spell]
    lab.file("a.txt", OLD)
    lab.path = lab.folders.inputs[0] / "a.txt"
    return lab


@pytest.mark.parametrize("swap", [by_rename, in_place])
def test_the_digest_follows_a_file_of_the_same_size_and_time(tmp_path: Path, swap: Callable[[Path, str], None]):
    path = tmp_path / "a"
    path.write_text(OLD)
    assert sha256_of(path) == hashlib.sha256(OLD.encode()).hexdigest()
    swap(path, NEW)
    assert sha256_of(path) == hashlib.sha256(NEW.encode()).hexdigest()


def test_a_settled_file_is_hashed_once_and_always_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a"
    path.write_text(OLD)
    monkeypatch.setattr("api_graph.files._SETTLED_NS", -(10**12))
    first = sha256_of(path)
    monkeypatch.setattr("api_graph.files._hashed", None)
    with files_noted() as states:
        assert sha256_of(path) == first
    assert [state.path for state in states] == [str(path)]


@pytest.mark.parametrize("kind", ["memory", "disk"])
@pytest.mark.parametrize("swap", [by_rename, in_place])
@pytest.mark.parametrize("back", [False, True])
def test_what_was_read_after_a_swap_is_never_found_under_the_old_key(reading, tmp_path, kind, swap, back):
    caches = {kind: MemoryCache() if kind == "memory" else DiskCache(tmp_path / "cache")}
    executor = reading.executor(**caches)

    def words() -> str:
        return reading.run(executor, GRAPH, targets=["2"]).raise_failures().outputs["2"].values["string"]

    reading.before = lambda: swap(reading.path, NEW)
    reading.after = (lambda: swap(reading.path, OLD)) if back else reading.after
    assert words() == "NEW WORDS"
    reading.before = reading.after = lambda: None
    swap(reading.path, OLD)
    assert words() == "OLD WORDS"
    assert words() == "OLD WORDS"


def test_a_model_of_other_weights_stays_out_of_the_pool(reading):
    @node("Load", category="test", title="Load", model=True, fingerprint=_content)
    def load(context: Context, name: str) -> str:
        """Weights."""
        reading.before()
        return context.folders.input_file(name).read_text()

    reading.nodes.append(load)
    executor = reading.executor(memory=MemoryCache())
    graph = {"1": ("Load", {"name": "a.txt"}), "2": ("Spell", {"text": ["1", 0]})}

    def words() -> str:
        return reading.run(executor, graph, targets=["2"]).raise_failures().outputs["2"].values["string"]

    reading.before = lambda: by_rename(reading.path, NEW)
    assert (words(), len(executor.pool)) == ("NEW WORDS", 0)
    reading.before = lambda: None
    by_rename(reading.path, OLD)
    assert (words(), len(executor.pool)) == ("OLD WORDS", 1)
