"""An argument of another type is told by its own name, in every public function and before anything is loaded."""

from __future__ import annotations

import inspect
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor

import api_graph
from api_graph.arguments import fits, typed, wanted
from api_graph.errors import BadInput
from api_graph.pixels.blend import alpha_blend, reference_blend
from api_graph.pixels.heatmap import mean_filter, normalize
from api_graph.pixels.overlay import overlay
from api_graph.pixels.read import to_pil
from api_graph.regions import Boxes
from api_graph.tasks.pointcloud.read import read_points

FUNCTIONS = {
    name: function
    for name in api_graph.__all__
    if inspect.isfunction(function := getattr(api_graph, name)) and function.__module__.startswith("api_graph.")
}

PICTURES = {"image", "clean"}
"""Of any kind, which is told by what reads them."""

OWN_WORDS = {
    ("choose_box", "method"),
    ("foveal_features", "unleash"),
    ("ask", "fovea"),
    ("ask", "schedule"),
    ("lvlm_attribution", "fovea"),
}
"""Told by the function itself, when its model is there."""

# By hand, from what the signatures say: a value of a wrong type for each argument of each kind.
TEXT = [3, 2.5, [1], {"a": 1}, np.zeros(3), torch.zeros(3), True, b"x", object()]
TEXTS = [3, 2.5, [1], {"a": 1}, np.zeros(3), torch.zeros(3), True, b"x", object(), Path("x")]
NUMBER = ["2", [1], {"a": 1}, np.zeros(3), torch.zeros(3), True, b"x", object(), None]
WHOLE = ["2", 2.5, [1], {"a": 1}, np.zeros(3), torch.zeros(3), True, b"x", object()]
FLAG = ["False", 1, [1], None, object(), torch.zeros(3)]
TENSOR = [3, "x", [[1.0]], np.zeros(3), object(), True]
MODEL = [3, [1], {"a": 1}, np.zeros(3), torch.zeros(3), True, None, object(), b"x"]
DICT = [3, "x", [1], object()]
KINDS: dict[str, list[Any]] = {
    **{name: [*TEXT, None, Path("x")] for name in ("system", "name")},
    **dict.fromkeys(("template", "pretrained", "shard", "names"), TEXT),
    **dict.fromkeys(("labels", "templates"), TEXTS),
    **{name: ["query", *TEXTS] for name in ("targets", "keep")},
    "subtract": TEXTS,
    **dict.fromkeys(("alpha", "sigma", "contrast", "temperature"), NUMBER),
    **{name: [*WHOLE, None] for name in ("max_tokens", "seed", "memory")},
    **dict.fromkeys(("start_layer", "count", "limit", "batch_size", "threads"), WHOLE),
    **dict.fromkeys(("metadata", "retry_failed", "fail_fast", "adopt", "keep_null", "keep_answers"), FLAG),
    **dict.fromkeys(("pixel_values", "token_ids", "input_ids", "clean_pixel_values"), TENSOR),
    **dict.fromkeys(("recipe", "psi", "similarity", "interpolation", "form", "cells", "order", "format"), TEXT),
    **dict.fromkeys(("scale", "on_empty", "aggregate", "resize_mode", "quantization", "normalization"), TEXT),
    **dict.fromkeys(("inputs", "columns"), DICT),
    "method": [3, 2.5, {"a": 1}, np.zeros(3), True, b"x", object()],
    "model": MODEL,
    "layers": [2.5, ["zz"], {"a": 1}, None, object(), Path("x")],
    "layer": WHOLE,
    "items": [],  # told by the function itself
    **{name: [*WHOLE, None] for name in ("scenes", "seeds")},
    **dict.fromkeys(("allow_private", "fast_resize"), FLAG),
    "progress": [value for value in FLAG if value is not None],
    "heads": [3, 2.5, "0", ["a"], {"a": 1}, object()],
    "query": TEXT,
    "boxes": [3, 2.5, [1], {"a": 1}, True, object(), Path("x")],
    "box": [3, "1 2 3 4", ["a"], {"a": 1}, None, object()],
    "image_size": [3, "64", (64,), (1, 2, 3), ("a", "b"), None],
    "grid": [3, "8", (8,), (1.5, 2), None],
    "masks": [3, "x", [[1.0]], {"a": 1}, object()],
    "unleash": ["x", {"a": 1}, None, object()],
    "points": [3, 2.5, {"a": 1}, True, None, object(), [1]],
    "betas": [3, "1", ["a"], {"a": 1}, object()],
    "graph": [3, 2.5, [1], True, None, object(), b"x"],
    "rows": [3, [1], ["a"], {"a": 1}, None, object()],
    "output": [3, [1], None, True, object()],
    "folder": [3, [1], None, True, object()],
    **dict.fromkeys(("image_format", "heatmap_format", "maps", "map_precision"), TEXT),
    "tar": WHOLE,
    "quality": WHOLE,
    "mode": TEXT,
    "strength": [value for value in NUMBER if value is not None],
    "fovea": [],
    "schedule": [],
    "input_folders": [3, "folder", [1], object()],
    "cache": [3, [1], object()],
    "listener": [3, "x", [1]],
    "device": [2.5, [1], {"a": 1}, True, object()],
    "dtype": [3, [1], {"a": 1}, object()],
    "steps": [3, 2.5, {"a": 1}, None, object(), [1.5]],
    "answer": [3, 2.5, ["a"], {"a": 1}, object()],
    **{name: [*TEXT, Path("x")] for name in ("figure", "truth", "by", "font", "colormap")},
    **{name: [3, {"a": 1}, [1], None, True, object()] for name in ("folders", "out")},
    "on": [3, "item", [1], {"a": 1}, None, object()],
    "allow_missing": FLAG,
    "width": NUMBER,
    "opacity": [value for value in NUMBER if value is not None],
    "dpi": [*WHOLE, None],
    "controls": FLAG,
    "at": [3, 2.5, "x", ["a"], object()],
    **dict.fromkeys(("x", "lines"), TEXT),
    "kind": [*TEXT, None],
}
NEEDED: dict[str, Any] = {"labels": "a\nb", "boxes": [[1, 2, 3, 4]], "query": "a ring"}
SHAPES = {"image_size": (64, 64), "grid": (8, 8), "box": [1, 2, 30, 40], "points": torch.zeros(3, 3), "rows": [{}]}
NEEDED |= {**SHAPES, "graph": "api_clip", "model": "demo", "image": "x.png"}
NEEDED |= {"folder": "results", "folders": ["one", "other"], "out": "figure.pdf", "name": "PAI"}


