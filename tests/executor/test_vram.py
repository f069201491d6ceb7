"""Models on an accelerator: a budget of bytes, and what they took is given back when they go."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from api_graph.errors import BadInput
from api_graph.executor import Executor, ModelPool, NodeError
from api_graph.executor.accelerator import CudaMemory, DeviceMemory
from api_graph.executor.cache.entry import Entry
from api_graph.executor.call import BatchLimits
from api_graph.graph import set_inputs
from api_graph.registry import all_nodes
from api_graph.runs import open_graph
from api_graph.settings import MAX_VRAM, headless_folders, vram_budget
from api_graph.spec import node
from tests.executor.card import Card

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, eq=False)
class Weights:
    socket: ClassVar[str] = "TEST_WEIGHTS"

    values: Tensor
    network: nn.Module


class Loop(nn.Module):
    """A network that refers to itself, as those of transformers may."""

    def __init__(self, values: Tensor) -> None:
        super().__init__()
        self.own = [self]
        self.register_buffer("values", values)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> Card:
    """A gigabyte, in the sizes that it counts: one byte stands for a MiB; models may take 960 of them."""
    monkeypatch.setenv(MAX_VRAM, "960")
    return Card(1024)


@pytest.fixture
def zoo(lab, card: Card):
    """The lab with loaders for models on the card, and nodes that compute there."""

    @node("Load", category="test", title="Load", model=True)
    def load(size: int, name: str = "") -> Weights:
        """Load a model of so many bytes, in two pieces."""
        lab.calls["Load"] += 1
        half = card.zeros(size // 2)
        whole = card.zeros(size - size // 2)
        return Weights(half, Loop(whole))

    @node("Use", category="test", title="Use")
    def use(model: Weights, size: int = 0) -> int:
        """Compute with so many bytes; how many a model's half has."""
        working = card.zeros(size)
        lab.calls["Use"] += 1
        return len(model.values) + 0 * len(working)

    lab.nodes += [load, use]
    lab.pool = ModelPool(memory=card)
    return lab


def one(size: int, working: int = 0, name: str = "") -> dict[str, Any]:
    return {
        "1": ("Load", {"size": size, "name": name}),
        "2": ("Use", {"model": ["1", 0], "size": working}),
        "3": ("Show", {"value": ["2", 0]}),
    }


def run(zoo, graph: dict[str, Any]) -> None:
    zoo.run(zoo.executor(pool=zoo.pool), graph).raise_failures()


# ------------------------------------------------------------------------------------------ models go for others


def test_models_stay_while_the_budget_has_room(zoo, card: Card) -> None:
    for size in (300, 200, 400, 300, 200, 400):
        run(zoo, one(size))
    assert (zoo.calls["Load"], card.taken, card.emptied) == (3, 900, 0)


def test_the_model_used_longest_ago_goes_for_one_that_would_pass_the_budget(zoo, card: Card) -> None:
    for size in (300, 200, 400, 300):
        run(zoo, one(size))
    run(zoo, one(150))  # 1050 with all: that of 200 goes, and 850 are left
    assert (card.taken, card.kept) == (850, 0)
    before = zoo.calls["Load"]
    for size in (300, 400, 150):
        run(zoo, one(size))
    assert zoo.calls["Load"] == before
    run(zoo, one(200))
    assert zoo.calls["Load"] > before


def test_what_a_loader_finds_no_room_for_is_tried_again(zoo, card: Card) -> None:
    """Nobody knows the size of a new model: its first half fits, and the second does not."""
    run(zoo, one(900))
    run(zoo, one(400))
    assert (zoo.calls["Load"], card.taken, card.kept) == (3, 400, 0)


def test_the_size_of_a_model_that_was_loaded_before_is_known(zoo, card: Card) -> None:
    for size in (900, 400):
        run(zoo, one(size))
    assert zoo.calls["Load"] == 3  # the second was tried in vain, once
    for size in (900, 400, 900):
        run(zoo, one(size))
    assert zoo.calls["Load"] == 6


def test_what_a_node_finds_no_room_for_is_tried_again(zoo, card: Card) -> None:
    run(zoo, one(400))
    run(zoo, one(300, 500))  # 1200 with both
    assert (card.taken, card.kept, len(zoo.pool)) == (300, 500, 1)  # what it computed with, the allocator keeps
    assert zoo.shown == [200, 150]


