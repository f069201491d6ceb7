"""Zero-shot classification of images, or of regions that are shown by a prompt method (FALIP section 4.2)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from numbers import Real
from typing import Any, ClassVar

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from api_graph.arguments import typed
from api_graph.clip.foveal_cells import CellRule
from api_graph.clip.foveal_pass import Form
from api_graph.clip.model import ClipModel
from api_graph.deprecation import formerly
from api_graph.errors import BadInput, inputs_named
from api_graph.json_values import Json
from api_graph.models.layers import Layers
from api_graph.notebook import counted, html_table, one_line, quoted
from api_graph.pixels.given import Images, as_pictures
from api_graph.pixels.read import to_tensor
from api_graph.pixels.sheet import contact_sheet
from api_graph.pixels.shown import Shown
from api_graph.plotting import Panel
from api_graph.regions import boxes_around
from api_graph.tasks.examples import Benchmark
from api_graph.tasks.features import Fovea, SeeingMode, as_models, region_features, seeing
from api_graph.tasks.labels import checked_labels
from api_graph.tasks.metrics import per_class_mean, shares_by, top_k, worst_group
from api_graph.tasks.outlines import outlined
from api_graph.tasks.prompt_methods import prompt_method
from api_graph.tasks.referring import AnyBoxes, boxes_in
from api_graph.tasks.scores import logit_scale
from api_graph.tasks.templates import Templates, class_features

_MOST_LINES = 100
"""Of a table in a notebook."""
_COLUMNS, _CELL = 4, (320, 320)
"""Of several images side by side."""
_LETTERS, _LETTERS_A_SIDE = 14, 24


@dataclass(frozen=True, eq=False)
class Classification(Shown):
    """What each of n images, or clouds, is: `scores` (n, C), logits on the CPU, over `labels`.

    `classify` adds what `show`, `save` and `plot` draw: the `images`, and the `regions` (N, 4) on each, xyxy in its
    pixels, if it was given some.
    """

    socket: ClassVar[str] = "AP_CLASSES"

    scores: Tensor
    labels: tuple[str, ...]
    images: tuple[Image.Image, ...] = ()
    regions: tuple[Tensor, ...] = ()

    @classmethod
    def of(cls, scores: Tensor, labels: tuple[str, ...]) -> Classification:
        """The classification that logits make; BadInput for NaN and infinity, which would name some label or other."""
        if not bool(scores.isfinite().all()):
            hint = "Half precision overflows: load the model in float32."
            raise BadInput("a score is NaN or infinite", input="features", hint=hint)
        return cls(scores.cpu(), labels)

    @property
    def probabilities(self) -> Tensor:
        """Softmax over the labels, (n, C)."""
        return self.scores.softmax(-1)

    @property
    def indices(self) -> list[int]:
        """The best label's index per image, the first of equals."""
        best = self.scores == self.scores.amax(-1, keepdim=True)
        return best.int().argmax(-1).tolist()

    @property
    def names(self) -> list[str]:
        """The best label per image."""
        return [self.labels[index] for index in self.indices]

    def __repr__(self) -> str:
        said = [f"{quoted(best[0][0])} p={best[0][1]:.3f}" for best in self.top(1)]
        more = f"and {len(said) - 3:,} more" if len(said) > 3 else ""
        return one_line(self, *said[:3], more, f"of {counted(len(self.labels), 'label')}")

    def _repr_html_(self) -> str:
        each = [(n, place, *best) for n, top in enumerate(self.top()) for place, best in enumerate(top)]
        lines = [("" if place else n, name, f"{p:.3f}") for n, place, name, p in each]
        note = f"{len(lines) - _MOST_LINES:,} lines more." if len(lines) > _MOST_LINES else ""
        return html_table(("image", "label", "probability"), lines[:_MOST_LINES], note)

    def top(self, k: int = 5) -> list[list[tuple[str, float]]]:
        """Per image the `k` most probable labels with their probabilities, best first, the first of equals first."""
        order = self.scores.sort(dim=-1, descending=True, stable=True).indices[:, : max(1, k)]
        chances = self.probabilities.gather(1, order)
        rows = zip(order.tolist(), chances.tolist(), strict=True)
        return [[(self.labels[i], p) for i, p in zip(*row, strict=True)] for row in rows]

    def picture(self) -> Image.Image:
        """The image with its regions and its best label, or a sheet of all of them. BadInput without images."""
        panels = self._labelled()
        cell = panels[0].picture.size if len(panels) == 1 else _CELL
        return contact_sheet(
            [panel.picture for panel in panels],
            [panel.title for panel in panels],
            columns=min(_COLUMNS, len(panels)),
            cell=cell,
            font_size=max(_LETTERS, round(min(cell) / _LETTERS_A_SIDE)),
        )

    def _panels(self) -> list[list[Panel]]:
        panels = self._labelled()
        return [panels[start : start + _COLUMNS] for start in range(0, len(panels), _COLUMNS)]

    def _labelled(self) -> list[Panel]:
        if not self.images:
            hint = "Use the result of classify."
            raise BadInput("it was made of features alone: it has no images to show", input="images", hint=hint)
        regions = self.regions or (torch.empty(0, 4),) * len(self.images)
        return [
            Panel(f"{name} {p:.2f}", outlined(image, boxes, [""] * len(boxes), range(len(boxes))))
            for image, boxes, ((name, p),) in zip(self.images, regions, self.top(1), strict=True)
        ]

    def to_storage(self) -> tuple[dict[str, Tensor], Json]:
        """Tensors and JSON from which `from_storage` builds an equal classification."""
        return {"scores": self.scores}, list(self.labels)

    @classmethod
    def from_storage(cls, tensors: dict[str, Tensor], meta: Sequence[str]) -> Classification:
        return cls(tensors["scores"], tuple(meta))


