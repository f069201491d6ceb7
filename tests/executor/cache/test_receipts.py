"""What was saved before and still stands is not saved again, where the caller wants it so."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import pytest

from api_graph.context import Context, SaveContext
from api_graph.executor import MemoryCache, RunResult
from api_graph.socket_names import Socket
from api_graph.sockets import AnyValue
from api_graph.spec import node

GRAPH: dict[str, tuple[str, dict[str, Any]]] = {
    "1": ("Number", {"value": 3}),
    "2": ("SaveNumber", {"number": ["1", 0]}),
    "3": ("Show", {"value": ["1", 0]}),
}


@pytest.fixture
def saving(lab):
    """A lab with a node that saves one file per call, under a new name."""

    @node("Number", category="test", title="Number")
    def number(value: int) -> int:
        """A number."""
        lab.calls["Number"] += 1
        return value

    @node("SaveNumber", category="test", title="Save", output=True)
    def save(number: int, context: SaveContext, prefix: str = "n") -> int:
        """Write a number."""
        lab.calls["SaveNumber"] += 1
        path = context.folders.output / f"{prefix}{lab.calls['SaveNumber']}.txt"
        path.parent.mkdir(exist_ok=True)
        path.write_text(str(number))
        context.show_file(path)
        return number

    @node("Show", category="test", title="Show", output=True)
    def show(value: AnyValue, context: SaveContext) -> None:
        """Show a number."""
        lab.calls["Show"] += 1
        context.show_text(str(value))

    @node("Say", category="test", title="Say", output=True, store=True)
    def say(value: AnyValue, context: Context) -> str:
        """Say anything: it depends on nothing else."""
        lab.calls["Say"] += 1
        context.show_text(str(value))
        return f"said {value}"

    @node("Shaky", category="test", title="Shaky")
    def shaky(context: Context) -> int:
        """Stands in for what could not be had."""
        context.keep_for_this_run_only()
        return 5

    @node("Box", category="test", title="Box")
    def box(value: int) -> Annotated[list[int], Socket("BOX")]:
        """Something that is neither a number nor a text."""
        return [value]

    lab.nodes = [number, save, show, say, shaky, box]
    return lab


def saved(result: RunResult) -> list[str]:
    assert not result.failures
    return [file.name for file in result.outputs["2"].files]


def test_what_stands_is_not_saved_again(saving, cache) -> None:
    first = saving.run(saving.executor(disk=cache), GRAPH, save_again=False)
    again = saving.run(saving.executor(disk=cache), GRAPH, save_again=False)
    assert saved(first) == saved(again) == ["n1.txt"]
    assert saving.calls["SaveNumber"] == 1
    step = next(s for s in again.steps if s.node == "2")
    assert (step.action, step.why) == ("saved", "what it saved in an earlier run still stands")
    # A text that is shown costs nothing, and programs read it: that step runs.
    assert saving.calls["Show"] == 2
    assert again.outputs["3"].ui == {"text": ["3"]}


def test_by_default_everything_is_saved_again(saving, cache) -> None:
    executor = saving.executor(disk=cache)
    results = [saving.run(executor, GRAPH, save_again=again) for again in (False, True)]
    assert [saved(r) for r in results] == [["n1.txt"], ["n2.txt"]]
    assert results[1].outputs["2"].values == {"int": 3}


@pytest.mark.parametrize("harm", ["removed", "longer", "touched"])
def test_a_changed_file_is_saved_again(saving, cache, harm: str) -> None:
    file: Path = saving.run(saving.executor(disk=cache), GRAPH, save_again=False).outputs["2"].files[0]
    if harm == "removed":
        file.unlink()
    elif harm == "longer":
        file.write_text("33")
    else:
        os.utime(file, ns=(1, 1))
    assert saved(saving.run(saving.executor(disk=cache), GRAPH, save_again=False)) == ["n2.txt"]


def test_another_input_folder_or_choice_of_metadata_is_another_file(saving, cache, tmp_path: Path) -> None:
    executor = saving.executor(disk=cache)
    saving.run(executor, GRAPH, save_again=False)
    other = {**GRAPH, "2": ("SaveNumber", {"number": ["1", 0], "prefix": "other"})}
    assert saved(saving.run(executor, other, save_again=False)) == ["other2.txt"]
    assert saved(saving.run(executor, GRAPH, save_again=False, metadata=False)) == ["n3.txt"]
    saving.folders = type(saving.folders)(saving.folders.inputs, tmp_path / "elsewhere", saving.folders.temp)
    assert saved(saving.run(executor, GRAPH, save_again=False)) == ["n4.txt"]


def test_a_step_whose_output_is_read_runs(saving, cache) -> None:
    graph = {**GRAPH, "3": ("Show", {"value": ["2", 0]})}
    for _ in range(2):
        result = saving.run(saving.executor(disk=cache), graph, save_again=False)
        assert result.outputs["3"].ui == {"text": ["3"]}
    assert saving.calls["SaveNumber"] == 2


# ------------------------------------------------------------------------------------------ outputs that only show


SAID: dict[str, tuple[str, dict[str, Any]]] = {"1": ("Number", {"value": 3}), "2": ("Say", {"value": ["1", 0]})}


def test_a_text_that_says_store_is_found(saving, cache, actions, tmp_path: Path) -> None:
    first = saving.run(saving.executor(disk=cache), SAID, show_again=False)
    saving.folders = type(saving.folders)(saving.folders.inputs, tmp_path / "elsewhere", saving.folders.temp)
    again = saving.run(saving.executor(disk=cache), SAID, show_again=False)
    assert actions(again) == {"1": "unneeded", "2": "disk"}  # it lies in no folder
    assert again.outputs["2"] == first.outputs["2"] and first.outputs["2"].ui == {"text": ["3"]}
    assert again.outputs["2"].values == {"string": "said 3"}
    assert saving.calls == {"Number": 1, "Say": 1}
    assert [(event.kind, event.ui) for event in saving.events if event.node == "2"][-1] == ("cached", {"text": ["3"]})


def test_a_text_of_other_inputs_is_another(saving, cache) -> None:
    for value in (3, 4, 3):
        graph = {**SAID, "1": ("Number", {"value": value})}
        result = saving.run(saving.executor(disk=cache), graph, show_again=False)
        assert result.outputs["2"].ui == {"text": [str(value)]}
    assert saving.calls["Say"] == 2


def test_a_text_is_shown_again_by_default(saving, cache) -> None:
    executor = saving.executor(disk=cache, memory=MemoryCache())
    for again in (False, True, True):
        assert saving.run(executor, SAID, show_again=again).outputs["2"].ui == {"text": ["3"]}
    assert saving.calls["Say"] == 3
    saving.rows(executor, [SAID, SAID])
    assert saving.calls["Say"] == 5


def test_a_text_that_is_read_is_found_with_what_it_gives(saving, cache) -> None:
    graph = {**SAID, "3": ("Say", {"value": ["2", 0]}), "4": ("Show", {"value": ["3", 0]})}
    for _ in range(2):
        result = saving.run(saving.executor(disk=cache), graph, show_again=False)
        assert result.outputs["4"].ui == {"text": ["said said 3"]}
    assert saving.calls["Say"] == 2


@pytest.mark.parametrize(
    "source",
    [("Shaky", {}), ("Box", {"value": 3})],
    ids=["of a result for one run", "of what may say where it lies"],
)
def test_texts_that_are_not_kept(saving, cache, source: tuple[str, dict[str, Any]]) -> None:
    for _ in range(2):
        assert not saving.run(saving.executor(disk=cache), {**SAID, "1": source}, show_again=False).failures
    assert saving.calls["Say"] == 2
