"""What the executor itself costs: time per node around nodes that do nothing, and per entry of the disk cache.

    python benchmarks/executor.py [--json] [--repeats N] [--nodes N ...]

`cold` is a first run with a memory cache, `cached` the same run again; both include planning, keys and the execution
order, which also stands alone, as validation does. Each figure is the best of several repeats, so that it says what the
code costs and not what else the machine does; the collector of Python's cycles runs as it likes.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import torch

from api_graph.executor import DiskCache, Executor, MemoryCache
from api_graph.executor.cache.entry import Entry
from api_graph.folders import Folders
from api_graph.geometry import Geometry
from api_graph.graph import Graph, GraphNode, Link, execution_order, validate
from api_graph.registry import registry_of
from api_graph.sockets import Attribution, Image
from api_graph.spec import NodeSpec, node, spec_of

SIZES = (100, 1_000, 5_000, 20_000)
FOLDERS = Folders((), Path("output"), Path("temp"))
Figures = dict[str, float]


@node("Source", category="benchmark", title="Source")
def source(value: int = 0) -> int:
    """A number."""
    return value


@node("Add", category="benchmark", title="Add")
def add(a: int, b: int = 1) -> int:
    """As little as a node can do."""
    return a + b


@node("Sink", category="benchmark", title="Sink", output=True)
def sink(a: int) -> None:
    """Takes a number."""


@node("Map", category="benchmark", title="Map", store=True)
def psi() -> Attribution:
    """A map of 24 × 24 patches."""
    return Attribution(torch.rand(1, 24, 24), (Geometry.whole(336, 336),))


@node("Tokens", category="benchmark", title="Tokens", store=True)
def tokens() -> Image:
    """3.5 MB: two times 577 tokens of 768 numbers."""
    return torch.rand(2, 577, 768)


REGISTRY = registry_of([source, add, sink])


def chain(count: int) -> Graph:
    """Each node feeds the next."""
    nodes = {"0": GraphNode("0", "Source", {"value": 3})}
    for i in range(1, count - 1):
        nodes[str(i)] = GraphNode(str(i), "Add", {"a": Link(str(i - 1), 0), "b": 2})
    return Graph({**nodes, "sink": GraphNode("sink", "Sink", {"a": Link(str(count - 2), 0)})})


def wide(count: int) -> Graph:
    """One node feeds hundreds, and each of those an output of its own."""
    nodes = {"0": GraphNode("0", "Source", {"value": 3})}
    for i in range((count - 1) // 2):
        nodes[f"a{i}"] = GraphNode(f"a{i}", "Add", {"a": Link("0", 0), "b": i + 2})
        nodes[f"s{i}"] = GraphNode(f"s{i}", "Sink", {"a": Link(f"a{i}", 0)})
    return Graph(nodes)


def best(repeats: int, run: Callable[[], object]) -> float:
    """Fewest seconds that `run` took."""
    times = []
    for _ in range(repeats):
        started = time.perf_counter()
        run()
        times.append(time.perf_counter() - started)
    return min(times)


def measure_graph(graph: Graph, repeats: int) -> Figures:
    """Microseconds per node."""
    outputs = [id for id, n in graph.nodes.items() if REGISTRY[n.class_type].output]
    warm = Executor(memory=MemoryCache(), registry=REGISTRY)
    warm.run(graph, FOLDERS).raise_failures()
    seconds = {
        "validate": best(repeats, lambda: validate(graph, REGISTRY)),
        "order": best(repeats, lambda: execution_order(graph, outputs)),
        "cold": best(repeats, lambda: Executor(memory=MemoryCache(), registry=REGISTRY).run(graph, FOLDERS)),
        "cached": best(repeats, lambda: warm.run(graph, FOLDERS)),
    }
    return {name: 1e6 * s / len(graph.nodes) for name, s in seconds.items()}


def measure_disk(spec: NodeSpec, repeats: int, count: int = 50) -> Figures:
    """Microseconds per entry."""
    entry = Entry(([spec.function()],))
    keys = [f"{i:02x}" + "0" * 62 for i in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        cache = DiskCache(folder)
        put = best(repeats, lambda: [cache.put(key, entry, spec) for key in keys])
        get = best(repeats, lambda: [cache.get(key, spec) for key in keys])
        size = cache.info().bytes / count
    return {"put": 1e6 * put / count, "get": 1e6 * get / count, "bytes": size}


def measure(sizes: list[int], repeats: int) -> dict[str, dict[str, Figures]]:
    graphs = {f"chain {n}": chain(n) for n in sizes} | {f"wide {sizes[-1]}": wide(sizes[-1])}
    entries = {"map 24 x 24": spec_of(psi), "tokens 3.5 MB": spec_of(tokens)}
    return {
        "us_per_node": {name: measure_graph(graph, repeats) for name, graph in graphs.items()},
        "us_per_entry": {name: measure_disk(spec, repeats) for name, spec in entries.items()},
    }


def table(figures: dict[str, dict[str, Figures]]) -> str:
    lines = []
    for unit, rows in figures.items():
        columns = list(next(iter(rows.values())))
        lines.append(f"{unit.replace('_', ' '):<16}" + "".join(f"{c:>12}" for c in columns))
        lines += [f"{name:<16}" + "".join(f"{row[c]:>12.1f}" for c in columns) for name, row in rows.items()]
    graphs = figures["us_per_node"]
    if {"chain 1000", "chain 20000"} <= set(graphs):
        ratios = {c: v / graphs["chain 1000"][c] for c, v in graphs["chain 20000"].items()}
        lines.append("20,000 to 1,000 nodes" + "".join(f", {c} × {r:.2f}" for c, r in ratios.items()) + " per node")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--repeats", type=int, default=5, help="repeats of each measurement (default 5)")
    parser.add_argument("--nodes", type=int, nargs="+", default=list(SIZES), help="sizes of the graphs")
    options = parser.parse_args()
    torch.set_num_threads(1)
    figures = measure(sorted(options.nodes), options.repeats)
    print(json.dumps(figures, indent=2) if options.json else table(figures))


if __name__ == "__main__":
    main()
