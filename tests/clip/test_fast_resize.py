"""torch's resize of 8-bit pictures in place of Pillow's: the same picture within a level, and never by accident."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from typer.testing import CliRunner

from api_graph import map_graph
from api_graph.cli.app import app
from api_graph.clip import ClipModel, load_clip
from api_graph.clip.model import PreparedImages, Preprocess
from api_graph.errors import BadInput
from api_graph.tasks.features import seeing
from tests.table import runs

MODES = ("shortest", "longest", "squash")


def photograph(width: int, height: int, seed: int) -> Image.Image:
    """Smooth, with some noise, as photographs are."""
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 8, 3), np.uint8))
    coarse = coarse.resize((width, height), Image.Resampling.BICUBIC)
    noisy = np.asarray(coarse).astype(int) + rng.normal(0, 2, (height, width, 3)).round().astype(int)
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def levels(pixels: torch.Tensor, facts: Preprocess) -> torch.Tensor:
    """The model's input as 8-bit levels again."""
    mean, std = (torch.tensor(values)[:, None, None] for values in (facts.mean, facts.std))
    return (pixels * std + mean) * 255


@given(
    width=st.integers(80, 400),
    height=st.integers(80, 400),
    size=st.sampled_from([(32, 32), (80, 80), (48, 64), (56, 40)]),
    mode=st.sampled_from(MODES),
    seed=st.integers(0, 99),
)
@settings(max_examples=60, deadline=None)
def test_it_is_pillows_within_two_levels(width: int, height: int, size: tuple[int, int], mode: Any, seed: int) -> None:
    picture = photograph(width, height, seed)
    usual, fast = Preprocess(size, resize_mode=mode), Preprocess(size, resize_mode=mode, fast=True)
    wanted, found = usual.transform()(picture), fast.transform()(picture)
    assert found.shape == wanted.shape == (3, *size) and found.dtype == wanted.dtype
    difference = (levels(found, fast) - levels(wanted, usual)).abs()
    assert difference.max() < 2.01 and (difference > 1.01).float().mean() < 0.001
    assert (difference < 0.01).float().mean() > 0.5
    assert fast.geometry(width, height) == usual.geometry(width, height)


def test_of_eight_bits_and_of_floats_it_is_the_same() -> None:
    model = load_clip("demo").with_fast_resize()
    pictures = [photograph(90, 70, seed) for seed in range(2)]
    bytes_ = torch.from_numpy(np.stack([np.asarray(picture) for picture in pictures]))
    wanted = PreparedImages.of(model, pictures)
    for images in (bytes_, bytes_.float() / 255, [bytes_[:1], bytes_[1:]]):
        found = PreparedImages.of_batches(model, images)
        assert torch.equal(found.pixels, wanted.pixels) and found.geometry == wanted.geometry


def test_a_plain_picture_stays_plain() -> None:
    model = load_clip("demo").with_fast_resize()
    pixels = PreparedImages.of(model, [Image.new("RGB", (51, 77), (10, 200, 77))]).pixels[0]
    assert torch.allclose(levels(pixels, model.preprocess), torch.tensor([10.0, 200, 77])[:, None, None], atol=1e-3)


def test_another_resize_mode_stays_fast() -> None:
    model = seeing(load_clip("demo").with_fast_resize(), "squash")
    assert model.preprocess.fast and model.preprocess.resize_mode == "squash"
    picture = photograph(90, 40, 1)
    wanted = replace(load_clip("demo").preprocess, resize_mode="squash", fast=True).transform()(picture)
    assert torch.equal(PreparedImages.of(model, [picture]).pixels[0], wanted)


def test_a_preprocessing_of_ones_own_is_left_alone() -> None:
    plain = load_clip("demo")

    def crop(picture: Image.Image) -> torch.Tensor:
        side = plain.preprocess.size[0]
        resized = picture.convert("RGB").crop((0, 0, picture.width // 2, picture.height)).resize((side, side))
        return torch.from_numpy(np.array(resized)).permute(2, 0, 1).float() / 255

    own = ClipModel.from_open_clip(plain.module, preprocess=crop)
    with pytest.raises(BadInput, match="preprocessing is not open_clip's"):
        own.with_fast_resize()


# ------------------------------------------------------------------------------------------ over tables


def figures(out: Path) -> list[Any]:
    return [record["results"]["Figures"]["peak"] for record in sorted(runs.records(out), key=lambda r: r["row"])]


def test_results_differ_a_little_and_are_never_mixed(tmp_path: Path) -> None:
    rows = runs.table(tmp_path, runs.rows_of(4, 1), side=300)
    for i in range(4):
        photograph(320, 240, i).save(tmp_path / "pics" / f"{i}.png")
    cache = tmp_path / "cache"
    given = {"usual": {}, "fast": {"fast_resize": True}, "again": {"fast_resize": True}}
    for name, more in given.items():
        assert all(r.ok for r in map_graph(runs.GRAPH, rows, output=tmp_path / name, cache=cache, **more))
    assert figures(tmp_path / "fast") == figures(tmp_path / "again") != figures(tmp_path / "usual")
    np.testing.assert_allclose(figures(tmp_path / "fast"), figures(tmp_path / "usual"), atol=0.02)
    manifest = json.loads((tmp_path / "fast" / "manifest.json").read_bytes())
    assert manifest["graph"]["3"]["inputs"]["resize"] == "torch" == manifest["set"]["3.resize"]
    with pytest.raises(BadInput, match=r"3\.resize was 'torch' and is not set"):
        list(map_graph(runs.GRAPH, rows, output=tmp_path / "fast"))


def test_the_command_line(tmp_path: Path) -> None:
    rows = runs.table(tmp_path, runs.rows_of(2, 1))
    words = ["map", runs.GRAPH, str(rows), "--out", str(tmp_path / "out"), "--no-cache", "--fast-resize"]
    assert CliRunner().invoke(app, words).exit_code == 0
    said = CliRunner().invoke(app, ["verify", str(tmp_path / "out")])
    assert said.exit_code == 0, said.output  # it knows that the graph was told so
    assert CliRunner().invoke(app, words).exit_code == 0


def test_a_graph_without_clip() -> None:
    with pytest.raises(BadInput, match="loads no CLIP"):
        map_graph(runs.PLAIN, [{"image": "1.png"}], fast_resize=True)
