"""What makes the editor live: only what a change touches runs again."""

from __future__ import annotations

import json
from typing import Any

from api_graph.settings import shipped
from tests.editor.lab import Client, Page


def ran(page: Page, client: Client, prompt: dict[str, Any]) -> set[str]:
    """Classes of the nodes that ran, by what the page hears."""
    id = client.send(prompt, client_id=page.id).json["prompt_id"]
    told = page.of(id)
    assert "execution_success" in [type for type, _ in told]
    return {prompt[data["node"]]["class_type"] for type, data in told if type == "executing" and data["node"]}


def test_only_what_changed_runs(client: Client, page: Page) -> None:
    prompt = json.loads(shipped()["api_clip_cls"].read_text("utf-8"))
    by_title = {node["_meta"]["title"]: node["inputs"] for node in prompt.values()}
    assert {"APLoadCLIP", "APEncodeImage", "APEncodeQuery"} <= ran(page, client, prompt)

    by_title["query"]["text"] = "the green star"
    after_question = ran(page, client, prompt)
    assert not after_question & {"APLoadCLIP", "APEncodeImage", "APLoadImage"}
    assert {"APEncodeQuery", "APPsiCls", "APResize", "APAlphaBlend", "APOverlay", "APSaveImage"} <= after_question

    by_title["Alpha blend"]["strength"] = 0.5
    assert ran(page, client, prompt) == {"APAlphaBlend", "APSaveImage", "APGatherImages", "APContactSheet", "APMeasure"}

    assert ran(page, client, prompt) <= {"APMeasure"}  # a text is shown anew, nothing is saved
