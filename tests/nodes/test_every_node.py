"""Every node: its inputs reach the functions behind it, and rows that go together come out as they do alone.

What each node should give is written by hand in `tests/nodes/cases/`, one file for each file of `nodes/`. A new node,
or a new input, fails here until its case says what is expected of it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from io import BytesIO
from pathlib import Path
from types import ModuleType
from typing import Any

import api_graph.nodes
import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from api_graph.errors import BadInput, inputs_named
from api_graph.registry import all_nodes
from api_graph.sockets import as_floats
from api_graph.spec import NodeSpec
from tests.nodes.case import CASES, NOT_COVERED, Case, difference
from tests.nodes.rows import called_together
from tests.nodes.world import Inputs, Seen, World

for file in sorted(Path(__file__).with_name("cases").glob("*.py")):
    import_module(f"tests.nodes.cases.{file.stem}")

NODES = all_nodes()
COVERED = [id for id in NODES if id not in NOT_COVERED]
INPUTS = [(id, declared.name) for id in COVERED for declared in NODES[id].inputs]
MODULES = [module for module in vars(api_graph.nodes).values() if isinstance(module, ModuleType)]
TOGETHER = [id for id in COVERED if NODES[id].batched is not None or NODES[id].rowwise]

pytestmark = pytest.mark.filterwarnings("ignore::api_graph.errors.ApiGraphWarning")


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def cases(world: World) -> dict[str, Case]:
    """The cases made so far, by node; `known` makes one."""
    return {}


def known(id: str, world: World, cases: dict[str, Case]) -> Case:
    """The case of a node, which must know all its inputs and nothing else."""
    spec, stage = NODES[id], NODES[id].function.__module__.rpartition(".")[2]
    file = f"tests/nodes/cases/{stage}.py"
    assert id in CASES, (
        f"{id} has no case: write one in {file}, a function under @case({id!r}) that says what is expected of it, the "
        "inputs of a call, and of every input another value (see Case in tests/nodes/case.py). A node that cannot be "
        "tried goes into NOT_COVERED there, with the reason."
    )
    if id not in cases:
        cases[id] = CASES[id](world)
    declared = [one.name for one in spec.inputs]
    unknown = [name for name in declared if name not in cases[id].others]
    assert not unknown, (
        f"the case of {id} in {file} has no other value of {unknown}: say `others={{{unknown[0]!r}: at(VALUE)}}`, "
        "with companions if it makes a difference only beside them, or Unseen(REASON) if no result can show it"
    )
    assert not cases[id].others.keys() - set(declared), f"the case of {id} in {file} has inputs that the node lacks"
    missing = [one.name for one in spec.inputs if one.required and one.name not in cases[id].given]
    assert not missing, f"the case of {id} in {file} gives no {missing}, which have no default"
    return cases[id]


def expected_of(case: Case, spec: NodeSpec, inputs: Inputs, world: World) -> Seen:
    """What the functions behind a node give, with every input that is left out at its default."""
    defaults = {one.name: one.default for one in spec.inputs if not one.required}
    return world.seen(spec, case.expected, {**defaults, **inputs})


def unlike(one: Seen, other: Seen, case: Case) -> str | None:
    """In what two calls differ. Who has told no progress is not asked for it."""
    return (
        difference(case.view(one.result), case.view(other.result), case.tolerance)
        or difference(one.ui, other.ui, where="what is shown")
        or difference(one.files, other.files, where="files")
        or (difference(one.told, other.told, where="progress") if one.told and other.told else None)
    )


# ------------------------------------------------------------------------------------------ one call


@pytest.mark.parametrize("id", NODES)
def test_a_node_gives_what_the_functions_behind_it_give(id: str, world: World, cases: dict[str, Case]) -> None:
    if id in NOT_COVERED:
        pytest.skip(NOT_COVERED[id])
    spec, case = NODES[id], known(id, world, cases)
    found, expected = world.seen(spec, spec.function, case.given), expected_of(case, spec, case.given, world)
    assert not isinstance(expected.result, BadInput), f"the case of {id} gives what is refused: {expected.result}"
    told = unlike(found, expected, case)
    assert told is None, f"it gives something else than it should: {told}"


@pytest.mark.parametrize(("id", "name"), INPUTS, ids=lambda value: value)
def test_an_input_reaches_the_functions_behind(id: str, name: str, world: World, cases: dict[str, Case]) -> None:
    spec, case = NODES[id], known(id, world, cases)
    for other in case.others_of(name):
        before = {**case.given, **other.companions}
        inputs = {**before, name: other.value}
        expected = expected_of(case, spec, inputs, world)
        assert not isinstance(expected.result, BadInput), f"another {name} is refused: {expected.result}"
        assert unlike(expected_of(case, spec, before, world), expected, case) is not None, (
            f"this other {name} makes no difference: choose another, or give it companions"
        )
        told = unlike(world.seen(spec, spec.function, inputs), expected, case)
        assert told is None, f"another {name} comes to something else than it should: {told}"


@pytest.mark.parametrize("id", [id for id in COVERED if NODES[id].eight_bits and "Load" not in id])
def test_pictures_of_8_bits_give_what_floats_give(id: str, world: World, cases: dict[str, Case]) -> None:
    """To a level of 255, of the pictures that it gives and writes; all else is the same."""
    spec, case = NODES[id], known(id, world, cases)
    pictures = {i.name: case.given[i.name] for i in spec.inputs if i.socket == "IMAGE" and i.name in case.given}
    assert pictures
    levels = {name: mapped(to_8_bits, value) for name, value in pictures.items()}
    floats = {name: mapped(as_floats, value) for name, value in levels.items()}
    found = world.seen(spec, spec.function, {**case.given, **levels})
    expected = world.seen(spec, spec.function, {**case.given, **floats})
    assert not isinstance(found.result, BadInput), found.result
    told = difference(
        case.view(mapped(as_floats, found.result)), case.view(expected.result), max(1.01 / 255, case.tolerance)
    )
    assert told is None and found.ui == expected.ui and found.files.keys() == expected.files.keys(), told
    for name, file in found.files.items():
        one, other = (np.asarray(Image.open(BytesIO(data))).astype(int) for data in (file, expected.files[name]))
        assert np.abs(one - other).max() <= 1


def mapped(function: Callable[[Tensor], Tensor], value: Any) -> Any:
    """`function` of a picture, or of each among several values."""
    if isinstance(value, list):
        return [mapped(function, one) for one in value]
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[mapped(function, one) for one in value])
    return function(value) if isinstance(value, Tensor) and value.ndim == 4 and value.shape[-1] == 3 else value


def to_8_bits(picture: Tensor) -> Tensor:
    return (picture.clamp(0, 1) * 255).round().to(torch.uint8)


# ------------------------------------------------------------------------------------------ many rows


@pytest.mark.parametrize("id", TOGETHER)
def test_rows_that_differ_in_one_input_come_out_as_alone(
    id: str, world: World, cases: dict[str, Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them are called together: for each input a row with its other value, and one that differs in it alone."""
    for module in MODULES:  # so few rows go through a model at once that it takes several passes
        for limit in [name for name in vars(module) if name.startswith("MOST_")]:
            monkeypatch.setattr(module, limit, 2)
    spec, case = NODES[id], known(id, world, cases)
    rows: list[tuple[str, Inputs, Seen]] = []
    for name, inputs in rows_of(case):
        alone = world.seen(spec, spec.function, inputs)
        if not isinstance(alone.result, BadInput):
            rows.append((name, inputs, alone))
    together = seen_together(spec, [inputs for _, inputs, _ in rows], world)
    for (name, _, alone), among_others in zip(rows, together, strict=True):
        told = unlike(alone, among_others, case)
        assert told is None, f"a row with another {name} comes out differently among others: {told}"


