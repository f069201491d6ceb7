"""What is known of a batch of prompts and their images: each family reads what it needs from here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from api_graph.errors import BadInput
from api_graph.lvlm.protocols import ModelConfig, ModelInputs, Processor

Size = tuple[int, int]
"""Width and height, in pixels."""


@dataclass(frozen=True, eq=False)
class PromptFacts:
    """A batch of prompts as a model is given it.

    `columns` has, per prompt, the positions of its image tokens, (n,) int64. `sizes` has, per prompt and image, the
    source's (width, height). `processor` is None where the caller made the tensors.
    """

    config: Any  # families' configs have next to nothing in common
    processor: Processor | None
    inputs: ModelInputs
    columns: Sequence[Tensor]
    sizes: Sequence[Sequence[Size]]

    @classmethod
    def of(
        cls,
        config: ModelConfig,
        processor: Processor | None,
        inputs: ModelInputs,
        sizes: Sequence[Sequence[Size]] | None,
    ) -> PromptFacts:
        """Find the image tokens, and the images' sizes where `sizes` is None and there is no processor.

        Raises BadInput where `inputs` has no `input_ids`, and for sizes that are missing or of other prompts.
        """
        if "input_ids" not in inputs:
            raise BadInput(
                "input_ids are missing", input="inputs", value=sorted(inputs), hint="Keep all the processor returns."
            )
        is_image = inputs["input_ids"] == config.image_token_id  # (B, S)
        columns = [row.nonzero().flatten() for row in is_image]  # not always a range: other tokens may come between
        if sizes is None and processor is None:
            sizes = _sizes_in_tensors(config, inputs, len(columns))
        if sizes is None or len(sizes) != len(columns):
            raise BadInput(
                f"there are {len(columns)} prompts",
                input="sizes",
                value=sizes,
                hint="Give, for each prompt, the (width, height) of its images.",
            )
        return cls(config, processor, inputs, columns, sizes)

    @property
    def images(self) -> list[Size]:
        """Sizes of all images, in the order in which the processor lists what it says of them."""
        return [size for prompt in self.sizes for size in prompt]

    def per_image(self, name: str) -> Tensor:
        """What the processor says in `inputs` under `name`: a tensor with one row per image. Raises BadInput."""
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

    def numbers_per_image(self, name: str) -> list[list[int]]:
        """The same as lists of whole numbers."""
        return torch.as_tensor(self.per_image(name)).tolist()

    def runs(self, prompt: int) -> list[tuple[int, int]]:
        """First position and length of each unbroken run of image tokens of a prompt."""
        runs: list[tuple[int, int]] = []
        for column in self.columns[prompt].tolist():
            if runs and column == sum(runs[-1]):
                runs[-1] = (runs[-1][0], runs[-1][1] + 1)
            else:
                runs.append((column, 1))
        return runs


def _sizes_in_tensors(config: ModelConfig, inputs: ModelInputs, prompts: int) -> list[list[Size]]:
    """The source sizes that the tensors themselves give, with equally many images for each prompt.

    `image_sizes` (n, 2) hold height and width; `image_grid_thw` (n, 3) counts patches; `pixel_values` (n, 3, H, W) are
    the whole images. Raises BadInput where none of them is there.
    """
    hint = "Give the (width, height) of every image of every prompt."
    pixels = inputs.get("pixel_values")
    if "image_sizes" in inputs:
        sizes = [(int(width), int(height)) for height, width in inputs["image_sizes"]]
    elif "image_grid_thw" in inputs:
        patch = config.vision_config.patch_size
        sizes = [(int(width) * patch, int(height) * patch) for _, height, width in inputs["image_grid_thw"]]
    elif pixels is not None and pixels.ndim == 4:
        sizes = [(pixels.shape[3], pixels.shape[2])] * len(pixels)
    else:
        raise BadInput("the tensors do not say how large the images were", input="sizes", hint=hint)
    if len(sizes) % prompts:
        problem = f"{len(sizes)} images cannot be shared out evenly to {prompts} prompts"
        raise BadInput(problem, input="sizes", hint=hint)
    each = len(sizes) // prompts
    return [sizes[i * each : (i + 1) * each] for i in range(prompts)]
