"""One graph, run: order, what is needed, what is shown, and what comes back."""

from __future__ import annotations

import gc
import json
import weakref
from dataclasses import replace
from typing import Any

import pytest
import torch

from api_graph.context import Context, SaveContext
from api_graph.errors import BadInput
from api_graph.executor import DiskCache, Executor, MemoryCache
from api_graph.sockets import Mask
from api_graph.spec import node

CHAIN: dict[str, Any] = {
    "4": ("Show", {"value": ["3", 0]}),
    "3": ("Add", {"a": ["2", 0], "b": 10}),
    "2": ("Add", {"a": ["1", 0]}),
    "1": ("Number", {"value": 5}),
}


def test_a_chain_runs_in_the_order_of_its_links(lab):
    result = lab.run(lab.executor(), CHAIN, targets=["3"])
    assert [e.node for e in lab.events if e.kind == "started"] == ["1", "2", "3", "4"]
    assert result.outputs["3"].values == {"int": 16}
    assert lab.shown == [16]
    assert [step.action for step in result.steps] == ["ran"] * 4


def test_only_what_outputs_and_targets_need_runs(lab):
    lab.run(lab.executor(), {**CHAIN, "9": ("Add", {"a": ["1", 0], "b": 77})})
    assert lab.calls["Add"] == 2


def test_an_unknown_target_is_refused(lab):
    with pytest.raises(BadInput, match="targets: there is no such node"):
        lab.run(lab.executor(), CHAIN, targets=["77"])


def test_inputs_left_out_take_the_functions_default(lab):
    result = lab.run(lab.executor(), {"1": ("Number", {}), "2": ("Show", {"value": ["1", 0]})}, targets=["1"])
    assert result.outputs["1"].values == {"int": 0}


def test_a_whole_number_reaches_a_float_input_as_a_float(lab):
    result = lab.run(lab.executor(), {"1": ("Scale", {"factor": 3})}, targets=["1"])
    assert repr(result.outputs["1"].values["float"]) == "3.0"


def test_files_embed_the_editor_s_workflow_and_nothing_else_that_came_along(lab):
    seen: list[Any] = []

    @node("Look", category="test", title="Look", output=True)
    def look(context: SaveContext) -> None:
        """Keeps what it was given."""
        seen.append({name: json.loads(text) for name, text in context.texts.items() if name != "prompt"})

    lab.nodes.append(look)
    extra = {"workflow": {"nodes": []}, "client_id": "somebody", "extra_data": {"api_key": "secret"}}
    lab.executor().run(replace(lab.graph({"1": ("Look", {})}), extra=extra), lab.folders)
    assert seen == [{"workflow": {"nodes": []}}]


def test_a_node_gets_its_context(lab):
    seen: list[Any] = []

    @node("Look", category="test", title="Look", output=True)
    def look(context: SaveContext) -> None:
        """Keeps what it was given."""
        seen.append(context)
        context.progress(1, 2)

    lab.nodes.append(look)
    lab.run(lab.executor(), {"7": ("Look", {})})
    lab.run(lab.executor(), {"7": ("Look", {})}, metadata=False)
    assert (seen[0].folders, seen[0].node_id) == (lab.folders, "7")
    assert seen[0].texts == {"prompt": '{"7": {"class_type": "Look", "inputs": {}}}'}
    assert seen[1].texts == {}
    assert [(e.kind, e.done, e.total) for e in lab.events[:3]] == [
        ("started", 0, 0),
        ("progress", 1, 2),
        ("done", 0, 0),
    ]


def test_files_that_a_node_says_it_saved_are_listed(lab):
    @node("Save", category="test", title="Save", output=True)
    def save(context: Context) -> None:
        """Says that it saved."""
        context.show_file(context.folders.output / "sub" / "a.png")
        context.show_file(context.folders.temp / "b.png", temporary=True)

    lab.nodes.append(save)
    result = lab.run(lab.executor(), {"1": ("Save", {})})
    assert result.outputs["1"].files == (lab.folders.output / "sub" / "a.png",)


def test_what_a_cached_step_showed_is_sent_again(lab, tmp_path):
    @node("Tell", category="test", title="Tell", store=True)
    def tell(context: Context, a: int = 1) -> int:
        """Shows and gives a number."""
        context.show_text(f"it is {a}")
        return a

    lab.nodes.append(tell)
    graph = {"1": ("Tell", {}), "2": ("Show", {"value": ["1", 0]})}
    for options in ({"memory": MemoryCache()}, {"disk": DiskCache(tmp_path / "cache")}):
        executor = lab.executor(**options)
        lab.run(executor, graph)
        lab.events.clear()
        result = lab.run(executor, graph, targets=["1"])
        cached = [e for e in lab.events if e.kind == "cached"]
        assert [(e.node, e.ui) for e in cached] == [("1", {"text": ["it is 1"]})]
        assert result.outputs["1"].ui == {"text": ["it is 1"]}


def test_output_nodes_run_every_time(lab):
    executor = lab.executor(memory=MemoryCache())
    for _ in range(3):
        lab.run(executor, CHAIN)
    assert (lab.calls["Show"], lab.calls["Add"]) == (3, 2)


