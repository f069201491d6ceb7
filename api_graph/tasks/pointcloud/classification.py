"""Zero-shot classification of point clouds: six depth views, a foveal mask on the foreground of each, one verdict.

    Score_i = Σ_j β_j · ⟨V(x_j, M_j), T(t_i)⟩        (FALIP section 4.3)

PointCLIP scales it by exp(logit scale)/√6, which changes no order. β = 1: the weights that PointCLIP finds by
searching for the best *test* accuracy are not zero-shot.

The paper says "locate the foreground position" and no more. The maps are sparse (one pixel a point), so a threshold on
how much of a patch is covered would see nothing: the foreground is the tight rectangle around all points, or, within
it, the patches that hold a point at all.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from api_graph.arguments import typed
from api_graph.clip.foveal import foveal_features
from api_graph.clip.foveal_masks import FovealKernel, box_masks
from api_graph.clip.foveal_pass import Form
from api_graph.clip.model import ClipModel
from api_graph.errors import BadInput
from api_graph.geometry import Geometry
from api_graph.models.layers import Layers
from api_graph.tasks.classification import Classification, ClassificationReport, report
from api_graph.tasks.examples import LabelledClouds
from api_graph.tasks.features import Fovea, as_models, plain_features
from api_graph.tasks.labels import checked_labels
from api_graph.tasks.pointcloud.project import checked_points, depth_images, project, unit_sphere
from api_graph.tasks.pointcloud.read import read_points
from api_graph.tasks.scores import logit_scale
from api_graph.tasks.templates import Templates, class_features

METHODS = ("none", "foveal", "foveal cells")
"""none: the views as they are. foveal: a mask over the rectangle around the points. foveal cells: of that mask only the
patches that hold a point."""

REFERENCE_POINTS = 1024

PointsLike: TypeAlias = "Tensor | NDArray[np.floating] | Sequence[Sequence[float]] | str | os.PathLike[str]"
"""x, y, z of one cloud, (N, 3), or of several, (B, N, 3); or the path of a file with one."""


@typed(name="model", path="points")
def classify_point_cloud(
    points: PointsLike,
    labels: str | Sequence[str],
    model: ClipModel | str = "demo",
    *,
    device: str | torch.device | None = None,
    method: str = "foveal",
    betas: Sequence[float] | None = None,
    templates: Templates = "point cloud",
    count: int | None = REFERENCE_POINTS,
    normalize: bool = False,
    alpha: float = 0.2,
    sigma: float = 100.0,
    layers: Layers = "last 4",
    form: Form = "cls",
    unleash: float = 0.0,
) -> Classification:
    """Say which of `labels` each cloud is.

    `points`: (N, 3), (B, N, 3), or the path of a file (`read_points`); the first `count` of each are used. `model` is
    a loaded one, or a name that `load_clip` takes, for `device`.
    `normalize` moves and scales each cloud into the unit sphere, for which the views are made. `method`: "none",
    "foveal" or "foveal cells". `betas`: the six views' weights, 1 by default. Raises BadInput for points that are none.
    """
    cloud = read_points(points) if isinstance(points, str | os.PathLike) else torch.as_tensor(points)
    clouds = checked_points(cloud)[:, : _counted(count)]
    (loaded,) = as_models(model, device)
    fovea = Fovea(alpha, sigma, layers, form, unleash)
    names = checked_labels(labels)
    classes = class_features(loaded, names, templates)
    views = view_features(loaded, unit_sphere(clouds) if normalize else clouds, method, fovea)
    return fused(views, classes, names, logit_scale(loaded), betas)


def view_features(model: ClipModel, clouds: Tensor, method: str = "foveal", fovea: Fovea | None = None) -> Tensor:
    """Features of the depth views of clouds (B, N, 3): float32 (B, V, E), not normalised."""
    if method not in METHODS:
        raise BadInput(
            "there is no such method", input="method", value=method, hint=f"Use one of {', '.join(METHODS)}."
        )
    depth = project(clouds)  # (B, V, h, w)
    images = depth_images(depth, model.preprocess.size).contiguous()  # (B·V, 3, H, W)
    if method == "none":
        features = plain_features(model, pixel_values=images)
    else:
        options = fovea or Fovea()
        masks = view_masks(images[:, 0], model.tower.grid, options, cells=method == "foveal cells")
        features = foveal_features(
            model=model,
            pixel_values=images,
            masks=masks,
            layers=options.layers,
            form=options.form,
            unleash=options.unleash,
        )
    return features.unflatten(0, depth.shape[:2])


def view_masks(images: Tensor, grid: tuple[int, int], fovea: Fovea | None = None, *, cells: bool = False) -> Tensor:
    """A foveal mask over each view's foreground: images (n, H, W) -> (n, gh, gw)."""
    options = fovea or Fovea()
    geometry = Geometry.whole(images.shape[2], images.shape[1])
    kernel = FovealKernel(options.alpha, options.sigma)
    masks = box_masks(foreground_boxes(images).cpu(), geometry, grid, kernel, cells=options.cells).to(images.device)
    return masks * foreground_cells(images, grid) if cells else masks


