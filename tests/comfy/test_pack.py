"""The classes of this pack's own nodes: all can be drawn, and the shipped graphs run in ComfyUI as they do headless."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import api_graph
from api_graph.comfy import mappings
from api_graph.graph import execution_order, read_graph
from api_graph.registry import own_nodes
from api_graph.settings import shipped_graphs


def test_every_node_can_be_drawn() -> None:
    classes, names = mappings(spec.function for spec in own_nodes().values())
    assert list(classes) == list(names) == list(own_nodes())
    for id, cls in classes.items():
        types = cls.INPUT_TYPES()
        drawn = [*types["required"], *types["optional"]]
        assert sorted(drawn) == sorted(i.name for i in own_nodes()[id].inputs)
        assert len(cls.RETURN_TYPES) == len(cls.RETURN_NAMES) == len(cls.OUTPUT_IS_LIST)
        json.dumps(types, allow_nan=False)


def test_names_that_people_look_for_are_their_own() -> None:
    titles = [spec.title for spec in own_nodes().values()]
    assert len(set(titles)) == len(titles)


GRAPHS = shipped_graphs()
DEMO = Path(api_graph.__file__).parent / "demo" / "clip"


@pytest.mark.skipif(not DEMO.is_dir(), reason="the demo model is not in this tree")
@pytest.mark.parametrize("name", ["api_clip"])
def test_a_shipped_graph_gives_the_pictures_that_it_gives_headless(name: str, comfy, tmp_path: Path) -> None:
    shutil.copy(GRAPHS / "api_graph_example.png", comfy.root / "input")
    run_in_comfyui(comfy, GRAPHS / f"{name}.json")
    api_graph.run_graph(GRAPHS / f"{name}.json", output=tmp_path / "headless", input_folders=[GRAPHS])
    for path in (tmp_path / "headless").glob("*.png"):
        own, theirs = (np.asarray(Image.open(file)).astype(int) for file in (path, comfy.root / "output" / path.name))
        apart = np.abs(own - theirs)  # headless, a picture stays 8 bits; and another thread's sums may round otherwise
        coloured = path.name.startswith("heatmap")  # its colours change faster than the map
        assert own.shape == theirs.shape and apart.max() <= (4 if coloured else 1) and (apart <= 1).mean() >= 0.9999
    assert (tmp_path / "headless" / "annotated_00001_.png").is_file()


def run_in_comfyui(comfy, path: Path) -> None:
    """Each node as ComfyUI calls it, in inference mode."""
    classes, _ = mappings(spec.function for spec in own_nodes().values())
    graph = read_graph(path)
    prompt = graph.to_api()
    results: dict[str, list[list[Any]]] = {}
    with torch.inference_mode():
        for id in execution_order(graph):
            cls, inputs = classes[prompt[id]["class_type"]], prompt[id]["inputs"]
            assert comfy.validate(cls, inputs) == []
            results[id], _ = comfy.run(cls, inputs, results, node=id, prompt=prompt)
