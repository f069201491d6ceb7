"""The facts that ComfyUI reads from a class, against dictionaries written by hand."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Literal, NamedTuple

import pytest
from pydantic import Field

from api_graph.comfy import comfy_class, mappings
from api_graph.context import Context, SaveContext
from api_graph.errors import SpecError
from api_graph.sockets import Attribution, Image, Mask
from api_graph.spec import Choices, Widget, node, spec_of

FILES = ["a.png"]


class Overlay(NamedTuple):
    image: Annotated[Image, Field(description="The image, annotated.")]
    heatmaps: list[Mask]


@node("APTestOverlay", category="attention prompting/test", title="Overlay", aliases=["highlight", "mark"])
def overlay(
    image: Annotated[Image, Field(description="What to annotate.")],
    psi: Attribution,
    query: Annotated[str, Widget(multiline=True, placeholder="Ask something")],
    alpha: Annotated[float, Field(ge=0, le=1, description="How strong."), Widget(step=0.05, slider=True)] = 0.5,
    gamma: Annotated[float, Field(ge=0), Widget(advanced=True)] = 1.0,
    size: Annotated[int, Field(ge=1, le=255)] = 15,
    offset: int = -3,
    recipe: Literal["paper", "reference"] = "paper",
    invert: Annotated[bool, Widget(labels=("dark", "light"))] = False,
    plain: bool = True,
    background: Annotated[Image | None, Field(description="Behind it.")] = None,
    prefix: str | None = None,
) -> Overlay:
    """Lay a heatmap over an image.

    For readers.
    """
    return Overlay(image, [])


@node("APTestSave", category="test", title="Save", output=True)
def save(images: list[Image], names: list[str], context: SaveContext, prefix: str = "api") -> None:
    """Save images."""


@node("APTestLoad", category="test", title="Load", fingerprint=lambda folders, image: {"image": image})
def load(
    image: Annotated[str, Choices(lambda: FILES), Widget(upload=True)],
    model: Annotated[str, Choices(lambda: ["demo"], open=True)] = "demo",
) -> Image:
    """Load an image."""
    raise NotImplementedError


@node("APTestShow", category="test", title="Show")
def show(text: str, context: Context) -> Annotated[str, Field(description="The same text.")]:
    """Show a text."""
    return text


def test_inputs() -> None:
    assert comfy_class(spec_of(overlay)).INPUT_TYPES() == {
        "required": {
            "image": ("IMAGE", {"tooltip": "What to annotate."}),
            "psi": ("AP_ATTRIBUTION", {}),
            "query": ("STRING", {"multiline": True, "placeholder": "Ask something"}),
        },
        "optional": {
            "alpha": (
                "FLOAT",
                {"default": 0.5, "min": 0, "max": 1, "step": 0.05, "display": "slider", "tooltip": "How strong."},
            ),
            "gamma": ("FLOAT", {"default": 1.0, "min": 0, "max": 2**53, "round": False, "advanced": True}),
            "size": ("INT", {"default": 15, "min": 1, "max": 255}),
            "offset": ("INT", {"default": -3, "min": -(2**53), "max": 2**53}),
            "recipe": (["paper", "reference"], {"default": "paper"}),
            "invert": ("BOOLEAN", {"default": False, "label_on": "dark", "label_off": "light"}),
            "plain": ("BOOLEAN", {"default": True}),
            "background": ("IMAGE", {"tooltip": "Behind it."}),
            "prefix": ("STRING", {"forceInput": True}),
        },
    }


def test_inputs_in_the_order_of_the_signature() -> None:
    types = comfy_class(spec_of(overlay)).INPUT_TYPES()
    assert [*types["required"], *types["optional"]] == list(overlay.__annotations__)[:-1]


def test_inputs_of_a_node_that_saves() -> None:
    assert comfy_class(spec_of(save)).INPUT_TYPES() == {
        "required": {"images": ("IMAGE", {}), "names": ("STRING", {"forceInput": True})},
        "optional": {"prefix": ("STRING", {"default": "api"})},
        "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
    }


def test_inputs_of_a_node_that_reads_files(monkeypatch: pytest.MonkeyPatch) -> None:
    cls = comfy_class(spec_of(load))
    assert cls.INPUT_TYPES() == {
        "required": {"image": (["a.png"], {"socketless": True, "image_upload": True})},
        "optional": {"model": (["demo"], {"default": "demo"})},
    }
    monkeypatch.setattr(f"{__name__}.FILES", ["b.png"], raising=True)
    assert cls.INPUT_TYPES()["required"]["image"][0] == ["b.png"]


def test_a_combo_lists_the_files_of_comfyuis_folders(comfy) -> None:
    @node("APTestPick", category="test", title="Pick")
    def pick(name: Annotated[str, Choices(lambda: ["z"], inside=lambda folders: [folders.output.name])]) -> str:
        """Pick one."""
        return name

    assert comfy_class(spec_of(pick)).INPUT_TYPES()["required"]["name"] == (["z", "output"], {})


def test_no_context_asks_for_the_node_id() -> None:
    for function in (overlay, save, load, show):
        assert "UNIQUE_ID" not in str(comfy_class(spec_of(function)).INPUT_TYPES())
    assert "hidden" not in comfy_class(spec_of(show)).INPUT_TYPES()


def test_input_types_are_the_callers_own() -> None:
    cls = comfy_class(spec_of(save))
    before = json.dumps(cls.INPUT_TYPES())
    for group in cls.INPUT_TYPES().values():
        group.clear()
    assert json.dumps(cls.INPUT_TYPES()) == before


@pytest.mark.parametrize(
    ("function", "facts"),
    [
        (
            overlay,
            {
                "RETURN_TYPES": ("IMAGE", "MASK"),
                "RETURN_NAMES": ("image", "heatmaps"),
                "OUTPUT_TOOLTIPS": ("The image, annotated.", ""),
                "OUTPUT_IS_LIST": (False, True),
                "INPUT_IS_LIST": False,
                "CATEGORY": "attention prompting/test",
                "OUTPUT_NODE": False,
                "DESCRIPTION": "Lay a heatmap over an image.",
                "SEARCH_ALIASES": ["highlight", "mark"],
            },
        ),
        (
            save,
            {
                "RETURN_TYPES": (),
                "RETURN_NAMES": (),
                "OUTPUT_TOOLTIPS": (),
                "OUTPUT_IS_LIST": (),
                "INPUT_IS_LIST": True,
                "CATEGORY": "test",
                "OUTPUT_NODE": True,
                "DESCRIPTION": "Save images.",
                "SEARCH_ALIASES": [],
            },
        ),
        (
            show,
            {
                "RETURN_TYPES": ("STRING",),
                "RETURN_NAMES": ("string",),
                "OUTPUT_TOOLTIPS": ("The same text.",),
                "OUTPUT_IS_LIST": (False,),
                "INPUT_IS_LIST": False,
            },
        ),
    ],
)
def test_facts(function, facts) -> None:
    cls = comfy_class(spec_of(function))
    assert {name: getattr(cls, name) for name in facts} == facts
    assert callable(getattr(cls(), cls.FUNCTION))


def test_only_nodes_that_need_them_have_the_extra_methods() -> None:
    assert not hasattr(comfy_class(spec_of(overlay)), "IS_CHANGED")
    assert not hasattr(comfy_class(spec_of(overlay)), "VALIDATE_INPUTS")
    assert hasattr(comfy_class(spec_of(load)), "IS_CHANGED")
    assert hasattr(comfy_class(spec_of(load)), "VALIDATE_INPUTS")


def test_mappings() -> None:
    classes, names = mappings([overlay, show])
    assert names == {"APTestOverlay": "Overlay", "APTestShow": "Show"}
    assert {id: cls.__name__ for id, cls in classes.items()} == {id: id for id in names}
    with pytest.raises(SpecError, match="two nodes are called APTestShow"):
        mappings([show, overlay, show])


@pytest.mark.parametrize("name", ["prompt", "extra_pnginfo"])
def test_a_saver_cannot_take_an_input_by_the_name_of_a_hidden_one(name: str) -> None:
    spec = spec_of(save)
    clashing = replace(spec, inputs=(replace(spec.inputs[2], name=name),))
    with pytest.raises(SpecError) as refused:
        comfy_class(clashing)
    assert str(refused.value) == (
        f"node APTestSave, parameter '{name}': ComfyUI hands the saved graph over by that name."
    )
