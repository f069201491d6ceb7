"""What is said around a question: the benchmarks' suffixes and the strategies' prompts, each with its answer."""

from __future__ import annotations

import numpy as np

from api_graph.demo.questions import Question

WORD_OR_PHRASE = " Answer the question using a single word or phrase."
YES_OR_NO = " Please answer yes or no"
VIZWIZ = (
    " When the provided information is insufficient, respond with 'Unanswerable'."
    " Answer the question using a single word or phrase."
)
STEP_BY_STEP = (" Let's think step by step.", " Let's think again step by step.")
HINT = " (Hint: The answer is related to the unmasked visible regions)."
REFLECT = (
    'For the Question "{question}", Your previous answer is "{answer}".'
    " Evaluate the quality of the answer and provide a new answer.",
    "{question} \n Your previous answer is {answer}. Evaluate the quality of the answer and provide a new answer.",
)
EVALUATE = (
    'For this image, the question is "{question}". Evaluate whether the unmasked visible regions of the image alone'
    " can provide an answer to the question. If they suffice to answer the question, respond with letter"
    ' "T". If they do not support an answer to the question, reply with the letter "F".'
)
SYSTEM = (
    "",
    "",
    "",
    "",
    "You are a helpful assistant.",
    "A chat between a curious human and an artificial intelligence assistant. The assistant gives helpful, detailed,"
    " and polite answers to the human's questions.",
)
OTHER_WORDS = (
    "user assistant : system question image images a b c d 6 7 8 9 10 hello please where why who when which not"
)


def wrap(rng: np.random.RandomState, question: Question, wrong: str, *, annotated: bool) -> str:
    """The question as one of the strategies puts it; `wrong` is another answer that might be given."""
    text = question.text
    draw = rng.rand()
    if draw < 0.6:
        return text
    if draw < 0.74:
        return text + (YES_OR_NO if question.kind == "exists" and rng.rand() < 0.7 else WORD_OR_PHRASE)
    if draw < 0.78:
        return text + VIZWIZ
    if draw < 0.86:
        return text + HINT if annotated else text + STEP_BY_STEP[rng.randint(2)]
    if draw < 0.9:
        return f'"{text}{WORD_OR_PHRASE if rng.rand() < 0.5 else ""}"'
    if draw < 0.94:
        return text.rstrip("?.").lower()
    previous = question.answer if rng.rand() < 0.5 else wrong
    return REFLECT[rng.randint(2)].format(question=text, answer=previous)


def vocabulary() -> list[str]:
    """Texts that hold every word of the prompts."""
    return [WORD_OR_PHRASE, YES_OR_NO, VIZWIZ, *STEP_BY_STEP, HINT, *REFLECT, EVALUATE, *SYSTEM, OTHER_WORDS]
