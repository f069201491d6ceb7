"""Socket types of the tasks: what their nodes hand to each other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypedDict

from torch import Tensor

from api_graph.clip.model import ClipModel
from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.tasks.labels import checked_labels
from api_graph.tasks.scores import logit_scale
from api_graph.tasks.templates import Templates, class_features


@dataclass(frozen=True, eq=False)
class BoxScores:
    """How well each of B boxes fits a text: logits (B,), float32."""

    socket: ClassVar[str] = "AP_BOX_SCORES"

    scores: Tensor

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors and JSON from which `from_storage` builds equal scores."""
        return {"scores": self.scores}, None

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: None) -> BoxScores:
        return cls(tensors["scores"])


@dataclass(frozen=True, eq=False)
class MeanText:
    """The mean of `count` texts' unit vectors: `vector` (E,), float32, not normalised."""

    socket: ClassVar[str] = "AP_MEAN_TEXT"

    vector: Tensor
    count: int

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors and JSON from which `from_storage` builds an equal mean."""
        return {"vector": self.vector}, self.count

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: int) -> MeanText:
        return cls(tensors["vector"], meta)


class _LabelsMeta(TypedDict):
    labels: list[str]
    scale: float


@dataclass(frozen=True, eq=False)
class LabelFeatures:
    """C labels as unit vectors `features` (C, E), float32, and the `scale` of their model's logits."""

    socket: ClassVar[str] = "AP_LABELS"

    features: Tensor
    labels: tuple[str, ...]
    scale: float

    @classmethod
    def of(cls, model: ClipModel, labels: str, templates: Templates) -> LabelFeatures:
        """Labels, one per line, in the words of the templates."""
        names = checked_labels(labels)
        return cls(class_features(model, names, templates), names, logit_scale(model))

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors and JSON from which `from_storage` builds equal labels."""
        return {"features": self.features}, {"labels": list(self.labels), "scale": self.scale}

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: _LabelsMeta) -> LabelFeatures:
        return cls(tensors["features"], tuple(meta["labels"]), meta["scale"])


@dataclass(frozen=True, eq=False)
class PointClouds:
    """B clouds of N points: `points` (B, N, 3), float32."""

    socket: ClassVar[str] = "AP_POINTS"

    points: Tensor

    def __post_init__(self) -> None:
        if self.points.ndim != 3 or self.points.shape[2] != 3:
            raise BadInput(f"clouds have the shape (B, N, 3), not {tuple(self.points.shape)}", input="points")

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors and JSON from which `from_storage` builds equal clouds."""
        return {"points": self.points}, None

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: None) -> PointClouds:
        return cls(tensors["points"])
