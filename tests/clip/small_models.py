"""Small random CLIPs of many shapes, and the golden ones."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from api_graph.clip.model import ClipModel

GOLDEN = Path(__file__).parent.parent / "golden"

torch.set_num_threads(1)


def random_clip(
    seed: int = 0, *, text: dict[str, Any] | None = None, custom_text: bool = False, **vision: Any
) -> ClipModel:
    """A tiny open_clip model whose LayerNorms, biases and attention are far from their initial values."""
    from open_clip.model import CLIP, CustomTextCLIP

    torch.manual_seed(seed)
    quick_gelu = vision.pop("quick_gelu", False)
    embed_dim = vision.pop("embed_dim", 24)
    vision_cfg = {"image_size": 32, "layers": 3, "width": 32, "patch_size": 8, "head_width": 8, **vision}
    text_cfg = {"context_length": 16, "vocab_size": 64, "width": 32, "heads": 4, "layers": 2, **(text or {})}
    kind = CustomTextCLIP if custom_text else CLIP
    model = kind(embed_dim, vision_cfg, text_cfg, quick_gelu=quick_gelu)  # type: ignore[arg-type]
    return ClipModel.from_open_clip(roughen(model), name="random")


def roughen(model: torch.nn.Module) -> torch.nn.Module:
    """Random LayerNorms, biases and scales; larger query and key weights: attention is not uniform."""
    with torch.no_grad():
        for name, p in model.named_parameters():
            if p.ndim < 2 and "logit" not in name:
                p.add_(torch.randn_like(p) * 0.3)
            elif "in_proj_weight" in name or "q_proj" in name or "k_proj" in name:
                p.mul_(2.0)
    return model


def pixels_for(model: ClipModel, batch: int) -> torch.Tensor:
    """Random pixel values (batch, 3, h, w) of the model's size."""
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, 3, *model.preprocess.size, generator=generator)


def states(model: ClipModel, pixels: torch.Tensor) -> list[torch.Tensor]:
    """Z⁰, Z¹, ... Z^L of an open_clip tower, each (B, T, D), as its own blocks hand them on."""
    transformer: Any = model.visual.transformer
    seen: list[torch.Tensor] = []
    hooks = [transformer.resblocks[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))]
    hooks += [block.register_forward_hook(lambda *call: seen.append(call[2])) for block in transformer.resblocks]
    with torch.no_grad():
        model.module.encode_image(pixels)  # type: ignore[operator]
    for hook in hooks:
        hook.remove()
    return seen


def load_golden(name: str) -> dict[str, Any]:
    from open_clip.model import CLIP
    from safetensors.torch import load_file

    config = json.loads((GOLDEN / f"{name}_config.json").read_text())
    model = CLIP(**config["open_clip_model_cfg"])
    model.load_state_dict(load_file(GOLDEN / f"{name}_state.safetensors"))
    with np.load(GOLDEN / f"{name}_maps.npz") as arrays:
        maps = {key: torch.from_numpy(arrays[key]) for key in arrays.files}
    return {"model": ClipModel.from_open_clip(model, name=name), "config": config, **maps}
