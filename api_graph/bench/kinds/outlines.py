"""ImageNet-Segmentation: does a saved heatmap outline what the picture shows? No model answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, cast

from api_graph.bench.declare import BenchmarkSpec, Needed, Response, Scored, Verdict
from api_graph.bench.kinds.targets import heatmap_of
from api_graph.bench.readers.questions import Question
from api_graph.bench.scores import Figure, mean_figure
from api_graph.errors import BadInput

if TYPE_CHECKING:  # the readers and scorers import torch, for which nobody waits who only wants to know what there is
    from torch import Tensor

PRECISION, ACCURACY, OVERLAP = "mean average precision", "pixel accuracy", "mean IoU"


def _read(data: Path, parts: Sequence[str]) -> list[Question]:
    from api_graph.bench.readers.imagenet_segmentation import read_imagenet_segmentation

    return read_imagenet_segmentation(data)


def _pair(question: Question, response: Response) -> tuple[Tensor, Tensor] | None:
    """The map (H, W) that was saved, and the true mask. Raises BadInput where they differ in size."""
    import torch

    from api_graph.bench.readers.run_lengths import decode_rle

    values = heatmap_of(response)
    if values is None:
        return None
    height, width = cast("list[int]", question.facts["size"])
    if values.shape != (height, width):
        raise BadInput(
            f"item {question.id}: the heatmap does not have its picture's {width} × {height} pixels",
            input="heatmap",
            value=f"{values.shape[1]} × {values.shape[0]}",
            hint="Save it after Resize to pixels, in the picture's own size.",
        )
    mask = decode_rle(cast("list[int]", question.facts["mask"]), (height, width))
    return torch.from_numpy(values), torch.from_numpy(mask.copy())


def _score(question: Question, response: Response) -> Verdict:
    """The average precision of the map's pixels: of one picture, as it is averaged over all."""
    from api_graph.bench.scorers.maps import segmentation_scores

    pair = _pair(question, response)
    return Verdict(None if pair is None else segmentation_scores([pair]).mean_average_precision)


def _figures(scored: Sequence[Scored]) -> list[Figure]:
    """As the published code has them: precision over pictures, the other two over the pixels of all pictures."""
    from api_graph.bench.scorers.maps import segmentation_scores

    def pairs() -> Iterator[tuple[Tensor, Tensor]]:
        for each in scored:
            pair = _pair(each.question, each.response)
            if pair is not None:
                yield pair

    found = segmentation_scores(pairs())
    return [
        mean_figure(PRECISION, [each.value for each in scored]),
        Figure(ACCURACY, found.pixel_accuracy, found.images),
        Figure(OVERLAP, found.mean_iou, found.images),
    ]


IMAGENET_SEGMENTATION = BenchmarkSpec(
    name="imagenet-segmentation",
    title="ImageNet-Segmentation",
    about="4,276 pictures of one thing each: does a map outline it?",
    metric="mean average precision; pixel accuracy and mean IoU of the map cut at its mean",
    needs=(
        Needed("gtsegs_ijcv.mat", "the segmentations of Guillaumin, Küttel and Ferrari, gtsegs_ijcv.mat"),
        Needed("words.txt", "ImageNet's words.txt"),
    ),
    read=_read,
    score=_score,
    figures=_figures,
    answer="map",
)