@pytest.fixture
def nothing_is_loaded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A model that is loaded, or a graph that is opened, before the arguments are looked at, fails the test."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("the arguments have not been looked at")

    modules = {
        "clip.load": "load_clip",
        "lvlm.load": "load_lvlm",
        "runs": "open_graph",
    }
    for module, name in {**modules, "table.map": "open_graph"}.items():
        monkeypatch.setattr(sys.modules[f"api_graph.{module}"], name, refuse)
    monkeypatch.chdir(tmp_path)


def declared(function: Callable[..., Any]) -> list[str]:
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [one.name for one in inspect.signature(function).parameters.values() if one.kind in kinds]


def parameter_default(function: Callable[..., Any], name: str) -> object:
    return inspect.signature(function).parameters[name].default


def of_another_type(function: Callable[..., Any], name: str) -> list[Any]:
    """The values for an argument of this name that are wrong in this function."""
    values = KINDS[name]
    if name == "normalize":
        values = FLAG if function is api_graph.classify_point_cloud else TEXT
    if name == "model" and function in (api_graph.choose_box,):
        values = [value for value in values if not isinstance(value, list)] + [[1], [None]]
    if name == "method" and function is not api_graph.choose_box:
        values = [*values, ["none"]]
    if name == "contrast" and function is api_graph.ask:
        values = [value for value in values if not isinstance(value, str) and value is not None]
    if name == "heads" and function is api_graph.ask:
        values = [value for value in values if not isinstance(value, str | dict)]
    if name == "heads" and function is api_graph.lvlm_attribution:
        values = [value for value in values if not isinstance(value, dict)]
    if name == "progress" and function is api_graph.find_heads:
        values = [3, "x", [1], object()]
    if name == "seeds":
        values = [*values, 3]
    if name == "query":  # several where each has a result of its own
        values = TEXTS if function in (api_graph.annotate, api_graph.clip_attribution) else [*TEXT, Path("x")]
        if parameter_default(function, name) is inspect.Parameter.empty:
            values = [*values, None]
    if name == "grid" and function is api_graph.map_graph:
        values = DICT
    if name == "rows" and function in (api_graph.ask, api_graph.lvlm_attribution):
        values = [*TEXT, None]
    if name == "layers" and function is api_graph.lvlm_attribution:
        values = [value for value in values if value is not None]
    if function is api_graph.draw_figure and name in ("rows", "columns"):
        values = TEXT
    if name == "kernel_size":
        values = WHOLE if function is api_graph.annotate else [*WHOLE, None]
    return values


