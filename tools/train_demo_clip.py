"""Train the demo CLIP from scratch on rendered scenes, on a CPU in about an hour, and write its folder.

    python tools/train_demo_clip.py --out api_graph/demo/clip

An image is matched against phrases for all 80 classes at once (64 pairs of colour and shape, 8 shapes,
8 colours) with a sigmoid loss whose labels are exact: a scene of a red star and a blue circle *is* a negative
for "a red circle". Colour is learnt at once and shape late; two things get it off the plateau: objects on a
lattice of patch corners before objects anywhere, and a linear head that reads the classes off the image
embedding, thrown away at the end. Boxes are never used.
"""

from __future__ import annotations

import argparse
import math
from functools import partial
from pathlib import Path
from typing import get_args

import numpy as np
import torch
from demo_clip_data import Phrases, Pictures, build_tokenizer, render_pools
from demo_clip_model import CONTEXT, WIDTH, match, new_model, save_folder, to_model_input
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional as F

from api_graph.bench.localization import evaluate_maps
from api_graph.bench.scenes.cases import localization_cases
from api_graph.clip.load import load_clip
from api_graph.clip.maps import Similarity
from api_graph.demo.maps import cls_map
from api_graph.demo.queries import CLASSES
from api_graph.demo.scenes import VALIDATION_SEEDS

WARM_UP = 200
HARD_WEIGHT = 3.0
"""Weight of a pair that is absent although its colour and its shape are both there."""
HEAD_WEIGHT = 0.5
COLOUR_CLASS = {colour: i for i, (colour, shape) in enumerate(CLASSES) if shape is None}
SHAPE_CLASS = {shape: i for i, (colour, shape) in enumerate(CLASSES) if colour is None}


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    tokenizer = build_tokenizer(CONTEXT)
    pools = render_pools(args.workers)
    model = new_model(len(tokenizer), pools["free"].images[:2000])
    train(model, pools, Phrases(tokenizer, CONTEXT), args)
    save_folder(args.out, model, tokenizer)
    report(args.out)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--steps", type=int, default=8000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=1.2e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=2, help="of the training")
    parser.add_argument("--workers", type=int, default=2, help="processes that render")
    return parser.parse_args()


def train(model: CLIP, pools: dict[str, Pictures], phrases: Phrases, args: argparse.Namespace) -> None:
    """Fit the model in place."""
    rng = np.random.RandomState(args.seed)
    head = nn.Linear(WIDTH, len(CLASSES))
    optimizer = torch.optim.AdamW(parameter_groups(model, head), lr=args.learning_rate, betas=(0.9, 0.98))
    model.train()
    for step in range(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = args.learning_rate * schedule(step, args.steps)
        images, present = draw_batch(pools, batch_shares(step / args.steps), args.batch, rng)
        logits, embedding = match(model, to_model_input(images), phrases.draw(rng))
        loss = sigmoid_loss(logits, present)
        optimizer.zero_grad()
        (loss + HEAD_WEIGHT * sigmoid_loss(head(embedding), present)).backward()
        nn.utils.clip_grad_norm_([*model.parameters(), *head.parameters()], 1.0)
        optimizer.step()
        if (step + 1) % 200 == 0:
            print(f"step {step + 1}: loss {loss.item():.4f}", flush=True)


def report(folder: Path) -> None:
    """Load what was written as a user would, and print how well it points on validation scenes."""
    model = load_clip(str(folder), device="cpu")
    cases = localization_cases(VALIDATION_SEEDS, 300)
    same_colour = np.array(["same colour" in case.tags for case in cases])
    maps = {s: partial(cls_map, model, similarity=s) for s in get_args(Similarity)}
    for similarity, scores in evaluate_maps(cases, maps).items():
        print(
            f"Ψcls, {similarity}: pointing game {scores.mean('pointing'):.3f}, with a same-coloured object "
            f"{scores.mean('pointing', same_colour):.3f}, query swapped {scores.mean('swapped'):.3f}"
        )


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate: a linear warm-up under a cosine that ends at zero."""
    return min(1.0, step / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


def batch_shares(progress: float) -> dict[str, float]:
    """What a batch is made of: the lattice alone, then mostly free positions, at the end nothing else."""
    if progress < 0.2:
        return {"few": 0.5, "lattice": 0.5}
    if progress < 0.9:
        return {"few": 0.08, "lattice": 0.32, "free": 0.6}
    return {"free": 1.0}


def draw_batch(
    pools: dict[str, Pictures], shares: dict[str, float], size: int, rng: np.random.RandomState
) -> tuple[Tensor, Tensor]:
    """Images, uint8 (B, S, S, 3), and the classes in them, bool (B, 80)."""
    bounds = np.round(np.cumsum([0.0, *shares.values()]) * size).astype(int)
    parts = [pools[name].draw(rng, int(n)) for name, n in zip(shares, np.diff(bounds), strict=True)]
    return torch.cat([images for images, _ in parts]), torch.cat([present for _, present in parts])


def sigmoid_loss(logits: Tensor, present: Tensor) -> Tensor:
    """Binary cross-entropy over images × classes, (B, 80), in which hard negatives weigh more."""
    weight = torch.where(hard_negatives(present), HARD_WEIGHT, 1.0)
    return F.binary_cross_entropy_with_logits(logits, present.float(), weight)


def hard_negatives(present: Tensor) -> Tensor:
    """Absent pairs whose colour one object has and whose shape another one has, bool (B, 80)."""
    hard = torch.zeros_like(present)
    for i, (colour, shape) in enumerate(CLASSES):
        if colour and shape:
            hard[:, i] = present[:, COLOUR_CLASS[colour]] & present[:, SHAPE_CLASS[shape]] & ~present[:, i]
    return hard


def parameter_groups(*modules: nn.Module) -> list[dict]:
    """Weight decay for matrices alone: not for biases, gains and embeddings."""
    named = [pair for module in modules for pair in module.named_parameters()]
    matrices = [p for name, p in named if p.ndim >= 2 and "embedding" not in name]
    others = [p for name, p in named if p.ndim < 2 or "embedding" in name]
    return [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]


if __name__ == "__main__":
    main()