def test_the_files_behind_a_model_tell_its_size_before_it_is_loaded(card: Card) -> None:
    pool = ModelPool(memory=card)
    order: list[str] = []

    def load(size: int) -> Entry:
        order.append(f"{card.taken} taken before {size}")
        return Entry(([Weights(card.zeros(size), nn.Identity())],))

    for key, size in (("a", 500), ("b", 300), ("c", 400)):
        pool.get_or_load(key, lambda size=size: load(size), lambda size=size: size)
        pool.release(key)
    assert order == ["0 taken before 500", "500 taken before 300", "300 taken before 400"]


def test_what_a_run_holds_stays_and_the_error_names_the_node_and_what_helps(zoo, card: Card) -> None:
    graph = {
        **one(300),
        "4": ("Load", {"size": 400}),
        "5": ("Use", {"model": ["4", 0], "size": 500}),
        "6": ("Show", {"value": ["5", 0]}),
        "7": ("Use", {"model": ["1", 0], "size": 1}),
        "8": ("Show", {"value": ["7", 0], "other": ["5", 0]}),
    }
    result = zoo.run(zoo.executor(pool=zoo.pool), graph, targets=["1"])
    (failure,) = result.failures
    assert isinstance(failure, NodeError) and (failure.node, failure.title) == ("5", "Use")
    assert "the accelerator has no memory left, and no other model can go" in str(failure)
    assert "the models in use (2) take 0.0 of its 0.0 GiB (CUDA out of memory. Tried to allocate 500 bytes.)" in str(
        failure
    )
    assert "--batch-size" in str(failure)
    assert zoo.shown == [150]
    assert isinstance(failure.__cause__, BadInput) and isinstance(failure.__cause__.__cause__, RuntimeError)
    del result
    gc.collect()
    assert card.taken == 700  # the failure, which is still here, keeps nothing but what is in the pool
    run(zoo, one(200, 300))  # and of that, what must
    assert (card.taken, zoo.shown) == (600, [150, 100])


def test_a_model_that_passes_the_budget_alone_is_refused_and_let_go_of(zoo, card: Card) -> None:
    run(zoo, one(10))
    with pytest.raises(NodeError, match=rf'node 1 "Load": the model takes .* GiB .*{MAX_VRAM} to more, such as 20G'):
        run(zoo, one(970))
    gc.collect()
    assert (card.taken, card.kept, len(zoo.pool)) == (0, 0, 0)


def test_models_of_the_processor_have_no_budget_and_are_not_in_the_way(card: Card) -> None:
    class Nothing(Card):
        def size_of(self, values: Any) -> int:
            return 0

    device = Nothing(10)
    pool = ModelPool(memory=device)
    for key in "abcd":
        pool.get_or_load(key, lambda: Entry(([Weights(torch.zeros(999), nn.Identity())],)), lambda: 999)
    assert len(pool) == 4 and device.emptied == 0
    error = torch.cuda.OutOfMemoryError("no")
    for key in "abcd":
        pool.release(key)
    assert isinstance(pool.relieve(error), BadInput) and len(pool) == 4


def test_other_errors_pass_and_move_nothing(card: Card) -> None:
    pool = ModelPool(memory=card)
    pool.get_or_load("a", lambda: Entry(([Weights(card.zeros(10), nn.Identity())],)))
    pool.release("a")
    wrong = ValueError("out of memory")
    assert pool.relieve(wrong) is wrong and len(pool) == 1
    with pytest.raises(OSError, match="no connection"):
        pool.get_or_load("b", lambda: (_ for _ in ()).throw(OSError("no connection")))
    assert len(pool) == 1


def test_a_model_that_two_runs_hold_goes_when_both_have_let_go(card: Card) -> None:
    pool, error = ModelPool(memory=card), torch.cuda.OutOfMemoryError("no")
    pool.get_or_load("a", lambda: Entry(([Weights(card.zeros(10), nn.Identity())],)))
    assert pool.get("a") is not None
    pool.release("a")
    assert pool.relieve(error) is not None and len(pool) == 1
    pool.release("a")
    assert pool.relieve(error) is None and (len(pool), card.taken, card.kept) == (0, 0, 0)


def test_a_full_pool_gives_back_what_goes(zoo, card: Card) -> None:
    zoo.pool.capacity = 1
    for size in (10, 20):
        run(zoo, one(size))
    assert (card.taken, card.kept) == (20, 0)
    zoo.pool.clear()
    assert (card.taken, card.kept) == (0, 0)


def test_what_a_run_over_a_table_has_hidden_from_the_collector_goes_too(zoo, card: Card) -> None:
    run(zoo, one(700))
    gc.freeze()
    try:
        run(zoo, one(800))
        assert (card.taken, card.kept) == (800, 0)
        assert gc.get_freeze_count() > 0
    finally:
        gc.unfreeze()


# ------------------------------------------------------------------------------------------ batches