def rows_of(case: Case) -> Iterator[tuple[str, Inputs]]:
    """Rows that differ in one input, each with its name; the first comes once more at the end."""
    yield "setting", case.given
    for name in case.others:
        for other in case.others_of(name):
            if other.companions:
                yield name, {**case.given, **other.companions}
            yield name, {**case.given, **other.companions, name: other.value}
    yield "setting", case.given


def seen_together(spec: NodeSpec, rows: list[Inputs], world: World) -> list[Seen]:
    """What each of many rows shows that are called together."""
    contexts = [world.context(spec)[0] for _ in rows]
    results = called_together(spec.function, rows, contexts)
    return [world.seen_of(result, context, []) for result, context in zip(results, contexts, strict=True)]


# ------------------------------------------------------------------------------------------ complaints


@pytest.mark.parametrize("id", COVERED)
def test_complaints_name_the_nodes_own_inputs(
    id: str, world: World, cases: dict[str, Case], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alone and among others. Whatever a node renames must be provoked."""
    spec, case = NODES[id], known(id, world, cases)
    with renaming(monkeypatch) as (said, used):
        world.seen(spec, spec.function, case.given)
        for refusal in case.refusals:
            inputs = {**case.given, **refusal.inputs}
            check_named(world.seen(spec, spec.function, inputs).result, refusal.names, spec)
            if id in TOGETHER:
                check_named(refused_together(spec, [case.given, inputs], world), refusal.names, spec)
    if not spec.model:  # models are loaded in ways that no test has at hand
        missing = sorted(said - used)
        assert not missing, f"no refusal in the case of {id} provokes {missing}: add refused(INPUT, ...)"


def check_named(error: Any, name: str, spec: NodeSpec) -> None:
    assert isinstance(error, BadInput), f"it is not refused, but gives {error!r}"
    assert error.input == name, f"the complaint is of {error.input!r} instead of {name!r}: {error}"
    assert spec.input(name) is not None


def refused_together(spec: NodeSpec, rows: list[Inputs], world: World) -> Any:
    """The complaint about the last of the rows, as it stands in its place or ends the call of all."""
    try:
        *_, last = seen_together(spec, rows, world)
    except BadInput as error:
        return error
    return last.result


@contextmanager
def renaming(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[set[tuple[str, str]], set[tuple[str, str]]]]:
    """Which names the nodes' modules would give to what complains inside, and which they did give."""
    said: set[tuple[str, str]] = set()
    used: set[tuple[str, str]] = set()

    @contextmanager
    def watched(**names: str) -> Iterator[None]:
        said.update(names.items())
        try:
            with inputs_named(**names):
                yield
        except BadInput as error:
            if isinstance(error.__cause__, BadInput):
                used.update([pair for pair in names.items() if pair == (error.__cause__.input, error.input)])
            raise

    with monkeypatch.context() as patch:
        for module in MODULES:
            if hasattr(module, "inputs_named"):
                patch.setattr(module, "inputs_named", watched)
        yield said, used
