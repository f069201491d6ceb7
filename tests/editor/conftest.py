"""The editor's real server in a thread."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from api_graph.editor import server as server_module
from api_graph.editor.server import EditorServer, Options
from api_graph.registry import all_nodes, registry_of
from tests.editor.lab import GATE, RAN, Client, Page, echo, eventually, fail, wait


@pytest.fixture(scope="session")
def frontend(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page that stands for the official one."""
    folder = tmp_path_factory.mktemp("frontend")
    (folder / "index.html").write_text("<!doctype html><title>page</title>")
    (folder / "assets").mkdir()
    (folder / "assets" / "index-1a2b.js").write_text("export default 1;")
    (folder / "notes.exe").write_text("not for browsers")
    return folder


@pytest.fixture(scope="session")
def served(frontend: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[EditorServer]:
    """One server for all tests; its nodes are all there are, and the test's own."""
    with serving(frontend, tmp_path_factory.mktemp("workspace")) as server:
        yield server


@contextmanager
def serving(frontend: Path, folder: Path) -> Iterator[EditorServer]:
    """A server that keeps what it is given in `folder`."""
    registry = {**all_nodes(), **registry_of([echo, wait, fail])}
    server = EditorServer(Options(folder, port=0, cache=folder / "cache"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("api_graph.editor.engine.all_nodes", lambda: registry)
        patch.setattr(server_module, "frontend_folder", lambda: frontend)
        with ExitStack() as opened:
            opened.enter_context(server)
            Client(server).get("/object_info")  # the engine is there, and the patches have done their work
            running = opened.pop_all()
    with running:
        yield server
        GATE.set()


@pytest.fixture
def client(served: EditorServer) -> Iterator[Client]:
    """The server with nothing in its queue, and nothing in memory."""
    client = Client(served)
    client.post("/free", {"free_memory": True})
    GATE.set()
    RAN.clear()
    yield client
    client.post("/queue", {"clear": True})
    GATE.set()
    eventually(lambda: client.get("/prompt").json["exec_info"]["queue_remaining"] == 0)
    client.post("/history", {"clear": True})


@pytest.fixture
def folder(served: EditorServer) -> Path:
    """The server's workspace."""
    return served.options.folder


@pytest.fixture
def page(client: Client, served: EditorServer) -> Iterator[Page]:
    with Page(served) as page:
        yield page


@pytest.fixture
def open_page(served: EditorServer) -> Callable[..., Page]:
    return lambda id="": Page(served, id)


@pytest.fixture
def gate(client: Client) -> Iterator[threading.Event]:
    """The gate, shut."""
    GATE.clear()
    yield GATE
    GATE.set()