def test_a_batch_takes_the_room_of_a_model_before_it_is_halved(card: Card) -> None:
    pool = ModelPool(memory=card)
    pool.get_or_load("a", lambda: Entry(([Weights(card.zeros(500), nn.Identity())],)))
    pool.release("a")
    sizes: list[int] = []

    def batched(calls: Any) -> list[int]:
        sizes.append(len(calls))
        parts = [card.zeros(200) for _ in calls]
        return [len(part) for part in parts]

    assert BatchLimits(pool=pool).run("Encode", range(4), batched) == [200] * 4
    assert (sizes, len(pool), card.taken) == ([4, 4], 0, 0)


def test_the_allocator_is_emptied_before_half_is_tried(card: Card) -> None:
    """What the batch that failed had made, the allocator keeps, in blocks that may fit nothing else."""
    kept: list[tuple[int, int, int]] = []

    def batched(calls: Any) -> list[int]:
        kept.append((len(calls), card.taken, card.kept))
        return [len(part) for part in [card.zeros(200) for _ in calls]]

    assert BatchLimits(pool=ModelPool(memory=card)).run("Encode", range(10), batched) == [200] * 10
    assert kept == [(10, 0, 0), (5, 0, 0), (5, 0, 1000)]


# ------------------------------------------------------------------------------------------ the budget


def test_a_sixteenth_is_for_computing_unless_the_variable_says_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    assert vram_budget(160 * GIB) == 150 * GIB
    assert vram_budget(4 * GIB) == 4 * GIB - 512 * MIB
    assert vram_budget(512 * MIB) == 256 * MIB
    monkeypatch.setenv(MAX_VRAM, "20G")
    assert vram_budget(4 * GIB) == 20 * GIB
    monkeypatch.setenv(MAX_VRAM, "much")
    with pytest.raises(BadInput, match=f"{MAX_VRAM}: is not a size"):
        vram_budget(GIB)


def test_the_real_one_says_all_that_is_asked_of_it() -> None:
    asked = {name for name in vars(DeviceMemory) if not name.startswith("_")}
    assert asked <= {*dir(CudaMemory)} and asked <= {*dir(Card)}


# ------------------------------------------------------------------------------------------ real models are let go of


class Anywhere(Card):
    """As if the processor were an accelerator: models of the package lie there. It never runs out."""

    def __init__(self) -> None:
        super().__init__(64 * GIB)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[weakref.ref[Any]]]:
    """The storages of all weights that the pool was given, while something keeps them alive."""
    found: list[weakref.ref[Any]] = []
    keep = ModelPool.get_or_load

    def noted(pool: ModelPool, *arguments: Any) -> Any:
        entry, new = keep(pool, *arguments)
        for values in entry.outputs if new else ():
            for module in (getattr(value, "module", None) for value in values):
                if isinstance(module, nn.Module):
                    found.extend(weakref.ref(p.untyped_storage()) for p in module.parameters())
        return entry, new

    monkeypatch.setattr(ModelPool, "get_or_load", noted)
    yield found


@pytest.mark.parametrize("name", ["api_clip", "api_clip_reference", "api_lvlm", "rec_foveal", "gaze_contrast"])
def test_after_a_run_nothing_keeps_a_model_alive(name: str, watched: list[weakref.ref[Any]], tmp_path: Path) -> None:
    pool = ModelPool(memory=Anywhere())
    result = Executor(pool=pool).run(open_graph(name), headless_folders(tmp_path))
    result.raise_failures()
    assert watched and all(one() is not None for one in watched)
    pool.clear()
    assert sum(one() is not None for one in watched) == 0


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("api_clip", "softmax"),
        ("api_lvlm", "scaled_dot_product_attention"),
        ("lvlm_ask", "scaled_dot_product_attention"),
    ],
)
def test_after_memory_ran_out_nothing_keeps_a_model_alive(
    name: str, what: str, watched: list[weakref.ref[Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error is still there, and so is its traceback."""

    def full(*arguments: Any, **more: Any) -> Tensor:
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 20 GiB")

    monkeypatch.setattr(torch.Tensor if what == "softmax" else nn.functional, what, full)
    pool = ModelPool(memory=Anywhere())
    graph = open_graph(name)
    rows = [set_inputs(graph, all_nodes(), {"query": text}) for text in ("the yellow ring", "the star")]
    results = Executor(pool=pool).run_rows(rows, headless_folders(tmp_path))
    assert all(
        "no memory left" in str(result.failures[0]) or "ran out" in str(result.failures[0]) for result in results
    )
    assert watched
    pool.clear()
    assert sum(one() is not None for one in watched) == 0
