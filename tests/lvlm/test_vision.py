"""The vision tower sees each distinct picture once; nothing of that is left behind in it."""

from __future__ import annotations

import threading
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from api_graph.errors import Cancelled
from api_graph.lvlm import LvlmModel, Request, Sampling, generate
from api_graph.lvlm.vision import distinct, each_picture_once
from tests.lvlm.asked import picture, tiny


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=1, max_size=8))
def test_distinct_parts_are_those_of_a_set(drawn: list[tuple[int, int]]) -> None:
    parts = [(torch.tensor([0.0, a]), torch.tensor([[b, 1.0]])) for a, b in drawn]
    found = distinct(parts)
    assert [drawn[found.first[nth]] for nth in found.of] == drawn
    assert len(found.first) == len(set(drawn))
    assert list(found.first) == [drawn.index(one) for one in dict.fromkeys(drawn)]


def test_equal_sums_are_not_equal_pictures() -> None:
    assert distinct([(torch.tensor([1.0, 2.0]),), (torch.tensor([2.0, 1.0]),)]).of == (0, 1)


def hooks_of(model: LvlmModel) -> int:
    parts = [*model.module.modules()]
    return sum(len(part._forward_hooks) + len(part._forward_pre_hooks) for part in parts)


@pytest.mark.parametrize("family", ["llava", "qwen2_vl"])
def test_hooks_are_taken_out_again_after_an_exception(family: str) -> None:
    model, requests = tiny(family), [Request(text, (picture(),)) for text in ("What?", "Why?")]
    generate(model, requests, Sampling(1))  # transformers puts in some of its own, for good
    before = hooks_of(model)

    def stop(done: int, most: int) -> None:
        assert hooks_of(model) > before
        raise Cancelled

    with pytest.raises(Cancelled):
        generate(model, requests, Sampling(4), progress=stop)
    assert hooks_of(model) == before


def test_the_tower_is_put_to_use_by_other_threads_as_it_is() -> None:
    model: Any = tiny("llava")
    tower, pixels = model.module.model.vision_tower, torch.zeros(3, 3, 48, 48)
    seen: list[int] = []

    def use() -> None:
        hook = tower.register_forward_hook(lambda module, args, output: seen.append(len(args[0])))
        with torch.no_grad():
            tower(pixels)
        hook.remove()

    with each_picture_once(model):
        use()
        other = threading.Thread(target=use)
        other.start()
        other.join()
    assert seen == [1, 3]
