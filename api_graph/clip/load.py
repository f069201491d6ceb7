"""Load a CLIP by name, tag, folder or file, without ever unpickling, and say plainly what went wrong."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from api_graph.clip.model import ClipModel
from api_graph.clip.source import RANDOM, Source, source_of
from api_graph.errors import BadInput

_DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "float16": torch.float16,
    "fp16": torch.float16,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
}
_PRECISION = {torch.float32: "fp32", torch.float16: "fp16", torch.bfloat16: "bf16"}


def load_clip(
    name: str = "demo",
    pretrained: str | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
) -> ClipModel:
    """Load a CLIP, ready to encode.

    `name`: "demo" (the tiny model that comes with this package), a folder with an `open_clip_config.json`
    (its path, or "local-dir:PATH"), "hf-hub:ORG/REPO", or an open_clip architecture such as "ViT-B-16".
    `pretrained`, for an architecture only: a tag such as "openai" (open_clip downloads the weights), the path
    of a checkpoint (.safetensors, or .pt, which is read with weights_only=True), or "random" for random
    weights.
    `device`: default the first of cuda, mps, cpu that is there. `dtype`: default float16 on cuda, float32
    elsewhere.

    Raises BadInput for an unknown name or tag, an architecture without weights, a missing, damaged or
    unfitting checkpoint, a failed download, and a device that is not there.
    """
    where = choose_device(device)
    precision = _PRECISION[choose_dtype(dtype, where)]
    source = source_of(name, pretrained)
    # Nodes run in inference mode; weights that are born there could not take part in a gradient.
    with torch.inference_mode(False), torch.random.fork_rng(devices=[]), _quiet():
        torch.manual_seed(0)  # equal names are equal weights (`checkpoint_identity`), random ones too
        module = _create(source, precision, where)
        tokenizer = _tokenizer(source)
    return ClipModel.from_open_clip(module, tokenizer=tokenizer, name=name)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep open_clip's warnings and its notes on the root logger to itself; what matters is raised here."""
    root, silent = logging.getLogger(), logging.NullHandler()
    root.addHandler(silent)  # with no handler at all, `logging.warning` would set one up for the whole program
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(silent)


def choose_device(device: str | torch.device | None) -> torch.device:
    """The device asked for, or the best there is; BadInput if it is not there."""
    if device is None:
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError, NotImplementedError, TypeError) as error:
        raise BadInput(
            "this machine has no such device",
            input="device",
            value=str(device),
            hint="Use 'cpu', or leave it empty to take what is there.",
        ) from error
    return chosen


def choose_dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    """The precision asked for; by default float16 on cuda, float32 elsewhere."""
    if dtype is None:
        return torch.float16 if device.type == "cuda" else torch.float32
    chosen = _DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if chosen not in _PRECISION:
        raise BadInput("unknown precision", input="dtype", value=str(dtype), hint="Use float32, float16 or bfloat16.")
    return chosen


def _create(source: Source, precision: str, device: torch.device) -> torch.nn.Module:
    """open_clip's model with the source's weights. Its many ways to fail become one BadInput each."""
    import open_clip

    try:
        return open_clip.create_model(
            source.name,
            pretrained=None if source.pretrained == RANDOM else source.pretrained,
            precision=precision,
            device=device,
            force_quick_gelu=source.quick_gelu,
            pretrained_text=False,
            require_pretrained=source.pretrained != RANDOM,
            weights_only=True,
        )
    except Exception as error:
        raise _explained(source, error) from error


def _tokenizer(source: Source) -> Any:
    import open_clip

    try:
        return open_clip.get_tokenizer(source.name)
    except Exception as error:
        raise BadInput(
            f"the model's tokenizer could not be loaded: {_first_line(error)}",
            input="name",
            value=source.name,
            hint=_OFFLINE if source.path is None else "Put the tokenizer's files into the model's folder.",
        ) from error


_OFFLINE = (
    "Without a network, set HF_HUB_OFFLINE=1 and use a model that is in the Hugging Face cache already, "
    "a folder ('local-dir:PATH'), or 'demo'."
)


def _explained(source: Source, error: Exception) -> BadInput:
    """What went wrong while a model was made, in terms of what was asked for."""
    asked: dict[str, Any] = {
        "input": "pretrained" if source.pretrained else "name",
        "value": source.pretrained or source.name,
    }
    misfit = "loading state_dict" in str(error) or isinstance(error, KeyError | AttributeError | AssertionError)
    if source.path is not None and misfit:
        return BadInput(
            f"the checkpoint does not fit the architecture of {source.name!r}: {_misfit(error)}",
            hint="Name the architecture that it was trained as.",
            **asked,
        )
    if "Weights only load failed" in str(error):  # torch goes on to say how to run the code in it
        return BadInput(
            "the checkpoint is damaged, or holds more than tensors: code in it is never run",
            hint="Save its tensors as .safetensors, or download it again.",
            **asked,
        )
    if source.path is not None:
        return BadInput(
            f"the checkpoint cannot be read: {_first_line(error)}",
            hint="It must be .safetensors, or a .pt of tensors only. If it is damaged, download it again.",
            **asked,
        )
    return BadInput(f"the weights could not be downloaded: {_first_line(error)}", hint=_OFFLINE, **asked)


def _misfit(error: Exception) -> str:
    """The first complaint of load_state_dict, which lists every key."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[1] if len(lines) > 1 else repr(error))[:160]


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:160] if text else type(error).__name__
