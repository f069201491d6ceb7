"""Pages that come, go, come again, or do not listen."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from api_graph.editor import limits
from tests.editor.lab import Client, Page, eventually, nodes

WAITING = nodes(
    a=("TEcho", {"text": "early"}),
    s=("APShowText", {"value": ["a", 0]}),
    w=("TWait", {"text": ["a", 0]}),
    b=("APShowText", {"value": ["w", 0]}),
)


def test_the_first_message_names_the_page(page: Page) -> None:
    assert page.messages[0] == ("status", {"status": {"exec_info": {"queue_remaining": 0}}, "sid": page.id})
    assert page.wait_for("feature_flags")["max_upload_size"] == limits.LARGEST_UPLOAD


def test_a_page_without_an_id_gets_one(client: Client, served: object) -> None:
    page = Page(client.server)
    page._url = page._url.partition("?")[0]
    with page:
        assert len(page.wait_for("status")["sid"]) == 32


def test_a_page_that_is_reloaded_goes_on(client: Client, open_page: Callable[..., Page], gate: threading.Event) -> None:
    with open_page("reloaded") as before:
        id = client.send(WAITING, client_id="reloaded").json["prompt_id"]
        before.wait_for("progress", prompt_id=id)
        before.wait_for("executed", node="s")
    with open_page("reloaded") as after:
        after.wait_for("execution_start", prompt_id=id)
        assert after.wait_for("executed", node="s")["output"] == {"text": ["early"]}
        assert after.wait_for("executing", prompt_id=id)["node"] == "w"
        states = after.wait_for("progress_state", prompt_id=id)["nodes"]
        assert (states["a"]["state"], states["w"]["state"]) == ("finished", "running")
        gate.set()
        assert after.wait_for("executed", node="b")["output"] == {"text": ["early"]}
        told = after.of(id)
        # Again at the end: the first time the page may not have had its nodes yet.
        assert [data["node"] for type, data in told if type == "executed"] == ["s", "b", "s", "b"]
        assert [type for type, _ in told][-2:] == ["execution_success", "executing"]


def test_another_page_hears_only_of_the_queue(
    client: Client, open_page: Callable[..., Page], gate: threading.Event
) -> None:
    with open_page() as mine:
        id = client.send(WAITING, client_id=mine.id).json["prompt_id"]
        mine.wait_for("progress", prompt_id=id)
        with open_page() as other:
            gate.set()
            mine.of(id)
            client.done(id)
            eventually(lambda: other.messages[-1] == ("status", {"status": {"exec_info": {"queue_remaining": 0}}}))
            assert {type for type, _ in other.messages} == {"status", "feature_flags"}


def test_the_same_page_twice(client: Client, open_page: Callable[..., Page]) -> None:
    """As a duplicated tab does it: the later one is served."""
    with open_page("twin") as first, open_page("twin") as second:
        id = client.send(WAITING, client_id="twin").json["prompt_id"]
        second.of(id)
        assert not [type for type, _ in first.messages if type == "executed"]


def test_too_many_pages(open_page: Callable[..., Page], monkeypatch: pytest.MonkeyPatch, client: Client) -> None:
    monkeypatch.setattr(limits, "MOST_SOCKETS", 1)
    with open_page():
        late = open_page()
        late._thread.start()
        late._thread.join(10)
        assert not late._thread.is_alive()
        assert late.messages == []


def test_nonsense_from_a_page_is_ignored(client: Client, page: Page, open_page: Callable[..., Page]) -> None:
    import asyncio

    import aiohttp

    async def talk() -> str:
        url = f"http://127.0.0.1:{client.server.port}/ws?clientId=odd"
        async with aiohttp.ClientSession() as session, session.ws_connect(url) as socket:
            for text in ("", "{", "[]", "[" * 10_000, '{"type": 3}', '{"type": "feature_flags"}'):
                await socket.send_str(text)
            await socket.send_bytes(b"\0\1")
            told = [(await socket.receive_json(timeout=10))["type"] for _ in range(2)]
            return " ".join(told)

    assert asyncio.run(talk()) == "status feature_flags"
