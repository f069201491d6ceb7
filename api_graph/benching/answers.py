"""Which of a graph's nodes answers, and what it gave for a row: the one that does, or the title that the user names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from api_graph.bench.declare import AnswerKind, Response
from api_graph.bench.scores import Status
from api_graph.errors import BadInput
from api_graph.graph.model import ApiNode
from api_graph.table.records import RowResult

ASKERS = frozenset({"APQueryLVLM"})
"""Nodes that ask an LVLM."""

SHOWING = "APShowText"
_GIVERS: Mapping[AnswerKind, tuple[frozenset[str], str]] = {
    "text": (ASKERS, "text"),
    "box": (frozenset({"APChooseBox"}), "corners"),
    "label": (frozenset({"APClassify", "APClassifyPointCloud"}), "best"),
    "option": (frozenset({"APChooseOption"}), "option"),
    "map": (frozenset({"APSaveHeatmap"}), "files"),
}
_WORDS: Mapping[AnswerKind, str] = {
    "text": "asks an LVLM and shows its answer",
    "box": "chooses a box",
    "label": "classifies",
    "option": "chooses among given answers",
    "map": "saves a heatmap",
}


class Answering(NamedTuple):
    """What answers: its title among the results, and the titles of the LVLM's answers that it is made of."""

    title: str
    asked: tuple[str, ...]


def answering(
    graph: Mapping[str, ApiNode], titles: Mapping[str, str], kind: AnswerKind, wanted: str | None = None
) -> Answering:
    """What answers in a graph whose results stand under `titles`, by node id.

    `wanted` is the title that the user chose. Without one, exactly one node may answer; a text that is shown as the
    LVLM gave it is the same answer. Raises BadInput.
    """
    candidates = _candidates(graph, titles, kind)
    if wanted is not None:
        known = {title: found for found in candidates for title in found.titles}
        if wanted in known:
            return Answering(wanted, known[wanted].asked)
        if kind == "text" and wanted in titles.values():
            id = next(id for id, title in titles.items() if title == wanted)
            return Answering(wanted, _titles(titles, _askers_of(graph, id)))
        hint = f"There are: {', '.join(known) or 'none'}."
        raise BadInput("no node of that title answers", input="--answer", value=wanted, hint=hint)
    if not candidates:
        hint = "Run a graph that does; `api-graph graphs` lists those that are shipped."
        raise BadInput(f"no node of the graph {_WORDS[kind]}", input="--graph", hint=hint)
    if len(candidates) > 1:
        names = ", ".join(found.titles[-1] for found in candidates)
        hint = f"Say which: --answer '{candidates[-1].titles[-1]}', for example."
        raise BadInput(f"several nodes of the graph could answer: {names}", input="--answer", hint=hint)
    return Answering(candidates[0].titles[0], candidates[0].asked)


class _Candidate(NamedTuple):
    """One answer: the titles under which it stands, and those of the LVLM's answers that it is made of."""

    titles: list[str]
    asked: tuple[str, ...]


def _candidates(graph: Mapping[str, ApiNode], titles: Mapping[str, str], kind: AnswerKind) -> list[_Candidate]:
    givers = _GIVERS[kind][0]
    found = {
        id: _Candidate([titles[id]], (titles[id],) if kind == "text" else ())
        for id, node in graph.items()
        if node["class_type"] in givers and id in titles
    }
    if kind != "text":
        return list(found.values())
    prompts = [graph[id]["inputs"].get("question") for id in found]
    for id, node in graph.items():
        link = node["inputs"].get("value")
        if node["class_type"] != SHOWING or id not in titles or link in prompts:  # what is asked is no answer
            continue
        if isinstance(link, list) and link[0] in found and link[1] == 0:
            found[str(link[0])].titles.append(titles[id])
        elif askers := _askers_of(graph, id):  # something was made of the answer
            found[id] = _Candidate([titles[id]], _titles(titles, askers))
    return list(found.values())


def _titles(titles: Mapping[str, str], ids: list[str]) -> tuple[str, ...]:
    return tuple(titles[id] for id in ids if id in titles)


def _askers_of(graph: Mapping[str, ApiNode], id: str) -> list[str]:
    """The nearest nodes above `id` that ask an LVLM, or itself."""
    found: dict[str, None] = {}
    seen, waiting = {id}, [id]
    while waiting:
        node = graph.get(waiting.pop())
        if node is None:
            continue
        for link in _links(node):
            if link in graph and graph[link]["class_type"] in ASKERS:
                found[link] = None
            elif link not in seen:
                seen.add(link)
                waiting.append(link)
    return [id] if graph.get(id, {}).get("class_type") in ASKERS else list(found)


def _links(node: ApiNode) -> Iterator[str]:
    for value in node["inputs"].values():
        if isinstance(value, list) and len(value) == 2 and isinstance(value[0], str):
            yield value[0]


def response_of(row: RowResult, answer: Answering, kind: AnswerKind) -> tuple[Response, Status]:
    """What a finished row gave, and whether it was an answer.

    A row that failed, or whose answer only stands for an error, is "failed"; one that the model declined is "refused".
    """
    values = row.results.get(answer.title, {})
    reasons = {row.results.get(title, {}).get("finish_reason") for title in answer.asked}
    if not row.ok or "error" in reasons:
        return Response("", {}, row.results), "failed"
    if "refusal" in reasons:
        return Response("", values, row.results), "refused"
    value = values.get(_GIVERS[kind][1])
    if value is None:
        return Response("", values, row.results), "failed"
    return Response(
        _as_text(value[:1] if kind == "label" and isinstance(value, list) else value), values, row.results
    ), "ok"


def _as_text(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(_as_text(one) for one in value)
    if isinstance(value, float):
        return f"{value:.1f}"
    return value.name if isinstance(value, Path) else str(value)
