"""The result of one row: its record in the journal, and what the Python API gives for it."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import IO, Any

from api_graph.errors import ApiGraphError
from api_graph.executor import RunResult
from api_graph.files import FileState, name_below, sha256_of
from api_graph.graph import GraphError
from api_graph.json_values import Json
from api_graph.notebook import html_table, one_line, quoted
from api_graph.table.journal import Record, RecordedError, RecordedFile, RecordedRead
from api_graph.table.maps import SavedMap, read_maps
from api_graph.table.remote import is_remote, without_credentials
from api_graph.table.rows import Row
from api_graph.table.tars import opened_file

_UNNAMED = "string"
"""The name of a text output that the node's author gave none."""
_DISK_FULL = {errno.ENOSPC, errno.EDQUOT}


def record_of(row: Row, result: RunResult, output: Path, base: str, maps: Path | None = None) -> Record:
    """The record of a row that ran, whether or not it succeeded; the files that it wrote are hashed, `maps` too.

    They are named relative to `output`, and those that were read relative to `base` where they lie there.
    """
    outputs, failures = result.outputs.items(), result.failures
    steps = {step.node: round(step.seconds, 6) for step in result.steps if step.action == "ran"}
    error: RecordedError | None = None
    if failures:
        first = failures[0]
        error = {
            "node": first.node,
            "title": first.title,
            "class_type": first.class_type,
            "input": first.input,
            "message": str(first),
            "kind": "node",
        }
        if len(failures) > 1:
            error["others"] = len(failures) - 1
    files = {
        id: [name_below(output, file) or file.relative_to(output).as_posix() for file in out.files]
        for id, out in outputs
        if out.files
    }
    written: dict[str, RecordedFile] = {}
    named = {} if maps is None else {"maps": maps.relative_to(output).as_posix()}
    for name in [*named.values(), *(name for names in files.values() for name in names)]:
        path = os.path.join(output, name)
        with suppress(OSError):  # then `verify` says so
            stat = os.stat(path)
            written[name] = {"size": stat.st_size, "mtime_ns": stat.st_mtime_ns, "sha256": sha256_of(path)}
    values = [*((id, out.values) for id, out in outputs), *result.figures.items()]
    plain = {id: {name: v for name, v in given.items() if _is_plain(v)} for id, given in values}
    record: Record = {
        "row": row.number,
        "key": row.key,
        "ok": not failures,
        "values": _kept_values(row),
        "outputs": {id: values for id, values in plain.items() if values},
        "texts": {id: [str(text) for text in out.ui["text"]] for id, out in outputs if out.ui.get("text")},
        "files": files,
        "reads": dict(_read_of(name, *read, row, base) for name, read in result.reads.items()),
        "written": written,
        "seconds": round(sum(step.seconds for step in result.steps), 6),
        "ran": len(steps),
        "cached": sum(step.cached for step in result.steps),
        "steps": steps,
        "error": error,
    }
    if named:
        record["maps"] = named["maps"]
    return record


def _kept_values(row: Row) -> dict[str, Json]:
    """The row's values; a URL among them loses the credentials that it brings."""
    values = dict(row.values)
    for column, value in values.items():
        if is_remote(value):
            values[column] = without_credentials(value)
    return values


def _read_of(name: str, state: FileState, digest: str | None, row: Row, base: str) -> tuple[str, RecordedRead]:
    """What is noted of a file that a row read, by its name there. One inside the table has no place and no time."""
    if name in row.pictures:
        return name, {"path": name, "size": state.size, "mtime_ns": 0, "sha256": digest, "inside": True}
    for column, file in row.remote.items():
        if file.name == name:
            version = file.state.version
            read = RecordedRead(path=file.url, size=state.size, mtime_ns=0, sha256=digest, remote=version)
            return str(row.values[column]), read
    path = name_below(base, state.path) or state.path
    return name, {"path": path, "size": state.size, "mtime_ns": state.changed_ns, "sha256": digest}


def results_of(record: Record, names: Mapping[str, str]) -> dict[str, dict[str, Json]]:
    """A record's `outputs`, `texts` and `files` together, by the names of their nodes: `{name: {output: value}}`.

    A node that showed a text has it as "text", one that wrote files has them as "files"; several texts are a list. The
    unnamed output of a node that only hands on what it shows is left out. `names` are the manifest's `results`; a node
    without one goes by its id.
    """
    outputs, texts, files = record["outputs"], record["texts"], record["files"]
    found: dict[str, dict[str, Json]] = {}
    for id in dict.fromkeys([*names, *outputs, *texts, *files]):
        values = dict(outputs.get(id, {}))
        if id in texts:
            values.pop(_UNNAMED, None)
            shown = list(texts[id])
            values["text"] = shown[0] if len(shown) == 1 else [*shown]
        if id in files:
            values["files"] = [*files[id]]
        if values:
            name = names.get(id, id)
            found[name if name not in found else f"{name} ({id})"] = values
    return found


