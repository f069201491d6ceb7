"""NodeSpec -> ComfyUI's V1 class. Nothing is said here that the node's signature has not said already."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from functools import partial
from typing import Any

import torch

from api_graph.comfy.host import host_context, interrupts_of_host
from api_graph.comfy.inputs import hidden_inputs, input_types
from api_graph.comfy.placement import POOL, bring, hand_over, settled
from api_graph.comfy.values import (
    Values,
    asked_mark,
    change_mark,
    checked_inputs,
    settings_mark,
    single_values,
    validator,
)
from api_graph.errors import warnings_told
from api_graph.lvlm.remote import Endpoint
from api_graph.registry import registry_of
from api_graph.spec import NodeSpec

_WAITING = ThreadPoolExecutor(64, "api-graph waiting")
"""Threads in which nodes wait for endpoints. A profile bounds its own requests; asyncio's own threads may be six."""

_ANSWERED: dict[str, Any] = {}
"""What endpoints have answered in this process, by what they were asked. Where one item of a mapped list fails, ComfyUI
loses the results of all: those that were paid for are here when the prompt is sent again."""
_MOST_ANSWERS = 4096


def mappings(functions: Iterable[Callable[..., object]]) -> tuple[dict[str, type], dict[str, str]]:
    """NODE_CLASS_MAPPINGS and NODE_DISPLAY_NAME_MAPPINGS. Raises SpecError when two functions claim one id."""
    registry = registry_of(functions)
    return {id: comfy_class(s) for id, s in registry.items()}, {id: s.title for id, s in registry.items()}


def comfy_class(spec: NodeSpec) -> type:
    """The V1 class of one node; ComfyUI calls its `run`. Raises SpecError for names that ComfyUI keeps for itself."""
    hidden_inputs(spec)

    def run(self: object, **values: object) -> object:
        return execute(spec, values)

    async def run_beside_others(self: object, **values: object) -> object:
        return await execute_beside_others(spec, values)

    body: dict[str, object] = {
        "__doc__": spec.description,
        "__module__": __name__,
        "INPUT_TYPES": classmethod(lambda cls: {**input_types(spec), **hidden_inputs(spec)}),
        "INPUT_IS_LIST": spec.takes_lists,
        "RETURN_TYPES": tuple(o.socket for o in spec.outputs),
        "RETURN_NAMES": tuple(o.name for o in spec.outputs),
        "OUTPUT_TOOLTIPS": tuple(o.description for o in spec.outputs),
        "OUTPUT_IS_LIST": tuple(o.is_list for o in spec.outputs),
        "OUTPUT_NODE": spec.output,
        "FUNCTION": "run",
        "CATEGORY": spec.category,
        "DESCRIPTION": spec.description,
        "SEARCH_ALIASES": list(spec.aliases),
        "run": run_beside_others if asks_endpoints(spec) else run,
    }
    if spec.fingerprint is not None:
        body["IS_CHANGED"] = classmethod(lambda cls, **values: change_mark(spec, single_values(spec, values)))
    if spec.needs is not None:
        body["check_lazy_status"] = lambda self, **values: missing_inputs(spec, values)
    if checked_inputs(spec):
        body["VALIDATE_INPUTS"] = classmethod(validator(spec))
    return type(spec.id, (), body)


def missing_inputs(spec: NodeSpec, values: Values) -> list[str]:
    """Names of lazy inputs that have no value yet and are needed, given those that do."""
    assert spec.needs is not None
    decisive = inspect.signature(spec.needs).parameters
    given = single_values(spec, values)
    wanted = spec.needs(**{name: given.get(name) for name in decisive})
    return [name for name in wanted if name in given and given[name] is None]


def execute(spec: NodeSpec, values: Values, keep: Callable[[object], None] = lambda result: None) -> object:
    """One call by ComfyUI: a tuple of outputs, with what the node shows if it shows something.

    `keep` gets a result that may be kept. BadInput passes as it is: its text is the line that ComfyUI shows.
    """
    values = single_values(spec, values)
    hidden = {name: values.pop(name, None) for name in hidden_inputs(spec).get("hidden", {})}
    told: dict[str, None] = {}
    with interrupts_of_host(), warnings_told(lambda text: told.update({f"Warning: {text}.": None})):
        if spec.context is None:
            outputs = outputs_of(spec, values)
            return {"ui": {"text": [*told]}, "result": outputs} if told else outputs
        name, kind = spec.context
        context = host_context(kind, prompt=hidden.get("prompt"), extra=hidden.get("extra_pnginfo"))
        outputs = outputs_of(spec, {**values, name: context})
    if "text" in context.ui:  # ComfyUI wants what the items of a list show to be of the same kinds
        context.ui["text"] += told
    result = {"ui": context.ui, "result": outputs} if context.ui else outputs
    if context.cacheable:
        keep(result)
    return result


def asks_endpoints(spec: NodeSpec) -> bool:
    """Whether an endpoint may be linked to one of the node's inputs."""
    return any("AP_ANSWERER" in declared.socket.split(",") for declared in spec.inputs)


async def execute_beside_others(spec: NodeSpec, values: Values) -> object:
    """`execute` that lets ComfyUI run other nodes, and the other items of a mapped list, while an endpoint answers.

    A local model computes here and now: ComfyUI moves models between devices as its nodes run, one after the other, and
    knows nothing of one that another thread is using.
    """
    if not any(isinstance(value, Endpoint) for value in values.values()):
        return execute(spec, values)
    asked = asked_mark(spec, values)
    if asked in _ANSWERED:
        kept, said = _ANSWERED[asked], "from the cache, no request"
        ui = kept.get("ui", {}) if isinstance(kept, dict) else {}
        return {"ui": {**ui, "text": [*ui.get("text", ()), said]}, "result": kept["result"] if ui else kept}

    def keep(result: object) -> None:
        while len(_ANSWERED) >= _MOST_ANSWERS:
            _ANSWERED.pop(next(iter(_ANSWERED)), None)
        _ANSWERED[asked] = result

    def work() -> object:
        with torch.inference_mode():  # as ComfyUI has it; it is known to one thread alone
            return execute(spec, values, keep)

    # The context says which node of which prompt runs. A thread goes on after a stop until it looks, which is soon.
    return await asyncio.get_running_loop().run_in_executor(_WAITING, partial(copy_context().run, work))


def outputs_of(spec: NodeSpec, arguments: Values) -> tuple[object, ...]:
    """The function's results, one per output; a loader's model from the pool where one with these settings is alive."""
    if not spec.model:
        bring(arguments.values())
        return tuple(settled(output) for output in spec.unpack(spec.function(**arguments)))

    def load() -> object:
        # ComfyUI runs all nodes in inference mode; parameters born in it could never take part in a gradient.
        with torch.inference_mode(False):
            return spec.function(**arguments)

    key = settings_mark(spec, arguments)
    loaded = spec.unpack(load() if key is None else POOL.get(key, load))
    for model in loaded:
        hand_over(model, str(arguments.get("device", "auto")))
    return loaded
