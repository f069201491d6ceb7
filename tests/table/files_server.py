"""A server of files on loopback that tells their ETags, and does as a test says: it fails, or redirects."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Reply = tuple[int, dict[str, str], bytes]


@dataclass
class FilesServer:
    """`files` by their paths; `instead` has what is to be said of a path once each, before the file is given.

    `seen` counts requests by method and path, `most_at_once` is how many were under way at a time.
    """

    port: int = 0
    files: dict[str, bytes] = field(default_factory=dict)
    instead: dict[str, list[Reply]] = field(default_factory=dict)
    seen: Counter[tuple[str, str]] = field(default_factory=Counter)
    headers: list[dict[str, str]] = field(default_factory=list)
    tells_version: bool = True
    knows_head: bool = True
    tells_size: bool = True
    wait: Callable[[], object] = lambda: None
    at_once: int = 0
    most_at_once: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    def reply(self, method: str, path: str) -> Reply:
        waiting = self.instead.get(path)
        if waiting:
            return waiting.pop(0)
        if method == "HEAD" and not self.knows_head:
            return 405, {}, b""
        content = self.files.get(path.partition("?")[0])
        if content is None:
            return 404, {}, b"no"
        etag = {"ETag": f'"{hashlib.md5(content).hexdigest()}"'} if self.tells_version else {}
        return 200, etag, content


@contextmanager
def files_served() -> Iterator[FilesServer]:
    server = FilesServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            with server.lock:
                server.at_once += 1
                server.most_at_once = max(server.most_at_once, server.at_once)
                server.seen[self.command, self.path] += 1
                server.headers.append(dict(self.headers))
                status, headers, body = server.reply(self.command, self.path)
            server.wait()
            with server.lock:  # before the reply is whole: then its client may ask for more
                server.at_once -= 1
            with suppress(OSError):  # the client has gone
                self.say(status, headers, body)

        def say(self, status: int, headers: dict[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if server.tells_size:
                self.send_header("Content-Length", headers.get("X-Says", str(len(body))))
            else:
                self.send_header("Connection", "close")
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)
            if "X-Says" in headers or not server.tells_size:
                self.close_connection = True

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        http.daemon_threads = True
        server.port = http.server_address[1]
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()
