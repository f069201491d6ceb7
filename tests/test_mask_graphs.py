"""The graphs on masks, FGVP and set of mark: they draw what the functions draw, on given masks and on a segmenter's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

import api_graph
from api_graph.clip.foveal import foveal_features
from api_graph.clip.text import encode_text
from api_graph.demo.example import example_scene
from api_graph.executor import Executor
from api_graph.folders import Folders
from api_graph.graph import Graph, set_inputs
from api_graph.graph.read import read_graph
from api_graph.pixels.prompts import fgvp, preset, set_of_mark
from api_graph.pixels.read import read_image, to_pil, to_tensor
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.settings import headless_folders, shipped_graphs
from api_graph.tasks.features import seeing
from tests.segment.tiny_models import save_sam

GRAPHS = ("lvlm_fgvp", "lvlm_som", "rec_fgvp", "rec_som")
IMAGE = to_tensor(read_image(shipped_graphs() / "api_graph_example.png"))[0]
MASKS = torch.stack([torch.from_numpy(o.mask).float() for o in example_scene().objects])


def outputs(graph: Graph, folders: Folders) -> dict[str, tuple[dict[str, Any], list[str]]]:
    """Values and texts of every node, by title."""
    result = Executor().run(graph, folders, targets=list(graph.nodes)).raise_failures()
    return {graph.nodes[id].title: (o.values, o.ui.get("text", [])) for id, o in result.outputs.items()}


def run(name: str, out: Path, **values: Any) -> dict[str, tuple[dict[str, Any], list[str]]]:
    return outputs(set_inputs(open_graph(name), all_nodes(), values), headless_folders(out))


def image_of(found: dict[str, tuple[dict[str, Any], list[str]]], title: str) -> Tensor:
    return found[title][0]["image"]


@pytest.mark.parametrize("query", ["the yellow ring", "the orange star"])
def test_fgvp_scores_each_object_by_the_picture_with_its_mask(query: str, tmp_path: Path) -> None:
    found = run("rec_fgvp", tmp_path, query=query)
    drawn = fgvp(IMAGE, MASKS, **preset("fgvp", "fgvp_reverse_blur"))
    model = seeing(api_graph.load_clip("demo", device="cpu"), "squash")
    features = torch.nn.functional.normalize(foveal_features([*drawn.split(1)], model=model), dim=-1)
    text = torch.nn.functional.normalize(encode_text(model, [f"a photo of {query}"]), dim=-1)
    scores = found["Score boxes"][0]["box_scores"].scores
    assert torch.allclose(scores, 100 * (features @ text[0]), atol=1e-2)
    assert found["Choose box"][0]["choice"] == int(scores.argmax())


def test_asking_about_fgvp_shows_all_masks_together(tmp_path: Path) -> None:
    drawn = fgvp(IMAGE, MASKS, **preset("fgvp", "fgvp_reverse_blur"), together=True)
    found = run("lvlm_fgvp", tmp_path)
    assert torch.allclose(image_of(found, "FGVP"), drawn, atol=1e-6)
    said = api_graph.ask(to_pil(drawn)[0], "What colour is the ring?", api_graph.load_lvlm("demo"))
    assert found["Answer"][1] == [said.text]
    green = run("lvlm_fgvp", tmp_path, **{"FGVP.preset": "fgvp_mask"})
    union = MASKS.amax(0) > 0.5
    assert torch.allclose(image_of(green, "FGVP")[0][union], (IMAGE[0][union] + torch.tensor([0.0, 1.0, 0.0])) / 2)


def test_asking_about_marks_shows_the_marked_picture(tmp_path: Path) -> None:
    marked = set_of_mark(IMAGE, MASKS, **preset("set_of_mark", "som"))
    found = run("lvlm_som", tmp_path)
    assert torch.allclose(image_of(found, "Set of mark"), marked.image, atol=1e-6)
    said = api_graph.ask(to_pil(marked.image)[0], "What colour is the ring?", api_graph.load_lvlm("demo"))
    assert found["Answer"][1] == [said.text]


@pytest.mark.parametrize(("answer", "choice"), [("2", 1), ("the mark is [5]", 4), ("yellow", -1)])
def test_the_object_whose_number_is_said_is_chosen(answer: str, choice: int, tmp_path: Path) -> None:
    nodes = open_graph("rec_som").to_api()
    (id,) = (id for id, node in nodes.items() if node["class_type"] == "APChooseMark")
    nodes[id]["inputs"]["answer"] = answer
    found = outputs(read_graph(nodes), headless_folders(tmp_path))["Choose mark"][0]
    by_area = sorted(MASKS, key=lambda mask: -float(mask.sum()))
    expected = torch.zeros_like(MASKS[0]) if choice < 0 else by_area[choice]
    assert found["choice"] == choice and torch.equal(found["mask"][0], expected)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_segmenter_may_stand_in_place_of_the_given_masks(name: str, tmp_path: Path) -> None:
    save_sam(tmp_path / "models" / "tiny-sam")
    graph = open_graph(name).to_api()
    titles = {node["_meta"]["title"]: id for id, node in graph.items()}
    loose = {"points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0, "min_area": 200}
    graph[titles["masks"]] = {"class_type": "APLoadSegmenter", "inputs": {"model": "tiny-sam"}}
    graph[titles["Masks"]] = {
        "class_type": "APSegment",
        "inputs": {"segmenter": [titles["masks"], 0], "image": [titles["image"], 0], **loose},
        "_meta": {"title": "Masks"},
    }
    folders = Folders((shipped_graphs(),), tmp_path / "out", tmp_path / "temp", models=(tmp_path / "models",))
    found = outputs(read_graph(graph), folders)
    masks = found["Masks"][0]["mask"]
    if name == "rec_fgvp":
        assert len(found["Choose box"][0]["probabilities"]) == len(masks)
    elif name == "rec_som":
        assert len(found["Set of mark"][0]["masks"]) == len(masks)
    else:
        assert not torch.equal(image_of(found, "FGVP" if name == "lvlm_fgvp" else "Set of mark"), IMAGE)
