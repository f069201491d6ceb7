"""The executor: order the steps, look each up in the caches, run what is missing."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from uuid import uuid4

from api_graph.errors import BadInput
from api_graph.executor.cache.disk import DiskCache
from api_graph.executor.cache.memory import MemoryCache, ModelPool
from api_graph.executor.cache.tiers import CacheTiers, Receipts
from api_graph.executor.call import BatchLimits
from api_graph.executor.events import Listener
from api_graph.executor.graph_run import GraphRun, GraphRunOptions
from api_graph.executor.in_flight import InFlight
from api_graph.executor.plan import plan_rows
from api_graph.executor.results import LastRun, RunResult
from api_graph.executor.shared import SharedResources
from api_graph.files import ALL_PNG, SaveFormats
from api_graph.folders import Folders
from api_graph.graph import Graph, execution_order
from api_graph.registry import all_nodes
from api_graph.socket_names import ATTRIBUTION
from api_graph.spec import NodeSpec


class Executor:
    """Runs graphs, several rows of one at a time, over its caches and its pool of models.

    `memory` and `disk` may be None. `threads` is how many rows of a node that waits on files or the network go at once;
    `batch_size` the most calls that a batched form gets at once, None leaving that to memory.
    One executor may serve several threads.
    """

    def __init__(
        self,
        memory: MemoryCache | None = None,
        disk: DiskCache | None = None,
        pool: ModelPool | None = None,
        registry: Mapping[str, NodeSpec] | None = None,
        threads: int = 8,
        batch_size: int | None = None,
    ) -> None:
        if threads < 1:
            raise BadInput("must be at least 1", input="threads", value=threads)
        if batch_size is not None and batch_size < 1:
            raise BadInput("must be at least 1", input="batch_size", value=batch_size)
        self.memory, self.disk, self.threads = memory, disk, threads
        self.pool = ModelPool() if pool is None else pool
        self.registry = all_nodes() if registry is None else registry
        self.history: dict[str, LastRun] = {}  # by node id
        self.in_flight = InFlight()
        self.batches = BatchLimits(batch_size, self.pool)

    def run(
        self,
        graph: Graph,
        folders: Folders,
        *,
        targets: Sequence[str] = (),
        listener: Listener | None = None,
        cancelled: threading.Event | None = None,
        metadata: bool = True,
        save_again: bool = True,
        show_again: bool = True,
        run_id: str = "",
    ) -> RunResult:
        """Run a valid graph once; see `run_rows`."""
        return self.run_rows(
            [graph],
            folders,
            targets=targets,
            listener=listener,
            cancelled=cancelled,
            metadata=metadata,
            save_again=save_again,
            show_again=show_again,
            run_id=run_id,
        )[0]

    def run_rows(
        self,
        graphs: Sequence[Graph],
        folders: Folders | Sequence[Folders],
        *,
        targets: Sequence[str] = (),
        listener: Listener | None = None,
        cancelled: threading.Event | None = None,
        metadata: bool = True,
        save_again: bool = True,
        show_again: bool = True,
        run_id: str = "",
        previews: bool = True,
        figures: bool = False,
        maps: bool = False,
        shared: SharedResources | None = None,
        formats: SaveFormats = ALL_PNG,
    ) -> list[RunResult]:
        """Run rows of one valid graph together: the same nodes and links, other literals. Results are in row order.

        `folders` may be one for each row, which differ in where they write only. `shared` is for rows that run at the
        same time as others.
        `targets` are nodes whose outputs are wanted besides the graph's own output nodes. `listener` hears of each
        distinct step once, from one thread at a time. `metadata` says whether saved files embed the graph. Without
        `save_again` a node that saved the same in an earlier run, to files that still stand, is not run: its files are
        named again, its other outputs are left out. Without `show_again` texts that nodes have shown are found as other
        results are. Calls with one `run_id` are one run to what is limited per run
        (requests to an endpoint); without it every call is a run of its own. Without `previews`, nodes that only show
        what nobody keeps are left out. With `figures`, results also have the plain outputs of every node above the
        outputs that computes numbers, and with `maps` the attributions of every node there that gives any. Pictures are
        written in `formats`.

        A node that fails takes with it only what depends on it, in its own row; everything computed before stays
        cached. Raises Cancelled as soon as `cancelled` is set, BadInput for an unknown target or rows of different
        graphs, and GraphError for a graph that runs in circles.
        """
        if not graphs:
            return []
        specs = {id: self.registry[node.class_type] for id, node in graphs[0].nodes.items()}
        outputs = [id for id, spec in specs.items() if spec.output and (previews or not spec.preview)]
        roots = list(dict.fromkeys([*outputs, *targets]))
        order = execution_order(graphs[0], roots)
        own = [folders] * len(graphs) if isinstance(folders, Folders) else list(folders)
        counting = [id for id in order if figures and specs[id].figures and id not in roots]
        mapping = [id for id in order if maps and any(o.socket == ATTRIBUTION for o in specs[id].outputs)]
        plan = plan_rows(graphs, order, self.registry, own[0], roots, counting, mapping)
        receipts = Receipts(self.disk, own[0], metadata) if self.disk is not None and not save_again else None
        tiers = CacheTiers(self.memory, self.disk, self.pool, receipts, shared, keeps_texts=not show_again)
        # Many rows differ among themselves; what has changed since the last run can be said of one only.
        history = self.history if len(graphs) == 1 else {}
        options = GraphRunOptions(
            own,
            roots,
            listener,
            cancelled or threading.Event(),
            metadata,
            self.threads,
            run_id or uuid4().hex,
            self.batches,
            shared,
            formats,
        )
        return GraphRun(graphs, plan, tiers, history, self.in_flight, options).run()
