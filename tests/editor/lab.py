"""Asking the editor's server as a browser would; and nodes that wait, fail and tell that they ran."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any, NamedTuple
from urllib.parse import urlencode
from uuid import uuid4

import aiohttp

from api_graph.context import Context
from api_graph.editor.server import EditorServer
from api_graph.errors import BadInput
from api_graph.spec import node

Prompt = dict[str, Any]
Messages = list[tuple[str, dict[str, Any]]]

GATE = threading.Event()
"""Held shut, it keeps the node TWait running."""

RAN: list[str] = []
"""What TEcho was asked to echo, each time that it really ran."""


@node("TEcho", category="test", title="Echo")
def echo(text: str) -> str:
    """A text, and a note that it ran."""
    RAN.append(text)
    return text


@node("TWait", category="test", title="Wait")
def wait(context: Context, text: str = "") -> str:
    """Wait for the gate, and look whether to stop."""
    RAN.append("wait")
    done = 0
    while not GATE.wait(0.01):
        done = min(done + 1, 99)
        context.progress(done, 100)
    return text


@node("TFail", category="test", title="Fail")
def fail(text: str, crash: bool = False) -> str:
    """Fail, in one of two ways."""
    if crash:
        raise ZeroDivisionError("by zero")
    raise BadInput("is no good", input="text", value=text, hint="Give another.")


class Answer(NamedTuple):
    """What the server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Client:
    """Asks the server one thing at a time, over a connection of its own."""

    def __init__(self, server: EditorServer) -> None:
        self.server = server

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        """`headers` are written with `_` for `-`."""
        connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        try:
            connection.request(method, path, data, {name.replace("_", "-"): v for name, v in headers.items()})
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read())
        finally:
            connection.close()

    def get(self, path: str, **query: str) -> Answer:
        return self.ask("GET", path + (f"?{urlencode(query)}" if query else ""))

    def post(self, path: str, body: Any = None, **headers: str) -> Answer:
        return self.ask("POST", path, body, **headers)

    def upload(self, path: str, name: str, data: bytes, **fields: str) -> Answer:
        """A form as a browser sends it."""
        mark = "0123456789"
        parts = [f'--{mark}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'.encode() + data]
        parts += [
            f'--{mark}\r\nContent-Disposition: form-data; name="{field}"\r\n\r\n{value}'.encode()
            for field, value in fields.items()
        ]
        body = b"\r\n".join(parts) + f"\r\n--{mark}--\r\n".encode()
        return self.post(path, body, Content_Type=f"multipart/form-data; boundary={mark}")

    def send(self, prompt: Prompt, **more: Any) -> Answer:
        return self.post("/api/prompt", {"prompt": prompt, **more})

    def done(self, id: str) -> dict[str, Any]:
        """The history's entry of a prompt, once it is over."""
        return eventually(lambda: self.get(f"/api/history/{id}").json.get(id))

    def run(self, prompt: Prompt, **more: Any) -> dict[str, Any]:
        answer = self.send(prompt, **more)
        assert answer.status == 200, answer.body
        return self.done(answer.json["prompt_id"])


class Page:
    """An open page: its socket, and all that it was told."""

    def __init__(self, server: EditorServer, id: str = "") -> None:
        self.id = id or uuid4().hex
        self.messages: Messages = []
        self._url = f"http://127.0.0.1:{server.port}/ws?clientId={self.id}"
        self._opened: Future[None] = Future()
        self._leave = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._listen()))

    async def _listen(self) -> None:
        async with aiohttp.ClientSession() as session, session.ws_connect(self._url) as socket:
            await socket.send_json({"type": "feature_flags", "data": {}})
            self._opened.set_result(None)
            while not self._leave.is_set() and not socket.closed:
                try:
                    message = await socket.receive(timeout=0.05)
                except asyncio.TimeoutError:
                    continue
                if message.type == aiohttp.WSMsgType.TEXT:
                    told = json.loads(message.data)
                    self.messages.append((told["type"], told["data"]))

    def __enter__(self) -> Page:
        self._thread.start()
        self._opened.result(10)
        self.wait_for("feature_flags")
        return self

    def __exit__(self, *details: object) -> None:
        self._leave.set()
        self._thread.join()

    def wait_for(self, type: str, **data: Any) -> dict[str, Any]:
        """The first message of this type that says all this, once it has come."""
        return eventually(
            lambda: next((d for t, d in list(self.messages) if t == type and data.items() <= d.items()), None)
        )

    def of(self, prompt_id: str) -> Messages:
        """What was told of one prompt, once it is over."""
        self.wait_for("executing", node=None, prompt_id=prompt_id)
        return [(type, data) for type, data in self.messages if data.get("prompt_id") == prompt_id]


def eventually(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What `look` sees, once it sees something."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        seen = look()
        if seen:
            return seen
        time.sleep(0.01)
    raise AssertionError("it did not come")


def nodes(**kinds: tuple[str, Mapping[str, Any]]) -> Prompt:
    """`nodes(a=("TEcho", {"text": "x"}))`: a prompt."""
    return {id: {"class_type": kind, "inputs": dict(inputs)} for id, (kind, inputs) in kinds.items()}
