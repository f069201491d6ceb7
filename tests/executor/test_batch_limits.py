"""How many calls a batched form gets at once, when memory runs out and when it does not."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from api_graph.errors import BadInput
from api_graph.executor.accelerator import out_of_memory_in
from api_graph.executor.call import BatchLimits
from api_graph.spec import node


def doubled_within(room: int, sizes: list[int]) -> Any:
    """A batched form whose memory holds `room` calls."""

    def batched(calls: Any) -> list[int]:
        sizes.append(len(calls))
        if len(calls) > room:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return [2 * call for call in calls]

    return batched


def test_a_batch_that_memory_cannot_hold_is_halved_until_it_can_and_the_size_is_remembered():
    limits, sizes = BatchLimits(), []
    assert limits.run("Encode", range(13), doubled_within(4, sizes)) == [2 * i for i in range(13)]
    assert sizes == [13, 6, 3, 3, 3, 3, 1]
    sizes.clear()
    assert limits.run("Encode", range(7), doubled_within(4, sizes)) == [2 * i for i in range(7)]
    assert sizes == [3, 3, 1]
    sizes.clear()
    limits.run("Other", range(4), doubled_within(4, sizes))
    assert sizes == [4]


def test_after_a_while_without_trouble_a_batch_grows_again():
    limits, sizes = BatchLimits(), []
    limits.run("Encode", range(2), doubled_within(1, sizes))
    sizes.clear()
    for _ in range(20):
        limits.run("Encode", range(2), doubled_within(8, sizes))
    assert sizes[0] == 1 and sizes[-1] == 2


def test_one_call_that_memory_cannot_hold_fails_and_other_errors_pass():
    with pytest.raises(torch.cuda.OutOfMemoryError):
        BatchLimits().run("Encode", range(3), doubled_within(0, []))
    with pytest.raises(ValueError, match="no"):
        BatchLimits().run("Encode", range(3), lambda calls: (_ for _ in ()).throw(ValueError("no")))


def test_a_limit_of_the_users_is_never_passed():
    sizes: list[int] = []
    BatchLimits(most=3).run("Encode", range(8), doubled_within(99, sizes))
    assert sizes == [3, 3, 2]


def raised_from(error: Exception) -> BadInput:
    """As a function says it that explains what has happened."""
    explained = BadInput("does not fit")
    explained.__cause__ = error
    return explained


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (MemoryError(), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (torch.cuda.OutOfMemoryError("no"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory: you tried"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 17 GB)"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (OSError("out of memory"), False),
    ],
)
def test_memory_that_ran_out_is_known_by_class_or_words(error, expected):
    assert (out_of_memory_in(error) is error) is expected
    assert out_of_memory_in(raised_from(error)) is (error if expected else None)


def test_no_row_is_lost_when_memory_runs_out_in_a_graph(lab):
    sizes: list[int] = []

    @node(
        "Halving",
        category="test",
        title="Halving",
        batched=lambda value: doubled_within(2, sizes)(value),
        over=("value",),
    )
    def halving(value: int) -> int:
        """Batched only."""
        raise AssertionError("the batched form suffices")

    lab.nodes.append(halving)
    rows = [lab.graph({"1": ("Halving", {"value": i}), "2": ("Show", {"value": ["1", 0]})}) for i in range(5)]
    results = lab.executor().run_rows(rows, lab.folders)
    assert lab.shown == [0, 2, 4, 6, 8] and not any(result.failures for result in results)
    assert sizes == [5, 2, 2, 1]
