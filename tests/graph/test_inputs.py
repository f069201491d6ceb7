"""What a graph lets its user set, by which names, and the graph with other values."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.graph import Graph, GraphError, InputSetter, Settable, read_graph, set_inputs, settable
from api_graph.registry import Registry
from api_graph.spec import REQUIRED

Message = Callable[..., str]


def step(class_type: str, title: str = "", **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": title}}


@pytest.fixture
def message(registry: Registry) -> Message:
    """The text of the error that setting values raises."""

    def message(graph: Graph | dict[str, Any], values: dict[str, Any], texts: dict[str, str] | None = None) -> str:
        with pytest.raises(GraphError) as caught:
            set_inputs(graph if isinstance(graph, Graph) else read_graph(graph), registry, values, texts or {})
        return str(caught.value)

    return message


class TestSettable:
    def test_given_ones_come_first(self, graph: Graph, registry: Registry) -> None:
        found = [(one.name, one.value, one.given) for one in settable(graph, registry)]
        assert found == [
            ("image", "cat.png", True),
            ("kernel_size", 3, True),
            ("strength", 0.5, True),
            ("recipe", "reference", True),
            ("query", "a cat", True),
            ("prefix", "out", True),
            ("Alpha blend.invert", False, False),
            ("Alpha blend.note", "", False),
        ]

    def test_all_there_is_to_say_of_one(self, graph: Graph, registry: Registry) -> None:
        kernel_size = settable(graph, registry)[1]
        spec = registry["TBlur"].input("kernel_size")
        assert kernel_size == Settable(
            names=("kernel_size", "Mean filter", "Mean filter.kernel_size"),
            node="2",
            title="Mean filter",
            input="kernel_size",
            socket="INT",
            value=3,
            given=True,
            spec=spec,  # type: ignore[arg-type]
        )

    def test_a_title_that_someone_gave_is_the_handiest_name(self, graph: Graph, registry: Registry) -> None:
        query = next(one for one in settable(graph, registry) if one.node == "4")
        assert query.names == ("query", "text", "query.text")

    def test_linked_inputs_are_not_settable(self, registry: Registry) -> None:
        graph = read_graph({"1": step("TText", text="a"), "2": step("TText", text=["1", 0])})
        assert [one.node for one in settable(graph, registry)] == ["1"]

    def test_nodes_of_unknown_class_have_none(self, registry: Registry) -> None:
        assert settable(read_graph({"1": step("Nope", text="a")}), registry) == []

    def test_a_missing_value_is_required(self, registry: Registry) -> None:
        (one,) = settable(read_graph({"1": step("TText")}), registry)
        assert (one.value, one.given) == (REQUIRED, False)

    def test_every_name_leads_back(self, graph: Graph, registry: Registry) -> None:
        for one in settable(graph, registry):
            for name in one.names:
                value = "dog.png" if one.input == "image" else one.value
                changed = set_inputs(graph, registry, {name: value})
                assert changed.nodes[one.node].inputs[one.input] == value


class TestNames:
    @pytest.mark.parametrize("name", ["4.text", "query.text", "query", "text", "Query", "QUERY.Text", "TEXT"])
    def test_one_input_has_many_names(self, graph: Graph, registry: Registry, name: str) -> None:
        assert set_inputs(graph, registry, {name: "a dog"}).nodes["4"].inputs == {"text": "a dog"}

    def test_titles_with_dots_and_spaces(self, registry: Registry) -> None:
        graph = read_graph({"5:2.1": step("TText", "v1.5 my text", text=""), "2": step("TText", "v1", text="")})
        for name in ("v1.5 my text.text", "v1.5 my text", "5:2.1.text"):
            changed = set_inputs(graph, registry, {name: "x"})
            assert (changed.nodes["5:2.1"].inputs["text"], changed.nodes["2"].inputs["text"]) == ("x", "")

    def test_a_whole_title_with_a_dot(self, registry: Registry) -> None:
        graph = read_graph({"1": step("TText", "a.text", text=""), "2": step("TText", "b", text="")})
        assert set_inputs(graph, registry, {"a.text": "x"}).nodes["1"].inputs["text"] == "x"

    def test_a_node_and_its_input_go_before_a_whole_title(self, registry: Registry) -> None:
        graph = read_graph({"1": step("TText", "b.text", text=""), "2": step("TText", "b", text="")})
        assert set_inputs(graph, registry, {"b.text": "x"}).nodes["2"].inputs["text"] == "x"
        assert [one.name for one in settable(graph, registry)] == ["b.text.text", "b"]

    def test_an_id_goes_before_a_title(self, registry: Registry) -> None:
        graph = read_graph({"1": step("TText", "2", text=""), "2": step("TText", "1", text="")})
        assert set_inputs(graph, registry, {"1.text": "x"}).nodes["1"].inputs["text"] == "x"
        assert [one.names[-1] for one in settable(graph, registry)] == ["1.text", "2.text"]

    def test_case_counts_where_it_can(self, registry: Registry, message: Message) -> None:
        graph = read_graph({"1": step("TText", "Query", text=""), "2": step("TText", "query", text="")})
        assert set_inputs(graph, registry, {"query": "x"}).nodes["2"].inputs["text"] == "x"
        assert message(graph, {"QUERY": "x"}) == (
            'input QUERY: this name fits several inputs. Say which: "Query.text", "query.text".'
        )

    def test_a_title_goes_before_an_input(self, registry: Registry) -> None:
        graph = read_graph({"1": step("TInt", "strength", value=1), "2": step("TBlend", "B", strength=0.5)})
        changed = set_inputs(graph, registry, {"strength": 3, "B.strength": 0.25})
        assert (changed.nodes["1"].inputs["value"], changed.nodes["2"].inputs["strength"]) == (3, 0.25)

    def test_a_title_of_a_node_with_several_literals_is_no_name(self, graph: Graph, message: Message) -> None:
        assert message(graph, {"Alpha blend": 1}).startswith("input Alpha blend: the graph has no such input. ")

    def test_a_title_of_a_node_with_one_literal_that_has_no_default(self, registry: Registry) -> None:
        inputs = {"file": "model 1.safetensors", "other": ""}
        read = read_graph({"1": {"class_type": "TChoose", "inputs": inputs, "_meta": {"title": "checkpoint"}}})
        changed = set_inputs(read, registry, {"checkpoint": "model 2.safetensors"})
        assert changed.nodes["1"].inputs == {"file": "model 2.safetensors", "other": ""}

    def test_titles_that_occur_twice(self, registry: Registry, message: Message) -> None:
        graph = read_graph({"1": step("TText", "T", text="a"), "2": step("TText", "T", text="b")})
        for name in ("T", "T.text", "text"):
            line = f'input {name}: this name fits several inputs. Say which: "1.text", "2.text".'
            assert message(graph, {name: "x"}) == line

    def test_a_node_without_title_goes_by_its_class(self, registry: Registry) -> None:
        graph = read_graph({"1": step("TBlur", kernel_size=3)})
        assert settable(graph, registry)[0].names == ("kernel_size", "Mean filter", "Mean filter.kernel_size")

    def test_unknown(self, graph: Graph, message: Message) -> None:
        can = (
            'What can be set: "image", "kernel_size", "strength", "recipe", "query", "prefix", '
            '"Alpha blend.invert", "Alpha blend.note".'
        )
        assert message(graph, {"qery": "x"}) == (
            f'input qery: the graph has no such input. Did you mean "query"? {can}'
        )
        start = "input Alpha blend.inverted: the graph has no such input. "
        assert message(graph, {"Alpha blend.inverted": True}) == f'{start}Did you mean "Alpha blend.invert"? {can}'
        for name in ("", ".", "2.", "9.9", "zzz"):
            assert message(graph, {name: 1}) == f"input {name}: the graph has no such input. {can}"

    def test_nothing_can_be_set(self, message: Message) -> None:
        graph = {"1": step("TAll", images=["1", 0])}
        assert message(graph, {"x": 1}) == ("input x: the graph has no such input. Nothing can be set in this graph.")


class TestSetting:
    def test_the_graph_stays_as_it_is(self, api: dict[str, Any], graph: Graph, registry: Registry) -> None:
        before = copy.deepcopy(api)
        changed = set_inputs(graph, registry, {"kernel_size": 5, "strength": 0.25, "recipe": "paper"})
        assert graph == read_graph(before)
        before["2"]["inputs"]["kernel_size"] = 5
        before["3"]["inputs"] |= {"strength": 0.25, "recipe": "paper"}
        assert changed == read_graph(before)

    def test_nothing_set_is_the_same_graph(self, graph: Graph, registry: Registry) -> None:
        assert set_inputs(graph, registry, {}) == graph

    def test_the_editors_form_of_the_graph_is_left_behind_with_the_old_values(
        self, api: dict[str, Any], registry: Registry
    ) -> None:
        graph = read_graph({"prompt": api, "workflow": {"version": 0.4}, "other": 1})
        assert set_inputs(graph, registry, {"query": "x"}).extra == {"other": 1}
        assert set_inputs(graph, registry, {}).extra == {"workflow": {"version": 0.4}, "other": 1}

    def test_an_input_that_the_graph_leaves_out(self, graph: Graph, registry: Registry) -> None:
        assert set_inputs(graph, registry, {"3.invert": True}).nodes["3"].inputs["invert"] is True

    def test_a_bad_value_in_the_file_can_be_set_right(self, registry: Registry) -> None:
        graph = read_graph({"1": step("TInt", "n", value=math.nan)})
        assert set_inputs(graph, registry, {"n": 2}).nodes["1"].inputs == {"value": 2}

    def test_texts_are_read_by_their_inputs_type(self, graph: Graph, registry: Registry) -> None:
        texts = {"kernel_size": "5", "strength": "1", "3.invert": "yes", "query": "7", "recipe": "paper"}
        changed = set_inputs(graph, registry, {"prefix": "p"}, texts)
        assert changed.nodes["2"].inputs["kernel_size"] == 5
        assert changed.nodes["3"].literals() == {"strength": 1.0, "recipe": "paper", "invert": True}
        assert changed.nodes["4"].inputs["text"] == "7"

    def test_all_faults_at_once(self, graph: Graph, message: Message) -> None:
        values = {"kernel_size": 999, "recipe": "papr", "nope": 1, "heatmap": 2, "strength": math.inf, "6.value": 1}
        assert message(graph, values, {"3.invert": "maybe", "3.strength": "1.5"}).splitlines() == [
            'node 2 "Mean filter", input kernel_size = 999: out of range. Give a whole number from 1 to 255.',
            'node 3 "Alpha blend", input recipe = "papr": not in the list. Did you mean "paper"? '
            'Give one of "paper", "reference".',
            "input nope: the graph has no such input. "
            'What can be set: "image", "kernel_size", "strength", "recipe", "query", "prefix", '
            '"Alpha blend.invert", "Alpha blend.note".',
            'input heatmap: this name fits several inputs. Say which: "Mean filter.heatmap", "Alpha blend.heatmap".',
            'node 3 "Alpha blend", input strength = Infinity: neither NaN nor Infinity is a number in JSON. '
            "Give a finite number.",
            'node 6 "Show", input value = ["4", 0]: it is linked: node 4 "query" feeds it. Set that instead: "query".',
            'node 3 "Alpha blend", input invert = "maybe": this is not true or false. '
            "Give true or false (yes, no, 1 and 0 do too).",
            'node 3 "Alpha blend", input strength = 1.5: out of range. Give a number from 0 to 1.',
        ]

    def test_a_linked_input(self, graph: Graph, message: Message) -> None:
        assert message(graph, {"Alpha blend.image": "dog.png"}) == (
            'node 3 "Alpha blend", input image = ["1", 0]: it is linked: node 1 "image" feeds it. '
            'Set that instead: "image".'
        )
        assert message(graph, {"Show.value": "x"}, {"value": "x"}).count('Set that instead: "query".') == 2

    def test_a_linked_input_whose_source_has_nothing_to_set(self, message: Message) -> None:
        graph = {
            "1": step("TAll", images=["1", 0]),
            "2": step("TSave", images=["1", 0]),
            "3": step("TAll", images=["9", 0]),
        }
        assert message(graph, {"2.images": 1}).endswith('node 1 "All" feeds it. Set what feeds that, or cut the link.')
        assert message(graph, {"3.images": 1}).endswith('it is linked to "9". No such node is there.')

    def test_an_input_that_takes_links_only(self, message: Message) -> None:
        graph = {"1": step("TBlend", image=["1", 0])}
        start = 'node 1 "Blend", input heatmap = "x": '
        hint = "It takes a link from a MASK output."
        assert message(graph, {"1.heatmap": "x"}) == f"{start}a value, where only a link can stand. {hint}"
        assert message(graph, {}, {"1.heatmap": "x"}) == f"{start}no value can stand here. {hint}"

    def test_one_input_by_two_names(self, graph: Graph, message: Message) -> None:
        assert message(graph, {"query": "x"}, {"4.text": "y"}) == (
            'node 4 "query", input text = "y": it is set twice, as "query" and as "4.text". Set it once.'
        )

    def test_a_text_that_is_no_unicode(self, graph: Graph, message: Message) -> None:
        assert "half a character (a lone surrogate). Type the text again." in message(graph, {}, {"query": "\udcff"})

    def test_a_setter_is_used_again_and_again(self, graph: Graph, registry: Registry) -> None:
        setter = InputSetter(graph, registry)
        rows = [setter.set({"query": f"row {i}"}, {"kernel_size": str(i + 1)}) for i in range(3)]
        found = [(row.nodes["4"].inputs["text"], row.nodes["2"].inputs["kernel_size"]) for row in rows]
        assert found == [("row 0", 1), ("row 1", 2), ("row 2", 3)]


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "1.image": st.sampled_from(["cat.png", "other.png"]),
    "kernel_size": st.integers(1, 255),
    "Alpha blend.strength": st.floats(0, 1),
    "recipe": st.sampled_from(["paper", "reference"]),
    "3.invert": st.booleans(),
    "query": st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
}


@given(values=st.fixed_dictionaries({}, optional=VALUES))
def test_what_was_set_is_what_is_there(registry: Registry, values: dict[str, Any]) -> None:
    graph = read_graph(
        {
            "1": step("TLoad", "image", image="cat.png"),
            "2": step("TBlur", "Mean filter", heatmap=["1", 1], kernel_size=3),
            "3": step("TBlend", "Alpha blend", image=["1", 0], strength=0.5, recipe="paper"),
            "4": step("TText", "query", text=""),
        }
    )
    changed = set_inputs(graph, registry, values)
    addresses = {f"{one.node}.{one.input}": one for one in settable(changed, registry)}
    names = {name: one for address, one in addresses.items() for name in (*one.names, address)}
    assert {name: names[name].value for name in values} == values
    before = {(one.node, one.input): one.value for one in settable(graph, registry)}
    after = {(one.node, one.input): one.value for one in addresses.values()}
    set_here = {(names[name].node, names[name].input) for name in values}
    assert all(after[address] == before[address] for address in before.keys() - set_here)
    assert read_graph(changed.to_api()) == changed
    assert pickle.loads(pickle.dumps(changed)) == changed  # noqa: S301