def record_of_fault(row: Row, error: ApiGraphError) -> Record:
    """The record of a row that could not even start."""
    fault = error.faults[0] if isinstance(error, GraphError) else None
    return {
        "row": row.number,
        "key": row.key,
        "ok": False,
        "values": _kept_values(row),
        "outputs": {},
        "texts": {},
        "files": {},
        "reads": {},
        "written": {},
        "seconds": 0.0,
        "ran": 0,
        "cached": 0,
        "steps": {},
        "error": {
            "message": str(fault or error),
            "node": fault.node if fault else None,
            "title": fault.title if fault else None,
            "class_type": fault.class_type if fault else None,
            "input": fault.input if fault else getattr(error, "input", None),
            "kind": "row",
        },
    }


def disk_is_full(result: RunResult) -> bool:
    """Whether a row failed because the disk is full, which is not the row's fault."""
    return any(_was_disk_full(failure) for failure in result.failures)


def _was_disk_full(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, OSError) and error.errno in _DISK_FULL:
            return True
        error = error.__cause__ or error.__context__
    return False


def _is_plain(value: object) -> bool:
    """Whether JSON can express an output; tensors are in files, if anywhere."""
    if isinstance(value, list):
        return all(_is_plain(v) for v in value)
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int | bool)


@dataclass(frozen=True)
class RowResult:
    """The result of one row, by node id: `outputs` that JSON can express, `texts` shown, `names` of the files written.

    `number` is the row's number in the table, from 0, and `values` are its own. `error` says why it failed, None if it
    succeeded. `seconds` is the row's share of the time of its nodes, and `cached` how many nodes had their result
    already. `names` are relative to `folder`, as is `maps_file`. `named` is what `results` is made of, as it stands in
    the journal.
    """

    number: int
    key: str
    values: Mapping[str, Any]
    outputs: Mapping[str, Mapping[str, Any]]
    texts: Mapping[str, Sequence[str]]
    names: Mapping[str, Sequence[str]]
    folder: Path
    seconds: float
    cached: int
    error: str | None
    named: Mapping[str, Mapping[str, Json]]
    maps_file: str | None = None
    map_names: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        said = "ok" if self.error is None else quoted(self.error)
        return one_line(self, f"row {self.number}", said, f"{self.seconds:.2f} s")

    def _repr_html_(self) -> str:
        found = [*self.values.items(), *flat(self.results)]
        return html_table(("", f"row {self.number}"), [*found, *([("error", self.error)] if self.error else [])])

    @property
    def ok(self) -> bool:
        """Whether all nodes of the graph succeeded."""
        return self.error is None

    def open_file(self, path: Path) -> AbstractContextManager[IO[bytes]]:
        """One of `files`, to be read, which may lie in a tar. Raises OSError."""
        return opened_file(path)

    @cached_property  # pathlib takes its time, and not everybody asks
    def files(self) -> dict[str, list[Path]]:
        """The files written, by node id."""
        return {node: [self.folder / name for name in names] for node, names in self.names.items()}

    @cached_property
    def results(self) -> dict[str, dict[str, Any]]:
        """By the title of the node, its outputs that JSON can express, its `text`, and its `files` as paths."""
        return {
            name: {
                output: [self.folder / str(file) for file in value]
                if output == "files" and isinstance(value, list)
                else value
                for output, value in values.items()
            }
            for name, values in self.named.items()
        }

    @cached_property
    def maps(self) -> dict[str, list[SavedMap]]:
        """The row's maps as numbers, by the titles of their nodes, where they were kept. Raises BadInput."""
        if self.maps_file is None:
            return {}
        found = read_maps(self.folder / self.maps_file, self.key)
        return {self.map_names.get(id, id): one for id, one in found.items()}


def flat(results: Mapping[str, Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Results as `title.output` and a text; of files the names alone."""
    lines: list[tuple[str, str]] = []
    for title, outputs in results.items():
        for output, value in outputs.items():
            names = [path.name for path in value] if output == "files" else value
            lines.append((f"{title}.{output}", ", ".join(map(str, names)) if isinstance(names, list) else str(names)))
    return lines


def result_of(record: Record, output: Path, names: Mapping[str, str]) -> RowResult:
    """The result that a record of the run in `output` describes. `names` are for a record without `results`."""
    return RowResult(
        number=record["row"],
        key=record["key"],
        values=record["values"],
        outputs=record["outputs"],
        texts=record["texts"],
        names=record["files"],
        folder=output,
        seconds=record["seconds"],
        cached=record["cached"],
        error=record["error"]["message"] if record["error"] else None,
        named=record["results"] if "results" in record else results_of(record, names),
        maps_file=record.get("maps"),
        map_names=names,
    )
