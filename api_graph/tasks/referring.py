"""Referring expressions: which of some boxes a text means (FALIP section 4.1, ReCLIP's protocol).

Every box is shown to the model in turn, and the one whose feature is closest to the text is chosen. Relations between
objects ("left of the dog") are not parsed: ReCLIP's rules for relations and superlatives are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from api_graph.arguments import typed
from api_graph.clip.foveal_cells import CellRule
from api_graph.clip.foveal_pass import Form
from api_graph.clip.model import ClipModel
from api_graph.clip.text import encode_text
from api_graph.deprecation import formerly
from api_graph.errors import BadInput
from api_graph.models.layers import Layers
from api_graph.pixels.given import Images, as_pictures
from api_graph.regions import Boxes, BoxFormat, read_boxes
from api_graph.tasks.examples import ReferringExample
from api_graph.tasks.features import Fovea, SeeingMode, as_models, box_features, picture_of, seeing
from api_graph.tasks.metrics import refers_to
from api_graph.tasks.prompt_methods import PromptMethod, prompt_methods
from api_graph.tasks.scores import Aggregate, BoxChoice, logit_scale, score_boxes
from api_graph.tasks.subtract import caption_text, mean_text, sample_captions

AnyBoxes = Boxes | str | Sequence[Sequence[float]] | NDArray[Any] | Tensor


@formerly("model", "image", "boxes", "query", "method", text="query")
@typed("method", images="image", name="model", templates="template", text="query")
def choose_box(
    image: Images,
    boxes: AnyBoxes,
    query: str,
    model: ClipModel | str | Sequence[ClipModel | str] = "demo",
    method: str | Sequence[str] = "foveal",
    *,
    device: str | torch.device | None = None,
    alpha: float = 0.2,
    sigma: float = 100.0,
    layers: Layers = "last 4",
    form: Form = "cls",
    unleash: float = 0.0,
    cells: CellRule = "overlap",
    aggregate: Aggregate = "sum",
    subtract: str | Sequence[str] | None = None,
    template: str | None = None,
    format: BoxFormat = "xyxy",
    resize_mode: SeeingMode = "squash",
) -> BoxChoice:
    """Choose the box of one image that `query` refers to.

    `model`: a CLIP or its name, to be loaded onto `device`; several are an ensemble whose logits are summed. `boxes`:
    (B, 4) in pixels of the image, in `format`. `method`: how each box is shown (see `api_graph.tasks.prompt_methods`):
    "none", "foveal", "crop", "circle+foveal", ...; several are aggregated by `aggregate`, sum or max. `alpha` to
    `cells` belong to foveal masks.
    `subtract`: captions whose mean score is taken off (see `sample_captions`). `template`: what is said around the
    query, by default what goes with the method, "a photo of {}". `resize_mode`: how the model sees the image.

    Returns the index of the box, the boxes' logits (B,) and the margin. Raises BadInput for a box outside the image, an
    empty query, an unknown method, and a model whose patches cannot be pointed at.
    """
    fovea = Fovea(alpha, sigma, layers, form, unleash, cells)
    chooser = Chooser.of(as_models(model, device), method, fovea, aggregate, resize_mode, template)
    images = as_pictures(image)
    picture = picture_of(images)
    values = boxes_in(boxes, picture, format)
    (choice,) = chooser.choose_in(picture, values, [query], chooser.negatives(subtract) if subtract else None)
    return replace(choice, query=query, image=images[0], boxes=values)


@dataclass(frozen=True, eq=False)
class Chooser:
    """How boxes are chosen: by which models and prompt methods, and how their scores are put together."""

    models: tuple[ClipModel, ...]
    methods: tuple[PromptMethod, ...]
    fovea: Fovea
    aggregate: Aggregate
    template: str

    @classmethod
    def of(
        cls,
        model: ClipModel | str | Sequence[ClipModel | str],
        method: str | Sequence[str] = "foveal",
        fovea: Fovea | None = None,
        aggregate: Aggregate = "sum",
        resize_mode: SeeingMode = "squash",
        template: str | None = None,
    ) -> Chooser:
        """From what users say. The template is by default that of the first method."""
        models, methods = as_models(model), tuple(prompt_methods(method))
        seen = tuple(seeing(m, resize_mode) for m in models)
        return cls(seen, methods, fovea or Fovea(), aggregate, template or methods[0].template)

    def negatives(self, captions: str | Sequence[str]) -> list[Tensor]:
        """What `subtract` needs of its captions: one vector per model."""
        return [mean_text(m, captions, self.template) for m in self.models]

    def choose(
        self,
        image: Images,
        boxes: AnyBoxes,
        texts: Sequence[str],
        negatives: list[Tensor] | None = None,
        format: BoxFormat = "xyxy",
    ) -> list[BoxChoice]:
        """A choice for each text; the boxes are shown to each model once."""
        picture = picture_of(image)
        return self.choose_in(picture, boxes_in(boxes, picture, format), texts, negatives)

    def choose_in(
        self, picture: Tensor, values: Tensor, texts: Sequence[str], negatives: list[Tensor] | None = None
    ) -> list[BoxChoice]:
        """`choose` in a picture (1, H, W, 3), of boxes (B, 4) that lie in it."""
        said = [caption_text(text, self.template) for text in texts]
        features = [
            torch.stack([box_features(m, picture, values, method, self.fovea) for method in self.methods])
            for m in self.models
        ]  # per model (M, B, E)
        scores = score_boxes(
            features,
            [encode_text(m, said) for m in self.models],
            [logit_scale(m) for m in self.models],
            aggregate=self.aggregate,
            negatives=negatives,
        )
        return [BoxChoice.of(row) for row in scores]


@dataclass(frozen=True)
class ReferringReport:
    """Figures over all sentences: `accuracy`, and `first_box`, the accuracy if box 0 is always taken.

    Without any prompt all boxes tie and the two are equal: a free check of the data.
    """

    sentences: int
    accuracy: float
    first_box: float
    mean_margin: float


def evaluate_referring(
    examples: Sequence[ReferringExample],
    chooser: Chooser,
    *,
    subtract: int = 0,
    seed: int = 0,
    area_threshold: float = 0.0,
    progress: Callable[[int], None] | None = None,
) -> ReferringReport:
    """Run a benchmark: the share of sentences whose box has an IoU strictly above 0.5 with a target.

    `subtract` is how many captions of the whole file are drawn for the post-processing (the reference: 500): once, by
    `seed`, where the reference draws anew, unseeded, for each sentence.
    """
    if not 0 <= area_threshold < 1:
        hint = "Use one in [0, 1), no per cent."
        raise BadInput("it is a share of the image", input="area_threshold", value=area_threshold, hint=hint)
    captions = [caption for example in examples for caption in example.captions]
    if not captions:
        raise BadInput("there is no sentence to judge by", input="examples")
    negatives = chooser.negatives(sample_captions(captions, subtract, seed=seed)) if subtract else None
    hits, first, margins = list[bool](), list[bool](), list[float]()
    for number, example in enumerate(examples):
        picture = picture_of(example.image)
        size = (picture.shape[2], picture.shape[1])
        # In 64 bits, as they are written: a box of just half its target is no hit, which 32 bits might make one.
        boxes = torch.tensor(example.candidates(size, area_threshold=area_threshold), dtype=torch.float64)
        right = refers_to(boxes, torch.tensor(example.targets, dtype=torch.float64).reshape(-1, 4))
        for choice in chooser.choose(picture, boxes, example.captions, negatives):
            hits.append(bool(right[choice.index]))
            first.append(bool(right[0]))
            margins.append(choice.margin)
        if progress is not None:
            progress(number + 1)
    count = len(hits)
    return ReferringReport(count, sum(hits) / count, sum(first) / count, sum(margins) / count)


def boxes_in(boxes: AnyBoxes, picture: Tensor, format: BoxFormat = "xyxy") -> Tensor:
    """(B, 4) float64, left, top, right, bottom in pixels of a picture (1, H, W, 3), cut to it."""
    given, form = (boxes.values, "xyxy") if isinstance(boxes, Boxes) else (boxes, format)
    # What is a user's own is listed: of tensors that come from elsewhere, fractions have been told.
    rows = given.tolist() if isinstance(given, Tensor | np.ndarray) else given
    return read_boxes(rows, (picture.shape[2], picture.shape[1]), form).values
