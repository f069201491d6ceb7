"""OUT/bench.json: what was run in a benchmark's folder, and the subfolders of its graphs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, cast

from api_graph.errors import BadInput
from api_graph.json_values import Json
from api_graph.table.manifest import versions
from api_graph.table.output import whole_file
from api_graph.tasks.record import Record, bad_record, json_file

NAME = "bench.json"
FORMAT = 1

OnFailure = Literal["error", "empty"]
"""Whether a question that failed, or that the model refused, is left out of the figures, or counts as answered by an
empty text: the API paper's policy, which asks once more before.
"""


@dataclass(frozen=True)
class GraphRun:
    """One graph of a benchmark. Its results lie in the subfolder `name`.

    `graph` is the file or the shipped name, `set` and `columns` are as `map` has them, and `answer` is the title of
    what answers. `models` says by title what the graph's loaders load, and `batch_size` the most calls that a model
    gets at once, None for what memory has room for. `retried`: the failed rows have had their second try.
    """

    name: str
    graph: str
    set: Mapping[str, Json] = field(default_factory=dict)
    columns: Mapping[str, str] = field(default_factory=dict)
    answer: str = ""
    models: Mapping[str, Json] = field(default_factory=dict)
    batch_size: int | None = None
    retried: bool = False


@dataclass(frozen=True)
class Bench:
    """What is in a benchmark's folder. `judge` is the endpoint that judged, "" for none; `data` the data folder."""

    benchmark: str
    graphs: Mapping[str, GraphRun] = field(default_factory=dict)
    parts: Sequence[str] = ()
    limit: int | None = None
    data: str = ""
    on_failure: OnFailure = "error"
    judge: str = ""
    versions: Mapping[str, str] = field(default_factory=versions)

    def with_graph(self, run: GraphRun) -> Bench:
        """With one more graph, or another run of one; that it had its second try stays."""
        before = self.graphs.get(run.name)
        run = replace(run, retried=run.retried or (before is not None and before.retried))
        return replace(self, graphs={**self.graphs, run.name: run})

    def write(self, out: Path) -> None:
        """Write OUT/bench.json, whole or not at all. Raises WriteFailed."""
        with whole_file(out / NAME) as file:
            file.write(json.dumps({"format": FORMAT, **asdict(self)}, indent=1).encode("ascii"))


def read_bench(out: Path) -> Bench | None:
    """What is in OUT, None where no benchmark is. Raises BadInput for a file that cannot be used."""
    path = out / NAME
    if not path.is_file():
        return None
    document = json_file(path)
    if not isinstance(document, Mapping):
        raise bad_record(path, "an object is needed", value=document)
    record = Record(path, None, document)
    if document.get("format") != FORMAT:
        raise record.fail("format", f"it is not of format {FORMAT}", document.get("format"))
    graphs = _object(record, "graphs")
    on_failure = record.text("on_failure")
    if on_failure not in ("error", "empty"):
        raise record.fail("on_failure", "it is error or empty", on_failure)
    return Bench(
        benchmark=record.text("benchmark"),
        graphs={name: _graph_run(record, name, value) for name, value in graphs.items()},
        parts=tuple(str(part) for part in record.list("parts")),
        limit=None if document.get("limit") is None else record.integer("limit", 1, 2**63),
        data=str(document.get("data") or ""),
        on_failure=cast("OnFailure", on_failure),
        judge=str(document.get("judge") or ""),
        versions={name: str(version) for name, version in _object(record, "versions").items()},
    )


def existing_bench(out: Path) -> Bench:
    """What is in OUT. Raises BadInput where no benchmark is."""
    found = read_bench(out)
    if found is None:
        problem = f"there is no {NAME} in it" if out.is_dir() else "there is no such folder"
        hint = "Name the --out folder of an `api-graph bench NAME`."
        raise BadInput(problem, input="DIR", value=str(out), hint=hint)
    return found


def _object(record: Record, field: str) -> Mapping[str, Json]:
    value = record.value(field)
    if not isinstance(value, Mapping):
        raise record.fail(field, "an object is needed", value)
    return value


def _graph_run(outer: Record, name: str, value: Json) -> GraphRun:
    if not isinstance(value, Mapping):
        raise outer.fail(f"graphs.{name}", "an object is needed", value)
    if name in ("", ".", "..") or set(name) & set("/\\\0"):
        raise outer.fail(f"graphs.{name}", "this is no name of a subfolder", name)
    record = Record(outer.path, None, value, f"graphs.{name}.")
    return GraphRun(
        name=name,
        graph=record.text("graph"),
        set=_object(record, "set"),
        columns={input: str(column) for input, column in _object(record, "columns").items()},
        answer=record.text("answer"),
        models=_object(record, "models"),
        batch_size=None if value.get("batch_size") is None else record.integer("batch_size", 1, 2**63),
        retried=bool(value.get("retried")),
    )
