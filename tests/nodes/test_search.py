"""The words that people type into ComfyUI's node search find the node that they mean."""

from __future__ import annotations

import re

import pytest

from api_graph.registry import own_nodes
from api_graph.spec import NodeSpec

WANTED = [
    ("attention", "APLvlmAttention"),
    ("attention map", "APPsiCls"),
    ("saliency", "APPsiCls"),
    ("heatmap", "APOverlay"),
    ("where to look", "APLvlmAttention"),
    ("explain", "APPsiCls"),
    ("Grad-CAM", "APBaselineMap"),
    ("describe", "APQueryLVLM"),
    ("describe image", "APQueryLVLM"),
    ("caption", "APQueryLVLM"),
    ("chat", "APQueryLVLM"),
    ("VQA", "APQueryLVLM"),
    ("image to text", "APQueryLVLM"),
    ("mask from text", "APHeatmapToMask"),
    ("box from text", "APBoxOfPeak"),
    ("crop to text", "APSmartCrop"),
    ("SAM points", "APPeaks"),
    ("FALIP", "APFovealMask"),
    ("bbox", "APBoxes"),
    ("red circle", "APDrawCircle"),
    ("attention prompting", "APAlphaBlend"),
    ("referring expression", "APChooseBox"),
    ("zero-shot", "APClassify"),
]
"""What is typed, and the node that is meant."""

SHOWN = 3


def rank(spec: NodeSpec, typed: str) -> tuple[float, ...] | None:
    """The key by which ComfyUI's frontend 1.49 sorts what it finds, the best first; None for what it does not find.

    How well the id or the title fits counts first. What only an alias fits comes after them, the closer alias first,
    and then the node whose name is about as long as what was typed. Typing errors, which it allows, are left out.
    """
    names = min(_fit(name, typed.lower()) for name in (spec.id, spec.title))
    aliases = [alias.lower() for alias in spec.aliases]
    if names[0] < _NO_FIT:
        return names
    if typed.lower() in aliases:
        return _NO_FIT, 0, 0, names[-1]
    return (_NO_FIT, 0, 0, names[-1] + 0.5) if any(typed.lower() in alias for alias in aliases) else None


_NO_FIT = 9


def _fit(name: str, typed: str) -> tuple[float, ...]:
    words = [word.lower() for word in re.split(r" |\b|(?<=[a-z])(?=[A-Z])|(?=[A-Z][a-z])", name)]
    low, asked = name.lower(), typed.split(" ")
    kind, near, length = _NO_FIT, 0.0, 0
    if low == typed:
        kind = 0
    elif low.startswith(typed):
        kind, length = 1, len(low)
    elif typed in words or typed in low:
        kind, near, length = (2 if typed in words else 3), low.find(typed) + len(low) / 2, len(low)
    elif all(word in words for word in asked) or all(word in low for word in asked):
        kind, near, length = (4 if all(word in words for word in asked) else 5), len(low) / 2, len(low)
    return kind, near, length, 0.2 * (1 - min(len(low), len(typed)) / max(len(low), len(typed)))


@pytest.mark.parametrize(("typed", "wanted"), WANTED)
def test_what_people_type_finds_the_node_that_they_mean(typed: str, wanted: str) -> None:
    found = {id: key for id, spec in own_nodes().items() if (key := rank(spec, typed)) is not None}
    assert wanted in sorted(found, key=lambda id: found[id])[:SHOWN], sorted(found, key=lambda id: found[id])


def test_an_alias_says_what_no_name_says() -> None:
    for spec in own_nodes().values():
        aliases = [alias.casefold() for alias in spec.aliases]
        assert len(set(aliases)) == len(aliases) and spec.title.casefold() not in aliases, spec.id
