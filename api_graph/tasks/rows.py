"""The rows of FALIP's tables as settings, with what the paper reports (ViT-B/16, OpenAI's weights).

    examples = read_reclip("refcoco+_testa.jsonl", "train2014")
    row = REFERRING["FALIP"]
    evaluate_referring(examples, Chooser.of(load_clip("ViT-B-16", "openai"), row.method, row.fovea))

The released code covers the rows of `REFERRING` on gold boxes alone; prompts of the other two tables, the views'
weights, the variant of ScanObjectNN, and what the paper's "E" and "P" contain are not published. "PASTA" is another
paper's method, and of "feature mask" no details are given: neither is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from api_graph.clip.foveal_pass import Form
from api_graph.tasks.features import Fovea


@dataclass(frozen=True)
class Row:
    """How boxes are shown, and the paper's figures in per cent, by data set."""

    method: str | tuple[str, ...]
    fovea: Fovea = field(default_factory=Fovea)
    reported: Mapping[str, float] = field(default_factory=dict)
    subtract: int = 0


def _official(form: Form = "cls", unleash: float = 0.0) -> Fovea:
    """With the constants of the released code; for a ViT-B/16 "from 8" is the last four layers."""
    return Fovea(layers="from 8", form=form, unleash=unleash, cells="reference")


def _referring(*figures: float) -> dict[str, float]:
    return dict(
        zip(("RefCOCO testA", "RefCOCO testB", "RefCOCO+ testA", "RefCOCOg test", "mean"), figures, strict=True)
    )


def _ablation(*figures: float) -> dict[str, float]:
    return dict(zip(("RefCOCO testA", "RefCOCOg test", "mean"), figures, strict=True))


REFERRING = {
    "RedCircle": Row("circle:falip", reported=_referring(41.6, 36.2, 44.7, 45.4, 41.3)),
    "RedCircle, line only": Row("circle:falip_line"),
    "FALIP": Row("foveal", _official(), _referring(44.2, 39.4, 46.8, 51.5, 45.2)),
    "FALIP, every row biased": Row("foveal", _official("rows"), _ablation(36.6, 43.7, 39.3)),
    "FALIP, diagonal biased": Row("foveal", _official("diagonal"), _ablation(13.3, 16.1, 15.8)),
    "no mask": Row("none", reported=_ablation(14.8, 25.5, 21.5)),
    "RedCircle, v replaced": Row("circle:falip+replace v", reported={"mean": 39.0}),
    "RedCircle, q and k replaced": Row("circle:falip+replace qk", reported={"mean": 38.6}),
    "RedCircle + Unleash": Row("circle:falip", Fovea(unleash=1.0), {"mean": 45.2}),
    "FALIP + Unleash": Row("foveal", _official(unleash=1.0)),
    "RedCircle + FALIP": Row("circle:falip+foveal", _official()),
    "FGVP's RedCircle, S": Row(("circle:fgvp", "outside:fgvp_grey", "outside:fgvp_blur"), subtract=500),
    "FGVP's RedCircle and crop, S": Row(
        ("circle:fgvp", "outside:fgvp_grey", "outside:fgvp_blur", "crop:fgvp"), subtract=500
    ),
}
"""Referring expressions, for `evaluate_referring`; top-1 accuracy."""


def _classification(*figures: float) -> dict[str, float]:
    return dict(zip(("StanfordDogs", "CUB-200-2011", "ImageNet-S", "Waterbirds"), figures, strict=True))


CLASSIFICATION = {
    "CLIP": Row("none", reported=_classification(56.5, 54.2, 64.9, 78.2)),
    "RedCircle": Row("circle:falip", reported=_classification(52.4, 44.2, 62.8, 77.5)),
    "Blur": Row("outside:falip", reported=_classification(51.9, 39.1, 53.8, 78.1)),
    "FALIP": Row("foveal", reported=_classification(58.3, 54.3, 67.3, 79.7)),
}
"""Classification, for `evaluate_classification`; top-1, on ImageNet-S the mean over classes."""

POINT_CLOUDS = {
    "CLIP": Row("none", reported={"ModelNet40": 16.5, "ScanObjectNN": 14.6}),
    "FALIP": Row("foveal", reported={"ModelNet40": 18.6, "ScanObjectNN": 15.3}),
}
"""Point clouds, for `evaluate_point_clouds`; top-1."""
