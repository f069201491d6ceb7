"""Which node answers: the only one, or the one that is named; never a guess."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api_graph.benching.answers import answering, response_of
from api_graph.settings import shipped
from api_graph.table.manifest import result_names
from api_graph.table.records import RowResult
from tests.tasks.files import complaint


def graph(name: str) -> tuple[Any, dict[str, str]]:
    document = json.loads(shipped()[name].read_text("utf-8"))
    return document, result_names(document)


@pytest.mark.parametrize("name", ["lvlm_ask", "api_clip_ask", "api_lvlm_ask", "lvlm_step_by_step", "falip_alpha"])
def test_one_question_has_one_answer(name: str) -> None:
    document, titles = graph(name)
    assert answering(document, titles, "text") == ("Query LVLM", ("Query LVLM",))
    assert answering(document, titles, "text", "Answer") == ("Answer", ("Query LVLM",)), "shown as it was given"


def test_several_are_a_choice() -> None:
    document, titles = graph("lvlm_reflect")
    assert "Answer of round 1, Round 2, Answer" in complaint(answering, document, titles, "text")
    assert answering(document, titles, "text", "Answer") == ("Answer", ("Round 2",)), "extracted from the second"
    assert answering(document, titles, "text", "Round 1").asked == ("Round 1",)
    assert "There are: Round 1, Answer of round 1, Round 2, Answer" in complaint(
        answering, document, titles, "text", "Round 3"
    )


@pytest.mark.parametrize(
    ("name", "kind", "title"),
    [
        ("rec_foveal", "box", "Choose box"),
        ("classify_plain", "label", "Classify"),
        ("point_cloud_foveal", "label", "Classify point cloud"),
        ("api_clip_map", "map", "Heatmap"),
    ],
)
def test_other_kinds_of_answers(name: str, kind: Any, title: str) -> None:
    document, titles = graph(name)
    assert answering(document, titles, kind).title == title
    assert "no node of the graph asks an LVLM" in complaint(answering, document, titles, "text")


def row(results: dict[str, Any], error: str | None = None) -> RowResult:
    return RowResult(0, "k", {}, {}, {}, {}, Path(), 0.0, 0, error, results)


def test_what_a_row_gave() -> None:
    document, titles = graph("lvlm_reflect")
    answer = answering(document, titles, "text", "Answer")
    rounds = {"Round 1": {"text": "a", "finish_reason": "refusal"}, "Answer": {"text": "b"}}

    def state(reason: str, error: str | None = None) -> tuple[str, str]:
        response, status = response_of(
            row({**rounds, "Round 2": {"text": "", "finish_reason": reason}}, error), answer, "text"
        )
        return response.text, status

    assert state("stop") == ("b", "ok"), "the first round's refusal is none of the second's"
    assert state("length") == ("b", "ok")
    assert state("refusal") == ("", "refused")
    assert state("error") == ("", "failed")
    assert state("stop", "no memory") == ("", "failed")
    assert response_of(row({}), answer, "text")[1] == "failed"