@formerly("model", "image", "labels", images="image")
@typed(name="model", images="image")
def classify(
    image: Images,
    labels: str | Sequence[str],
    model: ClipModel | str = "demo",
    *,
    device: str | torch.device | None = None,
    boxes: AnyBoxes | Sequence[AnyBoxes] | None = None,
    masks: Tensor | None = None,
    method: str | None = None,
    templates: Templates = "photo",
    alpha: float = 0.2,
    sigma: float = 100.0,
    layers: Layers = "last 4",
    form: Form = "cls",
    unleash: float = 0.0,
    cells: CellRule = "overlap",
    resize_mode: SeeingMode = "model",
) -> Classification:
    """Say which of `labels` each of n images shows; with a region, what that part of it shows.

    `image` is one image or a list of them, `model` a loaded one, or a name that `load_clip` takes, for `device`.
    `boxes`: (N, 4), xyxy in pixels, for one image or for all; or one such list per image. All boxes of an image become
    one foveal mask, their larger value in each patch. `masks`: pixel masks (n, H, W) or (1, H, W) instead; what counts
    is their bounding rectangle. `method`: how the region is shown (see `api_graph.tasks.prompt_methods`), by default
    "foveal" where there is one, else "none". `templates`: a name, "openai" for the 80 of ImageNet, or texts with {}
    for the label. `alpha` to `cells` belong to foveal masks. Raises BadInput for regions that do not lie on the images.
    """
    images = as_pictures(image)
    pictures = [to_tensor(picture)[0] for picture in images]
    regions = _regions(pictures, boxes, masks)
    prompt = prompt_method(method or ("none" if regions is None else "foveal"))
    if regions is None and (prompt.foveal or prompt.draw):
        raise BadInput("this method needs a region", input="boxes", value=method, hint="Give boxes or masks.")
    fovea = Fovea(alpha, sigma, layers, form, unleash, cells)
    (loaded,) = as_models(model, device)
    seen = seeing(loaded, resize_mode)
    features = region_features(seen, pictures, regions or [torch.empty(0, 4)] * len(pictures), prompt, fovea)
    names = checked_labels(labels)
    found = classified(features, class_features(seen, names, templates), names, logit_scale(seen))
    return replace(found, images=tuple(images), regions=tuple(regions or ()))


def classified(features: Tensor, classes: Tensor, labels: tuple[str, ...], scale: float) -> Classification:
    """scale · ⟨V, T⟩ of image features (n, E) and unit class vectors (C, E)."""
    if features.shape[-1] != classes.shape[-1]:
        raise BadInput(
            f"the features have {features.shape[-1]} numbers, the labels' {classes.shape[-1]}",
            input="features",
            hint="Use features and labels of the same model.",
        )
    visual = F.normalize(features.float(), dim=-1)
    return Classification.of(scale * visual @ classes.to(visual).mT, labels)


@dataclass(frozen=True)
class ClassificationReport:
    """How `count` images, or clouds, were classified, as shares in [0, 1].

    `top1`, `top5`: the label is the best one, or among the best five; of five labels or fewer `top5` is always 1.
    `per_class`: top-1, averaged over the classes. `groups`: top-1 in each group that has a name; `worst`: the group
    where it is smallest.
    """

    count: int
    top1: float
    top5: float
    per_class: float
    groups: dict[str, float]
    worst: tuple[str, float] | None


