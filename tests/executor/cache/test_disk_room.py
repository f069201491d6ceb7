"""The disk cache's limit, and several writers in one folder."""

from __future__ import annotations

import os
import time
from pathlib import Path

import torch

from api_graph.executor import DiskCache
from api_graph.executor.cache import disk
from api_graph.executor.cache.entry import Entry
from api_graph.sockets import Mask
from api_graph.spec import node, spec_of

KEYS = [f"{i:02x}" + "0" * 62 for i in range(10)]
KEY = KEYS[0]


@node("OneMask", category="test", title="One mask", store=True)
def one_mask() -> Mask:
    """A mask."""
    raise NotImplementedError


SPEC = spec_of(one_mask)


def _filled(cache: DiskCache, keys: list[str], side: int = 16) -> None:
    """One entry per key, each read a second after the one before it."""
    for age, key in enumerate(reversed(keys)):
        cache.put(key, _map(side), SPEC)
        when = time.time() - age - 1
        os.utime(cache.folder / key[:2] / f"{key}.json", (when, when))


def _map(side: int) -> Entry:
    return Entry(([torch.zeros(1, side, side)],))


def test_prune_removes_what_was_not_read_for_longest(cache):
    _filled(cache, KEYS)
    size = cache.info().bytes // 10
    assert cache.get(KEYS[0], SPEC) is not None  # the oldest, read just now
    assert cache.prune(3 * size) == 7
    assert {k for k in KEYS if cache.get(k, SPEC)} == {KEYS[0], *KEYS[-2:]}
    assert cache.info().entries == 3


def test_clear_removes_all_and_says_how_many(cache):
    _filled(cache, KEYS)
    assert cache.clear() == 10
    assert cache.info()[1:3] == (0, 0)
    assert [p.name for p in cache.folder.rglob("*") if p.is_file()] in ([], ["prune.lock"])


def test_the_limit_is_kept_while_writing(tmp_path):
    probe = DiskCache(tmp_path / "probe")
    _filled(probe, KEYS[:1])
    size = probe.info().bytes
    cache = DiskCache(tmp_path / "cache", limit=20 * size)
    for i in range(200):
        cache.put(f"{i % 256:02x}{i:062x}", _map(16), SPEC)
        assert cache.info().bytes <= 22 * size  # it looks at the total after every 20th of the limit
    assert cache.info().entries >= 16


def test_an_entry_larger_than_the_limit_is_not_written(tmp_path):
    cache = DiskCache(tmp_path / "cache", limit=1000)
    cache.put(KEY, _map(32), SPEC)
    assert cache.info().bytes == 0
    nothing = DiskCache(tmp_path / "none", limit=0)
    nothing.put(KEY, _map(1), SPEC)
    assert not nothing.folder.exists()


def test_what_killed_processes_left_is_swept_once_it_is_old(cache):
    _filled(cache, KEYS[:1])
    folder = cache.folder / "ff"
    orphan, part = folder / f"{'f' * 64}.0.safetensors", folder / f".{'a' * 32}.part"
    orphan.parent.mkdir()
    for path in (orphan, part):
        path.write_bytes(b"x" * 100)
    cache.prune(10**9)
    assert orphan.exists() and part.exists()  # somebody may be about to write the sidecar
    for path in (orphan, part):
        os.utime(path, (1, 1))
    cache.prune(10**9)
    assert not orphan.exists() and not part.exists()
    assert cache.info().entries == 1


def test_what_is_not_the_cache_s_own_is_let_alone(cache):
    _filled(cache, KEYS[:1])
    others = [cache.folder / "db" / "settings.json", cache.folder / "ff" / "notes.txt", cache.folder / "readme.md"]
    for path in others:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("mine")
        os.utime(path, (1, 1))
    cache.clear()
    assert all(path.exists() for path in others)
    assert cache.info().entries == 0


def test_two_writers_of_one_key_do_not_mix_their_files(cache, monkeypatch):
    """As on a GPU, where two runs may differ in the last bits: the tensors of one, then the sidecar of the other."""
    ones, zeros = Entry(([torch.ones(1, 2, 2)],)), Entry(([torch.zeros(1, 2, 2)],))
    real = disk.write_whole

    def interrupted(path: Path, data: bytes) -> None:
        if path.suffix == ".json":
            monkeypatch.setattr("api_graph.executor.cache.disk.write_whole", real)
            DiskCache(cache.folder).put(KEY, zeros, SPEC)
        real(path, data)

    monkeypatch.setattr("api_graph.executor.cache.disk.write_whole", interrupted)
    cache.put(KEY, ones, SPEC)
    found = cache.get(KEY, SPEC)
    assert found is not None and torch.equal(found.outputs[0][0], torch.ones(1, 2, 2))
    cache.clear()
    assert cache.info()[1:3] == (0, 0)
