"""All benchmarks by name. To add one, declare it (`api_graph.bench.declare` says how) and list it here."""

from __future__ import annotations

from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING

from api_graph.errors import BadInput

if TYPE_CHECKING:
    from collections.abc import Mapping

    from api_graph.bench.declare import BenchmarkSpec


@lru_cache(maxsize=1)
def benchmarks() -> Mapping[str, BenchmarkSpec]:
    """The benchmarks by name, in the order in which they are listed."""
    from api_graph.bench.kinds import boxes, judged, labels, options, outlines, short_answers, targets, yes_no

    specs = (
        short_answers.TEXTVQA,
        short_answers.VIZWIZ,
        options.MMMU,
        yes_no.MME,
        yes_no.POPE,
        judged.MM_VET,
        judged.LLAVA_BENCH,
        options.VSTAR,
        options.VSTAR_LOSSES,
        targets.VSTAR_MAPS,
        outlines.IMAGENET_SEGMENTATION,
        options.HR_BENCH_4K,
        options.HR_BENCH_8K,
        options.MMVP,
        options.REAL_WORLD_QA,
        options.TSV,
        *boxes.REFERRING,
        *labels.CLASSIFICATION,
        *labels.POINT_CLOUDS,
    )
    return MappingProxyType({spec.name: spec for spec in specs})


def benchmark(name: str) -> BenchmarkSpec:
    """The benchmark of that name. Raises BadInput where there is none."""
    from difflib import get_close_matches

    known = benchmarks()
    if name not in known:
        near = get_close_matches(name.lower(), known, n=1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise BadInput(
            "there is no such benchmark", input="NAME", value=name, hint=f"{hint}`api-graph bench list` lists them."
        )
    return known[name]
