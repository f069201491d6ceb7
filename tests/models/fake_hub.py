"""A hub on this machine: repositories with revisions, served as huggingface_hub asks for them."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Files = Mapping[str, bytes]

ROOT = Path(__file__).parents[2]
RESOLVE = re.compile(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)")
MODEL = re.compile(r"/api/models/([^/]+/[^/]+?)(?:/revision/([^/]+))?")
TREE = re.compile(r"/api/models/([^/]+/[^/]+)/tree/([^/]+)(?:/(.*))?")


@dataclass
class FakeHub:
    """Repositories by name, each with its states by commit, oldest first; `main` is the newest.

    `coming` are states that a repository takes on when somebody asks for `/move/ORG/NAME`. With another `status` than
    200 the hub answers nothing else; while it `hangs`, nothing at all. `asked` are the requests so far.
    """

    address: str
    states: dict[str, dict[str, Files]] = field(default_factory=dict)
    coming: dict[str, Files] = field(default_factory=dict)
    status: int = 200
    hangs: bool = False
    closing: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)

    def push(self, repository: str, files: Files) -> str:
        """A new state of a repository: its commit."""
        states = self.states.setdefault(repository, {})
        commit = hashlib.sha1(f"{repository} {len(states)}".encode()).hexdigest()
        states[commit] = files
        return commit

    def main(self, repository: str) -> str:
        return list(self.states[repository])[-1]

    def answer(self, path: str) -> tuple[int, bytes, dict[str, str]]:
        """Status, body and headers for a request."""
        if found := re.fullmatch(r"/move/(.+)", path):
            self.push(found[1], self.coming.pop(found[1]))
            return 200, b"", {}
        found = RESOLVE.fullmatch(path) or TREE.fullmatch(path) or MODEL.fullmatch(path)
        states = self.states.get(found[1]) if found else None
        if found is None or states is None:
            return 404, b"", {"X-Error-Code": "RepoNotFound"}
        commit = list(states)[-1] if found[2] in (None, "main") else found[2]
        if commit not in states:
            return 404, b"", {"X-Error-Code": "RevisionNotFound"}
        files, headers = states[commit], {"X-Repo-Commit": commit}
        if found.re is MODEL:
            siblings = [{"rfilename": name} for name in files]
            return 200, json.dumps({"id": found[1], "sha": commit, "siblings": siblings}).encode(), headers
        if found.re is TREE:
            tree = [{"type": "file", "path": n, "size": len(c), "oid": _sha1(c)} for n, c in files.items()]
            return (404, b"", headers | {"X-Error-Code": "EntryNotFound"}) if found[3] else (200, _json(tree), headers)
        if found[3] not in files:
            return 404, b"", headers | {"X-Error-Code": "EntryNotFound"}
        content = files[found[3]]
        return 200, content, headers | {"ETag": f'"{_sha1(content)}"'}


@contextmanager
def fake_hub() -> Iterator[FakeHub]:
    """A hub that answers on a port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            hub.asked.append(f"{self.command} {path}")
            if hub.hangs:
                hub.closing.wait()
                return
            status, body, headers = hub.answer(path) if hub.status == 200 else (hub.status, b"", {})
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub = FakeHub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield hub
    finally:
        hub.closing.set()
        server.shutdown()
        thread.join()
        server.server_close()


def in_process(
    code: str, cache: Path, hub: FakeHub | None = None, arguments: Sequence[str] = (), **environment: str
) -> Any:
    """What `code` prints last, as JSON, in a process with this Hugging Face cache; without a hub, nobody answers."""
    with started(code, cache, hub, arguments, **environment) as process:
        said, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    return json.loads(said.splitlines()[-1])


def started(
    code: str, cache: Path, hub: FakeHub | None = None, arguments: Sequence[str] = (), **environment: str
) -> subprocess.Popen[str]:
    """The process of `in_process`, while it runs."""
    inherited = {n: v for n, v in os.environ.items() if not n.startswith("HF_") and "proxy" not in n.lower()}
    own = {
        "HF_ENDPOINT": hub.address if hub else "http://127.0.0.1:9",
        "HF_HOME": str(cache),
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    }
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        env={**inherited, **own, **environment},
        cwd=cache,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _json(value: object) -> bytes:
    return json.dumps(value).encode()


def _sha1(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()
