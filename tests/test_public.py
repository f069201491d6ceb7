"""The public names: all of them and no others, and each function says one thing by one name and in one order."""

from __future__ import annotations

import inspect
import subprocess
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import api_graph
from api_graph.errors import BadInput
from api_graph.settings import shipped_graphs

PICTURE = shipped_graphs() / "api_graph_example.png"
FUNCTIONS: dict[str, Callable[..., Any]] = {
    name: own for name in api_graph.__all__ if inspect.isfunction(own := getattr(api_graph, name))
}
WITH_MODEL = [name for name, own in FUNCTIONS.items() if "model" in inspect.signature(own).parameters]
OF_MODEL = ["find_heads"]
"""These ask nothing of an image: they are about the model itself, which comes first."""


def test_dir_shows_what_is_public_and_nothing_else() -> None:
    """Also in a process that has used much of it, and so has imported its modules."""
    code = (
        "import api_graph\n"
        "before = dir(api_graph)\n"
        "for name in api_graph.__all__: getattr(api_graph, name)\n"
        "import api_graph.cli.app, api_graph.nodes.pack\n"
        "assert dir(api_graph) == before, set(dir(api_graph)) ^ set(before)\n"
        "print([name for name in before if not name.startswith('__')] == sorted(api_graph.__all__))\n"
        "from api_graph import *\n"
        "print(annotate is api_graph.annotate)\n"
    )
    printed = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=True)
    assert printed.stdout.split() == ["True", "True"]


def classes_in(hint: object) -> Iterator[type]:
    """The classes of this package that a return type is made of."""
    if isinstance(hint, type) and hint.__module__.startswith("api_graph"):
        yield hint
    for one in typing.get_args(hint):
        yield from classes_in(one)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_a_function_returns_is_public(name: str) -> None:
    function = inspect.unwrap(FUNCTIONS[name])
    holder = type("", (), {"__annotations__": {"return": inspect.signature(function).return_annotation}})
    hint = typing.get_type_hints(holder, function.__globals__)["return"]
    public = {getattr(api_graph, own) for own in api_graph.__all__}
    assert {own for own in classes_in(hint) if not issubclass(own, dict)} <= public
    assert function.__doc__ and function.__doc__.split("\n")[0].endswith((".", ":"))


def test_one_order_and_one_name() -> None:
    """What is looked at, what is asked of it, and then the model, which may always be named."""
    assert set(WITH_MODEL) >= {"annotate", "ask", "choose_box", "classify", "clip_attribution", "lvlm_attribution"}
    for name in OF_MODEL:
        first, *_ = inspect.signature(FUNCTIONS[name]).parameters.values()
        assert (first.name, first.default) == ("model", "demo"), name
    for name in set(WITH_MODEL) - {*OF_MODEL}:
        parameters = list(inspect.signature(FUNCTIONS[name]).parameters.values())
        names = [one.name for one in parameters]
        first = {"classify_point_cloud": "points"}.get(name, "image")
        asked = {"classify": ["labels"], "classify_point_cloud": ["labels"], "foveal_features": ["masks"]}
        between = {"choose_box": ["boxes", "query"], **asked}.get(name, ["query"])
        assert names[: len(between) + 2] == [first, *between, "model"], name
        assert parameters[len(between) + 1].default == "demo", name
    said = {one for own in FUNCTIONS.values() for one in inspect.signature(own).parameters}
    assert said.isdisjoint({"images", "queries", "question", "text", "texts", "max_new_tokens"})


def test_device_is_everywhere() -> None:
    """Where a model is loaded."""
    loading = [
        name for name, own in FUNCTIONS.items() if {"model", "graph", "name"} & set(inspect.signature(own).parameters)
    ]
    assert set(loading) >= {"load_clip", "load_lvlm", "run_graph", "map_graph", *WITH_MODEL}
    for name in set(loading) - {"contrast_preset", "steer_preset"}:
        assert "device" in inspect.signature(FUNCTIONS[name]).parameters, name


CALLS: dict[str, dict[str, Any]] = {
    "annotate": {"image": PICTURE, "query": "a star"},
    "ask": {"image": PICTURE, "query": "What?"},
    "choose_box": {"image": PICTURE, "boxes": [[1, 2, 30, 40]], "query": "a star"},
    "classify": {"image": PICTURE, "labels": ["a", "b"]},
    "classify_point_cloud": {"points": torch.rand(20, 3) - 0.5, "labels": ["a", "b"]},
    "clip_attribution": {"image": PICTURE, "query": "a star"},
    "find_heads": {"items": [(PICTURE, "What?", [[1, 2, 30, 40]])]},
    "foveal_features": {"image": PICTURE},
    "lvlm_attribution": {"image": PICTURE, "query": "What?"},
}


@pytest.mark.parametrize("name", WITH_MODEL)
def test_a_device_that_is_not_there_is_told(name: str) -> None:
    """By name it is asked of the loader; a model that is loaded stays where it is."""
    function = FUNCTIONS[name]
    with pytest.raises(BadInput, match="device: this machine has no such device"):
        function(**CALLS[name], device="nowhere")
    load = api_graph.load_lvlm if name in ("ask", "find_heads", "lvlm_attribution") else api_graph.load_clip
    loaded = load(device="cpu")
    function(**CALLS[name], model=loaded, device=torch.device("cpu"))
    with pytest.raises(BadInput, match="device: the model is loaded already, on cpu"):
        function(**CALLS[name], model=loaded, device="meta")


def test_an_endpoint_has_no_device(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "endpoints.toml").write_text('[mine]\nbase_url = "http://127.0.0.1:9/v1"\nmodels = ["m"]\n', "utf-8")
    monkeypatch.setenv("API_GRAPH_ENDPOINTS", str(tmp_path / "endpoints.toml"))
    with pytest.raises(BadInput, match="device: mine is an endpoint, and computes where its server does"):
        api_graph.ask(PICTURE, "What?", "mine", device="cpu")


def test_graphs_take_a_device(tmp_path: Path) -> None:
    with pytest.raises(api_graph.ApiGraphError, match="device"):
        api_graph.run_graph("api_clip_cls", output=tmp_path, cache=False, device="nowhere")
    with pytest.raises(api_graph.ApiGraphError, match="device"):
        list(api_graph.map_graph("api_clip_map", [{"query": "a"}], output=tmp_path, device="nowhere"))
    rows = [{"image": str(PICTURE), "query": "the triangle"}]
    (row,) = api_graph.map_graph("api_clip_map", rows, output=tmp_path, cache=False, device=torch.device("cpu"))
    assert row.ok
