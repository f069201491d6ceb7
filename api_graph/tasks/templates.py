"""Texts around a label: "a photo of a {}." and the like."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from api_graph.clip.model import ClipModel
from api_graph.clip.text import encode_text
from api_graph.errors import BadInput
from api_graph.pixels.prompts import SHADE_TEMPLATE
from api_graph.tasks.labels import checked_labels

REFERRING = "a photo of {}"
SHADED = SHADE_TEMPLATE
POINT_CLOUD = "point cloud depth map of a {}."

TEMPLATES: dict[str, tuple[str, ...]] = {
    "photo": ("a photo of a {}.",),
    "label": ("{}",),
    "bird": ("a photo of a {}, a type of bird.",),
    "dog": ("a photo of a {}, a type of dog.",),
    "pet": ("a photo of a {}, a type of pet.",),
    "point cloud": (POINT_CLOUD,),
}
"""Templates by name. The paper gives none: "photo" is what Alpha-CLIP uses on ImageNet-S, "point cloud" PointCLIP's."""

OPENAI = "openai"
"""The 80 templates that OpenAI averages for ImageNet."""

Templates = str | Sequence[str]
"""A name from `TEMPLATES`, "openai", a text with {} in it, or several such texts."""

_TEXTS_AT_ONCE = 256


def template_texts(templates: Templates) -> tuple[str, ...]:
    """The templates meant, each with one {} for the label; BadInput for any other."""
    if isinstance(templates, str):
        if templates == OPENAI:
            return _openai()
        templates = TEMPLATES.get(templates) or [line.strip() for line in templates.splitlines() if line.strip()]
    texts = tuple(templates)
    if not texts:
        raise BadInput("there is no template", input="templates", hint="Give a text with {} where the label stands.")
    for text in texts:
        if not isinstance(text, str) or text.count("{}") != 1:
            hint = f"Put one {{}} where the label stands, or use one of {', '.join([*TEMPLATES, OPENAI])}."
            raise BadInput("this is no template", input="templates", value=text, hint=hint)
    return texts


def filled(template: str, text: str) -> str:
    """The template with the text in its place; other braces stay."""
    return template.replace("{}", text)


def class_features(model: ClipModel, labels: str | Sequence[str], templates: Templates = "photo") -> Tensor:
    """One unit vector per label, float32 (C, E): its templates' unit vectors, averaged and normalised again."""
    names, texts = checked_labels(labels), template_texts(templates)
    prompts = [filled(text, name) for name in names for text in texts]
    batches = (prompts[i : i + _TEXTS_AT_ONCE] for i in range(0, len(prompts), _TEXTS_AT_ONCE))
    features = F.normalize(torch.cat([encode_text(model, batch) for batch in batches]), dim=-1)
    return F.normalize(features.unflatten(0, (len(names), len(texts))).mean(1), dim=-1)  # (C, T, E) -> (C, E)


def _openai() -> tuple[str, ...]:
    """open_clip keeps them as functions of the label."""
    import open_clip

    return tuple(template("{}") for template in open_clip.OPENAI_IMAGENET_TEMPLATES)
