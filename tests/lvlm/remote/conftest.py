"""Fixtures of the endpoint tests: servers on loopback, profiles of their own, no real waiting between tries."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from api_graph.lvlm.remote import Endpoint, ask
from api_graph.lvlm.remote.profile import read_profile
from tests.lvlm.remote.server import Server, running

KEY = "Zx9-quite.Secret_Key42"


@pytest.fixture(autouse=True)
def own_profiles(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nobody's real profiles are read. Gives the file's path; it holds none."""
    path = tmp_path / "endpoints.toml"
    path.write_text("")
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(path))
    monkeypatch.setenv("TEST_KEY", KEY)
    return path


@pytest.fixture
def server() -> Iterator[Server]:
    with running() as started:
        yield started


@pytest.fixture
def other_server() -> Iterator[Server]:
    with running() as started:
        yield started


@pytest.fixture
def endpoint(server: Server) -> Callable[..., Endpoint]:
    """`endpoint(retries=1)`: the model "m" behind `server`, with a key."""

    def make(**fields: Any) -> Endpoint:
        known = {"base_url": server.url, "models": ["m"], "key_env": "TEST_KEY", **fields}
        return Endpoint(read_profile("local", known, "test"), "m")

    return make


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between tries, which are noted and left out."""
    noted: list[float] = []

    async def note(seconds: float) -> None:
        noted.append(seconds)

    monkeypatch.setattr(ask, "sleep", note)
    return noted
