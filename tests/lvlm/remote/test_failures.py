"""What goes wrong on the way: what is tried again, after how long, and what is said in the end."""

from __future__ import annotations

import gzip
import json
import socket
import zlib
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from api_graph.lvlm.remote import Endpoint, EndpointError, ask_endpoint
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

    monkeypatch.setattr("api_graph.addresses.look_up", look_up)
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
    400: "its log says why",
    401: "Check the key in $TEST_KEY.",
    403: "$TEST_KEY",
    404: "`base_url`",
    405: "/v1",
    402: "the account's credit",
    413: "Send smaller or fewer images",
    422: "its log says why",
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


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


@pytest.mark.parametrize(
    ("coding", "pack"),
    [
        *[(coding, gzip.compress) for coding in ("gzip", "GZIP", "x-gzip")],
        *[("deflate", pack) for pack in (zlib.compress, raw_deflate)],
        *[(coding, bytes) for coding in ("identity", "")],
    ],
)
def test_a_compressed_reply_is_unpacked(
    server: Server, endpoint: Make, coding: str, pack: Callable[[bytes], bytes]
) -> None:
    server.replies = [raw(pack(FILLED.encode()), Content_Encoding=coding)]
    answer = ask(endpoint())
    assert isinstance(answer, Answer) and answer.text == "red"
    assert server.seen[0].headers["Accept-Encoding"] == "identity"


def test_an_error_may_be_compressed(server: Server, endpoint: Make) -> None:
    server.replies = [raw(gzip.compress(b'{"error": {"message": "no way"}}'), 400, Content_Encoding="gzip")]
    assert "no way" in failure(endpoint()).problem


@pytest.mark.parametrize(
    ("body", "coding", "problem"),
    [
        (gzip.compress(b" " * (8 << 20) + b"{}"), "gzip", "the reply is larger than 8 MiB"),
        (gzip.compress(b"{}")[:-9], "gzip", "the reply is compressed, and not whole"),
        (b"\x1f\x8bnonsense", "gzip", "the reply is compressed, and not whole"),
        (b"{}", "br", "the reply is compressed in a way that was not asked for"),
        (b"{}", "gzip, gzip", "the reply is compressed in a way that was not asked for"),
    ],
    ids=["too large", "cut off", "no gzip", "brotli", "twice"],
)
def test_what_is_not_unpacked(server: Server, endpoint: Make, body: bytes, coding: str, problem: str) -> None:
    server.replies = [raw(body, Content_Encoding=coding)]
    assert failure(endpoint(retries=0)).problem == problem


# ------------------------------------------------------------------------------------------ errors inside a reply


def error_inside(code: object, message: str = "so it is") -> Handler:
    return status(200, {"error": {"code": code, "message": message}})


@pytest.mark.parametrize(
    "reply",
    [
        *[
            error_inside(code)
            for code in (429, "429", 500, 502, 503, 408, "rate_limit_exceeded", "server_error", None, 7)
        ],
        status(200, {"choices": [{"error": {"code": 502, "message": "so it is"}, "finish_reason": "error"}]}),
        says("", finish_reason="error"),
        says("half an ans", finish_reason="error"),
        status(200, {"type": "error", "error": {"type": "overloaded_error", "message": "so it is"}}),
        status(200, [{"error": {"status": "RESOURCE_EXHAUSTED", "message": "so it is"}}]),
    ],
)
def test_an_error_inside_a_reply_may_pass(server: Server, endpoint: Make, reply: Handler) -> None:
    server.replies = [reply, reply, says("red")]
    answer = ask(endpoint())
    assert isinstance(answer, Answer) and answer.text == "red" and len(server.seen) == 3
    server.replies = [reply]
    error = failure(endpoint(retries=1))
    assert "HTTP status 200, but an error in the reply" in str(error) and error.kind == "passing"
    assert "so it is" in str(error) or "the answer ended with an error" in str(error)


@pytest.mark.parametrize(
    ("code", "kind", "hint"),
    [
        (402, "setup", "credit"),
        ("insufficient_quota", "setup", "credit"),
        (401, "setup", "$TEST_KEY"),
        (404, "setup", "`base_url`"),
        (400, "request", "its log says why"),
        ("invalid_request_error", "request", "its log says why"),
        (413, "request", "smaller or fewer images"),
    ],
)
def test_an_error_inside_a_reply_counts_as_its_code_says(
    server: Server, endpoint: Make, code: object, kind: str, hint: str
) -> None:
    server.replies = [error_inside(code)]
    error = failure(endpoint())
    assert (error.kind, len(server.seen)) == (kind, 1)
    assert hint in error.hint and "so it is" in error.problem


def test_a_filter_inside_a_reply_is_a_refusal(server: Server, endpoint: Make) -> None:
    server.replies = [error_inside("content_filter")]
    answer = ask(endpoint())
    assert isinstance(answer, Answer) and (answer.text, answer.finish_reason) == ("", "refusal")


def test_a_reply_without_an_answer_is_an_error_and_empty_under_the_papers_policy(
    server: Server, endpoint: Make
) -> None:
    server.replies = [says("", message={"reasoning": "It is red."})]
    assert str(failure(endpoint())).startswith("endpoint local: the model thought, and then gave no answer. Turn ")
    assert ask(endpoint(policy="paper")) == Answer("", 0, 0.0, "m", "error")
    assert len(server.seen) == 2


