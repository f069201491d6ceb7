"""A real ComfyUI, started for the time of the tests and spoken to over HTTP, as its editor does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.comfy.packed import unpack

ROOT = Path(__file__).parents[2]
PATIENCE = 120  # seconds for a start or a graph; only a run that hangs needs them


class RealComfyUI:
    """A checkout of ComfyUI, run on the CPU in a folder of its own with this pack alone, as it is packed."""

    def __init__(self, checkout: Path, base: Path, packs: Mapping[str, str] | None = None) -> None:
        """`packs` are the `__init__.py` of other packs, by name."""
        self.base = base
        (base / "custom_nodes").mkdir(parents=True)
        for name, code in (packs or {}).items():
            (base / "custom_nodes" / name).mkdir()
            (base / "custom_nodes" / name / "__init__.py").write_text(code, "utf-8")
        unpack(base / "custom_nodes" / "api-graph")
        self.port = _free_port()
        self.log_file = base / "log.txt"
        command = [os.environ.get("API_GRAPH_COMFYUI_PYTHON", sys.executable), "main.py", "--cpu"]
        command += ["--base-directory", str(base), "--port", str(self.port), "--disable-api-nodes", "--database-url"]
        self._log = open(self.log_file, "wb")  # noqa: SIM115 - it lives as long as the process
        self.process = subprocess.Popen(
            [*command, "sqlite:///:memory:"], cwd=checkout, stdout=self._log, stderr=subprocess.STDOUT
        )

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_file.read_text("utf-8", "replace")

    def wait_until_ready(self) -> None:
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            assert self.process.poll() is None, self.log
            try:
                self.get("/system_stats")
                return
            except (urllib.error.URLError, ConnectionError):
                time.sleep(0.2)
        raise AssertionError(f"it does not answer:\n{self.log}")

    def get(self, path: str) -> Any:
        with urllib.request.urlopen(self.url + path, timeout=PATIENCE) as answer:
            return json.load(answer)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        request = urllib.request.Request(
            self.url + path, json.dumps(body).encode(), {"Content-Type": "application/json"}
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                text = answer.read()
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read().decode()) from error
        return json.loads(text) if text else None

    def submit(self, prompt: Mapping[str, Any]) -> str:
        answer = self.post("/prompt", {"prompt": prompt})
        assert answer["node_errors"] == {}
        return answer["prompt_id"]

    def finished(self, id: str) -> dict[str, Any]:
        """The history entry of a prompt, once it is there."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            history = self.get(f"/history/{id}")
            if id in history and "status" in history[id]:
                return history[id]
            time.sleep(0.05)
        raise AssertionError(f"it does not end:\n{self.log}")

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._log.close()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
