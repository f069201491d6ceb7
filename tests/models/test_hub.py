"""Which revision of a repository on the hub is meant: asked once, noted, and known without a network."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.models.fake_hub import FakeHub, fake_hub, in_process, started

REPOSITORY = "some/model"
ASK = "import json; from api_graph.models.hub import revision_of; print(json.dumps(revision_of('some/model')))"


@pytest.fixture
def hub() -> Iterator[FakeHub]:
    with fake_hub() as hub:
        yield hub


def reference(cache: Path) -> Path:
    """Where the Hugging Face cache notes which commit `main` is."""
    return cache / "hub" / "models--some--model" / "refs" / "main"


def note(cache: Path, text: str) -> None:
    reference(cache).parent.mkdir(parents=True)
    reference(cache).write_text(text)


def test_the_hub_is_asked_once_and_its_answer_noted(hub: FakeHub, tmp_path: Path) -> None:
    first = hub.push(REPOSITORY, {})
    hub.coming[REPOSITORY] = {}
    code = f"""
import json, threading, urllib.request
from api_graph.models.hub import revision_key, revision_of
found = []
threads = [threading.Thread(target=lambda: found.append(revision_of("{REPOSITORY}"))) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
urllib.request.urlopen("{hub.address}/move/{REPOSITORY}").close()
print(json.dumps([*found, revision_of("{REPOSITORY}"), revision_key("{REPOSITORY}")]))
"""
    assert in_process(code, tmp_path, hub) == [first] * 10
    assert [request for request in hub.asked if "/move/" not in request] == [f"GET /api/models/{REPOSITORY}"]
    assert reference(tmp_path).read_text() == first


def test_a_later_process_sees_that_a_repository_has_moved(hub: FakeHub, tmp_path: Path) -> None:
    first = hub.push(REPOSITORY, {})
    assert in_process(ASK, tmp_path, hub) == first
    second = hub.push(REPOSITORY, {})
    assert first != second and in_process(ASK, tmp_path, hub) == second
    assert reference(tmp_path).read_text() == second


@pytest.mark.parametrize("offline", [{"HF_HUB_OFFLINE": "1"}, {}], ids=["offline", "no network"])
def test_without_the_hub_the_cache_says_it(hub: FakeHub, tmp_path: Path, offline: dict[str, str]) -> None:
    assert in_process(ASK, tmp_path, **offline) is None
    assert not reference(tmp_path).exists()
    commit = hub.push(REPOSITORY, {})
    assert in_process(ASK, tmp_path, hub) == commit
    assert in_process(ASK, tmp_path, **offline) == commit


def test_offline_the_hub_is_not_asked(hub: FakeHub, tmp_path: Path) -> None:
    note(tmp_path, "0" * 40)
    hub.push(REPOSITORY, {})
    assert in_process(ASK, tmp_path, hub, HF_HUB_OFFLINE="1") == "0" * 40
    assert hub.asked == []


@pytest.mark.parametrize("status", [401, 403, 404, 500, 503])
def test_where_the_hub_says_no_the_cache_counts(hub: FakeHub, tmp_path: Path, status: int) -> None:
    hub.push(REPOSITORY, {})
    hub.status = status
    assert in_process(ASK, tmp_path, hub) is None
    note(tmp_path, "0" * 40 + "\n")
    assert in_process(ASK, tmp_path, hub) == "0" * 40


def test_a_hub_that_hangs_is_not_waited_for(hub: FakeHub, tmp_path: Path) -> None:
    note(tmp_path, "0" * 40)
    hub.hangs = True
    code = f"import time; start = time.monotonic(); {ASK}; assert time.monotonic() - start < 9"
    assert in_process(code, tmp_path, hub) == "0" * 40


@pytest.mark.parametrize("damage", [b"", b"\n", b"\xff\xfe"])
def test_a_damaged_note_says_nothing(hub: FakeHub, tmp_path: Path, damage: bytes) -> None:
    note(tmp_path, "")
    reference(tmp_path).write_bytes(damage)
    assert in_process(ASK, tmp_path, HF_HUB_OFFLINE="1") is None
    commit = hub.push(REPOSITORY, {})
    assert in_process(ASK, tmp_path, hub) == commit


def test_a_cache_that_cannot_be_written_is_no_obstacle(hub: FakeHub, tmp_path: Path) -> None:
    commit = hub.push(REPOSITORY, {})
    (tmp_path / "hub").touch()  # a file where the cache's folder should be
    assert in_process(ASK, tmp_path, hub) == commit


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the script forks")
def test_an_unknown_revision_is_equal_to_no_other(tmp_path: Path) -> None:
    code = """
import json, os
from api_graph.models.hub import revision_key
here = [revision_key("some/model"), revision_key("some/model")]
into, out = os.pipe()
if os.fork() == 0:
    os.write(out, revision_key("some/model").encode())
    os._exit(0)
os.wait()
print(json.dumps([*here, os.read(into, 1000).decode()]))
"""
    first = in_process(code, tmp_path, HF_HUB_OFFLINE="1")
    second = in_process(code, tmp_path, HF_HUB_OFFLINE="1")
    assert first[0] == first[1] and len({*first, *second}) == 4


def test_processes_that_start_together_agree(hub: FakeHub, tmp_path: Path) -> None:
    commit = hub.push(REPOSITORY, {})
    processes = [started(ASK, tmp_path, hub) for _ in range(4)]
    assert [json.loads(process.communicate(timeout=300)[0]) for process in processes] == [commit] * 4
    assert [path.name for path in reference(tmp_path).parent.iterdir()] == ["main"]


def test_an_answer_stands_though_the_hub_was_silent_before(hub: FakeHub, tmp_path: Path) -> None:
    """In an editor that stays open, a network may come back."""
    commit = hub.push(REPOSITORY, {})
    code = f"""
import json
from huggingface_hub import constants
from api_graph.models.hub import revision_of
constants.HF_HUB_OFFLINE = True
found = [revision_of("{REPOSITORY}")]
constants.HF_HUB_OFFLINE = False
found += [revision_of("{REPOSITORY}")]
print(json.dumps(found))
"""
    assert in_process(code, tmp_path, hub) == [None, commit]
