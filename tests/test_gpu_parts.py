"""`benchmarks.gpu`, each part tiny on the processor, and what it makes of figures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy.stats import spearmanr

from benchmarks import gpu, lvlm
from benchmarks.gpu_bounds import BOUNDS, bounds_met, figures_at, rows_of
from benchmarks.gpu_setting import SEVEN_BILLION


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("gpu")


def measured(part: str, folder: Path) -> dict[str, Any]:
    gpu.main(["--part", part, "--tiny", "--device", "cpu", "--out", str(folder)])
    held = json.loads((folder / f"{part}.json").read_text("utf-8"))
    assert (held["part"], held["machine"]["device"], held["machine"]["tiny"]) == (part, "processor", True)
    assert held["seconds"] > 0
    return held["figures"]


def test_matmul(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    figures = measured("matmul", folder)
    assert list(figures) == ["TFLOP/s float16", "TFLOP/s bfloat16", "TFLOP/s float32"] and min(figures.values()) > 0
    printed = capsys.readouterr().out
    assert "| matmul | TFLOP/s float32 |" in printed and printed.count("not measured") == len(BOUNDS)


def test_clip(folder: Path) -> None:
    figures = measured("clip", folder)
    demo = figures["demo"]
    assert demo["psi / plain"] == pytest.approx(demo["psi images/s"] / demo["plain images/s"])
    assert demo["graph / plain"] == pytest.approx(demo["graph rows/s"] / demo["plain images/s"])
    for kind in ("plain", "psi"):
        rates = demo["images/s by batch"][kind]
        assert demo[f"{kind} images/s"] == max(rates.values()) and list(rates) == ["1", "2"]
    assert 0 < demo["graph rows/s"] < 5000


def test_half(folder: Path) -> None:
    figures = measured("half", folder)
    assert all(0.999 <= one <= 1 for one in figures["float16"].values())
    assert all(0.99 <= one <= 1 for one in figures["bfloat16"].values())


def test_lvlm(folder: Path) -> None:
    figures = measured("lvlm", folder)
    for batch in (1, 2):
        own = figures[f"batch {batch}"]
        assert own["captured / plain"] == pytest.approx(own["captured tokens/s"] / own["plain tokens/s"])
        assert own["steered / plain"] == pytest.approx(own["steered tokens/s"] / own["plain tokens/s"])
        assert own["shared / plain"] == pytest.approx(own["shared tokens/s"] / own["plain tokens/s"])


def test_memory(folder: Path) -> None:
    """On the processor too it is counted what is left."""
    figures = measured("memory", folder)
    weights = figures["demo"]["weights MiB"]
    assert figures["api_clip, unloaded"]["model MiB"] == pytest.approx(weights, rel=0.2)
    unloaded = {name: own for name, own in figures.items() if name.endswith("unloaded")}
    assert list(unloaded) == ["api_clip, unloaded", "api_lvlm, unloaded", "LLaVA, unloaded"]
    assert all(own["model MiB"] > 1 and own["left / model"] <= 0.01 for own in unloaded.values())


def test_profile(folder: Path) -> None:
    operations = measured("profile", folder)["operations"]
    shares = [own["share"] for own in operations]
    assert shares == sorted(shares, reverse=True) and 0.5 < sum(shares) <= 1.001
    assert any("mm" in own["name"] or "linear" in own["name"] for own in operations)


def test_the_7b_has_as_many_weights() -> None:
    with torch.device("meta"):
        model, _ = lvlm.build(24, SEVEN_BILLION, "meta")
    assert 6.7e9 < sum(one.numel() for one in model.module.parameters()) < 7.3e9


# ------------------------------------------------------------------------------------------ of figures


def test_rank_correlation_is_spearman_s() -> None:
    one, other = torch.rand(3, 5, 4, generator=torch.Generator().manual_seed(0)), torch.rand(3, 5, 4)
    expected: list[Any] = [spearmanr(a.flatten(), b.flatten()) for a, b in zip(one, other, strict=True)]
    assert gpu.rank_correlation(one, other) == pytest.approx(sum(each[0] for each in expected) / 3)
    assert gpu.rank_correlation(one, one.exp()) == pytest.approx(1)


def test_rows_of_one_chunk_count_once_they_have_all_come() -> None:
    times = [0.0, 0.0, 1.0, 1.0001, 1.0002, 2.0, 3.0, 3.0001]  # two, three, one and two rows
    assert gpu.rate_after(times, times[2]) == pytest.approx(3 / 2, rel=1e-3)


def test_bounds_by_hand() -> None:
    figures = {
        "clip": {
            "ViT-B-16": {"psi / plain": 0.97, "graph / plain": 0.1, "plain / matmul": 0.2},
            "ViT-L-14-336": {"psi / plain": 0.94, "graph / plain": 0.71, "plain / matmul": 0.5},
        },
        "half": {"float16": {"a": 0.9999, "b": 0.998}, "bfloat16": {"a": 0.5}},
        "memory": {"demo": {"weights MiB": 5}, "a": {"left / model": 0.002}, "b": {"left / model": 0.01}},
    }
    assert [line[1:] for line in bounds_met(figures)] == [
        ("0.94", "missed"),
        ("0.71", "met"),
        ("0.5", "met"),
        ("", "not measured"),
        ("", "not measured"),
        ("0.998", "missed"),
        ("0.01", "met"),
    ]
    assert figures_at(figures, ("clip", "*", "psi / plain")) == [0.97, 0.94]
    assert rows_of({"a": {"b": 1, "c": "text"}, "d": 2.5}) == [("a, b", "1"), ("d", "2.5")]
