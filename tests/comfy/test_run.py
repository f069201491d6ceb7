"""Derived classes under ComfyUI's rules for calling them: what arrives in the function, and what comes out."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from api_graph.comfy import comfy_class
from api_graph.context import Context, SaveContext
from api_graph.errors import ApiGraphWarning, BadInput, Cancelled, warn_of_kind
from api_graph.lvlm.remote import Endpoint
from api_graph.lvlm.remote.profile import read_profile
from api_graph.registry import own_nodes
from api_graph.sockets import AnyValue, Image, Mask, Socket
from api_graph.spec import node, spec_of


class Halves(NamedTuple):
    low: list[AnyValue]
    count: int


def class_of(function: Any, **more: Any) -> type:
    return comfy_class(spec_of(node("APTest", category="test", title="Test", **more)(function)))


def add(a: AnyValue, b: int = 10, c: AnyValue | None = None) -> AnyValue:
    """Add."""
    return (a, b, c)


def test_one_call_for_constants(comfy) -> None:
    assert comfy.run(class_of(add), {"a": ["0", 0], "b": 3}, {"0": [["x"]]}) == ([[("x", 3, None)]], {})


def test_absent_optionals_take_the_functions_defaults(comfy) -> None:
    assert comfy.run(class_of(add), {"a": ["0", 0]}, {"0": [["x"]]})[0] == [[("x", 10, None)]]


def test_one_call_per_element_and_the_last_one_is_repeated(comfy) -> None:
    results = {"0": [["x", "y", "z"], ["p", "q"]]}
    outputs, _ = comfy.run(class_of(add), {"a": ["0", 0], "b": 1, "c": ["0", 1]}, results)
    assert outputs == [[("x", 1, "p"), ("y", 1, "q"), ("z", 1, "q")]]


def halve(values: list[AnyValue], at: int, names: list[str] | None = None) -> Halves:
    """Halve a list."""
    return Halves(values[:at], len(values))


def test_a_node_that_takes_lists_is_called_once_with_single_values_unwrapped(comfy) -> None:
    outputs, _ = comfy.run(class_of(halve), {"values": ["0", 0], "at": 2}, {"0": [[1, 2, 3, 4]]})
    assert outputs == [[1, 2], [4]]


def test_the_cached_list_is_not_the_functions_to_change(comfy) -> None:
    def spoil(values: list[AnyValue]) -> int:
        """Empty the list."""
        values.clear()
        return 0

    cached = [1, 2]
    comfy.run(class_of(spoil), {"values": ["0", 0]}, {"0": [cached]})
    assert cached == [1, 2]


@pytest.mark.parametrize("values", [[], [1, 2]])
def test_several_values_where_one_is_wanted(comfy, values: list[int]) -> None:
    with pytest.raises(BadInput) as refused:
        comfy.run(class_of(halve), {"values": ["0", 0], "at": ["0", 1]}, {"0": [[1], values]})
    assert str(refused.value) == (
        f"at: it takes one value, but a list of {len(values)} is linked to it. "
        "Pick one of them before, or link something else."
    )


def test_list_outputs_of_several_calls_are_joined(comfy) -> None:
    def repeat(a: AnyValue, times: int = 2) -> list[AnyValue]:
        """Repeat."""
        return [a] * times

    assert comfy.run(class_of(repeat), {"a": ["0", 0]}, {"0": [["x", "y"]]})[0] == [["x", "x", "y", "y"]]


@given(st.lists(st.integers(), min_size=1, max_size=5), st.lists(st.text(), min_size=1, max_size=5))
def test_mapping_is_that_of_plain_calls(a: list[int], c: list[str]) -> None:
    cls = class_of(add)
    longest = max(len(a), len(c))
    padded_a, padded_c = (v + v[-1:] * (longest - len(v)) for v in (a, c))
    expected = [add(x, 7, z) for x, z in zip(padded_a, padded_c, strict=True)]
    calls = [{"a": x, "b": 7, "c": z} for x, z in zip(padded_a, padded_c, strict=True)]
    assert [cls().run(**call) for call in calls] == [(value,) for value in expected]


def test_tensors_pass_as_they_are(comfy) -> None:
    def both(image: Image, mask: Mask) -> Mask:
        """Give the mask."""
        return mask

    image, mask = torch.rand(1, 2, 3, 3), torch.rand(1, 2, 3)
    before = image.clone(), mask.clone()
    ((result,),), _ = comfy.run(class_of(both), {"image": ["0", 0], "mask": ["0", 1]}, {"0": [[image], [mask]]})
    assert result is mask
    assert torch.equal(image, before[0]) and torch.equal(mask, before[1])


def test_a_text_is_one_output_not_its_letters(comfy) -> None:
    def answer(query: str) -> str:
        """Answer."""
        return query.upper()

    assert comfy.run(class_of(answer), {"query": "yes"})[0] == [["YES"]]


def test_a_node_without_inputs_or_outputs(comfy) -> None:
    called = []

    def act() -> None:
        """Act."""
        called.append(True)

    assert comfy.run(class_of(act, output=True), {}) == ([], {})
    assert called == [True]


def test_no_context_no_comfyui() -> None:
    assert class_of(add)().run(a="x") == (("x", 10, None),)


# ------------------------------------------------------------------------------------------ the context


def test_what_a_node_shows(comfy) -> None:
    def show(text: str, context: Context) -> str:
        """Show."""
        context.show_text(text)
        context.show_file(context.folders.temp / "sub" / "a.png", temporary=True)
        return text

    outputs, ui = comfy.run(class_of(show), {"text": ["0", 0]}, {"0": [["a", "b"]]})
    assert outputs == [["a", "b"]]
    assert ui == {"text": ["a", "b"], "images": [{"filename": "a.png", "subfolder": "sub", "type": "temp"}] * 2}


def test_a_warning_is_shown_under_its_node(comfy) -> None:
    boxes = comfy_class(own_nodes()["APBoxes"])
    given = {"image": ["0", 0], "boxes": ["0", 1]}
    texts = ["0.1 0.2 0.5 0.6", "1 2 3 4", "0.1 0.2 0.5 0.6\n.3 .3 .4 .4"]
    with pytest.warns(ApiGraphWarning, match="look like fractions"):
        outputs, ui = comfy.run(boxes, given, {"0": [[torch.zeros(1, 8, 8, 3)], texts]})
    assert [len(found) for found in outputs[0]] == [1, 1, 2]
    said = "Warning: 0.1 0.2 0.5 0.6 look like fractions of the picture: boxes of the format normalized are those."
    assert ui == {"text": [said, said]}


@pytest.mark.parametrize("shows", [True, False])
def test_a_warning_is_shown_with_other_texts_and_once(comfy, shows: bool) -> None:
    def warns(loud: str, context: Context) -> str:
        """Warn."""
        context.ui["images"] = []
        if shows:
            context.show_text("shown")
        for _ in range(2 if loud == "yes" else 0):
            warn_of_kind("test", "it is loud")
        return loud

    with pytest.warns(ApiGraphWarning, match="it is loud"):
        outputs, ui = comfy.run(class_of(warns), {"loud": ["0", 0]}, {"0": [["no", "yes"]]})
    assert outputs == [["no", "yes"]]
    # ComfyUI fails where the items of a list show texts and no texts.
    assert ui == {"images": [], **({"text": ["shown", "shown", "Warning: it is loud."]} if shows else {})}


def test_the_node_id_and_the_progress_bar(comfy) -> None:
    def count(to: int, context: Context) -> str:
        """Count."""
        for done in range(to):
            context.progress(done + 1, to)
        return context.node_id

    assert comfy.run(class_of(count), {"to": 2}, node="5:2")[0] == [["5:2"]]
    assert comfy.events == [("5:2", 1, 2), ("5:2", 2, 2)]
    assert comfy.bars == 1


def save(text: str, context: SaveContext) -> AnyValue:
    """Save."""
    return dict(context.texts)


def test_a_saver_gets_the_graph_without_comfyuis_notes_on_its_cache(comfy) -> None:
    prompt = {"1": {"class_type": "APTest", "inputs": {"text": "a"}, "is_changed": ["abc"], "_meta": {"title": "T"}}}
    extra = {"workflow": {"nodes": []}}
    ((kept,),), _ = comfy.run(class_of(save), {"text": "a"}, prompt=prompt, extra=extra)
    graph = {"1": {"class_type": "APTest", "inputs": {"text": "a"}, "_meta": {"title": "T"}}}
    assert {name: json.loads(text) for name, text in kept.items()} == {"prompt": graph, **extra}
    assert "is_changed" in prompt["1"]


def test_a_saver_that_takes_lists(comfy) -> None:
    def save_all(texts: list[str], context: SaveContext, prefix: str = "a") -> AnyValue:
        """Save all."""
        return (texts, prefix, context.texts)

    outputs, _ = comfy.run(class_of(save_all), {"texts": ["0", 0]}, {"0": [["x", "y"]]}, prompt={"1": {}})
    assert outputs == [[(["x", "y"], "a", {"prompt": '{"1": {}}'})]]


def test_no_metadata_where_the_user_wants_none(comfy) -> None:
    comfy.args.disable_metadata = True
    assert comfy.run(class_of(save), {"text": "a"}, prompt={"1": {}}, extra={"workflow": {}})[0] == [[{}]]


def test_a_context_without_comfyui(tmp_path: Path) -> None:
    def report(context: SaveContext) -> AnyValue:
        """Report."""
        context.progress(1, 2)
        return (context.node_id, context.folders.inputs, context.folders.models, context.texts)

    assert class_of(report)().run() == (("", (), (), {}),)


# ------------------------------------------------------------------------------------------ stopping, failing


def loop(context: Context) -> None:
    """Loop, and swallow what can be swallowed."""
    for _ in range(3):
        try:
            context.check_cancelled()
        except Exception:
            pytest.fail("the node swallowed the stop")


def test_stop_reaches_comfyui_as_its_own_exception(comfy) -> None:
    comfy.interrupted = True
    with pytest.raises(comfy.Interrupt):
        comfy.run(class_of(loop), {})
    assert comfy.interrupted, "the flag is left to ComfyUI, which takes it down before the next prompt"
    comfy.interrupted = False
    assert comfy.run(class_of(loop), {}) == ([], {})


def test_comfyuis_own_exception_passes(comfy) -> None:
    def stopped(context: Context) -> None:
        """Stop while the progress is told."""
        comfy.interrupted = True
        context.on_progress(1, 2)

    with pytest.raises(comfy.Interrupt):
        comfy.run(class_of(stopped), {})


def test_cancelled_without_a_context_is_mapped_too(comfy) -> None:
    def cancelled() -> None:
        """Cancel."""
        raise Cancelled

    with pytest.raises(comfy.Interrupt):
        comfy.run(class_of(cancelled), {})


def test_cancelled_without_comfyui_stays_ours() -> None:
    def cancelled() -> None:
        """Cancel."""
        raise Cancelled

    with pytest.raises(Cancelled):
        class_of(cancelled)().run()


def test_bad_input_reaches_comfyui_as_one_line(comfy) -> None:
    def refuse(size: Annotated[int, Field(ge=1)] = 2) -> None:
        """Refuse."""
        raise BadInput("it must be odd", input="size", value=size, hint="Take 1 or 3.")

    with pytest.raises(BadInput) as refused:
        comfy.run(class_of(refuse), {"size": 2})
    assert str(refused.value) == "size: it must be odd (got 2). Take 1 or 3."


# ------------------------------------------------------------------------------------------ lazy inputs


def _wanted(verdict: str | None) -> list[str]:
    return [] if verdict is None else ["yes" if verdict == "T" else "no"]


@node("Pick", category="test", title="Pick", needs=_wanted)
def pick(verdict: str, yes: AnyValue | None = None, no: AnyValue | None = None) -> AnyValue:
    """One of two."""
    return yes if verdict == "T" else no


def test_a_lazy_input_is_asked_for_only_when_it_is_needed(comfy) -> None:
    cls = comfy_class(spec_of(pick))
    assert cls.INPUT_TYPES()["optional"] == {"yes": ("*", {"lazy": True}), "no": ("*", {"lazy": True})}
    assert "lazy" not in cls.INPUT_TYPES()["required"]["verdict"][1]
    ask = cls().check_lazy_status
    assert ask(verdict="T", yes=None, no=None) == ["yes"]
    assert ask(verdict="F", yes=None, no=None) == ["no"]
    assert ask(verdict="T", yes=3, no=None) == []
    assert ask(verdict="T", no=None) == []  # not linked: the function says what it makes of that
    assert comfy.run(cls, {"verdict": "T", "yes": ["2", 0]}, {"2": [[7]]})[0] == [[7]]


def test_nodes_without_lazy_inputs_are_not_asked() -> None:
    assert not hasattr(class_of(add), "check_lazy_status")


# ------------------------------------------------------------------------------------------ waiting for endpoints

ENDPOINT = Endpoint(read_profile("local", {"base_url": "http://127.0.0.1:1/v1", "models": ["m"]}, "test"), "m")


def asking(answer: Callable[[str, Context], str]) -> type:
    """A node to which an endpoint may be linked, and what it does while it waits."""

    def ask(context: Context, model: Annotated[object, Socket("AP_LVLM,AP_ANSWERER")], question: str) -> str:
        """Ask."""
        return answer(question, context)

    return class_of(ask)


def questions(count: int, model: object = ENDPOINT) -> dict[str, list[list[Any]]]:
    return {"0": [[model], [str(number) for number in range(count)]]}


ASKED = {"model": ["0", 0], "question": ["0", 1]}


def test_the_items_of_a_list_wait_all_at_once(comfy) -> None:
    """None is answered before all six have been asked: one after the other, the first would wait for ever."""
    everybody = threading.Barrier(6, timeout=30)

    def answer(question: str, context: Context) -> str:
        assert torch.is_inference_mode_enabled()
        everybody.wait()
        context.progress(1, 1)
        context.progress(1, 1)
        return f"{context.node_id} {question}"

    with torch.inference_mode():
        outputs, _ = comfy.run(asking(answer), ASKED, questions(6), node="7")
    assert outputs == [[f"7 {number}" for number in range(6)]]
    told = [event for event in comfy.events if event[0] == "7"]
    assert comfy.bars == 1 and told[-1] == ("7", 6, 6)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told), "one counter for all of them"


def test_a_stop_reaches_every_item(comfy) -> None:
    stopped: list[str] = []
    everybody = threading.Barrier(6, timeout=30)

    def answer(question: str, context: Context) -> str:
        everybody.wait()
        comfy.interrupted = True
        try:
            while True:
                if question == "0":
                    context.progress(0, 1)  # ComfyUI's bar raises its own exception, and takes the flag down
                context.check_cancelled()
                time.sleep(0.01)
        except BaseException:
            stopped.append(question)
            raise

    with pytest.raises(comfy.Interrupt):
        comfy.run(asking(answer), ASKED, questions(6))
    assert sorted(stopped) == [str(number) for number in range(6)]


def test_an_answer_that_was_paid_for_is_kept_where_a_sibling_fails(comfy) -> None:
    asked: list[str] = []

    def answer(question: str, context: Context) -> str:
        asked.append(question)
        if question == "2" and asked.count("2") == 1:
            raise BadInput("the server is busy")
        if question == "1":
            context.keep_for_this_run_only()
        return f"answer {question}"

    node = asking(answer)
    with pytest.raises(BadInput):
        comfy.run(node, ASKED, questions(4))
    outputs, ui = comfy.run(node, ASKED, questions(4))
    assert outputs == [[f"answer {number}" for number in range(4)]]
    assert ui["text"] == ["from the cache, no request"] * 2
    assert sorted(asked) == ["0", "1", "1", "2", "2", "3"], (
        "one that failed, and one that only stands in, are asked again"
    )


def test_a_local_model_computes_on_comfyuis_own_thread(comfy) -> None:
    threads: list[int] = []

    def answer(question: str, context: Context) -> str:
        threads.append(threading.get_ident())
        return question

    comfy.run(asking(answer), ASKED, questions(2, "a local model"))
    assert threads == [threading.get_ident()] * 2


def test_only_what_may_ask_an_endpoint_is_awaited() -> None:
    waiting = {spec.id for spec in own_nodes().values() if asyncio.iscoroutinefunction(comfy_class(spec).run)}  # pyright: ignore[reportAttributeAccessIssue]
    assert waiting == {"APQueryLVLM"}