def test_what_follows_an_output_node_is_cached_all_the_same(lab):
    graph = {"1": ("Pass", {"value": 3}), "2": ("Add", {"a": ["1", 0]})}
    executor = lab.executor(memory=MemoryCache())
    lab.run(executor, graph, targets=["2"])
    lab.rows(executor, [{"1": ("Pass", {"value": 8}), "2": graph["2"]}, graph], targets=["2"])
    assert (lab.calls["Pass"], lab.calls["Add"]) == (3, 2)


def test_identical_branches_run_once(lab, actions):
    graph = {
        "1": ("Number", {"value": 5}),
        "2": ("Add", {"a": ["1", 0]}),
        "3": ("Add", {"a": ["1", 0], "b": 1}),
        "4": ("Show", {"value": ["2", 0], "other": ["3", 0]}),
    }
    result = lab.run(lab.executor(), graph, targets=["2", "3"])
    assert lab.calls["Add"] == 1
    assert result.outputs["2"].values == result.outputs["3"].values == {"int": 6}
    assert actions(result) == {"1": "ran", "2": "ran", "3": "memory", "4": "ran"}
    assert result.steps[2].why.startswith("same inputs as node 2")


def test_a_second_run_does_nothing_but_show(lab, actions):
    executor = lab.executor(memory=MemoryCache())
    lab.run(executor, CHAIN)
    assert actions(lab.run(executor, CHAIN)) == {"1": "unneeded", "2": "unneeded", "3": "memory", "4": "ran"}


def test_a_change_runs_only_what_depends_on_it(lab, actions):
    executor = lab.executor(memory=MemoryCache())
    lab.run(executor, CHAIN)
    result = lab.run(executor, {**CHAIN, "3": ("Add", {"a": ["2", 0], "b": 11})})
    assert actions(result) == {"1": "unneeded", "2": "memory", "3": "ran", "4": "ran"}


def test_steps_say_how_long_and_how_large(lab):
    result = lab.run(lab.executor(), {"1": ("Fill", {"value": 1, "side": 8})}, targets=["1"])
    (step,) = result.steps
    assert (step.title, step.class_type, step.bytes) == ("Fill", "Fill", 8 * 8 * 4)
    assert 0 < step.seconds <= result.seconds


def test_nodes_run_in_inference_mode_and_what_nobody_will_read_is_freed(lab):
    alive: list[int] = []
    made: list[weakref.ref[torch.Tensor]] = []
    modes: list[bool] = []

    @node("Make", category="test", title="Make")
    def make(a: Mask | None = None) -> Mask:
        """A new tensor; counts the earlier ones that are still there."""
        modes.append(torch.is_inference_mode_enabled())
        alive.append(sum(ref() is not None for ref in made))
        result = torch.zeros(1, 2, 2)
        made.append(weakref.ref(result))
        return result

    lab.nodes.append(make)
    graph: dict[str, Any] = {"0": ("Make", {})}
    graph |= {str(i): ("Make", {"a": [str(i - 1), 0]}) for i in range(1, 6)}
    gc.disable()  # freed at once, not when the collector comes by
    try:
        result = lab.run(lab.executor(), graph, targets=["5"])
    finally:
        gc.enable()
    assert modes == [True] * 6
    assert alive == [0, 1, 1, 1, 1, 1]  # its own input, and no other
    assert [ref() is not None for ref in made] == [False] * 5 + [True]
    assert result.outputs["5"].values["mask"] is made[5]()


def test_nothing_is_held_once_the_result_is_gone(lab):
    executor = lab.executor()
    result = lab.run(executor, {"1": ("Fill", {"value": 1})}, targets=["1"])
    ref = weakref.ref(result.outputs["1"].values["mask"])
    del result
    gc.collect()
    assert ref() is None


def test_threads_must_be_some(lab):
    with pytest.raises(BadInput, match="threads: must be at least 1"):
        Executor(registry={}, threads=0)


def test_no_rows_give_no_results(lab):
    assert lab.executor().run_rows([], lab.folders) == []


def test_each_row_writes_to_its_own_folder(lab):
    @node("Where", category="test", title="Where", output=True)
    def where(context: SaveContext) -> str:
        """The folder."""
        return context.folders.output.name

    lab.nodes.append(where)
    graph = lab.graph({"1": ("Where", {})})
    own = [replace(lab.folders, output=lab.folders.output / name) for name in ("a", "b")]
    results = lab.executor().run_rows([graph, graph], own)
    assert [result.outputs["1"].values["string"] for result in results] == ["a", "b"]


def test_without_previews_only_they_are_left_out(lab):
    @node("Glance", category="test", title="Glance", output=True, preview=True)
    def glance(value: int) -> None:
        """Shows."""
        lab.calls["Glance"] += 1

    lab.nodes.append(glance)
    graph = lab.graph(
        {"1": ("Number", {"value": 3}), "2": ("Show", {"value": ["1", 0]}), "3": ("Glance", {"value": ["1", 0]})}
    )
    executor = lab.executor()
    executor.run_rows([graph], lab.folders, previews=False)
    assert (lab.calls["Glance"], lab.shown) == (0, [3])
    executor.run_rows([graph], lab.folders)
    assert lab.calls["Glance"] == 1
