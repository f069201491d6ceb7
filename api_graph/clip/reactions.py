"""Which heads react to a prompt: how much what each adds to the CLS token changes, layer by layer."""

from __future__ import annotations

import torch
from torch import Tensor

from api_graph.clip.foveal_input import FovealInput, Masks
from api_graph.clip.foveal_pass import (
    Form,
    Pass,
    Recorder,
    as_gathered,
    check_form,
    head_shape,
    layer_count,
    output_projection,
    pass_through,
    rows_at_once,
)
from api_graph.clip.images import Images
from api_graph.clip.model import ClipModel
from api_graph.clip.pooling import PooledTower
from api_graph.clip.unleash import CleanHeads
from api_graph.clip.vision import ClsTower
from api_graph.models.layers import Layers, layer_set


def head_reactions(
    model: ClipModel,
    image: Images | None = None,
    masks: Masks | None = None,
    *,
    pixel_values: Tensor | None = None,
    clean: Images | None = None,
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
    way = pass_through(tower, biased, biased if given.clean is None else frozenset({0}), form)
    with torch.no_grad():
        entered = way.enter(given.pixels)
        before, count = entered, len(given.pixels)
        if given.clean is not None:
            before, count = way.enter(given.clean), len(given.clean)
        heads = CleanHeads.of(way, before, count, given.pixels.device)
        direction = None if text is None else _direction(way, before, count, text.to(given.pixels.device))
        total = torch.zeros(layer_count(tower), head_shape(tower)[0])
        for rows in torch.arange(len(given.owner)).split(rows_at_once(tower)):
            recorder, (owner, bias) = Recorder(), given.rows(rows)
            way.token(entered, owner, bias, recorder)
            for layer, gathered in recorder.seen.items():
                change = gathered.float() - heads.of_prompts(layer, owner).float()
                total[layer] += _sizes(tower, layer, change, direction, owner).sum(0).cpu()
    return total / len(given.owner)


def strongest(reactions: Tensor, most: int) -> list[str]:
    """One line for each of the `most` heads that react most, of reactions (L, H)."""
    heads = reactions.shape[1]
    flat = reactions.flatten()
    order = flat.abs().argsort(descending=True)[:most].tolist()
    return [f"layer {i // heads}, head {i % heads}: {float(flat[i]):.4g}" for i in order]


def head_outputs(tower: ClsTower | PooledTower, layer: int, gathered: Tensor) -> Tensor:
    """G_h (B, H, D) of what the heads gathered (B, H·d), float32: Σ_h G_h + b_O is MSA_cls."""
    heads, size = head_shape(tower)
    weight = output_projection(tower, layer).weight.float().unflatten(1, (heads, size))  # (D, H, d)
    outputs = torch.einsum("ohd,bhd->bho", weight, gathered.float().unflatten(1, (heads, size)))  # (B, H, D)
    scale = None if isinstance(tower, PooledTower) else tower.blocks[layer].scale
    return outputs if scale is None else outputs * scale.float()


def _direction(way: Pass, entered: object, images: int, text: Tensor) -> Tensor:
    """What maps a change of the final token to a change of its product with the text: (images, D)."""
    token = way.token(entered, torch.arange(images, device=text.device), None, as_gathered)
    return (way.head.linear() @ (text.float() / text.float().norm())) / way.head.moments(token)[1]


def _sizes(
    tower: ClsTower | PooledTower, layer: int, change: Tensor, direction: Tensor | None, owner: Tensor
) -> Tensor:
    """(B, H) of the heads' changes (B, H·d)."""
    outputs = head_outputs(tower, layer, change)
    if direction is None:
        return outputs.norm(dim=-1)
    own = direction if len(direction) == 1 else direction[owner]
    return (outputs * own.unsqueeze(1)).sum(-1)
