"""How the bytes of an entry are counted."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from api_graph.executor.cache.entry import size_of
from api_graph.geometry import Geometry
from api_graph.sockets import Attribution


def test_a_view_counts_as_all_that_it_keeps_alive_and_shared_memory_once():
    base = torch.zeros(1000)  # 4000 bytes
    assert size_of([base[:1]]) == (4000, 0)
    assert size_of([base, base[:10], base.view(10, 100)]) == (4000, 0)
    assert size_of([torch.zeros(1).expand(500, 500)]) == (4, 0)


def test_tensors_are_found_in_lists_dicts_and_dataclasses():
    values = torch.zeros(2, 3, 4)  # 96 bytes
    attribution = Attribution(values, (Geometry.whole(1, 1),) * 2)
    alone = size_of([attribution]).cpu
    assert 96 <= alone < 96 + 12 * 64  # and two geometries' numbers
    assert size_of([[attribution], {"a": (attribution,)}]).cpu == alone


def test_what_holds_itself_is_counted_once():
    loop: list[object] = [torch.zeros(10)]
    loop.append(loop)
    assert size_of([loop]) == (40, 0)


def test_a_network_counts_as_its_weights_and_buffers_each_once():
    tied = nn.Linear(10, 10, bias=False)
    network = nn.Sequential(tied, nn.BatchNorm1d(10), tied)
    # 10·10 weights, 4 times 10 of the norm's, all float32, and its int64 count of batches
    assert size_of([network, tied]) == (4 * (100 + 40) + 8, 0)


def test_texts_count():
    assert size_of(["x" * 1000]).cpu >= 1000


def test_a_tensor_without_numbers_takes_nothing():
    assert size_of([torch.empty(1000, device="meta"), torch.zeros(0)]) == (0, 0)


def test_a_sparse_tensor_is_counted_at_most_as_a_full_one():
    assert size_of([torch.eye(10).to_sparse()]) == (400, 0)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_tensor_on_a_gpu_counts_there():
    assert size_of([torch.zeros(10, device="cuda")]).gpu >= 40
