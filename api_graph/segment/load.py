"""Load a SAM or SAM 2 by folder or name, without ever unpickling or running a repository's code."""

from __future__ import annotations

import torch
from torch import nn

from api_graph.errors import BadInput
from api_graph.lvlm.quiet import quiet
from api_graph.models.device import choose_device, choose_dtype
from api_graph.models.requirements import require_transformers
from api_graph.models.source import (
    SEGMENTER_FOLDER,
    SEGMENTER_TYPES,
    Source,
    download_failed,
    first_line,
    segmenter_source,
)
from api_graph.segment.model import Segmenter


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
    source = segmenter_source(name)
    # Nodes run in inference mode; weights that are born there could not take part in a gradient.
    with torch.inference_mode(False), quiet():
        try:
            model, processor, missing = _from_transformers(source, precision)
        except BadInput:
            raise
        except Exception as error:  # transformers and the hub answer bad files and names with nearly any exception
            if source.path is None:
                raise download_failed(source, error) from error
            problem = f"the model cannot be read: {first_line(error)}"
            hint = f"Download it again. {SEGMENTER_FOLDER.holds}"
            raise BadInput(problem, input="name", value=source.name, hint=hint) from error
    if missing:
        raise BadInput(
            f"the weights lack {len(missing)} of the model's tensors, such as {sorted(missing)[0]}",
            input="name",
            value=name,
            hint="Download it again.",
        )
    return Segmenter(model.to(where).eval().requires_grad_(False), processor, name)


def _from_transformers(source: Source, dtype: torch.dtype) -> tuple[nn.Module, object, set[str]]:
    """The network, its processor, and the names of the tensors that its files do not hold."""
    require_transformers("a segmenter")
    import transformers

    name, revision = source.path or source.name, source.revision
    config = transformers.AutoConfig.from_pretrained(name, revision=revision, trust_remote_code=False)
    if config.model_type not in SEGMENTER_TYPES:
        raise BadInput(
            f"this is no segmenter, but a model of type {config.model_type}",
            input="name",
            value=source.name,
            hint=f"Use one of type {', '.join(SEGMENTER_TYPES)}.",
        )
    family = "Sam" if config.model_type == "sam" else "Sam2"
    network, processor = getattr(transformers, f"{family}Model"), getattr(transformers, f"{family}Processor")
    model, report = network.from_pretrained(
        name,
        revision=revision,
        dtype=dtype,
        use_safetensors=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    prepare = processor.from_pretrained(name, revision=revision, trust_remote_code=False)
    return model, prepare, set(report["missing_keys"])
