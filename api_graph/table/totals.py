"""Sums over the rows of a run, as its manifest keeps them and its progress shows them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from api_graph.table.records import Record


@dataclass
class Totals:
    """`rows` were done, `failed` of them badly, in `seconds`.

    By node: the seconds that it took, how often it ran, and for how many rows that went well.
    """

    rows: int = 0
    failed: int = 0
    seconds: float = 0.0
    ran_steps: int = 0
    cached_steps: int = 0
    node_seconds: Counter[str] = field(default_factory=Counter)
    ran: Counter[str] = field(default_factory=Counter)
    ran_well: Counter[str] = field(default_factory=Counter)

    def add(self, records: Sequence[Record]) -> None:
        """Count some more rows."""
        for record in records:
            self.rows += 1
            self.failed += not record["ok"]
            self.ran_steps += record["ran"]
            self.cached_steps += record["cached"]
            for node, seconds in record["steps"].items():
                self.node_seconds[node] += seconds
                self.ran[node] += 1
                self.ran_well[node] += record["ok"]

    @property
    def cache_share(self) -> float:
        """Share of all steps that were there already."""
        return self.cached_steps / max(1, self.cached_steps + self.ran_steps)

    def to_json(self) -> dict[str, Any]:
        """For the manifest."""
        ok = self.rows - self.failed
        return {
            "rows": self.rows,
            "ok": ok,
            "failed": self.failed,
            "seconds": round(self.seconds, 3),
            "node_seconds": {node: round(s, 6) for node, s in self.node_seconds.items()},
            "ran": dict(self.ran),
            # In a row that failed, a node that did not run may have had nothing to run on.
            "cached": {node: ok - count for node, count in self.ran_well.items()},
        }
