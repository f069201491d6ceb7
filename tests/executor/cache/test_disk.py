"""The disk cache: what goes in comes out, what is damaged does not, and a bad disk costs no run."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from filelock import FileLock

from api_graph.errors import ApiGraphError, ApiGraphWarning
from api_graph.executor import DiskCache
from api_graph.executor.cache import disk
from api_graph.executor.cache.disk import _checksum
from api_graph.executor.cache.entry import Entry
from api_graph.geometry import Geometry
from api_graph.sockets import AnyValue, Attribution, Image, Mask
from api_graph.spec import node, spec_of

KEY = "ab" + "0" * 62


class Everything(NamedTuple):
    image: Image
    masks: list[Mask]
    psi: Attribution
    text: str
    number: int
    weight: float
    right: bool
    names: list[str]


@node("Store", category="test", title="Store", store=True)
def store() -> Everything:
    """One output of every kind that can be stored."""
    raise NotImplementedError


@node("Text", category="test", title="Text", store=True)
def text() -> str:
    """A text."""
    raise NotImplementedError


@node("Wild", category="test", title="Wild", store=True)
def wild() -> AnyValue:
    """Anything."""
    raise NotImplementedError


STORE, TEXT, WILD = spec_of(store), spec_of(text), spec_of(wild)


def _everything() -> Entry:
    torch.manual_seed(0)
    image = torch.rand(2, 3, 4, 3)
    psi = Attribution(torch.rand(2, 5, 5), (Geometry(10, 20, -1.5, 0.1, 11.25, 20.0), Geometry.whole(7, 9)))
    masks = [torch.zeros(1, 2, 2), torch.rand(0, 4, 4), image[0, :, :, 0:1].permute(2, 0, 1)]
    outputs = ([image], masks, [psi], ["é\ud800\n"], [2**70], [0.1 + 0.2], [True], ["a", ""])
    return Entry(outputs, {"text": ["seen"], "images": [{"filename": "x", "subfolder": "", "type": "temp"}]})


def _only(cache: DiskCache, pattern: str) -> Path:
    (path,) = cache.folder.glob(pattern)
    return path


# ------------------------------------------------------------------------------------------ round trips


def test_what_goes_in_comes_out(cache):
    before = _everything()
    cache.put(KEY, before, STORE)
    after = DiskCache(cache.folder).get(KEY, STORE)
    assert after is not None and after.ui == before.ui
    image, masks, (psi,), *rest = after.outputs
    assert torch.equal(image[0], before.outputs[0][0]) and image[0].dtype == torch.float32
    assert [m.shape for m in masks] == [m.shape for m in before.outputs[1]]
    assert all(torch.equal(a, b) for a, b in zip(masks, before.outputs[1], strict=True))
    assert torch.equal(psi.values, before.outputs[2][0].values) and psi.geometry == before.outputs[2][0].geometry
    assert rest == list(before.outputs[3:])
    assert [type(values[0]) for values in rest] == [str, int, float, bool, str]


def test_tensors_that_share_memory_are_kept_apart(cache):
    @node("Twins", category="test", title="Twins", store=True)
    def twins() -> list[Mask]:
        """Views of one tensor."""
        raise NotImplementedError

    base = torch.arange(8.0).reshape(2, 2, 2)
    cache.put(KEY, Entry(([base, base, base[:1], base.expand(2, 2, 2)],)), spec_of(twins))
    found = cache.get(KEY, spec_of(twins))
    assert found is not None
    assert [t.tolist() for t in found.outputs[0]] == [base.tolist(), base.tolist(), base[:1].tolist(), base.tolist()]


def test_numbers_that_are_none_come_out_as_they_went_in(cache):
    @node("Numbers", category="test", title="Numbers", store=True)
    def numbers() -> list[float]:
        """Odd numbers."""
        raise NotImplementedError

    cache.put(KEY, Entry(([float("nan"), float("inf"), -0.0, 5e-324],)), spec_of(numbers))
    found = cache.get(KEY, spec_of(numbers))
    assert found is not None and repr(found.outputs[0]) == "[nan, inf, -0.0, 5e-324]"


def test_an_unknown_key_and_a_missing_folder_are_just_not_there(cache):
    assert cache.get(KEY, STORE) is None
    assert cache.info() == (cache.folder, 0, 0, cache.limit)
    assert cache.clear() == 0
    assert not cache.folder.exists()


def test_a_value_that_cannot_be_stored_costs_one_warning_and_no_other_node(cache):
    for spec, value in ((WILD, object()), (TEXT, torch.zeros(2))):
        with pytest.warns(ApiGraphWarning, match=f"results of {spec.id} are not kept on disk") as caught:
            cache.put(KEY, Entry(([value],)), spec)
            cache.put(KEY, Entry(([value],)), spec)
        assert len(caught) == 1
    cache.put(KEY, _everything(), STORE)
    assert cache.info().entries == 1


# ------------------------------------------------------------------------------------------ damage


def _rewrite(path: Path, **changes: Any) -> None:
    """Change what a sidecar says, with a checksum that is right again."""
    held = {**json.loads(path.read_text())["entry"], **changes}
    path.write_text(json.dumps({"checksum": _checksum(held), "entry": held}))


def _replace(old: bytes, new: bytes):
    return lambda path: path.write_bytes(path.read_bytes().replace(old, new))


SIDECAR, TENSORS = "*/*.json", "*/*.safetensors"
DAMAGE = {
    "tensors cut": (TENSORS, lambda p: p.write_bytes(p.read_bytes()[:-7])),
    "tensors empty": (TENSORS, lambda p: p.write_bytes(b"")),
    "one bit of the tensors": (TENSORS, lambda p: p.write_bytes(p.read_bytes()[:-1] + b"\1")),
    "tensors garbled": (TENSORS, lambda p: p.write_bytes(os.urandom(500))),
    "tensors are a folder": (TENSORS, lambda p: (p.unlink(), p.mkdir())),
    "sidecar cut": (SIDECAR, lambda p: p.write_bytes(p.read_bytes()[:100])),
    "sidecar empty": (SIDECAR, lambda p: p.write_bytes(b"")),
    "sidecar no text": (SIDECAR, lambda p: p.write_bytes(b"\xff\xfe\0\1")),
    "sidecar nests": (SIDECAR, lambda p: p.write_text("[" * 100_000)),
    "sidecar a list": (SIDECAR, lambda p: p.write_text("[1]")),
    "sidecar a number": (SIDECAR, lambda p: p.write_text("1")),
    "sidecar null": (SIDECAR, lambda p: p.write_text("null")),
    "sidecar {}": (SIDECAR, lambda p: p.write_text("{}")),
    "entry a text": (SIDECAR, lambda p: p.write_text(json.dumps({"checksum": _checksum("x"), "entry": "x"}))),
    "a text changed": (SIDECAR, _replace(b"seen", b"sean")),
    "checksum changed": (SIDECAR, lambda p: p.write_text(p.read_text().replace('checksum": "', 'checksum": "0'))),
    "another key": (SIDECAR, lambda p: _rewrite(p, key="cd" + KEY[2:])),
    "another node": (SIDECAR, lambda p: _rewrite(p, node="Other")),
    "another version": (SIDECAR, lambda p: _rewrite(p, version=2)),
    "another format": (SIDECAR, lambda p: _rewrite(p, format=1)),
    "no outputs": (SIDECAR, lambda p: _rewrite(p, outputs=[])),
    "outputs of another shape": (SIDECAR, lambda p: _rewrite(p, outputs=[[1]] * 8)),
    "outputs no list": (SIDECAR, lambda p: _rewrite(p, outputs=5)),
    "no tensors named": (SIDECAR, lambda p: _rewrite(p, tensors=None)),
    "tensors named wrong": (SIDECAR, lambda p: _rewrite(p, tensors=5)),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_entry_is_not_trusted_and_makes_room_for_a_good_one(cache, damage):
    cache.put(KEY, _everything(), STORE)
    pattern, harm = DAMAGE[damage]
    harm(_only(cache, pattern))
    with pytest.warns(ApiGraphWarning, match="a damaged cache entry is rebuilt"):
        assert cache.get(KEY, STORE) is None
    assert cache.get(KEY, STORE) is None  # and it says so once
    if damage != "tensors are a folder":
        cache.put(KEY, _everything(), STORE)
        assert cache.get(KEY, STORE) is not None


def test_a_tensor_that_is_missing_among_others_is_noticed(cache):
    @node("Store", category="test", title="Store", store=True)
    def fewer() -> Mask:
        """What an older version wrote: one mask."""
        raise NotImplementedError

    @node("Store", category="test", title="Store", store=True)
    def more() -> Attribution:
        """What this one reads: an attribution."""
        raise NotImplementedError

    cache.put(KEY, Entry(([torch.zeros(1, 2, 2)],)), spec_of(fewer))
    with pytest.warns(ApiGraphWarning, match="damaged"):
        assert cache.get(KEY, spec_of(more)) is None


def test_an_entry_whose_tensors_another_process_has_just_removed_is_not_there(cache):
    cache.put(KEY, _everything(), STORE)
    _only(cache, TENSORS).unlink()
    assert cache.get(KEY, STORE) is None
    cache.put(KEY, _everything(), STORE)
    assert cache.get(KEY, STORE) is not None


def test_a_run_rebuilds_a_damaged_entry(lab, tmp_path, actions):
    cache = DiskCache(tmp_path / "cache")
    graph = {"1": ("Number", {"value": 2}), "2": ("Fill", {"value": ["1", 0]}), "3": ("Show", {"value": ["2", 0]})}
    lab.run(lab.executor(disk=cache), graph)
    assert actions(lab.run(lab.executor(disk=cache), graph)) == {"1": "unneeded", "2": "disk", "3": "ran"}
    tensors = _only(cache, TENSORS)
    good = tensors.read_bytes()
    tensors.write_bytes(good[:-4] + b"\0\0\0\0")
    with pytest.warns(ApiGraphWarning, match="damaged"):
        result = lab.run(lab.executor(disk=cache), graph)
    assert actions(result) == {"1": "ran", "2": "ran", "3": "ran"}
    assert _only(cache, TENSORS).read_bytes() == good
    assert [t.tolist() for t in lab.shown] == [[[[2.0] * 4] * 4]] * 3


# ------------------------------------------------------------------------------------------ bad disks


def test_a_folder_that_cannot_be_written_costs_one_warning(lab, tmp_path):
    (tmp_path / "file").write_text("")
    cache = DiskCache(tmp_path / "file")
    graph = {"1": ("Number", {}), "2": ("Add", {"a": ["1", 0]}), "3": ("Add", {"a": ["2", 0]})}
    with pytest.warns(
        ApiGraphWarning, match=r"results are not kept on disk: .*file cannot be written \(.+\)$"
    ) as caught:
        result = lab.run(lab.executor(disk=cache), graph, targets=["3"])
    assert result.outputs["3"].values == {"int": 2}
    assert len(caught) == 1
    assert cache.info().entries == 0


@pytest.mark.parametrize("suffix", [".json", ".safetensors"])
def test_a_full_disk_costs_one_warning_and_leaves_nothing_that_is_trusted(lab, tmp_path, monkeypatch, suffix):
    real = os.replace

    def full(source: Any, target: Any) -> None:
        if str(target).endswith(suffix):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(source, target)

    monkeypatch.setattr(disk.os, "replace", full)
    cache = DiskCache(tmp_path / "cache")
    graph = {"1": ("Number", {}), "2": ("Fill", {"value": ["1", 0]}), "3": ("Fill", {"value": ["1", 0], "side": 2})}
    with pytest.warns(ApiGraphWarning, match=r"cannot be written \(No space left on device\)") as caught:
        lab.run(lab.executor(disk=cache), graph, targets=["2", "3"]).raise_failures()
    assert len(caught) == 1
    assert not list(cache.folder.rglob("*.part"))
    monkeypatch.undo()
    assert DiskCache(cache.folder).info().entries == 0


def test_windows_keeps_an_open_file_and_that_is_no_fault(cache, monkeypatch):
    cache.put(KEY, _everything(), STORE)

    def in_use(source: Any, target: Any) -> None:
        raise PermissionError(errno.EACCES, "in use by another process")

    monkeypatch.setattr(disk.os, "replace", in_use)
    cache.put(KEY, _everything(), STORE)
    assert not list(cache.folder.rglob("*.part"))
    assert cache.get(KEY, STORE) is not None


def test_clearing_what_cannot_be_written_says_so(cache, monkeypatch):
    cache.put(KEY, _everything(), STORE)

    class Locked:
        def __init__(self, *args: Any, **options: Any) -> None:
            raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("api_graph.executor.cache.disk.FileLock", Locked)
    with pytest.raises(ApiGraphError, match=r"cannot be written \(Permission denied\)"):
        cache.clear()


def test_clearing_while_another_process_prunes_says_so(cache, monkeypatch):
    cache.put(KEY, _everything(), STORE)
    monkeypatch.setattr("api_graph.executor.cache.disk._PATIENCE", 0.0)
    with FileLock(cache.folder / "prune.lock"), pytest.raises(ApiGraphError, match="pruned by another process"):
        cache.clear()
    assert cache.clear() == 1