KINDS |= {"normalize": TEXT, "kernel_size": WHOLE}


def test_every_argument_is_in_the_table() -> None:
    hinted = {name for function in FUNCTIONS.values() for name in declared(function)}
    assert hinted - set(KINDS) - PICTURES - {"ray", "unleash_layers"} == set()


@pytest.mark.usefixtures("nothing_is_loaded")
@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_wrong_type_is_told_by_the_arguments_own_name(name: str) -> None:
    function = FUNCTIONS[name]
    parameters = inspect.signature(function).parameters
    needed = {one: NEEDED[one] for one in declared(function) if parameters[one].default is inspect.Parameter.empty}
    for kind in (api_graph.ClipModel, api_graph.LvlmModel):
        if "model" in parameters and parameters["model"].annotation == kind.__name__:
            needed["model"] = object.__new__(kind)  # never looked into
    for one in declared(function):
        if one in PICTURES | {"ray", "unleash_layers"} or (name, one) in OWN_WORDS:
            continue
        for value in of_another_type(function, one):
            with pytest.raises(BadInput) as caught:
                function(**{**needed, one: value})
            assert caught.value.input == one, (one, value, str(caught.value))
            assert " is needed, and this is " in str(caught.value), (one, value)


@pytest.mark.parametrize("value", [3, {"a": 1}, np.zeros((4, 4)), object(), []])
def test_what_is_no_picture_is_told_by_its_name(value: Any) -> None:
    clip, demo = api_graph.load_clip(), api_graph.load_lvlm()
    calls: list[tuple[str, Callable[[], object]]] = [
        ("image", lambda: api_graph.annotate(value, "a ring", clip)),
        ("image", lambda: api_graph.ask(value, "What?", demo)),
        ("image", lambda: api_graph.classify(value, ["a", "b"], clip)),
        ("image", lambda: api_graph.clip_attribution(value, "a ring", clip)),
        ("image", lambda: api_graph.choose_box(value, [[1, 2, 3, 4]], "a ring", clip)),
        ("image", lambda: api_graph.foveal_features(value, model=clip)),
        ("image", lambda: api_graph.lvlm_attribution(value, "What?", demo)),
    ]
    for name, call in calls:
        with pytest.raises(BadInput) as caught:
            call()
        assert caught.value.input == name


