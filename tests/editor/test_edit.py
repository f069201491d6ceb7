"""`api-graph edit`: as a process, and what it answers when it cannot start."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from api_graph.cli.app import app
from api_graph.editor import frontend as frontend_module
from api_graph.editor.frontend import frontend_folder
from api_graph.errors import BadInput

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder to import from, with a frontend package in it."""
    static = tmp_path / "site" / "comfyui_frontend_package" / "static"
    static.mkdir(parents=True)
    (static.parent / "__init__.py").touch()
    (static / "index.html").write_text("<title>page</title>")
    return tmp_path / "site"


@pytest.fixture
def process(site: Path, tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The editor, started in an empty folder."""
    path = os.pathsep.join([str(ROOT), str(site)])
    environment = {**os.environ, "PYTHONPATH": path, "API_GRAPH_CACHE": str(tmp_path / "cache"), "OMP_NUM_THREADS": "1"}
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:  # a shell's background job hands that on to its children
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    command = [sys.executable, "-m", "api_graph", "edit", "--no-browser", "--port", "0"]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    running = subprocess.Popen(command, cwd=tmp_path, env=environment, **streams)  # type: ignore[call-overload]
    signal.signal(signal.SIGINT, before)
    yield running
    running.kill()
    running.communicate()


def address(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    found = re.fullmatch(r"The editor is at (http://127\.0\.0\.1:\d+/)\n", process.stdout.readline())
    assert found
    return found[1]


@posix
def test_it_serves_until_it_is_interrupted(process: subprocess.Popen[str], tmp_path: Path) -> None:
    url = address(process)
    with urllib.request.urlopen(url) as page:  # before torch is there
        assert page.read() == b"<title>page</title>"
    with urllib.request.urlopen(f"{url}api/object_info/APText") as answer:
        assert json.load(answer)["APText"]["display_name"] == "Shared text"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert err.splitlines()[-1] == "api-graph: interrupted"
    assert "Traceback" not in err
    assert sorted(path.name for path in (tmp_path / "api-graph").iterdir()) == ["input", "output", "user", "workflows"]


@posix
def test_it_can_be_interrupted_while_torch_is_loaded(process: subprocess.Popen[str]) -> None:
    address(process)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=30)
    assert (process.returncode, err.splitlines()[-1]) == (143, "api-graph: terminated")


@posix
def test_a_run_in_the_middle_is_cancelled(process: subprocess.Popen[str]) -> None:
    url = address(process)
    prompt = json.loads((ROOT / "graphs" / "api_clip_cls.json").read_text("utf-8"))
    request = urllib.request.Request(f"{url}prompt", json.dumps({"prompt": prompt}).encode())
    assert urllib.request.urlopen(request).status == 200
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in err


def edit(*words: str) -> tuple[int, str]:
    answer = CliRunner().invoke(app, ["edit", "--no-browser", *words])
    return answer.exit_code, answer.stderr.strip()


@pytest.fixture
def own_frontend(site: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    folder = site / "comfyui_frontend_package" / "static"
    monkeypatch.setattr("api_graph.editor.server.frontend_folder", lambda: folder)


def test_a_port_that_is_taken(own_frontend: None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        code, said = edit("--port", port)
    assert code == 2
    assert said == (
        f"error: --port: the port is in use (got {port}). Is the editor open already? --port 0 takes any free one."
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--folder", "file"], "--folder: is a file, where a folder is wanted"),
        (["--input", "gone"], "--input: there is no such folder (got 'gone')"),
        (["--models", "gone"], "--models: there is no such folder (got 'gone')"),
        (["--out", "file"], "--out: is a file, where a folder is wanted"),
        (["--host", "no such host"], "--host: it cannot be listened to"),
        (["--port", "99999"], "Invalid value for '--port'"),
    ],
)
def test_what_cannot_be_had_is_one_line(own_frontend: None, tmp_path: Path, words: list[str], said: str) -> None:
    (tmp_path / "file").touch()
    code, line = edit("--port", "0", *words)
    assert code == 2
    assert said in line
    assert "Traceback" not in line


def test_without_the_frontend(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(frontend_module, "find_spec", lambda name: None)
    code, said = edit("--port", "0")
    assert code == 2
    assert "the editor's frontend is not installed" in said
    assert said.endswith("Install it with: pip install 'api-graph[editor]'")


def test_the_frontend_is_found_where_it_is_installed(site: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(site)
    assert frontend_folder() == site / "comfyui_frontend_package" / "static"
    (site / "comfyui_frontend_package" / "static" / "index.html").unlink()
    with pytest.raises(BadInput, match="not installed"):
        frontend_folder()
