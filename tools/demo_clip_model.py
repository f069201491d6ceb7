"""The demo CLIP itself: its shape, how its weights start, and the folder that open_clip loads it from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from open_clip.model import CLIP
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F
from transformers import PreTrainedTokenizerFast

SIZE, PATCH, WIDTH, CONTEXT = 80, 8, 128, 24
MEAN = STD = (0.5, 0.5, 0.5)
TEXT_CONFIG = {
    "context_length": CONTEXT,
    "width": WIDTH,
    "heads": 2,
    "layers": 2,
    # Not empty, so that open_clip reads the tokenizer that lies in the model's folder.
    "hf_tokenizer_name": "demo-clip",
}
VISION_CONFIG = {"image_size": SIZE, "patch_size": PATCH, "width": WIDTH, "layers": 4, "head_width": 32}
PREPROCESS_CONFIG = {"mean": MEAN, "std": STD, "interpolation": "bicubic", "resize_mode": "squash"}
"""Squash, so that the model sees all of a picture that is not square; it is trained on such pictures too."""
TOKENIZER_CONFIG = {
    # The name that every release of transformers knows; newer ones save another.
    "tokenizer_class": "PreTrainedTokenizerFast",
    "model_max_length": CONTEXT,
    "pad_token": "<pad>",
    "bos_token": "<bos>",
    "eos_token": "<eos>",
    # transformers 4 would otherwise switch the tokenizer's own setting off, and cut first words apart.
    "add_prefix_space": True,
    "clean_up_tokenization_spaces": False,
}


def model_config(vocabulary: int) -> dict[str, Any]:
    """open_clip's `model_cfg`."""
    return {
        "embed_dim": WIDTH,
        "vision_cfg": VISION_CONFIG,
        "text_cfg": {**TEXT_CONFIG, "vocab_size": vocabulary},
        "init_logit_bias": -4.0,
    }


def new_model(vocabulary: int, images: Tensor) -> CLIP:
    """A fresh model whose patch embedding is made for pictures like `images`, uint8 (B, S, S, 3)."""
    model: Any = CLIP(**model_config(vocabulary))  # Any: PyTorch does not type its submodules
    with torch.no_grad():
        model.visual.conv1.weight.copy_(_whitening(images).view_as(model.visual.conv1.weight))
        # open_clip's 0.02 is made for towers far wider than this one.
        model.token_embedding.weight.normal_(std=0.5)
    return model


def to_model_input(images: Tensor) -> Tensor:
    """uint8 (B, H, W, 3) -> normalised float32 (B, 3, H, W)."""
    return ((images.float() / 255 - MEAN[0]) / STD[0]).permute(0, 3, 1, 2)


def match(model: Any, images: Tensor, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Logits of images (B, 3, S, S) × phrases (Q, CONTEXT), (B, Q), and the image embeddings (B, E)."""
    embedding = model.encode_image(images)
    cosine = F.normalize(embedding, dim=-1) @ encode_phrases(model, ids).T
    return model.logit_scale.exp() * cosine + model.logit_bias, embedding


def encode_phrases(model: Any, ids: Tensor) -> Tensor:
    """`model.encode_text`, normalised, without the padding that all phrases share: (Q, CONTEXT) -> (Q, E)."""
    end = ids.argmax(dim=1)
    length = int(end.max()) + 1
    x = model.token_embedding(ids[:, :length]) + model.positional_embedding[:length]
    x = model.transformer(x, attn_mask=model.attn_mask[:length, :length])
    x = model.ln_final(x)[torch.arange(len(ids)), end] @ model.text_projection
    return F.normalize(x, dim=-1)


def save_folder(folder: Path, model: CLIP, tokenizer: PreTrainedTokenizerFast) -> None:
    """Write the model so that `open_clip.create_model_and_transforms("local-dir:FOLDER")` finds all of it."""
    folder.mkdir(parents=True, exist_ok=True)
    config = {"model_cfg": model_config(len(tokenizer)), "preprocess_cfg": PREPROCESS_CONFIG}
    weights = {name: tensor.half().contiguous() for name, tensor in model.state_dict().items()}
    save_file(weights, folder / "open_clip_model.safetensors", metadata={"format": "pt"})
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    for name, content in (("open_clip_config.json", config), ("tokenizer_config.json", TOKENIZER_CONFIG)):
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _whitening(images: Tensor) -> Tensor:
    """The patches' first principal components, each scaled to unit variance, (WIDTH, 3 * PATCH²)."""
    patches = F.unfold(to_model_input(images), PATCH, stride=PATCH)  # (B, 3 * PATCH², T)
    variances, components = torch.linalg.eigh(torch.cov(patches.transpose(0, 1).flatten(1)))
    variances, components = variances.flip(0)[:WIDTH], components.flip(1)[:, :WIDTH]
    return (components / (variances + 1e-3).sqrt()).T
