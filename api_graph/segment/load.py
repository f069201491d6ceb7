"""Load a SAM or SAM 2 by folder or name, without ever unpickling or running a repository's code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import nn

from api_graph.clip import choose_device, choose_dtype
from api_graph.errors import BadInput
from api_graph.lvlm.quiet import quiet
from api_graph.segment.source import MODEL_TYPES, source_of


@dataclass(frozen=True, eq=False)
class Segmenter:
    """A SAM in evaluation mode, with frozen weights, and the processor that prepares images and prompts for it."""

    socket: ClassVar[str] = "AP_SEGMENTER"

    model: nn.Module
    processor: Any
    name: str

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.model.parameters()).dtype


def load_segmenter(
    name: str, device: str | torch.device | None = None, dtype: str | torch.dtype | None = None
) -> Segmenter:
    """Load a SAM or SAM 2, ready to segment.

    `name` is a folder as transformers' `save_pretrained` writes it, or "ORG/NAME" or "hf-hub:ORG/NAME" on the hub,
    such as "facebook/sam-vit-base". `device`: default the first of cuda, mps, cpu that is there. `dtype`: default
    float32, since masks are cut where the model's answers change sign.

    Raises BadInput for a name that leads nowhere, a model of another kind, missing, damaged or unfitting weights, a
    failed download, and a device that is not there.
    """
    where = choose_device(device)
    precision = choose_dtype("float32" if dtype is None else dtype, where)
    source = source_of(name)
    # Nodes run in inference mode; weights that are born there could not take part in a gradient.
    with torch.inference_mode(False), quiet():
        model, processor, missing = _read(source, precision)
    if missing:
        raise BadInput(
            f"the weights lack {len(missing)} of the model's tensors, such as {sorted(missing)[0]}",
            input="name",
            value=name,
            hint="Download it again.",
        )
    return Segmenter(model.to(where).eval().requires_grad_(False), processor, name)


def _read(source: str | Path, dtype: torch.dtype) -> tuple[nn.Module, Any, set[str]]:
    """The network, its processor, and the tensors that its files do not hold."""
    import transformers

    try:
        kind = transformers.AutoConfig.from_pretrained(source, trust_remote_code=False).model_type
        if kind not in MODEL_TYPES:
            raise BadInput(
                f"this is no segmenter, but a model of type {kind}",
                input="name",
                value=str(source),
                hint=f"Use one of type {', '.join(MODEL_TYPES)}.",
            )
        family = "Sam" if kind == "sam" else "Sam2"
        network, processor = getattr(transformers, f"{family}Model"), getattr(transformers, f"{family}Processor")
        model, report = network.from_pretrained(
            source, dtype=dtype, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
        return model, processor.from_pretrained(source, trust_remote_code=False), set(report["missing_keys"])
    except BadInput:
        raise
    except Exception as error:  # transformers and the hub answer bad files and names with nearly any exception
        raise _explained(source, error) from error


def _explained(source: str | Path, error: Exception) -> BadInput:
    lines = str(error).strip().splitlines()
    reason = lines[0][:160] if lines else type(error).__name__
    if isinstance(source, Path):
        return BadInput(
            f"the model cannot be read: {reason}",
            input="name",
            value=str(source),
            hint="Its folder holds config.json, model.safetensors and processor_config.json. Download it again.",
        )
    return BadInput(
        f"the model could not be downloaded: {reason}",
        input="name",
        value=source,
        hint="Without a network, use a folder, or set HF_HUB_OFFLINE=1 for a model that is in the cache already.",
    )
