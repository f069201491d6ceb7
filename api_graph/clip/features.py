"""Image features on a wire between nodes: what tasks score against texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from torch import Tensor

from api_graph.errors import BadInput


@dataclass(frozen=True, eq=False)
class ImageFeatures:
    """B image features in the space of texts: `features` (B, E), float32, not normalised.

    They are of B images, or of one image under B prompts. Raises BadInput for another shape.
    """

    socket: ClassVar[str] = "AP_IMAGE_FEATURES"

    features: Tensor

    def __post_init__(self) -> None:
        if self.features.ndim != 2:
            raise BadInput(f"image features have the shape (B, E), not {tuple(self.features.shape)}", input="features")

    def to_storage(self) -> tuple[dict[str, Tensor], Any]:
        """Tensors and JSON from which `from_storage` builds equal features."""
        return {"features": self.features}, None

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: Any) -> ImageFeatures:
        return cls(tensors["features"])
