"""What is sent for each strategy, word for word, and how answers are read."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import BadInput
from api_graph.lvlm.strategies import SUFFIXES, extract_answer, strategy_prompt, with_suffix

Q = "What is on the sign?"


@pytest.mark.parametrize(
    ("strategy", "wording", "prompt"),
    [
        ("question", "paper", "What is on the sign?"),
        ("question", "reference", '"What is on the sign?"'),
        ("step_by_step", "paper", "What is on the sign? Let's think step by step."),
        ("step_by_step", "reference", '"What is on the sign?" Let\'s think again step by step.'),
        (
            "hint",
            "paper",
            "What is on the sign? (Hint: The answer is related to the unmasked visible regions).",
        ),
        (
            "evaluate",
            "paper",
            'For this image, the question is "What is on the sign?". Evaluate whether the unmasked visible regions of '
            "the image alone can provide an answer to the question. If they suffice to answer the question, respond "
            'with letter "T". If they do not support an answer to the question, reply with the letter "F".',
        ),
        (
            "reflect",
            "paper",
            'For the Question "What is on the sign?", Your previous answer is "stop". Evaluate the quality of the '
            "answer and provide a new answer.",
        ),
        (
            "reflect",
            "reference",
            '"What is on the sign?" \n Your previous answer is stop. Evaluate the quality of the answer and provide a '
            "new answer.",
        ),
    ],
)
def test_prompts_are_those_of_the_paper(strategy, wording, prompt) -> None:
    assert strategy_prompt(Q, strategy, "stop", wording) == prompt


def test_a_question_with_a_slot_in_it_is_left_alone() -> None:
    assert strategy_prompt("What is [A]?", "reflect", "[Q]").startswith('For the Question "What is [A]?", Your')
    assert '"[Q]"' in strategy_prompt("What is [A]?", "reflect", "[Q]")


@pytest.mark.parametrize(
    ("strategy", "answer", "wording", "problem"),
    [
        ("hint", "", "reference", "wording: the official scripts have no wording for 'hint'"),
        ("reflect", " ", "paper", "answer: reflecting needs an answer"),
        ("guess", "", "paper", "strategy: there is none of that name"),
    ],
)
def test_what_cannot_be_asked(strategy, answer, wording, problem) -> None:
    with pytest.raises(BadInput, match=problem):
        strategy_prompt(Q, strategy, answer, wording)


def test_suffixes_come_after_one_space_and_once() -> None:
    asked = with_suffix(Q + "\n", "word_or_phrase")
    assert asked == "What is on the sign? Answer the question using a single word or phrase."
    assert with_suffix(asked, "word_or_phrase") == asked
    assert with_suffix(f" {Q} ") == Q
    mme = "Is there a dog in this image? Please answer yes or no."
    assert with_suffix(mme, "yes_or_no") == mme
    with pytest.raises(BadInput, match="suffix: there is none of that name"):
        with_suffix(Q, "shout")  # type: ignore[arg-type]


@given(st.text(), st.sampled_from(sorted(SUFFIXES)))
def test_a_suffix_is_added_at_most_once(question, suffix) -> None:
    once = with_suffix(question, suffix)
    assert with_suffix(once, suffix) == once and once.startswith(question.strip())


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("a stop sign", "a stop sign"),
        ("The previous answer is vague. Answer: stop", "stop"),
        ("Answer: go\nThat was wrong.\nNew answer: 'stop'", "stop"),
        ("The old answer was fine, but a new answer is a red stop sign.", "a red stop sign."),
        ("**Final answer:** stop\n\nI hope this helps.", "stop"),
        ("My answer is good.", "My answer is good."),
        ("Answer:", "Answer:"),
        ("", ""),
    ],
)
def test_the_answer_in_a_reflection(text, answer) -> None:
    assert extract_answer(text) == answer


@given(st.text())
def test_something_is_always_extracted(text) -> None:
    answer = extract_answer(text)
    assert answer in text and bool(answer) == bool(text.strip())
