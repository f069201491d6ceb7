"""IS_CHANGED and VALIDATE_INPUTS: when ComfyUI runs a node again, and what it lets through."""

from __future__ import annotations

import hashlib
import inspect
from typing import Annotated, Any

import pytest
from pydantic import Field

from api_graph.comfy import comfy_class
from api_graph.context import SaveContext
from api_graph.folders import Folders
from api_graph.settings import shipped_graphs
from api_graph.sockets import Image
from api_graph.spec import Choices, Widget, node, spec_of


def content(folders: Folders, image: str) -> dict[str, str]:
    return {"image": folders.input_file(image).read_bytes().hex()}


@node("APTestLoad", category="test", title="Load", fingerprint=content)
def load(
    image: Annotated[str, Choices(lambda: ["a.png"]), Widget(upload=True)] = "a.png",
    model: Annotated[str, Choices(lambda: ["demo"], open=True)] = "demo",
    size: Annotated[int, Field(ge=1, le=9)] = 3,
    kind: Annotated[str, Choices(lambda: ["x"])] = "x",
) -> str:
    """Load an image."""
    return image


@node("APTestGather", category="test", title="Gather", fingerprint=content)
def gather(
    images: list[Image], context: SaveContext, image: Annotated[str, Choices(list), Widget(upload=True)] = "a.png"
) -> str:
    """Gather images."""
    return image


@pytest.fixture
def files(comfy):
    (comfy.root / "input" / "a.png").write_bytes(b"one")
    (comfy.root / "input" / "b.png").write_bytes(b"one")
    (comfy.root / "input" / "c.png").write_bytes(b"two")
    return comfy.root / "input"


LOAD, GATHER = comfy_class(spec_of(load)), comfy_class(spec_of(gather))


def test_the_mark_is_the_digest_of_the_content(comfy, files) -> None:
    expected = hashlib.sha256(b'{"image":"6f6e65"}').hexdigest()
    assert comfy.is_changed(LOAD, {"image": "a.png", "size": 3}) == [expected]
    assert comfy.is_changed(LOAD, {}) == [expected]


def test_equal_content_is_no_change_and_new_content_is(comfy, files) -> None:
    mark = comfy.is_changed(LOAD, {"image": "a.png"})
    assert comfy.is_changed(LOAD, {"image": "b.png"}) == mark
    assert comfy.is_changed(LOAD, {"image": "c.png"}) != mark
    (files / "a.png").write_bytes(b"two")
    assert comfy.is_changed(LOAD, {"image": "a.png"}) == comfy.is_changed(LOAD, {"image": "c.png"})


def test_a_missing_file_has_a_steady_mark_until_it_is_there(comfy, files) -> None:
    missing = comfy.is_changed(LOAD, {"image": "d.png"})
    assert missing == comfy.is_changed(LOAD, {"image": "d.png"})
    assert missing != comfy.is_changed(LOAD, {"image": "e.png"})
    (files / "d.png").write_bytes(b"one")
    assert comfy.is_changed(LOAD, {"image": "d.png"}) == comfy.is_changed(LOAD, {"image": "a.png"})


@pytest.mark.parametrize("value", [["7", 0], "", "../a.png", "a\0b", 3])
def test_no_value_makes_it_raise(comfy, files, value: Any) -> None:
    (mark,) = comfy.is_changed(LOAD, {"image": value})
    assert isinstance(mark, str) and len(mark) == 64


def test_lists_and_hidden_inputs_do_not_disturb_it(comfy, files) -> None:
    same = comfy.is_changed(LOAD, {"image": "a.png"})
    assert comfy.is_changed(GATHER, {"images": ["0", 0], "image": "a.png"}) == same


def test_nodes_that_read_no_files_have_none(comfy) -> None:
    @node("APTestPlain", category="test", title="Plain")
    def plain(size: int) -> int:
        """Be plain."""
        return size

    assert comfy.is_changed(comfy_class(spec_of(plain)), {"size": 3}) is False


def test_only_the_inputs_it_decides_are_named() -> None:
    assert inspect.getfullargspec(LOAD.VALIDATE_INPUTS).args == ["cls", "image", "model"]
    assert inspect.getfullargspec(LOAD.VALIDATE_INPUTS).varkw is None
    assert inspect.getfullargspec(GATHER.VALIDATE_INPUTS).args == ["cls", "image"]


@pytest.mark.parametrize(
    "inputs",
    [
        {},
        {"image": "c.png"},
        {"image": "made.png [temp]"},
        {"model": "ViT-B-32"},
        {"model": ["3", 0]},
        {"image": "b.png", "model": "other", "size": 9, "kind": "x"},
    ],
)
def test_what_passes(comfy, files, inputs: dict[str, Any]) -> None:
    (comfy.root / "temp" / "made.png").write_bytes(b"")
    assert comfy.validate(LOAD, inputs) == []


def test_what_is_refused(comfy, files) -> None:
    assert comfy.validate(LOAD, {"size": 10}) == ["size: value_bigger_than_max"]
    assert comfy.validate(LOAD, {"kind": "y"}) == ["kind: value_not_in_list"]
    assert comfy.validate(LOAD, {"model": 3}) == ["model: a text is wanted, not 3."]
    assert comfy.validate(LOAD, {"image": ["3", 0]}) == ["image: it takes no link. Type the value into the node."]
    (gone,) = comfy.validate(LOAD, {"image": "d.png"})
    assert gone.startswith(
        f"image: there is no such file in the input folder ({files}, {shipped_graphs()}) (got 'd.png')."
    )
    (outside,) = comfy.validate(LOAD, {"image": "../output/a.png"})
    assert outside.startswith("image: there is no such file in the input folder (")


def test_several_faults_are_one_answer(comfy, files) -> None:
    (said,) = comfy.validate(LOAD, {"image": 1, "model": 2})
    assert said == "image: a text is wanted, not 1.; model: a text is wanted, not 2."


def test_nodes_that_take_lists_are_asked_too(comfy, files) -> None:
    assert comfy.validate(GATHER, {"images": ["0", 0], "image": "c.png"}) == []
    (said,) = comfy.validate(GATHER, {"images": ["0", 0], "image": "d.png"})
    assert said.startswith("image: there is no such file")