def test_the_message() -> None:
    def said(call: Callable[[], object]) -> str:
        with pytest.raises(BadInput) as caught:
            call()
        return str(caught.value)

    wrong: Any = np.zeros((1, 3, 8, 8))
    assert said(lambda: api_graph.clip_attribution(model=api_graph.load_clip(), pixel_values=wrong)).startswith(
        "pixel_values: a tensor is needed, and this is a ndarray (got "
    )
    texts: Any = "query"
    assert said(lambda: api_graph.map_graph("api_clip", [], keep=texts)) == (
        "keep: a list of texts is needed, and this is a str (got 'query'). Wrap it in a list: ['query']."
    )
    number: Any = 3
    assert said(lambda: api_graph.annotate("x.png", number)) == (
        "query: a text or a list of texts is needed, and this is an int (got 3). Check the call."
    )
    one: Any = (1, 2, 3, 4)
    boxes = "Boxes or a text or a list of lists of numbers or an array or a tensor"
    told = "is needed, and this is a tuple (got (1, 2, 3, 4)). Wrap it in a list: [(1, 2, 3, 4)]."
    assert said(lambda: api_graph.choose_box("x.png", one, "a ring")) == f"boxes: {boxes} {told}"
    assert said(lambda: api_graph.classify("x.png", ["a"], boxes=one)) == f"boxes: {boxes} or a list of these {told}"
    assert said(lambda: api_graph.load_lvlm(number)).startswith("name: a text is needed, and this is an int (got 3)")


@pytest.mark.parametrize("name", FUNCTIONS)
def test_an_unknown_keyword_is_refused_by_the_function_that_was_called(name: str) -> None:
    function, known = FUNCTIONS[name], declared(FUNCTIONS[name])
    misspelt = known[-1][:-1] + "zq"
    needed = {one: NEEDED[one] for one in known if parameter_default(function, one) is inspect.Parameter.empty}
    with pytest.raises(TypeError, match=rf"^{name}\(\) got an unexpected keyword argument '{misspelt}'"):
        function(**{**needed, misspelt: 1})


def test_what_is_like_an_unknown_keyword_is_named() -> None:
    api: Any = api_graph
    for call, said in {
        lambda: api.annotate("x.png", "a ring", modle="demo"): r"annotate\(\) got .* 'modle'\. Did you mean 'model'\?",
        lambda: api.annotate("x.png", "a ring", strenght=1): r"annotate\(\) got .*Did you mean 'strength'\?",
        lambda: api.ask("x.png", "What?", steering=1): r"^ask\(\) got an unexpected keyword argument 'steering'$",
        lambda: api.ask("x.png", "What?", "demo", 1): r"^ask\(\): too many positional arguments",
        lambda: api.ask("x.png"): r"^ask\(\): missing a required argument: 'query'",
    }.items():
        with pytest.raises(TypeError, match=said):
            call()
    picture, clip = np.zeros((80, 80, 3), np.uint8), api_graph.load_clip()
    for recipe, name, value in (("reference", "strength", 0.5), ("reference", "background", "blur")):
        with pytest.raises(BadInput, match=rf"^{name}: the recipe {recipe} has no such setting .*It has grey"):
            api.annotate(picture, "a ring", clip, recipe, **{name: value})


GONE = ["missing.png", "https://example.org/a.jpg", "folder", "broken.png"]


