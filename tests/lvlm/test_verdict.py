"""The verdict of an answer: the last clear one, whatever stands around it, or none."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.lvlm.verdict import says_true

TRUE = [
    "T", "T.", " T\n", "TRUE", "true", "'T'", "**T**", "[T]", "T!", "1. T", "<answer>T</answer>", "\\boxed{T}",
    "Answer=T",
    "True, the sign is visible", "It is not false", "It is not false.", "Not F but T", "T, not F", "T rather than F",
    "T or F? T", "true/false: true", "T if visible, F otherwise. The answer is T", "I respond with the letter T.",
    "F-150 truck is hidden. T", "Because the sign is visible, T.", "If the sign is visible, T.", "T is the answer",
    "**Final answer:** T", 'The answer is "T" since the sign is visible.', "The statement is true.", "T (true)",
    "I would say T", "The answer should be T.", "The answer is not F", "F. On a second look: T", "Letter: T",
    "It is false that the sign is hidden; T", "The visible regions suffice, so T", "The answer would be T",
    "T means that.\nT", "T (sign readable)", "(T) Sign is readable",
    "Answer: T\n\nReason: The F in the sign is visible.",
]  # fmt: skip
FALSE = [
    "F", '"F".', "false", "untrue", "F\n\nThe text is covered.", "F — masked", "F: the sign is hidden", "It's F",
    "The T-shirt is not visible. F", "T/F: F", "Not true", "Not T.", "Not T, F", "(T/F) F", "True or false? False.",
    "The answer is F because T would need more", "The true colour is not visible. F", "F, not T.", "F (false)",
    "I do not think it is true.", "I don't believe that is true.", "This isn't true", "It can't be true.",
    "It isn’t true", "It is false that it is true.", "It is wrong to say that this is true", "The verdict is an F",
    "F. It might be true if more were visible.", "The letter T is visible. F", "False. The statement is not true.",
    "I'd say F.", "My verdict: F - the region is masked", "Hence the answer must be F.", "The answer isn't T.",
    "F\n\nExplanation: It is not true that the regions suffice.", "Verdict: not T", "I can't say it's true",
    "It is true that the sign is visible, but the text cannot be read: F", "T. No, wait: F",
]  # fmt: skip
NEITHER = [
    "", "Yes", "t", "The sign. It fits.", "T or F", "T, F", "neither T nor F", "Both T and F", "Is it true?", "T/F",
    "It is not clear whether this is true or false.", "I cannot determine whether the answer is T.", "T's answer",
    "The true colour is visible.", "It is not necessarily false.", "It might be true.", "F.B.I. is written there.",
    "Respond with T if they suffice, or F if not.", "The sign shows the letter T.", "T is wrong",
    "That is false information.",
    "false positives are shown", "A T-shirt", "Model T", "R&F",
    "T (if visible)", "There is an F in the sign.", "I see the T, and a cross.",
    "It could be T.", "I am not sure that it is false.",
]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "verdict"), [(t, True) for t in TRUE] + [(t, False) for t in FALSE] + [(t, None) for t in NEITHER]
)
def test_verdicts(text: str, verdict: bool | None) -> None:
    assert says_true(text) is verdict


WORDS = {
    "T": True,
    "F": False,
    "true": True,
    "False": False,
    "**T**": True,
    '"F".': False,
    "Not true.": False,
    "not F": True,
}
# Prose without a verdict of its own: no letter T or F alone, and neither word.
PROSE = st.lists(
    st.sampled_from(
        ["the", "sign", "T-shirt", "is", "not", "visible,", "red", "if;", "F-150", "we", "(see)", "it.", "so"]
    ),
    max_size=12,
)


@given(st.text(), st.sampled_from(sorted(WORDS)))
def test_a_verdict_on_the_last_line_counts_whatever_stands_before(before: str, said: str) -> None:
    assert says_true(f"{before}\n{said}") is WORDS[said]
    assert says_true(f"{before}\n\n{said}\n") is WORDS[said]


@given(st.sampled_from(sorted(WORDS)), PROSE)
def test_prose_after_a_verdict_does_not_change_it(said: str, prose: list[str]) -> None:
    assert says_true(f"{said}\n{' '.join(prose)}") is WORDS[said]


@given(PROSE)
def test_prose_has_no_verdict(prose: list[str]) -> None:
    assert says_true(" ".join(prose)) is None


@given(
    st.sampled_from(["T", "F", "true", "false"]), st.sampled_from(["not", "never", "It is not", "This isn't", "hardly"])
)
def test_what_denies_turns_round(said: str, denied: str) -> None:
    assert says_true(f"{denied} {said}.") is not says_true(said)


PAIRS = [("T", "F"), ("F", "T"), ("true", "false"), ("False", "True"), ("TRUE", "FALSE")]


@given(st.sampled_from(PAIRS), st.sampled_from(["/", " / ", " or ", " and ", "|", ", "]), st.text("\"'*()", max_size=2))
def test_a_choice_says_nothing(pair: tuple[str, str], between: str, mark: str) -> None:
    assert says_true(f"{mark}{pair[0]}{between}{pair[1]}{mark}") is None
    assert says_true(f"{pair[0]}{between}{pair[1]}: {pair[1]}") is (pair[1][0] in "Tt")


@given(st.text("TF truefals.,?!/or not\n'\"-", max_size=60))
def test_no_text_is_too_odd(text: str) -> None:
    assert says_true(text) in (True, False, None)


def test_long_texts_are_read_in_no_time() -> None:
    for text in (
        "T or F " * 5_000,
        "not " * 20_000 + "T",
        "T, " * 5_000,
        "if " * 20_000 + "T",
        " " * 100_000 + "T",
        "x" * 200_000,
    ):
        begun = time.perf_counter()
        says_true(text)
        assert time.perf_counter() - begun < 5
