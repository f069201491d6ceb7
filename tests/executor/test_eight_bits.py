"""Pictures travel as 8 bits to nodes that take those, and as floats to all others and to whoever asked for the run."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor

from api_graph.context import Context
from api_graph.errors import BadInput, SpecError
from api_graph.executor.shared import ComputeLock, SharedResources
from api_graph.sockets import AnyValue, Image
from api_graph.spec import node

LEVELS = torch.tensor([0, 1, 128, 255], dtype=torch.uint8).view(1, 2, 2, 1).expand(1, 2, 2, 3)


@pytest.fixture
def seen(lab) -> list[Tensor]:
    """The pictures that nodes were given."""
    found: list[Tensor] = []

    @node("Load", category="test", title="Load")
    def load(context: Context) -> Image:
        """A picture as it lies in a file."""
        return LEVELS if context.eight_bits else LEVELS / 255

    @node("Bytes", category="test", title="Bytes", eight_bits=True)
    def takes_bytes(image: Image) -> Image:
        """Takes 8 bits."""
        found.append(image)
        return image

    @node("Floats", category="test", title="Floats", output=True)
    def takes_floats(image: Image) -> Image:
        """Takes floats."""
        found.append(image)
        return image

    @node("All", category="test", title="All", output=True)
    def takes_all(image: list[Image]) -> None:
        """Takes a list of floats."""
        found.extend(image)

    @node("Any", category="test", title="Any", output=True)
    def takes_anything(value: AnyValue) -> None:
        """Takes whatever there is, as ComfyUI has it."""
        assert isinstance(value, Tensor)
        found.append(value)

    lab.nodes += [load, takes_bytes, takes_floats, takes_all, takes_anything]
    return found


@pytest.mark.parametrize(("kind", "name"), [("Floats", "image"), ("All", "image"), ("Any", "value")])
def test_who_does_not_say_that_it_takes_8_bits_gets_floats(lab, seen: list[Tensor], kind: str, name: str) -> None:
    lab.run(lab.executor(), {"1": ("Load", {}), "2": ("Bytes", {"image": ["1", 0]}), "3": (kind, {name: ["2", 0]})})
    first, second = seen
    assert first.dtype == torch.uint8 and torch.equal(first, LEVELS)
    assert second.dtype == torch.float32 and torch.equal(second, LEVELS / 255)


def test_who_asks_for_a_picture_gets_floats(lab, seen: list[Tensor]) -> None:
    result = lab.run(lab.executor(), {"1": ("Load", {}), "2": ("Bytes", {"image": ["1", 0]})}, targets=["1", "2"])
    for id in ("1", "2"):
        assert torch.equal(result.outputs[id].values["image"], LEVELS / 255)


# ------------------------------------------------------------------------------------------ prepared calls


def add_prepared(lab, threads: list[int]) -> list[object]:
    """A node "Parsed" whose batched form takes numbers in place of texts; the list has what it was given."""
    given: list[object] = []

    def prepare(text: str, base: int) -> dict[str, object]:
        threads.append(threading.get_ident())
        return {"text": int(text, base)}

    def sums(text: Sequence[str | int], more: Sequence[int], *, base: int) -> list[int]:
        given.extend(text)
        return [(int(t, base) if isinstance(t, str) else t) + m for t, m in zip(text, more, strict=True)]

    @node("Parsed", category="test", title="Parsed", batched=sums, over=("text", "more"), prepare=prepare)
    def alone(text: str, base: int = 10, more: int = 0) -> int:
        """A number from a text."""
        return sums([text], [more], base=base)[0]

    lab.nodes.append(alone)
    return given


def rows_of(texts: Sequence[str]):
    return [{"1": ("Parsed", {"text": text}), "2": ("Show", {"value": ["1", 0]})} for text in texts]


def test_calls_of_a_table_are_prepared_in_threads_once_for_equal_inputs(lab) -> None:
    threads: list[int] = []
    given = add_prepared(lab, threads)
    with ThreadPoolExecutor(2) as pool, ComputeLock().inside() as turn:
        rows = rows_of(["4", "5", "4"])
        rows[2]["1"][1]["more"] = 7  # nothing that is prepared
        lab.rows(lab.executor(), rows, shared=SharedResources(turn, pool))
    assert lab.shown == [4, 5, 11] and given == [4, 5, 4]
    assert len(threads) == 2 and threading.get_ident() not in threads


def test_others_compute_meanwhile(lab) -> None:
    lock, got_in = ComputeLock(), threading.Event()

    def prepare(value: int) -> dict[str, object]:
        other = threading.Thread(target=lambda: lock.inside().__enter__() and got_in.set())
        other.start()
        assert got_in.wait(20), "the run keeps the compute lock while its calls are prepared"
        lock.release()
        return {}

    def batched(value: Sequence[int]) -> list[int]:
        return list(value)

    @node("Same", category="test", title="Same", batched=batched, over=("value",), prepare=prepare)
    def same(value: int) -> int:
        """The number."""
        return value

    lab.nodes.append(same)
    row = {"1": ("Same", {"value": 3}), "2": ("Show", {"value": ["1", 0]})}
    with ThreadPoolExecutor(2) as pool, lock.inside() as turn:
        lab.rows(lab.executor(), [row], shared=SharedResources(turn, pool))
    assert lab.shown == [3] and got_in.is_set()


def test_what_cannot_be_prepared_fails_in_its_own_row(lab) -> None:
    given = add_prepared(lab, [])
    with ThreadPoolExecutor(2) as pool, ComputeLock().inside() as turn:
        first, second = lab.rows(lab.executor(), rows_of(["4", "four"]), shared=SharedResources(turn, pool))
    assert not first.failures and "four" in str(second.failures[0])
    assert 4 in given and "four" in given


def test_a_run_by_itself_prepares_nothing(lab) -> None:
    threads: list[int] = []
    add_prepared(lab, threads)
    lab.rows(lab.executor(), rows_of(["4", "5"]))
    assert lab.shown == [4, 5] and not threads


def test_what_is_prepared_is_an_input_of_a_batched_form() -> None:
    with pytest.raises(SpecError, match=r"other.*no input of the node"):

        @node("A", category="test", title="A", batched=lambda text: text, over=("text",), prepare=lambda other: {})
        def a(text: str) -> str:
            """A text."""
            return text

    with pytest.raises(SpecError, match="prepared for a batched form, and it has none"):

        @node("B", category="test", title="B", prepare=lambda text: {})
        def b(text: str) -> str:
            """A text."""
            raise BadInput(text)
