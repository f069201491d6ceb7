"""Put steerings into force for one generation of a batch."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import groupby

import torch
from torch import Tensor

from api_graph.errors import BadInput, warn_of_kind
from api_graph.lvlm.attention import hooked
from api_graph.lvlm.attention_rows import Columns
from api_graph.lvlm.layout import TokenLayout
from api_graph.lvlm.model import LvlmModel
from api_graph.lvlm.steer.bias import Bias, Plan
from api_graph.lvlm.steer.fovea import Fovea
from api_graph.lvlm.steer.sinks import Redistribution, Sinks, sink_dims
from api_graph.lvlm.steer.steering import Steering

_REPEATS = 8


def settings_key(model: LvlmModel, steering: Steering | None) -> Hashable:
    """Equal for steerings that may go into one batch: they differ in their foveas alone.

    Raises BadInput for layers and heads that the model does not have, and for a profile of another model.
    """
    if steering is None:
        return None
    steering.check_model(model)
    where = tuple(sorted(steering.where(model.module).items()))
    starts = tuple(start for start, _ in steering.targets)
    return steering.mode, steering.amount, where, steering.rows, steering.sinks, starts


@contextmanager
def steered(
    model: LvlmModel,
    layouts: Sequence[Sequence[TokenLayout]],
    steerings: Sequence[Steering | None],
    length: int,
) -> Iterator[None]:
    """Inside, one generation (or one forward over prompts and answers) by this thread is steered.

    `layouts` has, for each prompt of the batch, the layouts of its pictures, as `token_layouts` gives them, and
    `length` is that of the padded prompts. Prompts with None are not steered; the steerings of the others differ in
    nothing but their foveas. Where they change nothing, the model is left as it is.

    Raises BadInput for steerings that cannot go together, for more foveas than pictures, for foveas of other pictures,
    and for layers and heads that the model does not have.
    """
    steering = next((one for one in steerings if one is not None), None)
    if steering is None:
        yield
        return
    if len({settings_key(model, one) for one in steerings if one is not None}) > 1:
        raise BadInput("one batch is steered in one way; only its foveas may differ", input="steering")
    steering.warn_if_breaking(model.module)
    columns, weights = _weights(layouts, steerings)
    with ExitStack() as stack:
        bias = _bias(model, steering, columns, weights, length, stack)
        if not (steering.plain or bias.does_nothing):
            stack.enter_context(hooked(model, steerer=bias))
        yield


def _bias(
    model: LvlmModel, steering: Steering, columns: Columns, weights: Tensor, length: int, stack: ExitStack
) -> Bias:
    where, starts = steering.where(model.module), [start for start, _ in steering.targets]
    plan = Plan(steering.mode, steering.amount, where, steering.rows, columns, weights, starts, length)
    if steering.mode != "redistribute":
        return Bias(plan)
    dims = sink_dims(model) if steering.sinks.dims is None else steering.sinks.dims
    sinks = Sinks(steering.sinks, dims, length)
    stack.enter_context(model.lock)
    stack.enter_context(sinks.watching(model.module, where))
    return Redistribution(plan, sinks)


def _weights(layouts: Sequence[Sequence[TokenLayout]], steerings: Sequence[Steering | None]) -> tuple[Columns, Tensor]:
    """The image tokens of each prompt, and their weights (T, B, N): NaN for those that are not steered."""
    rows: list[list[Tensor]] = []  # for each prompt, for each target
    targets = max(len(one.targets) for one in steerings if one is not None)
    for images, one in zip(layouts, steerings, strict=True):
        foveas = [own for _, own in one.targets] if one is not None else [()] * targets
        rows.append([_of_prompt(images, own) for own in foveas])
    columns = [torch.cat([image.columns for image in images] or [torch.zeros(0).long()]).cpu() for images in layouts]
    by_target = [
        torch.nn.utils.rnn.pad_sequence([row[t] for row in rows], batch_first=True, padding_value=math.nan)
        for t in range(targets)
    ]
    return Columns.of(columns), torch.stack(by_target)


def _of_prompt(images: Sequence[TokenLayout], foveas: Sequence[Fovea | None]) -> Tensor:
    """The weights (N,) of a prompt's image tokens, its pictures one after the other."""
    return torch.cat(weights_of_each(images, foveas) or [torch.zeros(0)])


def weights_of_each(images: Sequence[TokenLayout], foveas: Sequence[Fovea | None]) -> list[Tensor]:
    """The weights (N,) of each picture's tokens, NaN where it is not steered: fovea i belongs to picture i.

    Raises BadInput for more foveas than pictures.
    """
    if len(foveas) > len(images):
        raise BadInput(
            f"there are more foveas ({len(foveas)}) than pictures ({len(images)})",
            input="fovea",
            hint="Fovea i belongs to picture i of the request.",
        )
    own = [*foveas, *[None] * (len(images) - len(foveas))]
    return [
        torch.full((len(image.columns),), math.nan) if fovea is None else fovea.weights(image)
        for image, fovea in zip(images, own, strict=True)
    ]


def warn_if_repeating(ids: Sequence[int]) -> None:
    """Warn of an answer in which one token stands many times in a row: too strong a steering gives such answers."""
    longest = max((len(list(run)) for _, run in groupby(ids)), default=0)
    if longest >= _REPEATS:
        warn_of_kind(
            "steered repeats",
            f"a steered answer repeats one token {longest} times in a row; steer less strongly, or in fewer layers",
        )