def test_thoughts_are_kept_where_the_profile_says_so(server: Server, endpoint: Make) -> None:
    server.replies = [says("<think>blue?</think>red")]
    kept, taken_off = ask(endpoint(keep_reasoning=True)), ask(endpoint())
    assert isinstance(kept, Answer) and kept.text == "<think>blue?</think>red"
    assert isinstance(taken_off, Answer) and taken_off.text == "red"
    assert endpoint(keep_reasoning=True).profile.fingerprint("m") != endpoint().profile.fingerprint("m")


# ------------------------------------------------------------------------------------------ pauses that are asked for

RETRY_INFO = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "3s"}]


@pytest.mark.parametrize(
    ("headers", "error", "pause"),
    [
        ({}, {"message": "Please retry in 30.9s.", "details": RETRY_INFO}, 3),
        ({}, {"message": "billing", "code": 429, "details": [{"retryDelay": "1.5s"}]}, 1.5),
        ({}, {"message": "Rate limit reached. Please try again in 20s. Visit x."}, 20),
        ({}, {"message": "Please try again in 1m30.5s."}, 90.5),
        ({}, {"message": "try again in 250ms"}, 0.25),
        ({}, {"message": "Wait for 2 minutes"}, 120),
        ({}, {"message": "try again in 6h0m"}, 120),
        ({}, {"message": "try again in 99999999 s"}, 120),
        ({"Retry_After": "2"}, {"message": "try again in 20s"}, 2),
        ({"Retry_After": "soon"}, {"message": "try again in 20s"}, 20),
        ({"retry_after_ms": "1500"}, {"message": "x"}, 1.5),
        ({}, {"message": "try again with 3 images", "details": [{"retryDelay": 7}, "x"]}, None),
        ({}, {"message": "retry shortly", "details": "none"}, None),
    ],
)
def test_a_delay_stated_in_the_body(
    server: Server, endpoint: Make, pauses: list[float], headers: dict[str, str], error: object, pause: float | None
) -> None:
    for document in ({"error": error}, [{"error": error}]):
        server.replies = [status(429, document, **headers), says("red")]
        assert isinstance(ask(endpoint()), Answer)
    assert pauses == [pause, pause] if pause is not None else all(0 < one <= 0.5 for one in pauses)


# ------------------------------------------------------------------------------------------ hints

OTHERS = {
    "account": ["Insufficient Balance", "This request requires more credits", "Payment required: add credits"],
    "the model's id": ["model 'x' not found, try pulling it first", "The model `x` does not exist", "Unknown model x"],
    "takes no images": [
        "This model does not support image input",
        "image input is not supported - hint: you may need to provide the mmproj",
        "x is not a multimodal model",
        "No endpoints found that support image input",
        "At most 0 image(s) may be provided in one prompt",
        "Invalid content type. image_url is only supported by certain models.",
        "unknown variant `image_url`, expected `text`",
    ],
    "Send fewer images": ["At most 1 image(s) may be provided in one request"],
    "`max_side": [
        "image exceeds 5 MB maximum: 7340032 bytes > 5242880 bytes",
        "Request entity too large",
        "The image is too large",
        "This model's maximum context length is 4096 tokens. However, you requested 9000 tokens",
    ],
    "no system prompt": ["System role not supported", "Conversation roles must alternate user/assistant"],
    "`token_field": ["Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens' instead."],
    "`send_sampling": ["Unsupported value: 'temperature' does not support 0 with this model."],
    "`send_seed": ['Unknown name "seed": cannot find field', "seed is not supported"],
    '`detail = "none"`': ["messages[0]: unknown field `detail`"],
    "try the profile's `picture_format": ["image_url must be a base64 encoded image", "Could not process image"],
    "its log says why": ["Bad Request", "no such luck", "The prompt is odd"],
}


@pytest.mark.parametrize(("hint", "message"), [(hint, said) for hint, all_of in OTHERS.items() for said in all_of])
def test_the_hint_fits_what_the_server_says(server: Server, endpoint: Make, hint: str, message: str) -> None:
    server.replies = [status(400, {"error": {"message": message}})]
    error = failure(endpoint())
    assert hint in error.hint and len(server.seen) == 1
    assert [other for other in OTHERS if other in error.hint] == [hint]


def test_what_cannot_pass_is_not_tried_again_whatever_its_status(server: Server, endpoint: Make) -> None:
    server.replies = [status(500, {"error": {"message": "image input is not supported"}})]
    assert failure(endpoint()).kind == "request" and len(server.seen) == 1
    server.replies = [status(503, {"error": {"message": "the model is not available, loading"}}), says("red")]
    assert isinstance(ask(endpoint()), Answer)


def test_faults_that_are_listed_are_readable(server: Server, endpoint: Make) -> None:
    server.replies = [status(422, {"detail": [{"loc": ["body", "messages", 0], "msg": "no list"}, "odd"]})]
    assert failure(endpoint()).problem == "HTTP status 422, and the server says: body.messages.0: no list; odd"


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
