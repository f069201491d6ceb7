"""Graphs that are refused, and how it is said: the page marks nodes by it."""

from __future__ import annotations

from typing import Any

import pytest

from api_graph.editor import limits
from tests.editor.lab import Answer, Client, nodes

SHOWN = nodes(a=("TEcho", {"text": "hi"}), b=("APShowText", {"value": ["a", 0]}))


def types(answer: Answer) -> dict[str, list[str]]:
    """The types of the errors, by node."""
    return {id: [error["type"] for error in found["errors"]] for id, found in answer.json["node_errors"].items()}


def test_no_graph(client: Client) -> None:
    for body in ({}, {"prompt": None}, {"prompt": []}, {"prompt": {}}):
        answer = client.post("/prompt", body)
        assert (answer.status, answer.json["error"]["type"], answer.json["node_errors"]) == (400, "no_prompt", {})


@pytest.mark.parametrize("body", [b"", b"{", b"[1]", b"[" * 100_000])
def test_a_body_that_is_no_object(client: Client, body: bytes) -> None:
    assert client.post("/prompt", body).status == 400


def test_a_node_of_an_unknown_class_stops_all(client: Client) -> None:
    prompt = {**SHOWN, "x": {"class_type": "KSampler", "inputs": {}, "_meta": {"title": "Sample"}}}
    answer = client.send(prompt)
    error = answer.json["error"]
    assert (answer.status, error["type"]) == (400, "missing_node_type")
    assert error["extra_info"] == {"node_id": "x", "class_type": "KSampler", "node_title": "Sample"}
    assert answer.json["node_errors"] == {}


def test_a_graph_without_an_output(client: Client) -> None:
    answer = client.send(nodes(a=("TEcho", {"text": "hi"})))
    assert (answer.status, answer.json["error"]["type"]) == (400, "prompt_no_outputs")


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, "required_input_missing"),
        ({"heatmap": 1}, "invalid_input_type"),
        ({"heatmap": ["nowhere", 0]}, "bad_linked_input"),
        ({"heatmap": ["i", 7]}, "bad_linked_input"),
        ({"heatmap": ["i", 0]}, "return_type_mismatch"),
        ({"heatmap": [1, 2, 3]}, "bad_linked_input"),
        ({"heatmap": ["i", 1], "kernel_size": 0}, "value_smaller_than_min"),
        ({"heatmap": ["i", 1], "kernel_size": 10**6}, "value_bigger_than_max"),
        ({"heatmap": ["i", 1], "kernel_size": "7"}, "invalid_input_type"),
        ({"heatmap": ["i", 1], "no_such_input": ["i", 1]}, "custom_validation_failed"),
    ],
)
def test_the_right_node_and_input_are_named(client: Client, inputs: dict[str, Any], expected: str) -> None:
    prompt = nodes(
        i=("APLoadImage", {"image": "api_graph_example.png"}),
        m=("APMeanFilter", inputs),
        s=("APSaveHeatmap", {"heatmap": ["m", 0]}),
    )
    answer = client.send(prompt)
    assert (answer.status, answer.json["error"]["type"]) == (400, "prompt_outputs_failed_validation")
    found = answer.json["node_errors"]["m"]
    assert types(answer) == {"m": [expected]}
    assert (found["class_type"], found["dependent_outputs"]) == ("APMeanFilter", ["s"])
    (error,) = found["errors"]
    wrong = next((name for name in inputs if name != "heatmap"), "heatmap")
    assert error["extra_info"]["input_name"] == wrong
    assert error["message"] and error["details"]


def test_the_facts_that_the_page_puts_into_its_words(client: Client) -> None:
    prompt = nodes(
        i=("APLoadImage", {"image": "api_graph_example.png"}),
        m=("APMeanFilter", {"heatmap": ["i", 0], "kernel_size": 9999}),
        s=("APSaveHeatmap", {"heatmap": ["m", 0]}),
    )
    linked, number = (error["extra_info"] for error in client.send(prompt).json["node_errors"]["m"]["errors"])
    assert (linked["received_type"], linked["input_config"][0], linked["linked_node"]) == ("IMAGE", "MASK", ["i", 0])
    assert (number["received_value"], number["input_config"][1]["max"]) == (9999, 4095)


