"""Answers in replies, as servers write them."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.lvlm.remote.chat_completions import ErrorInside, Malformed, read_answer, without_reasoning
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


def test_whole_floats_are_counts() -> None:
    assert read(completion("red", usage={"completion_tokens": 5.0})).tokens == 5


@pytest.mark.parametrize(
    "content",
    [
        "red",
        ["red"],
        [{"text": "red"}],
        {"text": "red"},
        {"type": "text", "text": "red"},
        [{"type": "output_text", "text": "red"}],
        [{"type": "text", "text": {"value": "red", "annotations": []}}],
        [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": "red"}],
        [{"type": "reasoning", "text": "hm"}, {"type": "redacted_thinking", "data": "x"}, {"text": "red"}],
        [{"text": "hm", "thought": True}, {"text": "red"}],
        [{"type": "tool_use", "text": "blue"}, 7, None, {"type": "image"}, {"type": "text", "text": "red"}],
    ],
)
def test_content_of_any_kind(content: Any) -> None:
    assert read(completion(content)).text == "red"


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("red", "red"),
        ("  red\n", "  red\n"),
        ("<think>\nIt is blue. F or T?\n</think>\n\nred", "red"),
        ("\n<THINK>blue</THINK>red", "red"),
        ("<think></think>\n\nred", "red"),
        ("Okay, it might be blue.\n</think>\n\nred", "red"),
        ("blue <think> no\n</think>\nred", "red"),
        ("[THINK]blue[/THINK]red", "red"),
        ("◁think▷blue◁/think▷red", "red"),
        ("<seed:think>blue</seed:think>red", "red"),
        ("<thinking>blue</thinking>\nred\n<thinking>sure?</thinking>", "red"),
        ("Let me see.\n<think>blue</think>\nred", "Let me see.\n\nred"),
        ("<think>a</think>\n<think>b</think>\nred", "red"),
        ("<think>blue, I would say", ""),
        ("red\n<think>or blue", "red"),
        ("Okay, blue.\n</think>", ""),
        ("<think>a</think>The closing tag is </think>.", "The closing tag is </think>."),
        ("The sign says <think> in red.", "The sign says <think> in red."),
        ("Think of <b>red</b>.", "Think of <b>red</b>."),
    ],
)
def test_reasoning_before_the_answer(said: str, answer: str) -> None:
    assert without_reasoning(said) == answer


@given(st.text(), st.text(min_size=1).filter(str.strip))
def test_what_stands_after_the_reasoning_is_the_answer(thought: str, answer: str) -> None:
    assert without_reasoning(answer) == answer
    assert read(completion(f"<think>{thought}</think>\n{answer}")).text == read(completion(answer.strip())).text
    kept = read_answer(
        json.dumps(completion(f"<think>{thought}</think>{answer}")).encode(), "m", 1, None, keep_reasoning=True
    )
    assert kept.text == f"<think>{thought}</think>{answer}".encode("utf-8", "replace").decode()


def test_long_texts_of_tags_are_read_in_no_time() -> None:
    for tags in ("<think>\n", "</think>\n", "<think>\n</think>\n"):
        begun = time.perf_counter()
        without_reasoning(tags * 200_000)
        assert time.perf_counter() - begun < 5


NO_ANSWER = [
    (completion(""), "the model gave an empty answer"),
    (completion(" \n"), "the model gave an empty answer"),
    (completion(None), "the reply has no text"),
    (completion([]), "the reply has no text"),
    ({"choices": [{"message": {}}]}, "the reply has no text"),
    (completion({"a": 1}), "the reply has no text"),
    (completion("", message={"reasoning": "It is red."}), "the model thought, and then gave no answer"),
    (completion(None, message={"reasoning_content": "It is red."}), "the model thought, and then"),
    (completion([{"type": "thinking", "thinking": "red"}]), "the model thought, and then"),
    (completion("<think>red</think>\n"), "the model thought, and then"),
    (completion("<think>red"), "the model thought, and then"),
    (
        completion("<think>red", finish_reason="length", usage={"completion_tokens": 9}),
        "the model used up its 9 tokens",
    ),
    (completion(None, finish_reason="length"), "the model used up all of its tokens"),
    (completion(None, message={"tool_calls": [{"function": {"name": "see"}}]}), "the model called the tool see "),
    (completion("", finish_reason="tool_calls", message={"tool_calls": [7]}), "the model called a tool "),
    (completion(None, message={"function_call": {"name": "see"}}), "the model called the tool see "),
]


@pytest.mark.parametrize(("document", "problem"), NO_ANSWER)
def test_a_reply_without_an_answer_says_what_happened(document: Any, problem: str) -> None:
    with pytest.raises(Malformed, match=problem) as raised:
        read(document)
    thought = any(word in problem for word in ("thought", "used up"))
    assert ("thinking off" in raised.value.hint and "`max_tokens`" in raised.value.hint) == thought


def test_a_refusal_in_parts() -> None:
    assert read(completion([{"type": "refusal", "refusal": "No."}])).finish_reason == "refusal"


@pytest.mark.parametrize(
    ("document", "code", "message"),
    [
        ({"error": {"code": 402, "message": "no credits"}}, "402", "no credits"),
        ({"error": "model not found"}, "", "model not found"),
        ([{"error": {"code": 429, "message": "wait"}}], "429", "wait"),
        ({"object": "error", "code": 400, "message": "bad"}, "400", "bad"),
        ({"type": "error", "error": {"type": "overloaded_error", "message": "busy"}}, "overloaded_error", "busy"),
        ({"choices": [{"error": {"code": 502, "message": "cut"}, "finish_reason": "error"}]}, "502", "cut"),
        (completion("half an", finish_reason="error"), "", "the answer ended with an error"),
        (completion("", error={"message": "late"}), "", "late"),
    ],
)
def test_errors_inside_a_reply(document: Any, code: str, message: str) -> None:
    with pytest.raises(ErrorInside) as raised:
        read(document)
    assert raised.value.error[:2] == (code, message)


def test_no_error_is_no_error() -> None:
    assert read({**completion("red", error=None), "error": None}).text == "red"


@pytest.mark.parametrize("before", [b"\n  \n", b": OPENROUTER PROCESSING\n\n: again\n", b"\xef\xbb\xbf"])
def test_what_keeps_a_connection_open_is_no_part_of_the_reply(before: bytes) -> None:
    assert read_answer(before + json.dumps(completion("red")).encode(), "m", 1, None).text == "red"


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
    st.dictionaries(st.sampled_from(["choices", "model", "usage", "error"]), JSON)
    | st.builds(lambda choice: {"choices": [choice]}, JSON)
    | st.builds(lambda message: {"choices": [{"message": message}]}, JSON)
    | st.builds(lambda text, end, usage: completion(text, finish_reason=end, usage=usage), JSON, JSON, JSON)
)
def test_no_reply_is_too_odd(document: dict[str, Any]) -> None:
    try:
        answer = read(document)
    except Malformed as error:
        assert str(error).startswith(("the reply ", "the model ")) and error.hint
    except ErrorInside as inside:
        assert all(isinstance(text, str) for text in inside.error[:2])
    else:
        answer.text.encode()
        assert answer.finish_reason in ("stop", "length", "refusal") and answer.tokens >= 0
        assert answer.text.strip() or answer.finish_reason == "refusal"
