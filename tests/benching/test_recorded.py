"""What is recorded of a run: the prompts word for word, and the models with their weights and precision."""

from __future__ import annotations

from pathlib import Path

import pytest

from api_graph.benching.answers import answering
from api_graph.benching.recorded import identity_of, with_prompts_shown
from api_graph.graph import Link, set_inputs
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.table.manifest import result_names
from api_graph.table.options import RunOptions
from api_graph.table.plan import plan_of
from tests.tasks.files import complaint


def test_each_prompt_that_is_made_is_shown() -> None:
    shown = with_prompts_shown(open_graph("lvlm_reflect"))
    added = [shown.nodes[id] for id in shown.nodes if id not in open_graph("lvlm_reflect").nodes]
    assert [node.title for node in added] == ["Prompt of Round 1", "Prompt of Round 2"]
    for node in added:
        asker = shown.nodes[node.id.removesuffix("-prompt")]
        assert node.inputs == {"value": asker.inputs["question"]} and isinstance(node.inputs["value"], Link)


def test_a_prompt_is_no_answer() -> None:
    """Though that of the second round holds the first round's answer."""
    for name in ("lvlm_reflect", "lvlm_ask"):
        document = with_prompts_shown(open_graph(name)).to_api()
        found = answering(document, result_names(document), "text", "Answer")
        assert found == answering(open_graph(name).to_api(), result_names(open_graph(name).to_api()), "text", "Answer")
    document = with_prompts_shown(open_graph("lvlm_reflect")).to_api()
    assert "could answer: Answer of round 1, Round 2, Answer. Say" in complaint(
        answering, document, result_names(document), "text"
    )


@pytest.mark.parametrize("precision", ["auto", "bfloat16"])
def test_models_are_told_by_weights_and_precision(tmp_path: Path, precision: str) -> None:
    registry, graph = all_nodes(), open_graph("api_clip_ask")
    given = {"Load CLIP.precision": precision, "answerer": str(tmp_path / "none")}
    graph = set_inputs(graph, registry, {}, given)
    table = tmp_path / "rows.jsonl"
    table.write_text('{"image": "x.png", "query": "?"}')
    plan = plan_of(graph, "api_clip_ask", str(table), tmp_path / "out", registry, given, RunOptions())
    found = identity_of(plan, registry)
    clip = found["Load CLIP"]
    assert isinstance(clip, dict) and clip["model"] == "demo" and clip["weights"]
    assert clip["precision"] in {"auto": ("float32", "float16"), "bfloat16": ("bfloat16",)}[precision]
    missing = found["answerer"]
    assert isinstance(missing, dict) and "weights" not in missing and missing["precision"] == "auto"
