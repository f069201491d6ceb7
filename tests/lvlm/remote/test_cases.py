"""The replies of servers that are kept beside the repository, where they are there: what each becomes."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from api_graph.lvlm.remote import Endpoint, EndpointError, ask_endpoint
from api_graph.lvlm.remote.profile import read_profile
from api_graph.lvlm.request import Answer, Request, Sampling

FAKE = Path(__file__).parents[4] / "shared" / "cases" / "endpoints" / "fake.py"
pytestmark = pytest.mark.skipif(not FAKE.is_file(), reason="the cases are not here")

RED = [
    "plain",
    "think-tags",
    "think-open",
    "list-thinking",
    "list-output-text",
    "list-no-type",
    "usage-null",
    "usage-float",
    "finish-null",
    "finish-eos",
    "keepalive-ws",
    "keepalive-comment",
    "bom",
    "gzip",
    "identity-enc",
    "gemini-retry",
    "ra-ms",
    "ra=soon",
    "503-loading",
]
FAILS = {
    "choice-error": ("passing", "Upstream idle timeout exceeded"),
    "finish-error": ("passing", "the answer ended with an error"),
    "ok-error-429": ("passing", "rate limited upstream"),
    "ok-error-402": ("setup", "Insufficient credits. Look at the account's credit"),
    "insufficient": ("setup", "account's credit"),
    "s-402": ("setup", "account's credit"),
    "s-404-model": ("setup", "model's id"),
    "reasoning-empty-stop": ("request", "thinking off"),
    "reasoning-null-stop": ("request", "thinking off"),
    "reasoning-null-length": ("request", "`max_tokens`"),
    "reasoning-empty-length": ("request", "`max_tokens`"),
    "missing-content-gemini": ("request", "`max_tokens`"),
    "think-cut": ("request", "`max_tokens`"),
    "empty-stop": ("request", "an empty answer"),
    "null-stop": ("request", "no text"),
    "no-content-key": ("request", "no text"),
    "tool-calls": ("request", "called the tool see"),
    "s-400-size": ("request", "`max_side"),
    "s-413-html": ("request", "`max_side"),
    "s-400-novision": ("request", "takes no images"),
    "s-500-novision": ("request", "takes no images"),
    "s-422": ("request", "takes no images"),
    "s-400-system": ("request", "no system prompt"),
    "s-400-plain": ("request", "`picture_format"),
    "s-400-maxtokens": ("request", "`token_field"),
    "s-400-temp": ("request", "`send_sampling"),
    "s-400-detail": ("request", "`detail"),
}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number = free.getsockname()[1]
    with subprocess.Popen([sys.executable, str(FAKE), str(number)]) as server:
        try:
            for _ in range(200):
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", number)) == 0:
                        break
                time.sleep(0.1)
            yield number
        finally:
            server.kill()


def ask(port: int, case: str) -> Answer | Exception:
    profile = read_profile("fake", {"base_url": f"http://127.0.0.1:{port}/v1"}, "test")
    request = Request("What colour?", (Image.new("RGB", (32, 32), "red"),))
    return ask_endpoint(Endpoint(profile, case), [request], Sampling(max_tokens=64))[0]


@pytest.mark.parametrize("case", RED)
def test_the_answer_is_read(port: int, case: str) -> None:
    answer = ask(port, case)
    assert isinstance(answer, Answer) and answer.text == "red"


@pytest.mark.parametrize("case", FAILS)
def test_what_is_no_answer_says_why(port: int, case: str) -> None:
    error = ask(port, case)
    assert isinstance(error, EndpointError)
    kind, said = FAILS[case]
    assert error.kind == kind and said in str(error)
    if "token_field" not in said:
        assert "token_field" not in str(error)


def test_a_verdict_after_thoughts(port: int) -> None:
    answer = ask(port, "think-verdict")
    assert isinstance(answer, Answer) and answer.text == "T"