def test_a_value_that_is_not_in_the_list(client: Client) -> None:
    prompt = nodes(
        i=("APLoadImage", {"image": "api_graph_example.png"}),
        b=("APAlphaBlend", {"image": ["i", 0], "heatmap": ["i", 1], "background": "pink"}),
        s=("APPreviewImage", {"images": ["b", 0]}),
    )
    assert types(client.send(prompt)) == {"b": ["value_not_in_list"]}


@pytest.mark.parametrize("name", ["gone.png", "../secret.png", "/etc/hostname", ""])
def test_a_picture_that_is_not_there_is_said_before_anything_runs(client: Client, name: str) -> None:
    prompt = nodes(i=("APLoadImage", {"image": name}), s=("APPreviewImage", {"images": ["i", 0]}))
    answer = client.send(prompt)
    assert (answer.status, types(answer)) == (400, {"i": ["custom_validation_failed"]})


def test_nodes_in_a_circle(client: Client) -> None:
    prompt = nodes(
        a=("TEcho", {"text": ["b", 0]}), b=("TEcho", {"text": ["a", 0]}), s=("APShowText", {"value": ["b", 0]})
    )
    answer = client.send(prompt)
    assert (answer.status, types(answer)) == (400, {"a": ["dependency_cycle"]})


def test_faults_of_nodes_that_no_output_needs_do_not_count(client: Client) -> None:
    prompt = {**SHOWN, **nodes(loose=("APMeanFilter", {}), c=("TEcho", {"text": ["d", 0]}), d=("TEcho", {}))}
    assert client.run(prompt)["status"]["completed"]


def test_a_sound_output_runs_beside_a_faulty_one(client: Client) -> None:
    prompt = {**SHOWN, **nodes(e=("TEcho", {}), f=("APShowText", {"value": ["e", 0]}))}
    answer = client.send(prompt)
    assert answer.status == 200
    assert types(answer) == {"e": ["required_input_missing"]}
    assert answer.json["node_errors"]["e"]["dependent_outputs"] == ["f"]
    assert client.done(answer.json["prompt_id"])["outputs"] == {"b": {"text": ["hi"]}}


def test_values_that_a_script_in_the_page_adds_are_left_out(client: Client) -> None:
    prompt = nodes(a=("TEcho", {"text": "hi", "upload": "image"}), b=("APShowText", {"value": ["a", 0]}))
    assert client.run(prompt)["outputs"] == {"b": {"text": ["hi"]}}


def test_too_many_nodes(client: Client) -> None:
    prompt = nodes(**{f"n{i}": ("TEcho", {"text": "x"}) for i in range(100_000)})
    answer = client.send(prompt)
    assert (answer.status, answer.json["error"]["type"]) == (400, "invalid_prompt")
    assert "100000 nodes" in answer.json["error"]["message"]
    assert client.run(SHOWN)["status"]["completed"]


def test_many_nodes(client: Client) -> None:
    """A chain as long as the editor takes one."""
    chain = {f"n{i}": ("TEcho", {"text": [f"n{i - 1}", 0] if i else "x"}) for i in range(limits.MOST_NODES - 1)}
    last = f"n{limits.MOST_NODES - 2}"
    assert client.run(nodes(**chain, s=("APShowText", {"value": [last, 0]})))["outputs"] == {"s": {"text": ["x"]}}


def test_a_body_that_is_too_large(client: Client) -> None:
    assert client.post("/prompt", b" " * (limits.LARGEST_PROMPT + 1)).status == 413
    assert client.run(SHOWN)["status"]["completed"]
