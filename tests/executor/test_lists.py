"""ComfyUI's list mapping: a node is called once per element of its longest list."""

from __future__ import annotations

import pytest

from api_graph.sockets import Mask
from api_graph.spec import node


def _values(lab, nodes, target):
    return lab.run(lab.executor(), nodes, targets=[target]).raise_failures().outputs[target].values


def test_a_node_is_called_once_per_element_and_the_shorter_list_repeats_its_last(lab):
    graph = {
        "1": ("Many", {"count": 4}),
        "2": ("Many", {"count": 2, "start": 10}),
        "3": ("Add", {"a": ["1", 0], "b": ["2", 0]}),
    }
    assert _values(lab, graph, "3") == {"int": [0 + 10, 1 + 11, 2 + 11, 3 + 11]}
    assert lab.calls["Add"] == 4


def test_a_literal_goes_with_every_element(lab):
    assert _values(lab, {"1": ("Many", {"count": 3}), "2": ("Add", {"a": ["1", 0], "b": 7})}, "2") == {"int": [7, 8, 9]}


def test_a_node_that_takes_lists_is_called_once_with_all(lab):
    graph = {"1": ("Many", {"count": 5}), "2": ("Sum", {"values": ["1", 0], "start": 100})}
    assert _values(lab, graph, "2") == {"int": 110}
    assert lab.calls["Sum"] == 1


def test_a_single_value_is_a_list_of_one(lab):
    assert _values(lab, {"1": ("Number", {"value": 3}), "2": ("Sum", {"values": ["1", 0]})}, "2") == {"int": 3}


def test_lists_from_several_calls_are_joined(lab):
    graph = {"1": ("Many", {"count": 3, "start": 1}), "2": ("Many", {"count": ["1", 0]})}
    assert _values(lab, graph, "2") == {"int": [0, 0, 1, 0, 1, 2]}
    assert lab.calls["Many"] == 4


@pytest.mark.parametrize("count, expected", [(0, []), (1, [0])])
def test_a_list_output_stays_a_list(lab, count, expected):
    assert _values(lab, {"1": ("Many", {"count": count})}, "1") == {"int": expected}


def test_an_empty_list_means_no_call_and_nothing_after_it_fails(lab):
    graph = {
        "1": ("Many", {"count": 0}),
        "2": ("Add", {"a": ["1", 0]}),
        "3": ("Fill", {"value": ["2", 0]}),
        "4": ("Sum", {"values": ["2", 0]}),
        "5": ("Sum", {"values": ["2", 0], "start": ["2", 0]}),
        "6": ("Show", {"value": ["3", 0]}),
    }
    result = lab.run(lab.executor(), graph, targets=["2", "3", "4", "5"]).raise_failures()
    assert [result.outputs[i].values for i in "2345"] == [{"int": []}, {"mask": []}, {"int": 0}, {"int": []}]
    assert (lab.calls["Add"], lab.calls["Fill"], lab.calls["Sum"], lab.calls["Show"]) == (0, 0, 1, 0)


def test_an_optional_link_that_is_left_out_is_not_mapped(lab):
    @node("Perhaps", category="test", title="Perhaps")
    def perhaps(a: int, mask: Mask | None = None) -> str:
        """Says what it got."""
        return f"{a} {mask}"

    lab.nodes.append(perhaps)
    graph = {"1": ("Many", {"count": 2}), "2": ("Perhaps", {"a": ["1", 0]})}
    assert _values(lab, graph, "2") == {"string": ["0 None", "1 None"]}


def test_all_calls_of_a_step_show_together(lab):
    result = lab.run(lab.executor(), {"1": ("Many", {"count": 3}), "2": ("Show", {"value": ["1", 0]})})
    assert result.outputs["2"].ui == {"text": ["0", "1", "2"]}


def test_one_call_that_fails_fails_its_step(lab):
    graph = {"1": ("Many", {"count": 3}), "2": ("Refuse", {"a": ["1", 0], "at": 1})}
    result = lab.run(lab.executor(), graph, targets=["2"])
    assert "is refused (got 1)" in str(result.failures[0])
    assert lab.calls["Refuse"] == 2
