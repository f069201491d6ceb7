"""Processes that write one disk cache at once: a script of test_disk_processes.py, which forks and has one thread.

`kill FOLDER`    a writer is killed again and again in the middle of its work; a reader looks at what it left.
`share FOLDER`   several processes read, write and prune the same few keys.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
import warnings
from pathlib import Path

import torch

from api_graph.executor import DiskCache
from api_graph.executor.cache.entry import Entry
from api_graph.sockets import Mask
from api_graph.spec import node, spec_of


@node("Large", category="test", title="Large", store=True)
def large() -> Mask:
    """Something that takes a while to write."""
    raise NotImplementedError


SPEC = spec_of(large)
KEYS = [f"{i:02x}" + "0" * 62 for i in range(8)]


def entry(i: int) -> Entry:
    return Entry(([torch.full((1, 256, 256), float(i))],), {"text": [str(i)]})


def write(cache: DiskCache) -> None:
    while True:
        for i, key in enumerate(KEYS):
            cache.put(key, entry(i), SPEC)


def check(cache: DiskCache) -> int:
    """Number of entries found; each must be right."""
    found = 0
    for i, key in enumerate(KEYS):
        got = cache.get(key, SPEC)
        if got is not None:
            assert torch.equal(got.outputs[0][0], entry(i).outputs[0][0]) and got.ui == {"text": [str(i)]}
            found += 1
    return found


def kill(folder: Path) -> None:
    found = 0
    for _ in range(40):
        child = os.fork()
        if child == 0:
            write(DiskCache(folder))
        time.sleep(random.uniform(0.0, 0.03))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found += check(DiskCache(folder))
    assert found > 0
    print(len(list(folder.rglob("*.part"))), "files were half written")


def share(folder: Path) -> None:
    children = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            worker(folder, number)
            os._exit(0)
        children.append(child)
    codes = [os.waitpid(child, 0)[1] for child in children]
    assert codes == [0] * 4, codes


def worker(folder: Path, number: int) -> None:
    rng, cache = random.Random(number), DiskCache(folder, limit=5 * 256 * 256 * 4)
    try:
        for _ in range(100):
            i = rng.randrange(len(KEYS))
            cache.put(KEYS[i], entry(i), SPEC)
            check(cache)
    except BaseException as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        os._exit(1)


if __name__ == "__main__":
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    {"kill": kill, "share": share}[sys.argv[1]](Path(sys.argv[2]))
