"""What came of a run: as lines for people, as one JSON document for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from api_graph.cli.console import complain, human_size, one_line, print_table, say
from api_graph.cli.session import Outcome
from api_graph.errors import ApiGraphError
from api_graph.executor import NodeError, Step

_IN_WORDS = {
    "ran": "ran",
    "cached": "from the cache",
    "unneeded": "not needed",
    "failed": "failed",
    "blocked": "blocked",
}


def print_results(outcome: Outcome) -> None:
    """Files written, a line each, then texts shown: `TITLE: text`."""
    for output in outcome.result.outputs.values():
        for file in output.files:
            say(one_line(str(file)))
    for shown in _texts(outcome):
        say(f"{one_line(shown['title'])}: {shown['text']}")


def print_failures(failures: Sequence[NodeError]) -> None:
    """A line on stderr for each node that failed."""
    for failure in failures:
        hint = "" if isinstance(failure.__cause__, ApiGraphError) else " (--debug shows where)"
        complain(f"{failure}{hint}")


def summary(outcome: Outcome) -> str:
    """`12 nodes: 3 ran, 9 from the cache, in 1.2 s`."""
    steps = outcome.result.steps
    counts = Counter("cached" if step.cached else step.action for step in steps)
    parts = [f"{counts[action]} {words}" for action, words in _IN_WORDS.items() if counts[action]]
    nodes = "1 node" if len(steps) == 1 else f"{len(steps)} nodes"
    return f"{nodes}: {', '.join(parts)}; {outcome.result.seconds:.1f} s"


def print_steps(steps: Sequence[Step]) -> None:
    """The story of each node: what was done, and why."""
    rows = [
        (s.node, s.title, s.action, s.why, f"{s.seconds:.3f} s", human_size(s.bytes) if s.bytes else "") for s in steps
    ]
    print_table(("node", "title", "what", "why", "time", "size"), rows)


def document(name: str, outcome: Outcome, exit_code: int) -> dict[str, Any]:
    """All of it, for `--json`. Tensors are named by type and shape."""
    result = outcome.result
    return {
        "ok": not result.failures,
        "exit_code": exit_code,
        "graph": name,
        "seconds": result.seconds,
        "files": [file for output in result.outputs.values() for file in output.files],
        "texts": _texts(outcome),
        "outputs": {
            node: {"title": _title(outcome, node), "values": output.values, "files": output.files}
            for node, output in result.outputs.items()
        },
        "steps": [asdict(step) for step in result.steps],
        "failures": [failure.to_json() for failure in result.failures],
        "warnings": outcome.warnings,
    }


def _texts(outcome: Outcome) -> list[dict[str, str]]:
    return [
        {"node": node, "title": _title(outcome, node), "text": str(text)}
        for node, output in outcome.result.outputs.items()
        for text in output.ui.get("text", ())
    ]


def _title(outcome: Outcome, node: str) -> str:
    return next(step.title for step in outcome.result.steps if step.node == node)
