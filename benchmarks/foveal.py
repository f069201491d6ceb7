"""What an image's features under B foveal masks cost, over B full passes of the same model.

    python -m benchmarks.foveal --model ViT-B-16 --masks 20 --repeats 5

Weights are random (they do not change the cost). A full pass is open_clip's own `encode_image` of the one image with
an attention mask in its last four blocks, once for each mask and one mask at a time, as the official code does it;
`in one batch` gives them to the model together. Figures are ratios to the former: FLOPs as torch's counter sees them
(the fused MultiheadAttention kernel, which is opaque to it, is switched off) and CPU time (`time.process_time`, the two
in turn, median).
"""

from __future__ import annotations

import argparse
from typing import Any

import torch
from torch import Tensor

from api_graph.clip.foveal import foveal_features
from api_graph.clip.load import load_clip
from api_graph.clip.model import ClipModel
from api_graph.clip.tower import ClsTower
from benchmarks.clip import flops, time_ratio

LAYERS = 4


def full_passes(model: ClipModel, pixels: Tensor, masks: Tensor, at_once: int) -> Tensor:
    """open_clip's own passes with M in the CLS token's row, `at_once` masks in a batch: (B, E)."""
    visual: Any = model.visual
    blocks = visual.transformer.resblocks
    heads, tokens = blocks[0].attn.num_heads, masks[0].numel() + 1
    features = []
    for part in masks.split(at_once):
        matrix = torch.zeros(len(part), tokens, tokens)
        matrix[:, 0, 1:] = part.flatten(1)
        matrix = matrix.repeat_interleave(heads, 0)  # (B·H, T, T)
        x = visual._embeds(pixels.expand(len(part), -1, -1, -1))
        for index, block in enumerate(blocks):
            x = block(x, attn_mask=matrix if index >= len(blocks) - LAYERS else None)
        features.append(visual._pool(x)[0] @ visual.proj)
    return torch.cat(features)


def measure(name: str, count: int, repeats: int) -> dict[str, float]:
    """All figures of one model."""
    model = load_clip(name, "random", device="cpu")
    assert isinstance(model.tower, ClsTower)
    pixels = torch.randn(1, 3, *model.preprocess.size)
    masks = torch.rand(count, *model.tower.grid)

    def ours() -> Tensor:
        return foveal_features(model=model, masks=masks, pixel_values=pixels)

    def unleashed() -> Tensor:
        return foveal_features(model=model, masks=masks, pixel_values=pixels, unleash=1.0)

    def full() -> Tensor:
        return full_passes(model, pixels, masks, at_once=1)

    def batched() -> Tensor:
        return full_passes(model, pixels, masks, at_once=count)

    with torch.inference_mode():
        expected = full()
        error = float((ours() - expected).abs().max() / expected.abs().max())
    whole = flops(full)
    return {
        "largest difference, over the largest feature": error,
        "full passes, GFLOP": whole / 1e9,
        "FLOPs": flops(ours) / whole,
        "FLOPs with unleash": flops(unleashed) / whole,
        "CPU time": time_ratio(ours, full, repeats),
        "CPU time, over full passes in one batch": time_ratio(ours, batched, repeats),
        "CPU time with unleash": time_ratio(unleashed, full, repeats),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="ViT-B-16")
    parser.add_argument("--masks", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    print(f"| {arguments.masks} masks on one image | {arguments.model} |\n|---|---|")
    for figure, value in measure(arguments.model, arguments.masks, arguments.repeats).items():
        print(f"| {figure} | {value:.3g} |")


if __name__ == "__main__":
    main()
