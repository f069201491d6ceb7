"""Each row of the design's signature table: what stands in a signature, and what it becomes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import FrozenInstanceError, dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import pytest
from pydantic import Field

from api_graph.context import Context, SaveContext
from api_graph.folders import Folders
from api_graph.sockets import AnyValue, Attribution, Image, Mask
from api_graph.spec import REQUIRED, Choices, InputSpec, NodeSpec, Widget, node, spec_of

OPEN = Choices(lambda: ["x", "y"], open=True)
CLOSED = Choices(lambda: ["x", "y"])


@dataclass(frozen=True)
class Model:
    socket: ClassVar[str] = "AP_MODEL"


class Pair(NamedTuple):
    image: Annotated[Image, Field(description="As it was.")]
    answers: list[str]
    whole: Attribution


def described(function: Any, **more: Any) -> NodeSpec:
    return spec_of(node("APTest", category="test", title="Test", **more)(function))


def links(
    image: Image,
    mask: Annotated[Mask, Field(description="Where.")],
    psi: Attribution,
    anything: AnyValue,
    images: list[Image],
    texts: list[str],
    model: Model | None = None,
    background: Annotated[Image | None, Field(description="Behind it.")] = None,
    more: list[Mask] | None = None,
    hint: str | None = None,
) -> Image:
    """Takes links.

    A second paragraph is for readers of the code.
    """
    return image


@pytest.mark.parametrize(
    ("name", "socket", "default", "is_list", "description"),
    [
        ("image", "IMAGE", REQUIRED, False, ""),
        ("mask", "MASK", REQUIRED, False, "Where."),
        ("psi", "AP_ATTRIBUTION", REQUIRED, False, ""),
        ("anything", "*", REQUIRED, False, ""),
        ("images", "IMAGE", REQUIRED, True, ""),
        ("texts", "STRING", REQUIRED, True, ""),
        ("model", "AP_MODEL", None, False, ""),
        ("background", "IMAGE", None, False, "Behind it."),
        ("more", "MASK", None, True, ""),
        ("hint", "STRING", None, False, ""),
    ],
)
def test_links(name: str, socket: str, default: Any, is_list: bool, description: str) -> None:
    declared = described(links).input(name)
    assert declared == InputSpec(name, socket, default, is_list, description)
    assert not declared.is_widget
    assert declared.adapter is None


def widgets(
    query: str,
    name: Annotated[str, CLOSED],
    alpha: Annotated[float, Field(ge=0, le=1, description="How strong."), Widget(step=0.05, slider=True)] = 0.5,
    kernel_size: Annotated[int, Field(ge=1, le=255)] = 15,
    recipe: Literal["paper", "reference"] = "paper",
    prompt: Annotated[str, Widget(multiline=True, placeholder="Ask")] = "",
    invert: Annotated[bool, Widget(labels=("yes", "no"))] = False,
    checkpoint: Annotated[str, OPEN] = "z",
    seed: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0,
) -> None:
    """Takes values."""


@pytest.mark.parametrize(
    "expected",
    [
        InputSpec("query", "STRING"),
        InputSpec("name", "COMBO", choices=CLOSED),
        InputSpec("alpha", "FLOAT", 0.5, False, "How strong.", 0, 1, None, Widget(step=0.05, slider=True)),
        InputSpec("kernel_size", "INT", 15, False, "", 1, 255),
        InputSpec("recipe", "COMBO", "paper", choices=("paper", "reference")),
        InputSpec("prompt", "STRING", "", widget=Widget(multiline=True, placeholder="Ask")),
        InputSpec("invert", "BOOLEAN", False, widget=Widget(labels=("yes", "no"))),
        InputSpec("checkpoint", "COMBO", "z", choices=OPEN),
        InputSpec("seed", "INT", 0, minimum=0, maximum=4294967295),
    ],
    ids=lambda expected: expected.name,
)
def test_widgets(expected: InputSpec) -> None:
    declared = described(widgets).input(expected.name)
    assert declared == expected
    assert declared.is_widget


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("kernel_size", [1, 255], [True, "7", 7.0, 0, 256, None]),
        ("alpha", [0, 1, 0.123], [True, "0.5", -0.01, 1.01, float("nan"), None]),
        ("invert", [True, False], [0, 1, "true", None]),
        ("query", ["", "7"], [7, True, None, ["a"]]),
        ("recipe", ["reference"], ["Paper", "", 1, None]),
        ("checkpoint", ["anything"], [3, None]),
    ],
)
def test_literals_are_strict(name: str, good: list[Any], bad: list[Any]) -> None:
    declared = described(widgets).input(name)
    assert declared is not None and declared.adapter is not None
    for value in good:
        assert declared.adapter.validate_python(value) == value
    for value in bad:
        with pytest.raises(ValueError):
            declared.adapter.validate_python(value)


def test_a_dynamic_combo_is_listed_when_asked() -> None:
    names = ["a"]
    declared = InputSpec("name", "COMBO", choices=Choices(lambda: names))
    assert declared.options() == ("a",)
    names.append("b")
    assert declared.options() == ("a", "b")


def test_a_combo_lists_what_lies_in_the_folders_of_a_run(tmp_path: Path) -> None:
    folders = Folders(inputs=(tmp_path,), output=tmp_path, temp=tmp_path)
    (tmp_path / "b").touch()
    files = Choices(lambda: ["a"], inside=lambda folders: [p.name for p in folders.inputs[0].iterdir()])
    declared = InputSpec("name", "COMBO", choices=files)
    assert declared.options() == ("a",)
    assert declared.options(folders) == ("a", "b")


def test_the_entries_of_other_inputs() -> None:
    assert InputSpec("recipe", "COMBO", choices=("paper", "reference")).options() == ("paper", "reference")
    assert InputSpec("query", "STRING").options() == ()


def test_the_description_is_the_first_paragraph() -> None:
    assert described(links).description == "Takes links."


def test_one_output_is_named_after_its_socket() -> None:
    def psi(psi: Attribution) -> Attribution:
        """Pass."""
        return psi

    (output,) = described(psi).outputs
    assert (output.name, output.socket, output.is_list, output.description) == (
        "attribution",
        "AP_ATTRIBUTION",
        False,
        "",
    )


def test_a_named_tuple_gives_several_outputs() -> None:
    def several(image: Image) -> Pair:
        """Give several."""
        return Pair(image, [], image)

    spec = described(several)
    assert [(o.name, o.socket, o.is_list, o.description) for o in spec.outputs] == [
        ("image", "IMAGE", False, "As it was."),
        ("answers", "STRING", True, ""),
        ("whole", "AP_ATTRIBUTION", False, ""),
    ]
    assert spec.unpack(several(3)) == (3, [], 3)


def test_a_list_output_is_one_output() -> None:
    def split(image: Image) -> list[Image]:
        """Split."""
        return [image, image]

    spec = described(split)
    assert [(o.name, o.socket, o.is_list) for o in spec.outputs] == [("image", "IMAGE", True)]
    assert spec.unpack(split(3)) == ([3, 3],)


def test_nothing_returned_is_no_output() -> None:
    spec = described(widgets)
    assert spec.outputs == ()
    assert spec.unpack(None) == ()


@pytest.mark.parametrize("kind", [Context, SaveContext])
def test_a_context_is_injected_and_no_input(kind: type[Context]) -> None:
    def saves(image: Image, context, name: str = "a") -> None:
        """Save."""

    saves.__annotations__["context"] = kind
    spec = described(saves, output=True)
    assert spec.context == ("context", kind)
    assert [i.name for i in spec.inputs] == ["image", "name"]


def test_a_list_input_makes_the_node_take_lists() -> None:
    assert described(links).takes_lists
    assert not described(widgets).takes_lists


def test_the_function_comes_back_unchanged() -> None:
    def double(x: int) -> None:
        """Double."""

    before = (double.__code__, double.__doc__, double.__annotations__.copy())
    assert node("APDouble", category="c", title="t")(double) is double
    assert (double.__code__, double.__doc__, double.__annotations__) == before


def test_what_the_decorator_says_is_kept() -> None:
    def batched(query, *, alpha, kernel_size, name, recipe, prompt, invert, checkpoint, seed) -> list[None]:
        return [None for _ in query]

    def fingerprint(folders: Any, query: str) -> dict[str, str]:
        return {"query": query}

    spec = described(
        widgets,
        version=3,
        store=True,
        waits=True,
        batched=batched,
        over=["query"],
        fingerprint=fingerprint,
        aliases=["q"],
    )
    assert (spec.id, spec.title, spec.category, spec.function) == ("APTest", "Test", "test", widgets)
    assert (spec.version, spec.output, spec.store, spec.model, spec.waits) == (3, False, True, False, True)
    assert (spec.batched, spec.over, spec.fingerprint, spec.fingerprinted, spec.aliases) == (
        batched,
        ("query",),
        fingerprint,
        ("query",),
        ("q",),
    )


def test_a_rowwise_node_runs_over_its_links() -> None:
    def faded(image: Image, share: float = 0.5, mask: Mask | None = None) -> Image:
        """Fade."""
        return image * share

    assert described(faded, rowwise=True).over == ("image", "mask")
    assert described(faded).over == ()


def test_an_output_node_and_its_batched_form() -> None:
    def save_all(images: Sequence[Image], name: Sequence[str], context: Sequence[SaveContext]) -> list[None]:
        return [None for _ in images]

    def save(images: Annotated[Image, Field(description="What.")], context: SaveContext, name: str = "a") -> None:
        """Save."""

    spec = described(save, output=True, batched=save_all, over=("images", "name"))
    assert (spec.batched, spec.over) == (save_all, ("images", "name"))


def test_a_spec_cannot_be_changed() -> None:
    spec = described(widgets)
    with pytest.raises(FrozenInstanceError):
        spec.title = "Other"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        spec.inputs[0].default = 1  # type: ignore[misc]
