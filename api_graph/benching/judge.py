"""A judge's replies: asked through the user's own endpoint, kept with the results, and never asked twice."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from api_graph.bench.declare import Ask, Judging
from api_graph.bench.readers.questions import Question
from api_graph.errors import BadInput, RunStopped
from api_graph.table.output import whole_file
from api_graph.tasks.record import json_lines, read_text

if TYPE_CHECKING:
    from api_graph.lvlm.remote import Endpoint

NAME = "judged.jsonl"

_AT_ONCE = 64


class NotJudged(RunStopped):
    """Some answers could not be judged. What was judged is kept."""


class Judge:
    """Who judges: the endpoint "PROFILE" or "PROFILE/MODEL-ID" of the user's own.

    With `kept` it is a judge of earlier days, whose replies are read and who is not asked again.
    """

    def __init__(self, name: str, *, kept: bool = False) -> None:
        from api_graph.lvlm.remote import Endpoint

        self.endpoint: Endpoint | None = None if kept else Endpoint.open(name)
        self.name = name if self.endpoint is None else f"{self.endpoint.profile.name}/{self.endpoint.model}"


def replies_of(
    judging: Judging, asked: Sequence[tuple[Question, str]], folder: Path, judge: Judge | None, data: Path
) -> dict[str, tuple[str, ...]]:
    """By item a judge's replies to its answer: those that are kept in `folder`, and then new ones.

    Raises BadInput where something is to be asked and there is no judge or no prompt; NotJudged where the endpoint
    did not answer all.
    """
    prompt, kept = _prompt(judging, data, folder), _kept(folder)
    name = judge.name if judge is not None else ""
    replies: dict[str, list[str]] = {question.id: [] for question, _ in asked}
    waiting = list(asked)
    while waiting:
        new: list[tuple[Question, Ask]] = []
        for question, answer in waiting:
            said = replies[question.id]
            while (ask := judging.ask(question, answer, said, prompt)) is not None:
                known = kept.get((name, question.id, len(said), _digest(ask)))
                if known is None:
                    new.append((question, ask))
                    break
                said.append(known)
        if new:
            _ask_round(new, replies, folder, judge)
        again = {question.id for question, _ in new}
        waiting = [(question, answer) for question, answer in waiting if question.id in again]
    return {item: tuple(said) for item, said in replies.items()}


def _digest(ask: Ask) -> str:
    return hashlib.sha256(json.dumps(asdict(ask), sort_keys=True).encode()).hexdigest()


def _kept(folder: Path) -> dict[tuple[str, str, int, str], str]:
    """The replies in a folder, by judge, item, attempt and digest of what was asked."""
    if not (folder / NAME).is_file():
        return {}
    return {
        (line.text("judge"), line.text("item"), line.integer("attempt"), line.text("asked")): str(line.value("reply"))
        for line in json_lines(folder / NAME)
    }


def _prompt(judging: Judging, data: Path, folder: Path) -> str:
    """The official wording, from the data folder; a copy stays with the results, for scoring them again."""
    copy = folder.parent / judging.prompt_file.path
    for path in (data / judging.prompt_file.path, copy):
        if path.is_file():
            text = read_text(path)
            if path != copy:
                with whole_file(copy) as file:
                    file.write(text.encode())
            return text
    raise BadInput(
        f"{judging.prompt_file.path} is missing, by which the judge is asked",
        input="--data",
        value=str(data),
        hint=f"Fetch {judging.prompt_file.what}, and put it there.",
    )


def _ask_round(
    asks: Sequence[tuple[Question, Ask]], replies: Mapping[str, list[str]], folder: Path, judge: Judge | None
) -> None:
    """One more reply for each; they are written as soon as they are there."""
    if judge is None or judge.endpoint is None:
        problem = f"{len(asks):,} answers are not judged yet"
        hint = "Say --judge PROFILE, a profile of `api-graph endpoints`: questions and answers are sent there."
        raise BadInput(problem, input="--judge", hint=hint)
    from api_graph.lvlm.asking import ask_all
    from api_graph.lvlm.request import Request, Sampling

    groups: dict[tuple[float, int], list[tuple[Question, Ask]]] = defaultdict(list)
    for question, ask in asks:
        groups[ask.temperature, ask.max_tokens].append((question, ask))
    faults: list[str] = []
    for (temperature, most), group in groups.items():
        for first in range(0, len(group), _AT_ONCE):
            part = group[first : first + _AT_ONCE]
            requests = [Request(ask.text, (), ask.system) for _, ask in part]
            lines: list[dict[str, object]] = []
            answers = ask_all(judge.endpoint, requests, Sampling(most, temperature))
            for (question, ask), answer in zip(part, answers, strict=True):
                if isinstance(answer, Exception) or answer.finish_reason in ("error", "refusal"):
                    faults.append(str(answer) if isinstance(answer, Exception) else answer.finish_reason)
                    continue
                said = replies[question.id]
                facts = {"item": question.id, "attempt": len(said), "judge": judge.name, "model": answer.model}
                lines.append({**facts, "asked": _digest(ask), "reply": answer.text})
                said.append(answer.text)
            _append(folder / NAME, lines)
    if faults:
        raise NotJudged(f"{len(faults):,} answers could not be judged ({faults[0]}); what was judged is kept.")


def _append(path: Path, lines: Sequence[Mapping[str, object]]) -> None:
    before = path.read_bytes() if path.is_file() else b""
    with whole_file(path) as file:
        file.write(before)
        file.write("".join(f"{json.dumps(line)}\n" for line in lines).encode("ascii"))
