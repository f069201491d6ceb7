"""Load a local LVLM by name or folder, without ever unpickling or running its code, and say what went wrong."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal, get_args

import torch

from api_graph.arguments import typed
from api_graph.errors import BadInput
from api_graph.lvlm import library
from api_graph.lvlm.decoder import caps_scores, decoder_of
from api_graph.lvlm.model import LvlmModel, out_of_memory_explained
from api_graph.lvlm.processor_fields import complete_processor
from api_graph.lvlm.quiet import quiet
from api_graph.lvlm.reasons import load_failure
from api_graph.models.device import check_device, choose_device, lvlm_dtype
from api_graph.models.source import Source, is_lvlm, lvlm_identity, lvlm_source

__all__ = ["Quantization", "checkpoint_identity", "is_lvlm", "load_lvlm", "loaded_lvlm", "lvlm_dtype"]

Quantization = Literal["8bit", "4bit"]
checkpoint_identity = lvlm_identity


@typed()
def load_lvlm(
    name: str = "demo",
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    *,
    quantization: Quantization | None = None,
) -> LvlmModel:
    """Load an image-text-to-text model of transformers, ready to be asked.

    `name`: "demo" (the tiny model that comes with this package), a folder as save_pretrained writes it, or ORG/NAME
    on the Hugging Face hub. Weights are read from safetensors only, and code in a repository is never run.
    `device`: default the first of cuda, mps, cpu that is there. `dtype`: default bfloat16 on a GPU that has it,
    float16 on an older one, float32 elsewhere. `quantization`: "8bit" or "4bit", by bitsandbytes.

    Raises BadInput for a name that leads nowhere, a model that transformers cannot run or that is no
    image-text-to-text model, missing or damaged files, a failed download, a device that is not there, and when
    memory runs out.
    """
    where = choose_device(device)
    precision = lvlm_dtype(dtype, where)
    source = lvlm_source(name)
    placing = _placing(quantization, where)
    auto_config, auto_model, auto_processor = library.auto_classes()
    # Nodes run in inference mode; weights that are born there could not take part in a gradient.
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]), quiet(), out_of_memory_explained():
        try:
            which = {"revision": source.revision, "trust_remote_code": False}
            config = auto_config.from_pretrained(source.name, **which)
            processor = auto_processor.from_pretrained(source.name, **which, **library.fast_image_processor())
            module, report = auto_model.from_pretrained(
                source.name,
                config=config,
                dtype=precision,
                use_safetensors=True,
                output_loading_info=True,
                **which,
                **placing,
            )
        except torch.cuda.OutOfMemoryError:
            raise
        except Exception as error:  # files from anywhere fail in nearly any way
            raise load_failure(source, error) from error
        _check_complete(source, report)
        if caps_scores(module):
            decoder_of(module).set_attn_implementation("eager")  # 4.57 would leave the cap out without a word
        if quantization is None:
            module = module.to(where)
    _check_processor(source, processor)
    complete_processor(source.name, config, processor)
    return LvlmModel.from_transformers(module, processor, name)


def loaded_lvlm(model: LvlmModel | str, device: str | torch.device | None = None) -> LvlmModel:
    """The model, loaded onto `device` if it comes as a name. Raises BadInput where it is loaded, and elsewhere."""
    if isinstance(model, str):
        return load_lvlm(model, device)
    check_device(model.device, device, "load_lvlm")
    return model


def _placing(quantization: Quantization | None, device: torch.device) -> dict[str, object]:
    """How a quantized model is read: straight onto its device."""
    if quantization is None:
        return {}
    if quantization not in get_args(Quantization):
        raise BadInput("unknown quantization", input="quantization", value=quantization, hint="Use 8bit or 4bit.")
    return {"quantization_config": library.quantization_config(quantization), "device_map": {"": device}}


def _check_complete(source: Source, report: Mapping[str, Collection[str]]) -> None:
    """transformers fills what a checkpoint lacks with random numbers."""
    missing = sorted(report.get("missing_keys", ()))
    if missing:
        raise BadInput(
            f"the weights do not fit config.json: {len(missing)} are missing, {missing[0]} for one",
            input="name",
            value=source.name,
            hint="Download the model again, all of its files.",
        )


def _check_processor(source: Source, processor: object) -> None:
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or not hasattr(processor, "image_processor"):
        raise BadInput(
            f"its processor is a {type(processor).__name__}, which does not take both images and text",
            input="name",
            value=source.name,
            hint="Add the processor's files (processor_config.json or preprocessor_config.json, and the tokenizer's).",
        )
    if tokenizer.pad_token is None:  # batches are padded with it, and masked
        tokenizer.pad_token = tokenizer.eos_token
