"""Rows that ask several questions about one picture come to the LVLM together, and share the work on it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import api_graph
from api_graph.demo.scenes import scene

QUESTIONS = [f"Is there a {colour} ring?" for colour in ("red", "green", "blue", "yellow")]


@pytest.mark.parametrize(
    ("graph", "pictures"),
    [("lvlm_ask", 3), ("api_lvlm", 3 + 12)],  # the second one asks each question with a picture annotated for it
)
def test_questions_about_a_picture_share_it(graph: str, pictures: int, tmp_path: Path) -> None:
    """Three pictures with four questions each, in batches that end between two pictures."""
    rows: list[dict[str, str]] = []
    for i in range(3):
        scene(31_500_000 + i).image.save(tmp_path / f"{i}.png")
        rows += [{"image": f"{i}.png", "query": question} for question in QUESTIONS]
    table = tmp_path / "rows.jsonl"
    table.write_text("".join(f"{json.dumps(row)}\n" for row in rows), "utf-8")
    seen: list[int] = []

    def count(module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if type(module).__name__ == "CLIPVisionEmbeddings" and len(module.state_dict()):
            seen.append(len(given[0]))

    hook = nn.modules.module.register_module_forward_pre_hook(count)
    try:
        results = [*api_graph.map_graph(graph, table, output=tmp_path / "out", cache=False)]
    finally:
        hook.remove()
    assert [result.error for result in results] == [None] * 12
    assert sum(seen) == pictures
    if graph == "lvlm_ask":
        model = api_graph.load_lvlm("demo", "cpu")
        for result in results:
            alone = api_graph.ask(tmp_path / result.values["image"], result.values["query"], model)
            assert alone.text in [text for texts in result.texts.values() for text in texts]
