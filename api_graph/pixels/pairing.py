"""Which of several boxes or masks goes on which of several images: a choice that a user makes, and no guess."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Literal, cast, get_args

from torch import Tensor

from api_graph.errors import ApiGraphWarning, BadInput

Pairing = Literal["every box on every image", "box i on image i"]
"""The first gives the results of the first image, one per box, then those of the second, and so on."""


class _NotChosen(str):
    """A default that equals what it says, and that is known for one: nobody has chosen it."""

    __slots__ = ()


EVERY: Pairing = cast("Pairing", _NotChosen("every box on every image"))
"""What holds where nobody has said anything."""


@dataclass(frozen=True)
class Pairs:
    """The image of each result and its region, by their indices; without `regions`, each has all of them at once."""

    images: list[int]
    regions: list[int] | None

    @classmethod
    def of(cls, images: int, regions: int, pairing: Pairing, *, input: str = "boxes", together: bool = False) -> Pairs:
        """Pair so many images with so many regions, which complaints call `input`.

        With `together` the regions of an image make one result. A BadInput if there are no regions, or for "box i on
        image i" with other than equal counts. Equal counts above one where nobody has chosen are an ApiGraphWarning:
        version 0.1 paired them.
        """
        if pairing not in get_args(Pairing):
            hint = f"Use one of: {', '.join(get_args(Pairing))}."
            raise BadInput("unknown pairing", input="pairing", value=pairing, hint=hint)
        if not regions:
            raise BadInput(f"there are no {input}", input=input, value=0, hint="Give at least one.")
        if pairing != EVERY and images != regions:
            raise BadInput(
                f"the number of {input} ({regions}) is not that of the images ({images})",
                input=input,
                value=regions,
                hint=f'Give one for each image, or choose "{EVERY}" as the pairing.',
            )
        if pairing != EVERY:
            return cls([*range(images)], [*range(images)])
        if together:
            return cls([*range(images)], None)
        if images == regions > 1 and isinstance(pairing, _NotChosen):
            warnings.warn(
                f"there are {images} images and as many {input}: all {input} go on every image, which gives "
                f'{images * regions} results. Version 0.1 paired them: for that choose "box i on image i" as the '
                f'pairing. "{EVERY}" keeps this, without a warning',
                ApiGraphWarning,
                stacklevel=4,
            )
        every = [(i, j) for i in range(images) for j in range(regions)]
        return cls([i for i, _ in every], [j for _, j in every])

    def of_images(self, image: Tensor) -> Tensor:
        """Of images (B, ...) that of each result, (P, ...); where there is one for all, that one."""
        own = self.images
        return image if len(image) == 1 or own == [*range(len(image))] else image[own]

    def of_regions(self, coverage: Tensor) -> Tensor:
        """Of coverages (N, H, W) that of each result's region, (P, H, W); where there is one for all, that one."""
        own = self.regions
        if own is None:
            return coverage.amax(0, keepdim=True)
        return coverage if len(coverage) == 1 or own == [*range(len(coverage))] else coverage[own]


def chosen(pairing: Pairing) -> Pairing:
    """The same pairing, to hand on: who gets it says nothing more of a choice that was not made."""
    return cast("Pairing", str.__str__(pairing))
