"""Answers in replies, as servers write them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.lvlm.remote.chat_completions import Malformed, read_answer
from api_graph.lvlm.remote.secret import Secret
from api_graph.lvlm.request import Answer
from tests.lvlm.remote.server import completion

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def read(document: Any, secret: Secret | None = None) -> Answer:
    return read_answer(json.dumps(document).encode(), "asked", 1.5, secret)


def test_texts_in_parts_are_joined() -> None:
    parts = [{"type": "text", "text": "re"}, {"type": "reasoning", "text": "hm"}, {"type": "text", "text": "d"}]
    assert read(completion(parts)).text == "red"


@pytest.mark.parametrize(
    ("given", "reason"),
    [("stop", "stop"), ("length", "length"), ("max_tokens", "length"), ("eos", "stop"), (None, "stop")],
)
def test_finish_reasons(given: str | None, reason: str) -> None:
    assert read(completion("red", finish_reason=given)).finish_reason == reason


def test_all_tokens_went_into_thoughts() -> None:
    answer = read(completion(None, finish_reason="length", usage={"completion_tokens": 512}))
    assert (answer.text, answer.tokens, answer.finish_reason) == ("", 512, "length")


def test_an_empty_text_is_an_answer() -> None:
    assert read(completion("")).finish_reason == "stop"


@pytest.mark.parametrize("usage", [None, {}, 3, {"completion_tokens": None}, {"completion_tokens": -1}, [1]])
def test_tokens_that_a_server_does_not_count(usage: Any) -> None:
    assert read(completion("red", usage=usage)).tokens == 0


@pytest.mark.parametrize(("served", "shown"), [(None, "asked"), ("", "asked"), (7, "asked"), ("a\x1b[1m\n", "a?[1m?")])
def test_the_served_model(served: Any, shown: str) -> None:
    assert read(completion("red", model=served)).model == shown


def test_a_served_model_of_any_length_is_cut() -> None:
    assert read(completion("red", model="m" * 10_000)).model == "m" * 256


def test_half_a_surrogate_pair() -> None:
    assert read(completion("a\ud800b")).text == "a?b"


@given(
    st.dictionaries(st.sampled_from(["choices", "model", "usage"]), JSON)
    | st.builds(lambda choice: {"choices": [choice]}, JSON)
    | st.builds(lambda message: {"choices": [{"message": message}]}, JSON)
    | st.builds(lambda text, end, usage: completion(text, finish_reason=end, usage=usage), JSON, JSON, JSON)
)
def test_no_reply_is_too_odd(document: dict[str, Any]) -> None:
    try:
        answer = read(document)
    except Malformed as error:
        assert str(error).startswith("it ")
    else:
        answer.text.encode()
        assert answer.finish_reason in ("stop", "length", "refusal") and answer.tokens >= 0
