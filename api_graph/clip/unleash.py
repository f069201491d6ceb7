"""The heads that react to a visual prompt: which they are, and how they are made to react more (FALIP's Unleash).

    MSA_cls = b_O + Σ_h [G'_h + λ_h (G'_h − G_h)]

G_h is what head h adds to the CLS token without the prompt and G'_h with it; λ = 1 for all heads is the paper's
Unleash, λ = 0 the plain prompt. Both are W_O^h times what the head gathered, so the sum is taken before W_O.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor

from api_graph.clip.foveal_pass import (
    Entered,
    Form,
    FovealInput,
    Masks,
    Pass,
    Recorder,
    check_form,
    head_shape,
    layer_count,
    masks_at_once,
    output_projection,
    pass_of,
    unchanged,
)
from api_graph.clip.model import ClipModel, PreparedImages
from api_graph.clip.pooling import PooledTower
from api_graph.clip.tower import ClsTower, norm_moments
from api_graph.errors import BadInput
from api_graph.models.layers import Layers, layer_set
from api_graph.pixels.given import Images

Order = Literal["sequential", "parallel"]
Gains = float | Sequence[float] | Sequence[Sequence[float]] | Tensor
"""λ: one number, one per head (H,), or one per layer and head (layers, H), the layers in ascending order."""


@dataclass(frozen=True, eq=False)
class Unleash:
    """`gains`: λ of each layer that is unleashed, (H·d,), each head's repeated for all that it gathers.

    `order`: `sequential` takes G' from the stream that the layers before have already amplified, `parallel` from a
    pass of its own in which nothing is amplified.
    """

    gains: dict[int, Tensor]
    order: Order = "sequential"

    @classmethod
    def of(
        cls,
        unleash: Gains,
        layers: Collection[int],
        tower: ClsTower | PooledTower,
        only: Sequence[int] | None = None,
        order: Order = "sequential",
    ) -> Unleash | None:
        """For these layers of a tower, and `only` these heads; None where every λ is zero. Raises BadInput."""
        if order not in get_args(Order):
            raise BadInput("unknown order", input="order", value=order, hint="Use sequential or parallel.")
        heads, size = head_shape(tower)
        gains = gains_of(unleash, layers, heads, only)  # (layers, H)
        if not bool(gains.any()):
            return None
        weight = output_projection(tower, 0).weight
        wide = gains.repeat_interleave(size, dim=1).to(device=weight.device, dtype=weight.dtype)  # (layers, H·d)
        return cls(dict(zip(sorted(layers), wide, strict=True)), order)

    def token(
        self, tower_pass: Pass, entered: Entered, owner: Tensor, bias: Tensor | None, clean: CleanHeads
    ) -> Tensor:
        """The token (B, D) of prompted images; `clean` is what the heads gather without the prompt."""

        def amplified(layer: int, heads: Tensor) -> Tensor:
            """g' + λ (g' − g), at the layers that have a λ."""
            if layer not in self.gains:
                return heads
            return heads + self.gains[layer] * (heads - clean.of_prompts(layer, owner))

        if self.order == "sequential":
            return tower_pass.token(entered, owner, bias, amplified)
        plain = Recorder()
        tower_pass.token(entered, owner, bias, plain)
        loud = {layer: amplified(layer, heads) for layer, heads in plain.seen.items() if layer in self.gains}
        return tower_pass.token(entered, owner, bias, lambda layer, heads: loud.get(layer, heads))


@dataclass(frozen=True, eq=False)
class CleanHeads:
    """What each layer's heads gather for the CLS token of the clean images: `seen` (n, H·d), or (1, H·d) for all."""

    seen: dict[int, Tensor]

    @classmethod
    def of(cls, tower_pass: Pass, entered: Entered, images: int, device: torch.device) -> CleanHeads:
        recorder = Recorder()
        tower_pass.token(entered, torch.arange(images, device=device), None, recorder)
        return cls(recorder.seen)

    def of_prompts(self, layer: int, owner: Tensor) -> Tensor:
        """(B, H·d), or (1, H·d) where one clean image serves all prompts."""
        heads = self.seen[layer]
        return heads if len(heads) == 1 else heads[owner]


def gains_of(unleash: Gains, layers: Collection[int], heads: int, only: Sequence[int] | None = None) -> Tensor:
    """λ as (layers, H), float32, zero for the heads that are not in `only`.

    Raises BadInput for another shape, a number that is not finite, and a head that the model does not have.
    """
    hint = "Give one number, one for each head, or one for each layer and head."
    try:
        gains = torch.as_tensor(unleash, dtype=torch.float32)
    except (TypeError, ValueError) as error:
        raise BadInput("it is not numbers", input="unleash", value=unleash, hint=hint) from error
    if tuple(gains.shape) not in {(), (heads,), (len(layers), heads)}:
        raise BadInput(
            f"gains of {len(layers)} layers with {heads} heads do not come in the shape {tuple(gains.shape)}",
            input="unleash",
            hint=hint,
        )
    if not bool(gains.isfinite().all()):
        raise BadInput("a gain is not finite", input="unleash", value=unleash, hint=hint)
    gains = gains.expand(len(layers), heads)
    if only is None:
        return gains
    for head in only:
        if not -heads <= head < heads:
            hint = f"Use 0 to {heads - 1}, or negative numbers to count from the end."
            raise BadInput(f"the model has {heads} heads a layer", input="heads", value=head, hint=hint)
    chosen = torch.zeros(heads)
    chosen[list(only)] = 1.0
    return gains * chosen.to(gains.device)


