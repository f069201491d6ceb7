"""What goes wrong on the way: what is tried again, after how long, and what is said in the end."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from api_graph.lvlm.remote import Endpoint, EndpointError, ask_endpoint, client
from api_graph.lvlm.remote.ask import pause_after
from api_graph.lvlm.request import Answer, Request, Sampling
from tests.lvlm.remote.server import Handler, Server, after, completion, cut, drip, raw, says, status

Make = Callable[..., Endpoint]


def ask(endpoint: Endpoint) -> Answer | Exception:
    (answer,) = ask_endpoint(endpoint, [Request("What?")], Sampling())
    return answer


def failure(endpoint: Endpoint) -> EndpointError:
    answer = ask(endpoint)
    assert isinstance(answer, EndpointError), answer
    return answer


# ------------------------------------------------------------------------------------------ tried again


@pytest.mark.parametrize("code", [408, 409, 429, 500, 502, 503, 529])
def test_passing_errors_are_tried_again(server: Server, endpoint: Make, code: int) -> None:
    server.replies = [status(code), status(code), says("red")]
    answer = ask(endpoint())
    assert isinstance(answer, Answer) and answer.text == "red"
    assert len(server.seen) == 3


@pytest.mark.parametrize("reply", [cut(), cut(after_bytes=10)], ids=["before a reply", "within a body"])
def test_a_cut_connection_is_tried_again(server: Server, endpoint: Make, reply: Handler) -> None:
    server.replies = [reply, says("red")]
    answer = ask(endpoint())
    assert isinstance(answer, Answer) and answer.text == "red"
    server.replies = [reply]
    assert str(failure(endpoint(retries=1))) == (
        "endpoint local: the connection broke off. Look into the server's log."
    )
    assert len(server.seen) == 4


@pytest.mark.parametrize("reply", [after(1, says("late")), drip(0.01)], ids=["silence", "drip"])
def test_a_timeout(server: Server, endpoint: Make, reply: Handler) -> None:
    server.replies = [reply]
    error = failure(endpoint(timeout_s=0.2, retries=1))
    assert error.problem == "no reply within 0.2 s" and error.kind == "passing"
    assert len(server.seen) == 2


def test_no_server(endpoint: Make, pauses: list[float]) -> None:
    with socket.socket() as taken:  # bound, but nobody listens
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        error = failure(endpoint(base_url=f"http://127.0.0.1:{port}/v1", retries=2))
    assert error.problem.startswith("cannot connect (") and str(port) not in str(error)
    assert error.__context__ is None  # aiohttp's own error has the request's headers
    assert len(pauses) == 2


def test_an_unknown_name(endpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    async def look_up(host: str, port: int, family: int) -> list[tuple[int, str]]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(client, "look_up", look_up)
    error = failure(endpoint(base_url="https://nowhere.example/v1", retries=0))
    assert error.problem == "the host's name is not known"


def test_no_tls_where_it_is_wanted(server: Server, endpoint: Make) -> None:
    error = failure(endpoint(base_url=server.url.replace("http:", "https:"), retries=3))
    assert error.kind == "setup" and "no secure connection" in error.problem and server.seen == []


def test_the_pauses_double_up_to_eight_seconds(server: Server, endpoint: Make, pauses: list[float]) -> None:
    server.replies = [status(503)]
    failure(endpoint(retries=6))
    assert len(server.seen) == 7
    for pause, longest in zip(pauses, [0.5, 1, 2, 4, 8, 8], strict=True):
        assert 0.75 * longest <= pause <= longest


def test_retry_after_is_honoured(server: Server, endpoint: Make, pauses: list[float]) -> None:
    """Seconds, a date, more than we wait, less than nothing, and what is none."""
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=60), usegmt=True)
    for asked in ("7", soon, "9999", "-5", "nan", "soon"):
        server.replies = [status(429, Retry_After=asked), says("red")]
        assert isinstance(ask(endpoint()), Answer)
    assert pauses[0] == 7 and 50 < pauses[1] <= 60 and pauses[2] == 120
    assert all(0.375 <= pause <= 0.5 for pause in pauses[3:])


# ------------------------------------------------------------------------------------------ not tried again

HINTS = {
    400: "`token_field`",
    401: "Check the key in $TEST_KEY.",
    403: "$TEST_KEY",
    404: "`base_url`",
    405: "/v1",
    413: "Send smaller or fewer images.",
    422: "`send_sampling`",
}


@pytest.mark.parametrize("code", HINTS)
def test_what_is_not_tried_again_says_what_to_do(server: Server, endpoint: Make, code: int) -> None:
    server.replies = [status(code, {"error": {"message": "no\nway."}})]
    for policy in ("practical", "paper"):
        answer = ask(endpoint(policy=policy))
        if isinstance(answer, Exception):
            assert str(answer).startswith(f"endpoint local: HTTP status {code}, and the server says: no way. ")
            assert HINTS[code] in str(answer)
    assert len(server.seen) == 2


def test_a_keyless_profile_is_told_that_a_key_is_wanted(server: Server, endpoint: Make) -> None:
    server.replies = [status(401)]
    assert "set the profile's `key_env`" in str(failure(endpoint(key_env=None)))


def test_no_quota_left_does_not_pass(server: Server, endpoint: Make) -> None:
    server.replies = [status(429, {"error": {"code": "insufficient_quota", "message": "none left"}})]
    assert "credit" in str(failure(endpoint()))
    assert len(server.seen) == 1


def test_a_fault_of_the_set_up_is_met_once(server: Server, endpoint: Make) -> None:
    server.replies = [status(401)]
    answers = ask_endpoint(endpoint(concurrency=1), [Request("What?")] * 20, Sampling())
    assert {str(answer) for answer in answers} == {"endpoint local: HTTP status 401. Check the key in $TEST_KEY."}
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": {"message": "bad"}}', "bad"),
        (b'{"error": "bad"}', "bad"),
        (b'{"detail": "bad"}', "bad"),
        (b'{"message": "bad"}', "bad"),
        (b'[{"error": {"code": 400, "message": "bad"}}]', "bad"),
        (b"bad\x1b[31m\x00", "bad [31m"),
        (b"<html>long and dull</html>", ""),
        (b"", ""),
        (b"\xff\xfe", "\ufffd\ufffd"),
        (b"[" * 100_000, "[" * 299 + "…"),
        (b"x" * 100_000, "x" * 299 + "…"),
    ],
)
def test_what_servers_say(server: Server, endpoint: Make, body: bytes, said: str) -> None:
    server.replies = [raw(body, 413)]
    assert failure(endpoint()).problem == "HTTP status 413" + (f", and the server says: {said}" if said else "")


# ------------------------------------------------------------------------------------------ bad replies

FILLED = json.dumps(completion("red"))


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ("", "it is empty"),
        ("<html>", "it is not JSON"),
        (FILLED[:-3], "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ('{"a": ' + "1" * 10_000 + "}", "it is not JSON|it has no choices"),
        ("[]", "it is no JSON object"),
        ("{}", r"it has no choices\[0\]"),
        ('{"choices": []}', r"it has no choices\[0\]"),
        ('{"choices": [7]}', r"it has no choices\[0\]"),
        ('{"choices": [{}]}', r"it has no choices\[0\].message"),
        ('{"choices": [{"message": {}}]}', r"it has no text in choices\[0\].message.content"),
        ('{"choices": [{"message": {"content": {"a": 1}}}]}', r"it has no text in choices\[0\].message.content"),
    ],
)
def test_a_malformed_reply_says_what_is_missing(server: Server, endpoint: Make, body: str, missing: str) -> None:
    server.replies = [raw(body.encode())]
    with pytest.raises(EndpointError, match=f"the reply is no chat completion: ({missing})\\."):
        raise failure(endpoint())
    assert len(server.seen) == 1


def test_a_giant_reply(server: Server, endpoint: Make) -> None:
    server.replies = [raw(b" " * (8 << 20) + FILLED.encode())]
    assert failure(endpoint()).problem == "the reply is larger than 8 MiB"


def test_a_compressed_reply_is_not_unpacked(server: Server, endpoint: Make) -> None:
    server.replies = [raw(b"\x1f\x8b", Content_Encoding="gzip")]
    assert "compressed" in failure(endpoint()).problem
    assert server.seen[0].headers["Accept-Encoding"] == "identity"


# ------------------------------------------------------------------------------------------ refusals, policies


@pytest.mark.parametrize("policy", ["practical", "paper"])
@pytest.mark.parametrize(
    "reply",
    [
        says("I can't", message={"refusal": "I can't help with that."}),
        says(None, finish_reason="content_filter"),
        says("half an ans", finish_reason="content_filter"),
        status(400, {"error": {"code": "content_filter", "message": "filtered"}}),
    ],
)
def test_a_refusal_is_an_empty_answer_and_final(server: Server, endpoint: Make, policy: str, reply: Handler) -> None:
    server.replies = [reply]
    answer = ask(endpoint(policy=policy))
    assert isinstance(answer, Answer)
    assert (answer.text, answer.finish_reason) == ("", "refusal")
    assert len(server.seen) == 1


@pytest.mark.parametrize("reply", [status(500), cut(), status(429)], ids=["500", "cut", "429"])
def test_the_papers_policy(server: Server, endpoint: Make, pauses: list[float], reply: Handler) -> None:
    server.replies = [reply]
    assert ask(endpoint(policy="paper")) == Answer("", 0, 0.0, "m", "error")
    assert (len(server.seen), len(pauses)) == (2, 1)
    server.replies = [reply, says("red")]
    answer = ask(endpoint(policy="paper"))
    assert isinstance(answer, Answer) and answer.text == "red"


@pytest.mark.parametrize("reply", [status(413), status(400), raw(b"{}")], ids=["413", "400", "malformed"])
def test_the_papers_policy_where_another_try_is_no_use(server: Server, endpoint: Make, reply: Handler) -> None:
    server.replies = [reply]
    assert ask(endpoint(policy="paper")) == Answer("", 0, 0.0, "m", "error")
    assert len(server.seen) == 1


def test_pauses_are_bounded() -> None:
    assert max(pause_after(attempt, None) for attempt in range(1, 12)) <= 8
    assert pause_after(1, 0.0) == 0
