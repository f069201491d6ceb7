"""The colours of this pack's wires: one for each kind, told apart by the colour-blind too."""

from __future__ import annotations

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from api_graph.registry import own_nodes

SCRIPT = Path(__file__).parents[2] / "web" / "js" / "wires.js"
COLOURS = dict(re.findall(r'^  (AP_\w+): "(#[0-9a-f]{6})",$', SCRIPT.read_text("utf-8"), re.MULTILINE))
CORE = {"CLIP": "#FFD500", "IMAGE": "#64B5F6", "MASK": "#81C784"}
LEAST = 0.08  # in OKLab, where black and white are 1 apart

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB.
SEEN_BY = {
    "all": np.eye(3),
    "deuteranopes": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "protanopes": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
}
TO_LMS = [
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
]
TO_OKLAB = [
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
]


def oklab(colour: str, seen_by: str) -> np.ndarray:
    stored = np.frombuffer(bytes.fromhex(colour[1:]), np.uint8) / 255
    light = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    return np.cbrt(np.array(TO_LMS) @ np.clip(SEEN_BY[seen_by] @ light, 0, 1)) @ np.array(TO_OKLAB).T


def test_every_kind_of_wire_has_a_colour() -> None:
    sockets = {one.socket for spec in own_nodes().values() for one in (*spec.inputs, *spec.outputs)}
    assert set(COLOURS) == {kind for socket in sockets for kind in socket.split(",") if kind.startswith("AP_")}


@pytest.mark.parametrize("seen_by", SEEN_BY)
def test_the_colours_are_told_apart(seen_by: str) -> None:
    seen = {kind: oklab(colour, seen_by) for kind, colour in {**COLOURS, **CORE}.items()}
    near = [pair for pair in combinations(seen, 2) if np.linalg.norm(seen[pair[0]] - seen[pair[1]]) < LEAST]
    assert [pair for pair in near if not set(pair) <= set(CORE)] == []
