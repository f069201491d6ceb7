"""Tiny SAM and SAM 2 models with random weights, saved as folders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch


def save_sam(folder: Path, seed: int = 2) -> Path:
    """A SAM of 64 pixels; its processor pads to a square."""
    from transformers import SamConfig, SamImageProcessor, SamModel, SamProcessor

    config = SamConfig(
        vision_config={
            "hidden_size": 16,
            "output_channels": 16,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 64,
            "patch_size": 16,
            "window_size": 2,
            "global_attn_indexes": [1],
            "mlp_dim": 32,
            "num_pos_feats": 8,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config=_DECODER,
    )
    processor = SamProcessor(
        SamImageProcessor(
            size={"longest_edge": 64},
            pad_size={"height": 64, "width": 64},
            mask_size={"longest_edge": 16},
            mask_pad_size={"height": 16, "width": 16},
        )
    )
    return _saved(SamModel, config, processor, folder, seed)


def save_sam2(folder: Path, seed: int = 0) -> Path:
    """A SAM 2 of 64 pixels; its processor squashes the image."""
    import transformers
    from transformers import Sam2Config, Sam2Model, Sam2Processor

    config = Sam2Config(
        vision_config={
            "backbone_config": {
                "model_type": "sam2_hiera_det_model",
                "hidden_size": 8,
                "image_size": [64, 64],
                "blocks_per_stage": [1, 1, 2, 1],
                "embed_dim_per_stage": [8, 16, 32, 64],
                "num_attention_heads_per_stage": [1, 1, 2, 2],
                "window_size_per_stage": [4, 2, 4, 2],
                "global_attention_blocks": [3],
                "window_positional_embedding_background_size": [2, 2],
            },
            "backbone_channel_list": [64, 32, 16, 8],
            "backbone_feature_sizes": [[16, 16], [8, 8], [4, 4]],
            "fpn_hidden_size": 16,
        },
        prompt_encoder_config={"hidden_size": 16, "image_size": 64, "patch_size": 16, "mask_input_channels": 4},
        mask_decoder_config=_DECODER,
    )
    size = {"height": 64, "width": 64}
    # transformers 4 has it under another name.
    kind = getattr(transformers, "Sam2ImageProcessor", None) or transformers.Sam2ImageProcessorFast
    processor = Sam2Processor(kind(size=size, mask_size={"height": 16, "width": 16}))
    return _saved(Sam2Model, config, processor, folder, seed)


_DECODER: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "mlp_dim": 32,
    "iou_head_hidden_dim": 16,
    "iou_head_depth": 2,
    "attention_downsample_rate": 2,
}


def _saved(kind: Any, config: Any, processor: Any, folder: Path, seed: int) -> Path:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(config)
        with torch.no_grad():  # fresh weights hardly react to the prompt: all masks would be one
            for p in model.parameters():
                p.add_(torch.randn_like(p) * 0.6)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder
