"""What is known of a batch of prompts: the families read their facts from here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from api_graph.errors import BadInput

Size = tuple[int, int]
"""Width and height, in pixels."""


@dataclass(frozen=True, eq=False)
class Prompted:
    """A batch of prompts as a model is given it.

    `columns` has, per prompt, the positions of its image tokens; `sizes`, per prompt and image, the source's (width,
    height). `processor` is None where the caller made the tensors.
    """

    config: Any
    processor: Any
    inputs: Mapping[str, Any]
    columns: Sequence[Tensor]
    sizes: Sequence[Sequence[Size]]

    @property
    def images(self) -> list[Size]:
        """Sizes of all images, in the order in which the processor lists what it says of them."""
        return [size for prompt in self.sizes for size in prompt]

    def fact(self, name: str) -> Tensor:
        """What the processor says in `inputs` under `name`, one row per image."""
        if name not in self.inputs:
            raise BadInput(
                f"{name} is missing", input="inputs", value=sorted(self.inputs), hint="Keep all the processor returns."
            )
        value = self.inputs[name]
        if len(value) != len(self.images):
            raise BadInput(
                f"{name} speaks of {len(value)} images, but {len(self.images)} sizes were given",
                input="sizes",
                value=self.sizes,
                hint="Give the size of every image of every prompt.",
            )
        return value

    def numbers(self, name: str) -> list[list[int]]:
        """The same fact where it is whole numbers, on the CPU."""
        return torch.as_tensor(self.fact(name)).tolist()

    def runs(self, prompt: int) -> list[tuple[int, int]]:
        """First position and length of each unbroken run of image tokens."""
        runs: list[tuple[int, int]] = []
        for column in self.columns[prompt].tolist():
            if runs and column == sum(runs[-1]):
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((column, 1))
        return runs


def image_columns(config: Any, inputs: Mapping[str, Any]) -> list[Tensor]:
    """Positions of the image tokens of each prompt, (n,) int64 each: read from the ids, never assumed to be a range."""
    if "input_ids" not in inputs:
        raise BadInput(
            "input_ids are missing", input="inputs", value=sorted(inputs), hint="Keep all the processor returns."
        )
    is_image = inputs["input_ids"] == config.image_token_id  # (B, S)
    return [row.nonzero().flatten() for row in is_image]
