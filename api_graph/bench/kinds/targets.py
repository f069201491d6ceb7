"""V*Bench by maps alone: does a saved heatmap lie on what the question is about? No model answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PIL
from PIL import UnidentifiedImageError

from api_graph.bench.declare import BenchmarkSpec, Needed, Response, Scored, Verdict, by_category
from api_graph.bench.readers.options import VSTAR_PARTS, read_vstar
from api_graph.bench.readers.questions import Question
from api_graph.bench.scores import Figure, mean_figure, share_figure
from api_graph.errors import BadInput

MASS = "mass in the targets"

_LARGEST = {"L": 255.0, "I;16": 65535.0, "I;16B": 65535.0, "I": 65535.0}


def _read(data: Path, parts: Sequence[str]) -> list[Question]:
    """The questions that have targets, each with its picture's size."""
    from dataclasses import replace

    from api_graph.pixels.read import opened

    found: list[Question] = []
    for question in read_vstar(data).questions:
        if question.facts["category"] in parts and question.facts["boxes"]:
            with opened(cast("Path", question.images[0])) as picture:
                size = list(picture.size)
            found.append(replace(question, prompt=question.text, facts={**question.facts, "size": size}))
    return found


def read_heatmap(path: Path) -> NDArray[np.float64]:
    """The values (H, W) of a saved heatmap, 1 where most is attended. Raises BadInput for another picture."""
    try:
        with PIL.open(path) as picture:
            mode, values = picture.mode, np.asarray(picture, dtype=np.float64)
    except (OSError, UnidentifiedImageError, ValueError, PIL.DecompressionBombError) as error:
        hint = "Let the graph save it as PNG."
        raise BadInput("this heatmap cannot be read", input="heatmap", value=path.name, hint=hint) from error
    if mode not in _LARGEST:
        raise BadInput("a heatmap is a grey picture", input="heatmap", value=path.name)
    return values / _LARGEST[mode]


def _mask(question: Question, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Where the targets lie on a heatmap, whose size may be another one than the picture's: pixels by their centres."""
    width, height = cast("list[int]", question.facts["size"])
    ys = (np.arange(shape[0]) + 0.5) * height / shape[0]
    xs = (np.arange(shape[1]) + 0.5) * width / shape[1]
    mask = np.zeros(shape, dtype=bool)
    for left, top, right, bottom in cast("list[list[float]]", question.facts["boxes"]):
        mask |= ((top <= ys) & (ys < bottom))[:, None] & ((left <= xs) & (xs < right))
    return mask


def heatmap_of(response: Response) -> NDArray[np.float64] | None:
    """The heatmap (H, W) that a response saved, if it saved one."""
    files = response.values.get("files")
    return read_heatmap(Path(str(files[0]))) if isinstance(files, list) and files else None


def _score(question: Question, response: Response) -> Verdict:
    """The share of the map's mass that lies in the targets; 0 for a map without any."""
    values = heatmap_of(response)
    if values is None:
        return Verdict(None)
    total = values.sum()
    return Verdict(float(values[_mask(question, values.shape)].sum() / total) if total > 0 else 0.0)


def _figures(scored: Sequence[Scored]) -> list[Figure]:
    """Of all and by part; how often the peak lies in a target; and the targets' area, which a flat map would score."""
    hits: list[bool] = []
    areas: list[float] = []
    for each in scored:
        values = heatmap_of(each.response)
        if values is not None:
            mask = _mask(each.question, values.shape)
            hits.append(bool(mask[np.unravel_index(int(values.argmax()), values.shape)]))
            areas.append(float(mask.mean()))
    area = mean_figure("area of the targets", areas)
    return [*by_category(MASS, scored), share_figure("peak in a target", hits), area]


VSTAR_MAPS = BenchmarkSpec(
    name="vstar-maps",
    title="V*Bench, maps",
    about="191 questions on small things in large pictures: does a map lie on them?",
    metric="share of the map's mass in the targets; peak in a target",
    needs=tuple(Needed(part, "V*Bench (vstar_bench)") for part in VSTAR_PARTS),
    parts=VSTAR_PARTS,
    read=_read,
    score=_score,
    figures=_figures,
    answer="map",
    category=lambda question: str(question.facts["category"]),
)
