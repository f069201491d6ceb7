"""The nodes that load a segmenter and find masks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from api_graph.nodes import segment as nodes

from api_graph.context import Context
from api_graph.errors import BadInput
from api_graph.folders import Folders
from api_graph.regions import Boxes
from api_graph.segment import AUTOMATIC, segment
from tests.segment.tiny_models import save_sam

IMAGE = torch.rand(1, 50, 80, 3, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Model folders with a SAM in them, and something else."""
    save_sam(tmp_path / "models" / "tiny-sam")
    (tmp_path / "models" / "other").mkdir()
    return Folders((tmp_path,), tmp_path / "out", tmp_path / "temp", models=(tmp_path / "models",))


def test_a_model_of_the_model_folders_is_found_and_segments(folders: Folders) -> None:
    assert nodes.segmenter_folders(folders) == ["tiny-sam"]
    segmenter = nodes.load_segmenter(Context(folders), "tiny-sam", device="cpu")
    loose = {"points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0}
    told: list[tuple[int, int]] = []
    context = Context(folders, on_progress=lambda done, total: told.append((done, total)))
    masks = nodes.segment(segmenter, IMAGE, context, points_per_batch=4, **loose)
    assert torch.equal(masks, segment(segmenter, IMAGE, **loose)) and told == [(4, 9), (8, 9), (9, 9)]
    boxes = Boxes(torch.tensor([[5.0, 5, 40, 40], [30, 10, 78, 45]], dtype=torch.float64), (80, 50))
    masks = nodes.segment(segmenter, IMAGE, context, boxes)
    assert torch.equal(masks, segment(segmenter, IMAGE, boxes=boxes.values))
    assert not torch.equal(nodes.segment(segmenter, IMAGE, context, boxes, mask_threshold=2.0), masks)
    with pytest.raises(BadInput, match=r"boxes: .*an image of 80×50 pixels, not of 70×50"):
        nodes.segment(segmenter, IMAGE[:, :, :70], context, boxes)


def test_presets_take_the_place_of_the_values(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}
    monkeypatch.setattr(nodes.room, "segment", lambda segmenter, image, **values: asked.update(values))
    for preset in ("sam", "fgvp"):
        nodes.segment(None, IMAGE, Context(folders), preset=preset, points_per_side=5)  # type: ignore[arg-type]
        assert {name: asked[name] for name in AUTOMATIC[preset]} == AUTOMATIC[preset]


def test_the_fingerprint_follows_the_weights_and_not_the_device(folders: Folders) -> None:
    first = nodes.segmenter_fingerprint(folders, "tiny-sam", "auto", "auto")
    assert first == nodes.segmenter_fingerprint(folders, "tiny-sam", "cpu", "float32")
    assert first != nodes.segmenter_fingerprint(folders, "tiny-sam", "cpu", "bfloat16")
    save_sam(folders.models[0] / "tiny-sam", seed=9)
    assert first != nodes.segmenter_fingerprint(folders, "tiny-sam", "cpu", "auto")


@pytest.mark.parametrize("model", ["nowhere", "../secret", "facebook/sam-vit-base", "/etc", ""])
def test_a_graph_names_models_in_the_model_folders_or_of_the_hub(folders: Folders, model: str) -> None:
    with pytest.raises(BadInput, match="model: there is no such thing in the model folders"):
        nodes.load_segmenter(Context(folders), model)
    with pytest.raises(BadInput, match="model: there is no such thing in the model folders"):
        nodes.segmenter_fingerprint(folders, model, "cpu", "auto")


def test_complaints_name_the_nodes_own_inputs(folders: Folders) -> None:
    with pytest.raises(BadInput, match=r"model: there is no model there: config.json is missing"):
        nodes.load_segmenter(Context(folders), "other")
