"""Loading models: nodes/models.py."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import torch
from torch import nn

from api_graph import demo
from api_graph.clip import load_clip
from api_graph.lvlm import load_lvlm
from nodes.models import DEMO_NOTE
from tests.nodes.case import Case, Unseen, at, case, refused
from tests.nodes.world import World

ONE_DEVICE = Unseen("every machine has a processor, and not every one has another device: see the refusal")
NOT_HERE = "mps" if torch.cuda.is_available() else "cuda"
QUANTIZED = Unseen("bitsandbytes wants an NVIDIA GPU: see the refusal")


def facts_of(module: nn.Module) -> tuple[Any, ...]:
    """What tells loaded weights apart: their type and device, and a sum of them."""
    weights = [one for one in module.parameters() if one.is_floating_point()]
    return weights[-1].dtype, weights[-1].device, sum(float(one.double().sum()) for one in weights)


def copied(world: World, name: str) -> str:
    """A demo model in the model folders, with other weights; its name there."""
    source, target = Path(demo.__path__[0]) / name, world.folder / "models" / f"my-{name}"
    if not target.exists():
        shutil.copytree(source, target)
        (world.other_lvlm if name == "lvlm" else world.lvlm).module.save_pretrained(target)
    return target.name


@case("APLoadCLIP")
def loaded_clip(world: World) -> Case:
    def expected(context: Any, model: str, checkpoint: str, device: str, precision: str, resize: str) -> Any:
        name = model if model == "demo" else str(context.folders.models[0] / model)
        if model == "demo":
            context.show_text(DEMO_NOTE)
        loaded = load_clip(name, dtype=None if precision == "auto" else precision)
        return loaded.with_fast_resize() if resize == "torch" else loaded

    target = world.folder / "models" / "my-clip"
    if not target.exists():
        shutil.copytree(Path(demo.__path__[0]) / "clip", target)
    return Case(
        expected,
        given={},
        others={
            "model": at("my-clip"),
            "checkpoint": Unseen("an architecture of open_clip's is large: see the refusal"),
            "device": ONE_DEVICE,
            "precision": at("bfloat16"),
            "resize": at("torch"),
        },
        refusals=[
            refused("model", model="../my-clip"),
            refused("model", model="ViT-B-32/nothing"),
            refused("checkpoint", model="ViT-B-32", checkpoint="nowhere.safetensors"),
            refused("checkpoint", model="ViT-B-32", checkpoint="my-clip/tokenizer.json"),
            refused("device", device=NOT_HERE),
        ],
        view=lambda model: (
            model if isinstance(model, Exception) else (model.name, model.preprocess.fast, *facts_of(model.module))
        ),
    )


def an_lvlm(world: World, name: str) -> Case:
    """The case of a node that loads an LVLM, which calls it `name`."""

    def expected(context: Any, device: str, precision: str, quantization: str, **model: str) -> Any:
        given = model[name]
        where = given if given == "demo" else str(context.folders.models[0] / given)
        if given == "demo":
            context.show_text(DEMO_NOTE)
        return load_lvlm(where, dtype=None if precision == "auto" else precision)

    return Case(
        expected,
        given={},
        others={
            name: at(copied(world, "lvlm")),
            "device": ONE_DEVICE,
            "precision": at("bfloat16"),
            "quantization": QUANTIZED,
        },
        refusals=[
            refused(name, **{name: "../my-lvlm"}),
            refused(name, **{name: "my-clip"}),
            refused("device", device=NOT_HERE),
            refused("quantization", quantization="8bit", device="cpu"),
        ],
        view=lambda model: model if isinstance(model, Exception) else facts_of(model.module),
    )


@case("APLoadLVLM")
def loaded_lvlm(world: World) -> Case:
    return an_lvlm(world, "model")


@case("APAnsweringModel")
def answering_model(world: World) -> Case:
    known = an_lvlm(world, "answerer")
    return Case(
        known.expected,
        known.given,
        known.others,
        refusals=[*known.refusals, refused("answerer", answerer="endpoint:nowhere")],
        view=known.view,
    )
