"""Train the demo LVLM on rendered scenes around the demo CLIP, on a CPU in under an hour, and write its folder.

    python tools/train_demo_lvlm.py --out api_graph/demo/lvlm

The vision tower is the demo CLIP's and stays frozen, so every picture is encoded once. Three things make it learn in
so little time: eight questions about a picture in one sequence (demo_lvlm_batch), few objects before many, and short
questions before the strategies' long prompts. Boxes never enter the loss; they only say what an annotated picture
still shows.

In half of the training conversations the words of the question cannot see the image (`--blind`), so that the row that
predicts the answer has to find the object itself. Else the question's words would gather the answer, and the
attention that methods read, that of the answer's rows, would point at nothing.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path
from typing import Any

import numpy as np
import open_clip
import torch
from demo_lvlm_batch import ABOUT_ONE, IGNORED, Batch, Batches
from demo_lvlm_data import build_pools
from demo_lvlm_model import build_tokenizer, new_model, save_folder, start_projector, vision_tower
from demo_lvlm_prompts import vocabulary
from torch import Tensor
from torch.nn import functional as F

from api_graph.bench.scenes.answering import answers_right, attention_maps, points_at_target
from api_graph.demo.questions import KINDS, all_texts, asked_scenes
from api_graph.demo.scenes import VALIDATION_SEEDS
from api_graph.lvlm import load_lvlm

WARM_UP = 150


def main() -> None:
    args = arguments()
    torch.manual_seed(args.seed)
    torch.set_num_threads(args.threads)
    tokenizer = build_tokenizer([*vocabulary(), *all_texts()])
    tower = demo_clip_tower()
    pools = build_pools(tower, args.workers)
    model = new_model(tower, tokenizer, args.layers, args.heads)
    start_projector(model.model.multi_modal_projector, pools.features[::97].flatten(0, 1).float())
    rng = np.random.RandomState(args.seed)
    train(model, Batches(pools, tokenizer, rng, blind=args.blind), args)
    save_folder(args.out, model, tokenizer)
    report(args.out, model.config)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write")
    parser.add_argument("--steps", type=int, default=2400)
    parser.add_argument("--batch", type=int, default=16, help="scenes in a batch, each with 8 questions")
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--blind", type=float, default=0.5, help="share of questions that cannot see the image")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of the training")
    parser.add_argument("--workers", type=int, default=2, help="processes that render")
    return parser.parse_args()


def demo_clip_tower() -> Any:
    folder = Path(__file__).parent.parent / "api_graph" / "demo" / "clip"
    model: Any = open_clip.create_model(f"local-dir:{folder}")
    return vision_tower(model.visual)


def train(model: Any, batches: Batches, args: argparse.Namespace) -> None:
    """Fit projector and language model in place."""
    optimizer = torch.optim.AdamW(parameter_groups(model), lr=args.learning_rate, betas=(0.9, 0.98))
    model.train()
    running: dict[str, float] = {}
    for step in range(args.steps):
        for group in optimizer.param_groups:
            group["lr"] = args.learning_rate * schedule(step, args.steps)
        pool, images, plain = plan(step / args.steps, batches.rng)
        batch = batches.draw(args.batch if images == 1 else args.batch // 2, pool, images, plain=plain)
        loss, right = loss_of(model, batch, batches.pools.features)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        key = f"{pool}/{images}"
        running[key] = 0.98 * running.get(key, right) + 0.02 * right
        if (step + 1) % 50 == 0:
            shown = ", ".join(f"{k} {v:.3f}" for k, v in running.items())
            print(f"step {step + 1}: loss {loss.item():.4f}, {shown}", flush=True)


def plan(progress: float, rng: np.random.RandomState) -> tuple[str, int, bool]:
    """Pool, number of images, and whether questions come without strategies: from few objects to many."""
    draw = rng.rand()
    if progress < 0.1:
        return "few", 1, True
    if progress < 0.5:
        return ("few" if draw < 0.15 else "lattice" if draw < 0.35 else "free"), 1, True
    if draw < 0.6:
        return "free", 1, False
    return "marked", 1 if draw < 0.85 else 2, False


def loss_of(model: Any, batch: Batch, features: Tensor) -> tuple[Tensor, float]:
    """Cross-entropy of the answers' tokens, and the share of answers' tokens that are the likeliest."""
    inner = model.model
    images = inner.multi_modal_projector(features[batch.rows.flatten()].float())  # (B n, T, D)
    embeddings = inner.get_input_embeddings()(batch.ids)
    is_image = (batch.ids == model.config.image_token_index)[..., None].expand_as(embeddings)
    embeddings = embeddings.masked_scatter(is_image, images)
    mask = torch.zeros(batch.mask.shape).masked_fill(~batch.mask, torch.finfo(torch.float32).min)
    hidden = inner.language_model(
        inputs_embeds=embeddings, attention_mask=mask, position_ids=batch.positions, use_cache=False
    ).last_hidden_state
    learnt = batch.labels[:, 1:] != IGNORED
    logits, labels = model.lm_head(hidden[:, :-1][learnt]), batch.labels[:, 1:][learnt]
    # The first token of each answer follows a token that is not learnt; later ones are easy.
    first = learnt & (batch.labels[:, :-1] == IGNORED)
    right = (logits.argmax(dim=-1) == labels)[first[learnt]].float().mean().item()
    return F.cross_entropy(logits, labels), right


def report(folder: Path, config: Any) -> None:
    """Load what was written as a user would, choose the layer whose attention points best, and print how good it is.

    All on validation scenes; the layer goes into the folder's config.
    """
    model = load_lvlm(str(folder), device="cpu")
    for kind in KINDS:
        print(f"{kind}: {np.mean(answers_right(model, asked_scenes(VALIDATION_SEEDS, kind, 200))):.3f} right")
    asked = [a for kind in ABOUT_ONE for a in asked_scenes(VALIDATION_SEEDS, kind, 100, targeted=True)]
    points = [np.mean(points_at_target(attention_maps(model, asked, i), asked)) for i in range(model.layers)]
    print("pointing game of each layer's attention: " + ", ".join(f"{share:.3f}" for share in points))
    config.attribution_layer = int(np.argmax(points))
    config.save_pretrained(folder)


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate: a linear warm-up under a cosine that ends at zero."""
    return min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + math.cos(math.pi * step / steps))


def parameter_groups(model: Any) -> list[dict]:
    """Weight decay for matrices alone: not for biases, gains and embeddings."""
    named = [(name, p) for name, p in model.named_parameters() if p.requires_grad]
    matrices = [p for name, p in named if p.ndim >= 2 and "embed" not in name]
    others = [p for name, p in named if p.ndim < 2 or "embed" in name]
    return [{"params": matrices, "weight_decay": 0.05}, {"params": others, "weight_decay": 0.0}]


if __name__ == "__main__":
    main()
