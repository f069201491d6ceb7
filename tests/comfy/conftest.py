"""A small ComfyUI: its modules, as far as a node sees them, and its rules for calling a class (0.8.0).

The rules are those of its `execution.py`: list mapping, 1-lists around constants, absent optional inputs, links that
are None before the run, hidden inputs, and what VALIDATE_INPUTS is asked.
"""

from __future__ import annotations

import asyncio
import inspect
import sys
from collections.abc import Mapping
from contextvars import ContextVar
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from api_graph.comfy import classes
from tests.comfy.memory import Memory

Results = Mapping[str, list[list[Any]]]
COERCIONS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}


class InterruptProcessingException(BaseException):
    """ComfyUI's own; in versions before 0.28 an ordinary Exception."""


class ComfyUI:
    """The machine a class runs in. `events` holds the progress that was told, as (node, done, total)."""

    Interrupt = InterruptProcessingException

    def __init__(self, root: Path) -> None:
        self.root = root
        self.interrupted = False
        self.events: list[tuple[str, int, int]] = []
        self.bars = 0
        self.prompt = ""
        self.args = SimpleNamespace(disable_metadata=False)
        self.running: ContextVar[Any] = ContextVar("running", default=None)
        self.memory = Memory()
        self.model_folders = {"clip": ([str(root / "models" / "clip")], {".safetensors"})}
        for folder in ("input", "output", "temp"):
            (root / folder).mkdir()

    # ----------------------------------------------------------------------------------- its modules

    def modules(self) -> dict[str, ModuleType]:
        return {
            "folder_paths": module(
                "folder_paths",
                models_dir=str(self.root / "models"),
                folder_names_and_paths=self.model_folders,
                get_input_directory=lambda: str(self.root / "input"),
                get_output_directory=lambda: str(self.root / "output"),
                get_temp_directory=lambda: str(self.root / "temp"),
                get_folder_paths=lambda kind: self.model_folders[kind][0][:],
                add_model_folder_path=self._add_model_folder_path,
            ),
            "comfy": module("comfy"),
            "comfy.cli_args": module("comfy.cli_args", args=self.args),
            "comfy.utils": module("comfy.utils", ProgressBar=self._progress_bar),
            "comfy.model_management": module(
                "comfy.model_management",
                InterruptProcessingException=InterruptProcessingException,
                throw_exception_if_processing_interrupted=self._throw_if_interrupted,
                processing_interrupted=lambda: self.interrupted,
                **self.memory.functions(),
            ),
            **self.memory.modules(),
            "comfy_execution": module("comfy_execution"),
            "comfy_execution.utils": module("comfy_execution.utils", get_executing_context=self.running.get),
        }

    def _add_model_folder_path(self, kind: str, path: str) -> None:
        self.model_folders.setdefault(kind, ([], set()))[0].append(path)

    def _throw_if_interrupted(self) -> None:
        if self.interrupted:
            self.interrupted = False
            raise InterruptProcessingException

    def _progress_bar(self, total: int, node_id: str | None = None) -> Any:
        self.bars += 1

        def update_absolute(done: int, total: int) -> None:
            self._throw_if_interrupted()
            self.events.append((node_id or self.running.get().node_id, done, total))

        return SimpleNamespace(update_absolute=update_absolute)

    # ----------------------------------------------------------------------------------- its rules

    def run(
        self,
        cls: type,
        inputs: Mapping[str, Any],
        results: Results | None = None,
        *,
        node: str = "1",
        prompt: Any = None,
        extra: Any = None,
    ) -> tuple[list[list[Any]], dict[str, list[Any]]]:
        """One node of a new prompt: its outputs, each a list, and what it shows."""
        self.prompt = uuid4().hex
        hidden = {"PROMPT": prompt or {}, "EXTRA_PNGINFO": extra, "UNIQUE_ID": node}
        returned = self._map(cls(), cls.FUNCTION, self._arguments(cls, inputs, results or {}, hidden), node)
        tuples = [r.get("result") if isinstance(r, dict) else r for r in returned]
        shown = [r["ui"] for r in returned if isinstance(r, dict) and "ui" in r]
        outputs = []
        for slot in range(len(tuples[0])):
            values = [each[slot] for each in tuples]
            outputs.append([v for part in values for v in part] if cls.OUTPUT_IS_LIST[slot] else values)
        return outputs, {key: [v for ui in shown for v in ui[key]] for key in (shown[0] if shown else ())}

    def is_changed(self, cls: type, inputs: Mapping[str, Any]) -> Any:
        """What enters the cache key: False without IS_CHANGED."""
        if not hasattr(cls, "IS_CHANGED"):
            return False
        return self._map(cls, "IS_CHANGED", self._arguments(cls, inputs, None, {}), "1")

    def validate(self, cls: type, inputs: Mapping[str, Any]) -> list[str]:
        """The faults of one node's inputs; [] when it may run."""
        declared = cls.INPUT_TYPES()
        asked = inspect.getfullargspec(cls.VALIDATE_INPUTS) if hasattr(cls, "VALIDATE_INPUTS") else None
        named = set(asked.args) if asked else set()
        assert asked is None or asked.varkw is None, "it would take every check away"
        faults = [f"{name}: required_input_missing" for name in declared["required"] if name not in inputs]
        for name, (kind, options) in {**declared["required"], **declared["optional"]}.items():
            if name in inputs and not is_link(inputs[name]) and name not in named:
                faults += [f"{name}: {fault}" for fault in faults_of_constant(inputs[name], kind, options)]
        values = {k: v for k, v in self._arguments(cls, inputs, None, {}).items() if k in named}
        if named:
            answers = self._map(cls, "VALIDATE_INPUTS", values, "1")
            faults += [str(answer) for answer in answers if answer is not True]
        return faults

    @staticmethod
    def _arguments(
        cls: type, inputs: Mapping[str, Any], results: Results | None, hidden: Mapping[str, Any]
    ) -> dict[str, Any]:
        declared = cls.INPUT_TYPES()
        known = {**declared["required"], **declared["optional"]}
        arguments: dict[str, Any] = {}
        for name, value in inputs.items():
            if is_link(value):
                arguments[name] = (None,) if results is None else results[value[0]][value[1]]
            elif name in known:
                arguments[name] = [value]
        for name, token in declared.get("hidden", {}).items():
            arguments[name] = [hidden.get(token)]
        return arguments

    def _map(self, target: Any, method: str, arguments: Mapping[str, Any], node: str) -> list[Any]:
        function = getattr(target, method)
        longest = max((len(v) for v in arguments.values()), default=0)
        if target.INPUT_IS_LIST:
            items = [arguments]
        elif longest == 0:
            items = [{}]
        else:
            items = [{k: v[min(i, len(v) - 1)] for k, v in arguments.items()} for i in range(longest)]

        def call(index: int) -> Any:
            self.running.set(SimpleNamespace(prompt_id=self.prompt, node_id=node, list_index=index))
            return function(**items[index])

        if not inspect.iscoroutinefunction(function):
            return [call(index) for index in range(len(items))]

        async def item(index: int) -> Any:
            return await call(index)

        async def gathered() -> list[Any]:
            """All items at once, each a task with a context of its own; a new loop for each prompt."""
            tasks = [asyncio.create_task(item(index)) for index in range(len(items))]
            done = await asyncio.gather(*tasks, return_exceptions=True)
            for one in done:
                if isinstance(one, BaseException):
                    raise one
            return done

        return asyncio.run(gathered())


def is_link(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 2 and isinstance(value[0], str) and isinstance(value[1], int)


def faults_of_constant(value: Any, kind: Any, options: Mapping[str, Any]) -> list[str]:
    if isinstance(kind, list):
        return [] if value in kind else ["value_not_in_list"]
    try:
        value = COERCIONS[kind](value)
    except (KeyError, ValueError):
        return ["invalid_input_type"]
    if "min" in options and value < options["min"]:
        return ["value_smaller_than_min"]
    return ["value_bigger_than_max"] if "max" in options and value > options["max"] else []


def module(name: str, **content: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(content)
    return made


@pytest.fixture
def comfy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ComfyUI:
    """ComfyUI, importable for the time of the test."""
    machine = ComfyUI(tmp_path)
    monkeypatch.setattr(classes, "_ANSWERED", {})
    for name, made in machine.modules().items():
        monkeypatch.setitem(sys.modules, name, made)
    return machine
