"""A model whose answers are known: a real server on loopback, behind a profile of endpoints.toml."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from tests.lvlm.remote.server import Handler, Server, completion, running


def asked_text(body: Mapping[str, Any]) -> str:
    """The text of a request's last message."""
    content = body["messages"][-1]["content"]
    return content if isinstance(content, str) else "".join(p["text"] for p in content if p["type"] == "text")


def answering(answer: Callable[[str], Any]) -> Handler:
    """Answer each request by its text; an int is an HTTP status, a dict the fields of a completion's choice."""

    async def reply(request: web.Request) -> web.Response:
        said = answer(asked_text(json.loads(await request.read())))
        if isinstance(said, int):
            return web.Response(status=said, text=json.dumps({"error": {"message": "no"}}))
        more = said if isinstance(said, dict) else {}
        return web.json_response(completion("" if more else said, **more))

    return reply


@contextmanager
def profiles(path: Path, **more: Any) -> Iterator[dict[str, Server]]:
    """Servers "stub" and "judge" with profiles of these names in a file of their own."""
    settings = "".join(f"{name} = {json.dumps(value)}\n" for name, value in {"retries": 0, **more}.items())
    with running() as stub, running() as judge, pytest.MonkeyPatch.context() as patch:
        servers = {"stub": stub, "judge": judge}
        path.write_text(
            "".join(f'[{n}]\nbase_url = "{s.url}"\nmodels = ["m"]\n{settings}\n' for n, s in servers.items())
        )
        patch.setenv("API_GRAPH_ENDPOINTS", str(path))
        yield servers