@pytest.mark.parametrize("gone", GONE)
def test_what_cannot_be_read_is_told_by_the_arguments_name(gone: str, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    clip, demo, good = api_graph.load_clip(), api_graph.load_lvlm(), np.zeros((80, 80, 3), np.uint8)
    calls: list[tuple[str, Callable[[], object]]] = [
        ("image", lambda: api_graph.annotate(gone, "a ring", clip)),
        ("image", lambda: api_graph.annotate([good, gone], "a ring", clip)),
        ("image", lambda: api_graph.ask(gone, "What?", demo)),
        ("image", lambda: api_graph.classify(gone, ["a", "b"], clip)),
        ("image", lambda: api_graph.clip_attribution(gone, "a ring", clip)),
        ("image", lambda: api_graph.choose_box(gone, [[1, 2, 3, 4]], "a ring", clip)),
        ("image", lambda: api_graph.foveal_features(gone, model=clip)),
        (
            "clean",
            lambda: api_graph.foveal_features(good, torch.ones(1, *clip.tower.grid), clip, unleash=1.0, clean=gone),
        ),
        ("image", lambda: api_graph.lvlm_attribution(gone, "What?", demo)),
        ("points", lambda: api_graph.classify_point_cloud(gone, ["a", "b"], clip)),
    ]
    for name, call in calls:
        with pytest.raises(BadInput) as caught:
            call()
        assert caught.value.input == name, (name, str(caught.value))


def test_read_points_takes_paths() -> None:
    wrong: Any = 3
    with pytest.raises(BadInput, match=r"^path: a text or a path is needed, and this is an int"):
        read_points(wrong)


# --------------------------------------------------------------------------------------- what still may be given

Names = str | Sequence[str]


@pytest.mark.parametrize(
    ("hint", "right", "wrong"),
    [
        (str, ["", "a"], [b"", 1, None]),
        (int, [1, np.int64(1), np.array(1), torch.tensor(1)], [True, 1.0, "1", np.zeros(1)]),
        (float, [1, 0.5, np.float32(1), np.array(0.5), torch.tensor(0.5)], [True, "1", None, [0.5]]),
        (bool, [True, np.bool_(False)], [0, "True", None]),
        (Names, ["a", ["a"], ("a",), {"a"}, np.array(["a"]), iter("a")], [[1], {"a": 1}, np.zeros(2), 1, b"a"]),
        (Sequence[Sequence[float]], [[[1, 2]], np.zeros((2, 2)), torch.zeros(2, 2)], [[1, 2], "a", 3]),
        (tuple[int, int], [(1, 2), [1, 2], torch.Size((1, 2))], [(1,), (1, 2, 3), 3, "ab"]),
        (Mapping[str, int], [{}, os.environ], [[], "a"]),
        (Tensor, [torch.zeros(1)], [np.zeros(1), [1.0]]),
        (Literal["a", "b"], ["a", "c"], [1, ["a"]]),
        (str | Path, ["a", Path("a")], [1, b"a"]),
        (Callable[[int], int], [len, lambda x: x], [1, "len"]),
        (None, [None], [0, ""]),
        (str | torch.device | None, ["cpu", torch.device("cpu"), 0, None], [0.5, True]),
        (Any, [1, None, object()], []),
    ],
)
def test_types_and_values(hint: object, right: list[Any], wrong: list[Any]) -> None:
    assert [value for value in right if not fits(hint, value)] == []
    assert [value for value in wrong if fits(hint, value)] == []


def test_types_in_words() -> None:
    assert wanted(str | Sequence[str] | None) == "a text or a list of texts"
    assert wanted(Sequence[Sequence[float]]) == "a list of lists of numbers"
    assert wanted(Sequence[str | Path]) == "a list of texts or paths"
    assert wanted(Literal["a", "b"]) == "'a' or 'b'"
    assert wanted(Sequence[Boxes | str]) == "a list of Boxes or texts"


def test_the_decorator_leaves_the_function_as_it_is() -> None:
    @typed(inner="outer")
    def function(outer: int, *rest: int, flag: bool = False, **more: object) -> str:
        """What it does."""
        if outer < 0:
            raise BadInput("too small", input="inner", value=outer)
        return f"{outer} {rest} {flag} {more}"

    assert function(1, 2, flag=True, other="x") == "1 (2,) True {'other': 'x'}"
    assert (function.__name__, function.__doc__) == ("function", "What it does.")
    with pytest.raises(BadInput, match=r"^outer: too small"):
        function(-1)
    with pytest.raises(TypeError, match="missing"):
        function()  # pyright: ignore[reportCallIssue]


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: alpha_blend(x, torch.zeros(1, 4, 4)), "image"),
        (lambda x: alpha_blend(torch.zeros(1, 4, 4, 3), x), "heatmap"),
        (lambda x: reference_blend(x, torch.zeros(1, 4, 4)), "image"),
        (lambda x: overlay(torch.zeros(1, 4, 4, 3), x), "heatmap"),
        (lambda x: mean_filter(x, 3), "heatmap"),
        (lambda x: normalize(x, "minmax"), "maps"),
        (lambda x: to_pil(x), "image"),
    ],
)
@pytest.mark.parametrize("value", [np.zeros((1, 4, 4, 3), np.float32), [[0.0]], 3, "x", None])
def test_functions_of_pixels_want_tensors(call: Callable[[Any], object], name: str, value: Any) -> None:
    with pytest.raises(BadInput, match=f"^{name}: a tensor is needed"):
        call(value)