# ------------------------------------------------------------------------------------------ reactions


def head_reactions(
    model: ClipModel,
    image: Images | PreparedImages | None = None,
    masks: Masks | None = None,
    *,
    pixel_values: Tensor | None = None,
    clean: Images | PreparedImages | None = None,
    clean_pixel_values: Tensor | None = None,
    layers: Layers = "last 4",
    form: Form = "cls",
    text: Tensor | None = None,
) -> Tensor:
    """How much each head of each layer reacts to a prompt, averaged over the B prompts: float32 (L, H) on the CPU.

    ‖G'_h − G_h‖, where G_h is what head h adds to the CLS token without the prompt and G'_h with it; with `text` (E,),
    ℒ_lin(G'_h − G_h) · text/‖text‖ with ℒ frozen at the clean image's final token: how much the head's change alone
    brings the image closer to the text. A layer before the first mask does not react.

    The other arguments are those of `foveal_features`: an image and masks, or drawn images and their clean one. An
    attention-pooled model has one layer, its pooling attention. Raises BadInput where there is no prompt.
    """
    tower = model.tower
    given = FovealInput.of(model, image, pixel_values, masks, clean, clean_pixel_values)
    given.need_prompt("masks")
    check_form(form, tower)
    biased = layer_set(layers, layer_count(tower)) if given.bias is not None else frozenset[int]()
    tower_pass = pass_of(tower, biased, biased if given.clean is None else frozenset({0}), form)
    with torch.no_grad():
        entered = tower_pass.enter(given.pixels)
        before, count = entered, len(given.pixels)
        if given.clean is not None:
            before, count = tower_pass.enter(given.clean), len(given.clean)
        heads = CleanHeads.of(tower_pass, before, count, given.pixels.device)
        direction = None if text is None else _direction(tower_pass, before, count, text.to(given.pixels.device))
        total = torch.zeros(layer_count(tower), head_shape(tower)[0])
        for indices in torch.arange(len(given.owner)).split(masks_at_once(tower)):
            recorder, (owner, bias) = Recorder(), given.batch(indices)
            tower_pass.token(entered, owner, bias, recorder)
            for layer, gathered in recorder.seen.items():
                change = head_outputs(tower, layer, gathered.float() - heads.of_prompts(layer, owner).float())
                if direction is None:
                    sizes = change.norm(dim=-1)  # (B, H)
                else:
                    own = direction if len(direction) == 1 else direction[owner]  # (1 or B, D)
                    sizes = (change * own.unsqueeze(1)).sum(-1)
                total[layer] += sizes.sum(0).cpu()
    return total / len(given.owner)


class HeadReaction(NamedTuple):
    """How much one head reacts; `layer` and `head` are counted from 0."""

    layer: int
    head: int
    change: float

    def __str__(self) -> str:
        return f"layer {self.layer}, head {self.head}: {self.change:.4g}"


def strongest(reactions: Tensor, most: int) -> list[HeadReaction]:
    """The `most` heads that react most, of reactions (L, H), the strongest first."""
    heads = reactions.shape[1]
    flat = reactions.flatten()
    order = flat.abs().argsort(descending=True)[:most].tolist()
    return [HeadReaction(i // heads, i % heads, float(flat[i])) for i in order]


def random_heads(model: ClipModel, heads: Sequence[int], seed: int = 0) -> list[int]:
    """As many of the model's other heads, drawn by chance, in ascending order: a control for `heads`.

    Raises BadInput for a head that the model does not have, and where there are not so many others.
    """
    count = head_shape(model.tower)[0]
    gains_of(1.0, [0], count, heads)
    chosen = {head % count for head in heads}
    others = [head for head in range(count) if head not in chosen]
    if len(others) < len(chosen):
        raise BadInput(
            f"of {count} heads, {len(others)} are not among the chosen ones, and {len(chosen)} are to be drawn",
            input="heads",
            value=", ".join(map(str, heads)),
            hint="Choose at most half of the heads.",
        )
    order = torch.randperm(len(others), generator=torch.Generator().manual_seed(seed))
    return sorted(others[place] for place in order[: len(chosen)].tolist())


def head_outputs(tower: ClsTower | PooledTower, layer: int, gathered: Tensor) -> Tensor:
    """G_h (B, H, D) of what the heads gathered (B, H·d), float32: Σ_h G_h + b_O is MSA_cls."""
    heads, size = head_shape(tower)
    weight = output_projection(tower, layer).weight.float().unflatten(1, (heads, size))  # (D, H, d)
    outputs = torch.einsum("ohd,bhd->bho", weight, gathered.float().unflatten(1, (heads, size)))  # (B, H, D)
    scale = None if isinstance(tower, PooledTower) else tower.blocks[layer].scale
    return outputs if scale is None else outputs * scale.float()


def _direction(tower_pass: Pass, entered: Entered, images: int, text: Tensor) -> Tensor:
    """What maps a change of the final token to a change of its product with the text: (images, D)."""
    token = tower_pass.token(entered, torch.arange(images, device=text.device), None, unchanged)
    head = tower_pass.head
    return (head.linear() @ (text.float() / text.float().norm())) / norm_moments(token, head.norm)[1]