def evaluate_classification(
    model: ClipModel | str,
    benchmark: Benchmark,
    method: str = "foveal",
    *,
    templates: Templates = "photo",
    fovea: Fovea | None = None,
    resize_mode: SeeingMode = "model",
    batch: int = 32,
    progress: Callable[[int], None] | None = None,
) -> ClassificationReport:
    """Run a benchmark: every picture with its region shown by `method`; `batch` pictures at a time.

    `progress` is told how many pictures are done. Raises BadInput for an unknown method or template.
    """
    if not benchmark.examples:
        raise BadInput("there is no picture to judge by", input="benchmark", value=benchmark.name)
    (loaded,) = as_models(model)
    seen, prompt = seeing(loaded, resize_mode), prompt_method(method)
    classes = class_features(seen, benchmark.labels, templates)
    scores = list[Tensor]()
    for start in range(0, len(benchmark.examples), batch):
        examples = benchmark.examples[start : start + batch]
        pictures = [to_tensor(picture)[0] for picture in as_pictures([e.image for e in examples])]
        regions = [torch.tensor(e.region(), dtype=torch.float64).reshape(-1, 4) for e in examples]
        features = region_features(seen, pictures, regions, prompt, fovea)
        scores.append(classified(features, classes, benchmark.labels, logit_scale(seen)).scores)
        if progress is not None:
            progress(start + len(examples))
    targets = torch.tensor([e.label for e in benchmark.examples])
    return report(torch.cat(scores), targets, [e.group for e in benchmark.examples])


def report(scores: Tensor, targets: Tensor, groups: Sequence[str] = ()) -> ClassificationReport:
    """The metrics of scores (n, C) for targets (n,); `groups` only where any has a name."""
    hits = top_k(scores, targets)
    named = [bool(group) for group in groups]
    ours, names = hits[torch.tensor(named, dtype=torch.bool)] if any(named) else hits, list(filter(None, groups))
    return ClassificationReport(
        count=len(targets),
        top1=float(hits.float().mean()),
        top5=float(top_k(scores, targets, 5).float().mean()),
        per_class=per_class_mean(hits, targets),
        groups=shares_by(ours, names) if names else {},
        worst=worst_group(ours, names) if names else None,
    )


def _regions(pictures: Sequence[Tensor], boxes: Any, masks: Tensor | None) -> list[Tensor] | None:
    """Boxes (N, 4) per picture, or None where there are neither boxes nor masks."""
    if boxes is not None and masks is not None:
        raise BadInput("give boxes or masks, not both", input="masks")
    if masks is not None:
        return _mask_regions(pictures, masks)
    if boxes is None:
        return None
    each = boxes if _one_per_picture(boxes) else [boxes] * len(pictures)
    if len(each) != len(pictures):
        hint = "Give one list of boxes per image, or one for all."
        raise BadInput(f"there are {len(pictures)} images", input="boxes", value=f"{len(each)} lists", hint=hint)
    return [boxes_in(own, picture) for own, picture in zip(each, pictures, strict=True)]


def _one_per_picture(boxes: object) -> bool:
    """Whether these are lists of boxes, not boxes."""
    if isinstance(boxes, Tensor | np.ndarray):
        return boxes.ndim == 3
    if not isinstance(boxes, (list, tuple)) or not boxes:
        return False
    first = boxes[0]
    if isinstance(first, Tensor | np.ndarray):
        return first.ndim > 1
    return not isinstance(first, (list, tuple)) or len(first) == 0 or not _is_number(first[0])


def _is_number(given: object) -> bool:
    return isinstance(given, Real) or (isinstance(given, Tensor | np.ndarray) and given.ndim == 0)


def _mask_regions(pictures: Sequence[Tensor], masks: Tensor) -> list[Tensor]:
    if masks.ndim != 3 or len(masks) not in (1, len(pictures)):
        raise BadInput("masks need the shape (n, H, W), one per image or one for all", input="masks", value=masks.shape)
    regions = []
    for picture, mask in zip(pictures, masks.expand(len(pictures), -1, -1), strict=True):
        if mask.shape != picture.shape[1:3]:
            hint = "Resize the mask to the image."
            raise BadInput(f"the image is {picture.shape[1:3]}", input="masks", value=mask.shape, hint=hint)
        with inputs_named(mask="masks"):
            regions.append(boxes_around(mask[None]).values)
    return regions
