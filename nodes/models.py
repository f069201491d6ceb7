"""Loading models. They are sockets that come out of these nodes; no other node loads anything."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal, NamedTuple

import torch
from pydantic import Field

from api_graph import lvlm
from api_graph.clip import ClipModel
from api_graph.clip import load as clip_loading
from api_graph.context import Context
from api_graph.errors import BadInput, inputs_named
from api_graph.folders import Folders, names_in
from api_graph.lvlm import LvlmModel
from api_graph.lvlm.remote import Endpoint, check_answerer, endpoint_in, marked, profiles
from api_graph.models.device import choose_device, choose_dtype
from api_graph.sockets import Socket
from api_graph.spec import Check, Choices, node

from .fingerprints import (
    Device,
    Precision,
    Quantization,
    answerer_fingerprint,
    clip_fingerprint,
    located_clip,
    located_lvlm,
    lvlm_fingerprint,
    quantized,
)

WELL_KNOWN_CLIPS = (
    "demo",
    "ViT-B-32/openai",
    "ViT-B-16/openai",
    "ViT-L-14/openai",
    "ViT-L-14-336/openai",
    "ViT-B-16/laion2b_s34b_b88k",
    "ViT-L-14/datacomp_xl_s13b_b90k",
    "ViT-H-14/laion2b_s32b_b79k",
    "ViT-B-16-SigLIP/webli",
)

WELL_KNOWN_LVLMS = (
    "demo",
    "llava-hf/llava-1.5-7b-hf",
    "llava-hf/llava-1.5-13b-hf",
    "llava-hf/llava-v1.6-mistral-7b-hf",
    "llava-hf/llava-onevision-qwen2-7b-ov-hf",
    "Qwen/Qwen2.5-VL-7B-Instruct",
    "Qwen/Qwen3-VL-8B-Instruct",
    "OpenGVLab/InternVL3-8B-hf",
    "HuggingFaceTB/SmolVLM2-2.2B-Instruct",
    "google/gemma-3-4b-it",
)

DEMO_NOTE = (
    "The demo model knows rendered shapes only, as in the example picture. For photographs choose another model."
)

Resizer = Literal["pillow", "torch"]
DeviceChoice = Annotated[Device, Field(description="Where it runs; auto takes a GPU when there is one.")]
LvlmPrecision = Annotated[
    Precision, Field(description="auto is what the GPU does best (bfloat16 or float16), and float32 elsewhere.")
]
QuantizationChoice = Annotated[
    Quantization, Field(description="Weights in 8 or 4 bits, through bitsandbytes, on an NVIDIA GPU.")
]


def clip_folders(folders: Folders) -> Sequence[str]:
    """The models that lie in the model folders."""
    return names_in(folders.models, lambda path: (path / "open_clip_config.json").is_file())


@node(
    "APLoadCLIP",
    category="attention prompting/models",
    title="Load CLIP for attention",
    formerly="Load CLIP",
    model=True,
    fingerprint=clip_fingerprint,
    aliases=("CLIP loader", "open_clip", "auxiliary model", "SigLIP"),
)
def load_clip(
    context: Context,
    model: Annotated[
        str,
        Choices(lambda: WELL_KNOWN_CLIPS, open=True, inside=clip_folders),
        Field(
            description="demo (in the package), ARCHITECTURE/TAG of open_clip, hf-hub:OWNER/NAME, or a model folder."
        ),
    ] = "demo",
    checkpoint: Annotated[
        str, Field(description="Weights file in a model folder, for an ARCHITECTURE without a tag; else empty.")
    ] = "",
    device: DeviceChoice = "auto",
    precision: Annotated[Precision, Field(description="auto is float16 on CUDA and float32 elsewhere.")] = "auto",
    resize: Annotated[
        Resizer,
        Field(description="pillow is the model's own way; torch takes a third of the time, and maps differ a little."),
    ] = "pillow",
) -> Annotated[ClipModel, Field(description="The model, for everything that encodes images and texts.")]:
    """Load a CLIP model, the auxiliary model that says which patches matter for a question."""
    if model == "demo":
        context.show_text(DEMO_NOTE)
    name, pretrained = located_clip(context.folders, model, checkpoint)
    where = placed(device, precision, context)
    with inputs_named(name="model", pretrained="checkpoint" if checkpoint else "model"):
        loaded = clip_loading.load_clip(name, pretrained, device=where.staging, dtype=where.dtype)
    return loaded.with_fast_resize() if resize == "torch" else loaded


def lvlm_folders(folders: Folders) -> Sequence[str]:
    """The LVLMs that lie in the model folders."""
    return names_in(folders.models, lvlm.is_lvlm)


LvlmName = Annotated[
    str,
    Choices(lambda: WELL_KNOWN_LVLMS, open=True, inside=lvlm_folders),
    Field(description="demo (in the package), OWNER/NAME on the Hugging Face hub, or a model folder."),
]


@node(
    "APLoadLVLM",
    category="attention prompting/models",
    title="Load LVLM",
    model=True,
    fingerprint=lvlm_fingerprint,
    aliases=("LLaVA", "Qwen-VL", "InternVL", "VLM", "auxiliary model"),
)
def load_lvlm(
    context: Context,
    model: LvlmName = "demo",
    device: DeviceChoice = "auto",
    precision: LvlmPrecision = "auto",
    quantization: QuantizationChoice = "none",
) -> Annotated[LvlmModel, Field(description="The model: its attention says where to look, and it answers.")]:
    """Load a vision-language model: its attention says where to look, and it answers."""
    if model == "demo":
        context.show_text(DEMO_NOTE)
    where = placed(device, precision, context, lvlm.lvlm_dtype)
    with inputs_named(name="model"):
        return lvlm.load_lvlm(
            located_lvlm(context.folders, model),
            device=where.staging if quantization == "none" else where.device,  # bitsandbytes quantizes on the GPU
            dtype=where.dtype,
            quantization=quantized(quantization),
        )


def answerers(folders: Folders) -> Sequence[str]:
    """The models in the model folders, and the endpoints that have a profile here."""
    try:
        names = list(profiles())
    except BadInput:  # a damaged file; whoever picks an endpoint is told
        names = []
    return [*lvlm_folders(folders), *map(marked, names)]


@node(
    "APAnsweringModel",
    category="attention prompting/models",
    title="Answering model",
    model=True,
    fingerprint=answerer_fingerprint,
    aliases=("endpoint", "OpenAI", "vLLM", "Ollama", "Gemini", "API", "profile"),
)
def answering_model(
    context: Context,
    answerer: Annotated[
        str,
        Choices(lambda: WELL_KNOWN_LVLMS, open=True, inside=answerers),
        Field(
            description="A local model as in Load LVLM, or endpoint:PROFILE or endpoint:PROFILE/MODEL, "
            "a profile of `api-graph endpoints`."
        ),
        Check(check_answerer),
    ] = "demo",
    device: DeviceChoice = "auto",
    precision: LvlmPrecision = "auto",
    quantization: QuantizationChoice = "none",
) -> Annotated[Any, Socket("AP_ANSWERER"), Field(description="Whoever answers, for Query LVLM.")]:
    """Whoever answers: a local LVLM, or a model behind an endpoint that one of your profiles names."""
    name = endpoint_in(answerer)
    if name is not None:
        with inputs_named(endpoint="answerer"):
            endpoint = Endpoint.open(name)
        context.show_text(f"Images and questions go to {endpoint.host}.")
        return endpoint
    located_lvlm(context.folders, answerer, "answerer")
    with inputs_named(model="answerer"):
        return load_lvlm(context, answerer, device, precision, quantization)


class Placement(NamedTuple):
    """Where a model is to compute, where its weights are read to, and how precisely it computes."""

    device: torch.device
    staging: torch.device
    dtype: torch.dtype


def placed(
    device: Device,
    precision: Precision,
    context: Context | None = None,
    dtype_of: Callable[[str | None, torch.device], torch.dtype] = choose_dtype,
) -> Placement:
    """What a loader's device and precision mean. Weights are read to the device, unless the host moves them itself."""
    wanted = context.device if context is not None else None
    where = choose_device(wanted if device == "auto" else device)
    with inputs_named(dtype="precision"):
        dtype = dtype_of(None if precision == "auto" else precision, where)
    staging = context.staging if context is not None else None
    return Placement(where, staging or where, dtype)
