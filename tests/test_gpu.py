"""On a machine with an accelerator: the same results as on the CPU, and data that lies on two devices."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image

import api_graph
from api_graph.executor import DiskCache, Executor, ModelPool
from api_graph.executor.accelerator import CudaMemory
from api_graph.graph import Graph, set_inputs
from api_graph.models.device import sent
from api_graph.pixels.blend import alpha_blend, reference_blend
from api_graph.pixels.overlay import overlay
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.settings import MAX_VRAM, headless_folders, shipped_graphs

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")

PICTURE = shipped_graphs() / "api_graph_example.png"


@pytest.mark.parametrize("recipe", ["paper", "reference"])
@pytest.mark.parametrize(("dtype", "near"), [("float32", 1e-3), ("float16", 3e-2)])
def test_maps_are_those_of_the_cpu(recipe, dtype: str, near: float) -> None:
    query = ["the yellow ring", "the triangle"]
    expected = api_graph.clip_attribution(PICTURE, query, api_graph.load_clip(device="cpu"), recipe=recipe)
    maps = api_graph.clip_attribution(PICTURE, query, api_graph.load_clip(device="cuda", dtype=dtype), recipe=recipe)
    for name in ("cls", "comp"):
        own, cpu = getattr(maps, name), getattr(expected, name)
        assert (own - cpu).abs().max() <= near * (cpu.max() - cpu.min())


@pytest.mark.parametrize("name", ["api_clip", "api_clip_reference", "api_clip_questions", "api_lvlm", "api_ensemble"])
def test_graphs_run_there_cold_and_from_disk(name: str, tmp_path: Path) -> None:
    graph = open_graph(name)
    loaders = [id for id, node in graph.nodes.items() if all_nodes()[node.class_type].model]
    graph = set_inputs(graph, all_nodes(), {f"{loader}.device": "cuda" for loader in loaders})
    for _ in range(2):
        result = Executor(disk=DiskCache(tmp_path / "cache")).run(graph, headless_folders(tmp_path / "out"))
        assert result.raise_failures().outputs


@pytest.mark.parametrize("unleash", [0.0, 1.0])
def test_foveal_features_are_those_of_the_cpu(unleash: float) -> None:
    grid = api_graph.load_clip(device="cpu").tower.grid
    masks = torch.stack([api_graph.foveal_mask((x, 40, x + 90, 160), (480, 320), grid) for x in (0, 150, 300)])
    cpu, gpu = (
        api_graph.foveal_features(PICTURE, masks, api_graph.load_clip(device=device, dtype="float32"), unleash=unleash)
        for device in ("cpu", "cuda")
    )
    assert torch.allclose(gpu.cpu(), cpu, atol=1e-3 * float(cpu.abs().max()))


@pytest.mark.parametrize("function", [alpha_blend, reference_blend, overlay])
def test_an_image_and_a_heatmap_on_two_devices(function) -> None:
    image, heatmap = torch.rand(1, 8, 6, 3), torch.rand(1, 8, 6)
    blended = function(image, heatmap.cuda())
    assert blended.device == image.device
    assert torch.allclose(blended, function(image, heatmap), atol=1 / 254)


@pytest.mark.parametrize(("dtype", "near"), [("float32", 1e-3), ("bfloat16", 0.1)])
def test_an_lvlm_looks_where_it_looks_on_the_cpu(dtype: str, near: float) -> None:
    question = "What colour is the ring?"
    expected = api_graph.lvlm_attribution(PICTURE, question, api_graph.load_lvlm(device="cpu"))
    own = api_graph.lvlm_attribution(
        PICTURE, question, api_graph.load_lvlm(device="cuda", dtype=dtype), answer=expected.answer
    )
    assert own.map.device.type == "cpu"
    assert (own.map - expected.map).abs().max() <= near * expected.map.max()


@pytest.mark.parametrize(("dtype", "near"), [("float32", 1e-3), ("float16", 3e-2), ("bfloat16", 0.1)])
def test_heads_do_what_they_do_on_the_cpu(dtype: str, near: float) -> None:
    """And a profile that was made there is that of the same model here."""
    cpu, gpu = api_graph.load_lvlm(device="cpu"), api_graph.load_lvlm(device="cuda", dtype=dtype)
    expected, own = (api_graph.find_heads(model, scenes=20) for model in (cpu, gpu))
    for measure in ("gaze", "image_share"):
        assert (own.values(measure) - expected.values(measure)).abs().max() <= near
    own.check_model(cpu)
    asked = {"fovea": [[209, 52, 283, 129]], "heads": expected.chosen(count=8), "device": None}
    assert api_graph.ask(PICTURE, "What colour is the star?", gpu, **asked).text == "green"


def on_the_gpu(name: str, **literals: object) -> Graph:
    graph = open_graph(name)
    loaders = [id for id, node in graph.nodes.items() if all_nodes()[node.class_type].model]
    return set_inputs(graph, all_nodes(), {**{f"{id}.device": "cuda" for id in loaders}, **literals})


@pytest.mark.parametrize("name", ["api_clip", "api_lvlm", "rec_foveal", "gaze_contrast"])
def test_models_that_went_have_given_their_memory_back(name: str, tmp_path: Path) -> None:
    memory, graph, taken, model = CudaMemory(), on_the_gpu(name), list[int](), 0
    for _ in range(3):  # the first makes what CUDA's libraries keep for good
        pool = ModelPool()
        Executor(pool=pool).run(graph, headless_folders(tmp_path)).raise_failures()
        model = memory.allocated()
        pool.clear()
        taken.append(memory.allocated())
    assert taken[2] <= taken[1] + 0.01 * (model - taken[1])


def test_a_model_goes_for_another_that_would_pass_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pool = ModelPool()
    Executor(pool=pool).run(on_the_gpu("api_clip"), headless_folders(tmp_path)).raise_failures()
    (size,) = pool._sizes.values()
    monkeypatch.setenv(MAX_VRAM, f"{2.5 * size:.0f}")  # float32 takes twice as much as float16
    Executor(pool=pool).run(on_the_gpu("api_clip", precision="float32"), headless_folders(tmp_path)).raise_failures()
    assert (len(pool), pool.loads) == (1, 2)


def test_memory_that_another_model_takes_is_found_when_it_runs_out(tmp_path: Path) -> None:
    pool, memory = ModelPool(), CudaMemory()
    Executor(pool=pool).run(on_the_gpu("api_clip"), headless_folders(tmp_path)).raise_failures()
    with pytest.raises(torch.cuda.OutOfMemoryError) as ran_out:
        torch.zeros(memory.total(), dtype=torch.uint8, device="cuda")
    assert pool.relieve(ran_out.value) is None and len(pool) == 0
    assert "no memory left" in str(pool.relieve(ran_out.value))


def test_batches_are_as_large_as_what_they_took_allows(tmp_path: Path) -> None:
    graph, picture = on_the_gpu("api_clip_map"), Image.open(PICTURE).convert("RGB")
    for number in range(40):
        picture.putpixel((0, 0), (number, 0, 0))
        picture.save(tmp_path / f"{number}.png")
    rows = [set_inputs(graph, all_nodes(), {"image": f"{number}.png"}) for number in range(40)]
    executor = Executor()
    results = executor.run_rows(rows, headless_folders(tmp_path / "out", (tmp_path,)), previews=False, maps=True)
    assert not any(result.failures for result in results)
    assert executor.batches._sizes is not None
    measured = {kind[0]: own for kind, own in executor.batches._sizes._measured.items() if isinstance(kind, tuple)}
    count, each = measured["APEncodeImage"]
    assert count >= 32 and each * count < CudaMemory().total()
    (alone,) = Executor().run_rows(rows[17:18], headless_folders(tmp_path / "out", (tmp_path,)), maps=True)
    for own, other in zip(results[17].maps.values(), alone.maps.values(), strict=True):
        assert own[0].values.device.type == other[0].values.device.type == "cpu"
        assert (own[0].values - other[0].values).abs().max() <= 3e-2 * other[0].values.abs().max()


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_pictures_that_are_sent_arrive(dtype: torch.dtype) -> None:
    """Many at once, while the GPU is busy, and their pinned memory is used again."""
    device = torch.device("cuda", torch.cuda.current_device())
    pictures = [torch.randn(16, 3, 224, 224) for _ in range(8)]
    busy = torch.randn(4096, 4096, device=device)
    for _ in range(20):
        busy = busy @ busy / 64
    there = [sent(one, device, dtype) * 2 for one in pictures]
    for one, own in zip(pictures, there, strict=True):
        assert own.dtype == dtype and torch.equal(own.cpu(), one.to(dtype) * 2)