def foreground_boxes(images: Tensor) -> Tensor:
    """The tight boxes (n, 4), left, top, right, bottom in pixels, around what is above 0 in (n, H, W).

    An empty view, which a cloud in the unit sphere never gives, gets the whole view.
    """
    n, height, width = images.shape
    shown = images > 0
    left, right = _extent(shown.any(1))
    top, bottom = _extent(shown.any(2))
    box = torch.stack([left, top, right, bottom], 1).double()
    whole = box.new_tensor([0, 0, width, height]).expand(n, 4)
    return torch.where(shown.flatten(1).any(1, keepdim=True), box, whole)


def foreground_cells(images: Tensor, grid: tuple[int, int]) -> Tensor:
    """Which patches of `grid` = (gh, gw) hold anything above 0, bool (n, gh, gw), of images (n, H, W)."""
    shown = (images > 0).float().unsqueeze(1)
    return F.adaptive_max_pool2d(shown, grid)[:, 0] > 0


def _extent(shown: Tensor) -> tuple[Tensor, Tensor]:
    """First index that is shown, and one behind the last, of bool (n, length); both (n,)."""
    first = shown.int().argmax(1)
    last = shown.shape[1] - shown.flip(1).int().argmax(1)
    return first, last


def fused(
    views: Tensor, classes: Tensor, labels: tuple[str, ...], scale: float, betas: Sequence[float] | None = None
) -> Classification:
    """Σ_j β_j ⟨v_j, t⟩ · scale/√V of view features (B, V, E) and unit class vectors (C, E)."""
    weights = torch.tensor([1.0] * views.shape[1] if betas is None else list(betas), dtype=torch.float32)
    if len(weights) != views.shape[1] or not bool(weights.isfinite().all()) or not bool(weights.any()):
        hint = "Of weights that are all 0 every label would be as good as the next."
        raise BadInput(f"{views.shape[1]} finite weights are needed, one not 0", input="betas", value=betas, hint=hint)
    visual = F.normalize(views.float(), dim=-1)
    scores = torch.einsum("v,bve,ce->bc", weights.to(visual), visual, classes.to(visual))
    return Classification.of(scores * scale / math.sqrt(views.shape[1]), labels)


def evaluate_point_clouds(
    model: ClipModel | str,
    benchmark: LabelledClouds,
    method: str = "foveal",
    *,
    templates: Templates = "point cloud",
    fovea: Fovea | None = None,
    count: int | None = REFERENCE_POINTS,
    batch: int = 16,
    progress: Callable[[int], None] | None = None,
) -> ClassificationReport:
    """Run a benchmark, `batch` clouds at a time; of each cloud the first `count` points.

    `progress` is told how many clouds are done. Raises BadInput for an unknown method or template.
    """
    if not len(benchmark.points):
        raise BadInput("there is no cloud to judge by", input="benchmark", value=benchmark.name)
    (loaded,) = as_models(model)
    classes = class_features(loaded, benchmark.labels, templates)
    scores = list[Tensor]()
    for clouds in benchmark.points.to(loaded.device).split(batch):
        views = view_features(loaded, clouds[:, : _counted(count)], method, fovea)
        scores.append(fused(views, classes, benchmark.labels, logit_scale(loaded)).scores)
        if progress is not None:
            progress(sum(map(len, scores)))
    return report(torch.cat(scores), benchmark.targets)


def _counted(count: int | None) -> int | None:
    if count is not None and count < 1:
        raise BadInput("at least one point is needed", input="count", value=count)
    return count
