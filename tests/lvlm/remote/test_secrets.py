"""Nobody sees the key but its own server: not in answers, errors, tracebacks, logs or cache keys."""

from __future__ import annotations

import json
import logging
import pickle
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.lvlm.remote import Endpoint, EndpointError, ask_endpoint
from api_graph.lvlm.remote.endpoint import identity
from api_graph.lvlm.remote.profile import Profile
from api_graph.lvlm.remote.secret import Secret, redact
from api_graph.lvlm.request import Answer, Request, Sampling
from tests.lvlm.remote.conftest import KEY
from tests.lvlm.remote.server import Server, cut, echo, raw, says, status

PROFILE = Profile(name="local", base_url="https://inference.example:8443/v1")


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error, and all that came before it, shown or not."""
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__  # pyright: ignore


@pytest.mark.parametrize(
    "hostile",
    [
        echo(lambda sent: status(401, {"error": {"message": f"no: {sent}"}})),
        echo(lambda sent: status(400, {"error": {"message": sent.removeprefix("Bearer ")}})),
        echo(lambda sent: status(400, {"error": {"message": sent.removeprefix("Bearer ").upper()}})),
        echo(lambda sent: status(400, {"error": {"code": sent, "message": {"deep": [sent]}}})),
        echo(lambda sent: raw(b"x" * 290 + sent.encode(), 400)),
        echo(lambda sent: raw(sent.encode())),
        echo(lambda sent: raw(json.dumps({sent: sent}).encode())),
        echo(lambda sent: status(307, None, Location=f"/{sent}")),
        echo(lambda sent: status(429, {"error": sent}, Retry_After=sent)),
        echo(lambda sent: status(200, {}, Content_Encoding=sent)),
        cut(),
    ],
)
def test_a_server_that_echoes_the_key(
    server: Server, endpoint: Callable[..., Endpoint], hostile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server.replies = [hostile]
    (error,) = ask_endpoint(endpoint(retries=1), [Request("What?")], Sampling())
    assert isinstance(error, EndpointError)
    written = [text for e in chain(error) for text in (str(e), repr(e), repr(vars(e)), *traceback.format_exception(e))]
    for text in [*written, caplog.text]:
        assert KEY.lower() not in text.lower() and KEY[:12].lower() not in text.lower()
        assert str(server.port) not in text


def test_an_answer_that_echoes_the_key(server: Server, endpoint: Callable[..., Endpoint]) -> None:
    server.replies = [echo(lambda sent: says(f"You sent {sent}!", model=f"m-{sent}"))]
    (answer,) = ask_endpoint(endpoint(), [Request("What?")], Sampling())
    assert isinstance(answer, Answer)
    assert (answer.text, answer.model) == ("You sent Bearer ***!", "m-Bearer ***")


def test_what_shows_an_endpoint_shows_no_url_and_no_key(endpoint: Callable[..., Endpoint]) -> None:
    asked = endpoint()
    for text in (repr(asked), str(asked), repr(asked.profile), str(asked.profile)):
        assert "127.0.0.1" not in text and KEY not in text
    assert repr(asked) == "Endpoint('local', 'm')"
    assert KEY not in pickle.dumps(asked).decode("latin-1")


def test_a_secret_is_shown_to_nobody() -> None:
    secret = Secret(KEY)
    assert {repr(secret), str(secret), f"{secret}", f"{secret:>40}", "%s" % secret} == {"Secret(***)"}  # noqa: UP031
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(secret)
    assert secret.reveal() == KEY


# A mask next to what is left of a text may itself spell "*" alone.
KEYS = st.text([chr(c) for c in range(33, 127) if chr(c) != "*"], min_size=8, max_size=40)


@given(KEYS, st.text(max_size=20), st.text(max_size=20))
def test_no_key_outlives_redaction(key: str, before: str, after: str) -> None:
    assert key.lower() not in redact(f"{before}{key}{after}{key}", PROFILE, Secret(key)).lower()


@pytest.mark.parametrize(
    ("text", "redacted"),
    [
        ("Incorrect API key provided: sk-proj-abc***xyz. See docs", "Incorrect API key provided: *** See docs"),
        ('{"authorization": "Bearer abc.def"}', '{"authorization": "***"}'),
        ("POST https://inference.example:8443/v1/chat/completions", "POST ***/chat/completions"),
        ("cannot reach INFERENCE.example:8443", "cannot reach ***"),
        ("See https://platform.example/keys", "See https://platform.example/keys"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_what_looks_like_a_key_or_the_url_is_masked(text: str, redacted: str) -> None:
    assert redact(text, PROFILE, None) == redacted


def test_a_short_key_does_not_maul_words() -> None:
    assert redact("none of the nonesuch: none", PROFILE, Secret("none")) == "*** of the nonesuch: ***"


# ------------------------------------------------------------------------------------------ hostile graphs


@pytest.mark.parametrize(
    "name",
    [
        "../x", "..", "", "/", "/m", "x/../y", "local\n", "local\0", "http://evil.com/v1", "https://evil.com", "LOCAL",
        "local/other", "local/m\r\nHost: evil", "local/ ", "open", "open/", "open/" + "x" * 10_000, "open/a\x1b[31mb",
        "open/ m", "open/mödel",
    ],
)  # fmt: skip
def test_a_graph_names_a_profile_and_its_models_and_nothing_else(own_profiles: Path, server: Server, name: str) -> None:
    own_profiles.write_text(
        f'[local]\nbase_url = "{server.url}"\nmodels = ["m", "a/b"]\n[open]\nbase_url = "{server.url}"\n'
    )
    with pytest.raises(BadInput) as raised:
        Endpoint.open(name)
    assert len(str(raised.value)) < 500 and "127.0.0.1" not in str(raised.value)
    assert repr(Endpoint.open("local/a/b")) == "Endpoint('local', 'a/b')"
    assert (Endpoint.open("local").model, Endpoint.open("open/x:1b").model) == ("m", "x:1b")


def test_identities_tell_endpoints_apart_and_say_nothing_else(own_profiles: Path) -> None:
    own_profiles.write_text(
        '[a]\nbase_url = "https://inference.example/v1"\nmodels = ["m", "n"]\nkey_env = "TEST_KEY"\n'
        '[same]\nbase_url = "https://INFERENCE.example:443/v1/"\nmodels = ["m"]\nretries = 1\n'
        '[other]\nbase_url = "https://inference.example/v2"\nmodels = ["m"]\n'
        '[small]\nbase_url = "https://inference.example/v1"\nmodels = ["m"]\ndetail = "low"\n'
    )
    assert identity("a") == identity("a/m") == identity("same")
    assert len({json.dumps(identity(name)) for name in ("a", "a/n", "other", "small")}) == 4
    (digest,) = identity("a").values()
    assert len(digest) == 64 and set(digest) <= set("0123456789abcdef")
