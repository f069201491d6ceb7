"""Every fault at once, one per cause, each with its input and a hint."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from api_graph.errors import ApiGraphError, BadInput
from api_graph.graph import (
    NO_VALUE,
    Fault,
    Graph,
    GraphError,
    GraphNode,
    check_values,
    find_faults,
    fits,
    read_graph,
    validate,
)
from api_graph.registry import Registry, registry_of
from api_graph.sockets import Image
from api_graph.spec import Check, Choices, Odd, node

FaultsOf = Callable[[dict[str, Any]], list[str]]


def step(class_type: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": class_type, "inputs": inputs}


def test_a_good_graph_has_none(graph: Graph, registry: Registry) -> None:
    assert find_faults(graph, registry) == []
    validate(graph, registry)


def test_all_faults_come_at_once_in_file_order(registry: Registry) -> None:
    api = {
        "7": {**step("TBlur", kernel_size=300), "_meta": {"title": "Smooth it"}},
        "2": step("TBlend", image=["9", 0], strenght=0.5, invert="no"),
        "5": step("TAdd", a=["4", 0], b=1),
        "4": step("TAdd", a=["5", 0], b=[1, 0]),
        "3": step("Mean Filter"),
    }
    with pytest.raises(GraphError) as caught:
        validate(read_graph(api), registry)
    assert str(caught.value).splitlines() == [
        'node 7 "Smooth it", input kernel_size = 300: out of range. Give a whole number from 1 to 255.',
        'node 7 "Smooth it", input heatmap: missing, and it has no default. Give a link from a MASK output.',
        'node 2 "Blend", input image = ["9", 0]: there is no node "9" to link to. '
        'Link it to one of "7", "2", "5", "4", "3".',
        'node 2 "Blend", input strenght = 0.5: TBlend has no such input. Did you mean "strength"? '
        'It takes "image", "heatmap", "strength", "recipe", "invert", "note".',
        'node 2 "Blend", input invert = "no": a text, where true or false (BOOLEAN) is wanted. '
        "Write false, without quotes.",
        'node 5 "Add": nodes feed each other in a circle: 5 "Add" → 4 "Add" → 5 "Add". Cut one of these links.',
        'node 4 "Add", input b = [1, 0]: a link names its node by a text. Write ["1", 0].',
        'node 3 "Mean Filter": there is no node class "Mean Filter". Did you mean TBlur ("Mean filter")? '
        "`api-graph nodes` lists the nodes that there are.",
    ]
    first, second = caught.value.faults[:2]
    assert first == Fault(
        "7", "Smooth it", "TBlur", "kernel_size", 300, "out of range", "Give a whole number from 1 to 255."
    )
    assert (second.value, second.input) == (NO_VALUE, "heatmap")


class TestClasses:
    def test_unknown(self, faults_of: FaultsOf) -> None:
        there_are = "`api-graph nodes` lists the nodes that there are."
        assert faults_of({"1": step("TBlu"), "2": step("KSampler", steps=20)}) == [
            f'node 1 "TBlu": there is no node class "TBlu". Did you mean TBlur ("Mean filter")? {there_are}',
            f'node 2 "KSampler": there is no node class "KSampler". {there_are}',
        ]

    def test_what_follows_from_an_unknown_class_is_not_reported(self, registry: Registry) -> None:
        api = {"1": step("Nope", a=[1, 0], b=["7", 0]), "2": step("TBlur", heatmap=["1", 5])}
        assert [fault.node for fault in find_faults(read_graph(api), registry)] == ["1"]

    def test_a_hostile_name_is_no_burden(self, faults_of: FaultsOf) -> None:
        (line,) = faults_of({"1\n": step("x\n" * 100_000)})
        assert len(line) < 400
        assert "\n" not in line


class TestInputs:
    def test_a_missing_widget_says_what_it_takes(self, faults_of: FaultsOf) -> None:
        start = 'node 1 "Choose", input file: missing, and it has no default. Give one of "model 0.safetensors", '
        assert faults_of({"1": step("TChoose")})[0].startswith(start)
        assert faults_of({"1": step("TText")}) == [
            'node 1 "Text", input text: missing, and it has no default. Give a text.'
        ]

    def test_one_that_is_misspelt_is_not_also_missing(self, faults_of: FaultsOf) -> None:
        (line,) = faults_of({"1": step("TText", txt="a")})
        assert line == 'node 1 "Text", input txt = "a": TText has no such input. Did you mean "text"? It takes "text".'

    def test_a_null_is_no_missing_value(self, faults_of: FaultsOf) -> None:
        text = "null, where a text (STRING) is wanted. Give a text."
        for null in (None, {"__value__": None}):
            assert faults_of({"1": step("TText", text=null)}) == [f'node 1 "Text", input text = null: {text}']

    def test_unknown_inputs_of_a_node_that_takes_none(self, registry: Registry) -> None:
        @node("None", category="test", title="None", output=True)
        def none() -> None:
            """Take nothing."""

        (fault,) = find_faults(read_graph({"1": step("None", x=1)}), registry_of([none]))
        assert str(fault) == 'node 1 "None", input x = 1: None has no such input. It takes none.'


class TestLiterals:
    @pytest.mark.parametrize(
        ("class_type", "input", "value", "line"),
        [
            ("TInt", "value", True, "true: a BOOLEAN, where a whole number (INT) is wanted. Give a whole number."),
            ("TInt", "value", "7", '"7": a text, where a whole number (INT) is wanted. Write 7, without quotes.'),
            ("TInt", "value", "x", '"x": a text, where a whole number (INT) is wanted. Give a whole number.'),
            ("TInt", "value", 7.9, "7.9: a number with a decimal point, where a whole number (INT) is wanted. Give a"),
            ("TInt", "value", 7.0, "7.0: a number with a decimal point, where a whole number (INT) is wanted. Give a"),
            ("TInt", "value", {"a": 1}, '{"a": 1}: an object, where a whole number (INT) is wanted. Give a'),
            ("TInt", "value", {"__value__": [7]}, '{"__value__": [7]}: a list, where a whole number (INT) is wanted.'),
            ("TBlur", "kernel_size", 0, "0: out of range. Give a whole number from 1 to 255."),
            ("TBlur", "kernel_size", -(10**30), f"-{10**30}: out of range. Give a whole number from 1 to 255."),
            ("TBlend", "strength", 1.01, "1.01: out of range. Give a number from 0 to 1."),
            (
                "TBlend",
                "strength",
                False,
                "false: a BOOLEAN, where a number (FLOAT) is wanted. Give a number from 0 to 1.",
            ),
            ("TBlend", "strength", ".5", '".5": a text, where a number (FLOAT) is wanted. Write 0.5, without quotes.'),
            ("TBlend", "invert", 0, "0: a whole number, where true or false (BOOLEAN) is wanted. Give true or false."),
            ("TBlend", "invert", "False", '"False": a text, where true or false (BOOLEAN) is wanted. Write false,'),
            ("TBlend", "note", 5, "5: a whole number, where a text (STRING) is wanted. Give a text."),
            ("TBlend", "recipe", "Paper", '"Paper": not in the list. Did you mean "paper"? Give one of "paper", "ref'),
            ("TBlend", "recipe", "x", '"x": not in the list. Give one of "paper", "reference".'),
            ("TBlend", "recipe", 0, '0: a whole number, where a text (COMBO) is wanted. Give one of "paper", "ref'),
            ("TChoose", "file", "model 7", '"model 7": not in the list. Did you mean "model 7.safetensors"? Give one'),
            ("TChoose", "other", "a", '"a": not in the list, which is empty: nothing of this kind was found. Put a'),
            (
                "TLoad",
                "image",
                3,
                '3: a whole number, where a text (COMBO) is wanted. Give one of "cat.png", "dog.png".',
            ),
            (
                "TBlend",
                "heatmap",
                0.5,
                "0.5: a value, where only a link can stand. It takes a link from a MASK output.",
            ),
            (
                "TBlend",
                "heatmap",
                None,
                "null: a value, where only a link can stand. It takes a link from a MASK output.",
            ),
            ("TShow", "value", "x", '"x": a value, where only a link can stand. It takes a link from any output.'),
            ("TAll", "images", {"__value__": []}, '{"__value__": []}: a value, where only a link can stand. It'),
        ],
    )
    def test_refused(self, registry: Registry, class_type: str, input: str, value: Any, line: str) -> None:
        graph = read_graph({"1": step(class_type, **{input: value})})
        (fault,) = (f for f in find_faults(graph, registry) if f.input == input)
        start = f'node 1 "{registry[class_type].title}", input {input} = {line}'
        assert str(fault)[: len(start)] == start

    @pytest.mark.parametrize(
        ("class_type", "inputs"),
        [
            ("TInt", {"value": 10**18}),
            ("TBlur", {"heatmap": ["load", 1], "kernel_size": 255}),
            ("TBlend", {"image": ["load", 0], "strength": 1, "recipe": "paper", "invert": True, "note": ""}),
            ("TBlend", {"image": ["load", 0], "strength": {"__value__": 0.0}}),
            ("TLoad", {"image": "sub/any file [output].png"}),
            ("TChoose", {"file": "model 29.safetensors"}),
            ("TAdd", {"a": 1, "b": ["int", 0]}),
        ],
    )
    def test_taken(self, faults_of: FaultsOf, class_type: str, inputs: dict[str, Any]) -> None:
        load, integer = step("TLoad", image="cat.png"), step("TInt")
        assert faults_of({"load": load, "int": integer, "1": step(class_type, **inputs)}) == []

    def test_an_integer_beyond_every_float(self, faults_of: FaultsOf) -> None:
        (line,) = faults_of({"load": step("TLoad", image=""), "1": step("TBlend", image=["load", 0], strength=10**400)})
        assert line.endswith("Give a number from 0 to 1.")

    def test_a_long_list_is_cut(self, faults_of: FaultsOf) -> None:
        (line,) = faults_of({"1": step("TChoose", file="zzz")})
        assert line.endswith('"model 8.safetensors", "model 9.safetensors", … (30 in all).')

    def test_a_list_is_made_once_for_all_nodes(self) -> None:
        asked = []

        def choices() -> list[str]:
            asked.append(1)
            return ["a"]

        graph = read_graph({str(i): step("Pick", file="a") for i in range(50)} | {"missing": step("Pick")})
        assert len(find_faults(graph, registry_of([picker(choices)]))) == 2
        assert len(asked) == 1


def picker(choices: Callable[[], list[str]]) -> Callable[..., Any]:
    def pick(file: str) -> str:
        """Pick one of `choices`."""
        raise NotImplementedError

    pick.__annotations__["file"] = Annotated[str, Choices(choices)]  # the choices are no global name
    return node("Pick", category="test", title="Pick")(pick)


class TestLinks:
    @pytest.mark.parametrize(
        ("link", "line"),
        [
            (["nope", 0], 'there is no node "nope" to link to. Link it to one of "load", "int", "save", '),
            (["load", 2], 'node load "Load image" has no output 2. It has 0 (image: IMAGE), 1 (mask: MASK).'),
            (["load", -1], 'node load "Load image" has no output -1. It has 0 (image: IMAGE), 1 (mask: MASK).'),
            (["save", 0], 'node save "Save" has no output 0. It has none.'),
            (["int", 0], 'node int "Integer" gives INT, which does not fit MASK. Link MASK to it.'),
            (["load", 0], 'node load "Load image" gives IMAGE, which does not fit MASK. Link MASK to it.'),
        ],
    )
    def test_refused(self, registry: Registry, link: list[Any], line: str) -> None:
        api = {
            "load": step("TLoad", image="cat.png"),
            "int": step("TInt"),
            "save": step("TSave", images=["load", 0]),
            "1": step("TBlur", heatmap=link),
        }
        (fault,) = find_faults(read_graph(api), registry)
        shown = f'["{link[0]}", {link[1]}]'
        assert str(fault).startswith(f'node 1 "Mean filter", input heatmap = {shown}: {line}')

    @pytest.mark.parametrize(
        ("input", "source", "hint"),
        [
            ("strength", "int", "Link FLOAT to it, or type a number from 0 to 1."),
            ("recipe", "text", 'Link COMBO to it, or type one of "paper", "reference".'),
            ("invert", "int", "Link BOOLEAN to it, or type true or false."),
        ],
    )
    def test_a_widget_takes_its_own_socket_only(self, faults_of: FaultsOf, input: str, source: str, hint: str) -> None:
        api = {
            "load": step("TLoad", image="cat.png"),
            "int": step("TInt"),
            "text": step("TText", text=""),
            "1": step("TBlend", image=["load", 0], **{input: [source, 0]}),
        }
        (line,) = faults_of(api)
        assert line.endswith(hint)

    def test_a_widget_may_be_linked(self, faults_of: FaultsOf) -> None:
        assert faults_of({"1": step("TText", text="a"), "2": step("TText", text=["1", 0])}) == []

    def test_unions_overlap(self, faults_of: FaultsOf) -> None:
        api = {"1": step("TInt"), "2": step("TEither", x=["1", 0]), "3": step("TBlur", heatmap=["2", 0])}
        assert faults_of(api) == []
        (line,) = faults_of({**api, "3": step("TAdd", a=["2", 0], b=1)})
        assert "gives STRING,MASK, which does not fit INT. " in line

    def test_a_fingerprinted_input_is_typed(self, faults_of: FaultsOf) -> None:
        (line,) = faults_of({"1": step("TText", text="cat.png"), "2": step("TLoad", image=["1", 0])})
        assert line == (
            'node 2 "Load image", input image = ["1", 0]: a link, but it names a file whose content enters '
            'the cache key, before anything runs. Type one of "cat.png", "dog.png".'
        )


NAMES = st.sampled_from(["INT", "FLOAT", "IMAGE", "*"])


@given(st.lists(NAMES, min_size=1, max_size=3), st.lists(NAMES, min_size=1, max_size=3), st.sampled_from([",", ", "]))
def test_sockets_fit_when_any_name_is_shared(given_names: list[str], taken: list[str], comma: str) -> None:
    fitting = any(g == t or "*" in (g, t) for g in given_names for t in taken)
    assert fits(comma.join(given_names), comma.join(taken)) is fitting


def test_part_of_a_socket_name_is_no_match() -> None:
    assert not fits("AP_IMAGE", "IMAGE")
    assert not fits("IMAGE", "image")


class TestCycles:
    def test_a_node_that_feeds_itself(self, faults_of: FaultsOf) -> None:
        assert faults_of({"1": step("TText", text=["1", 0])}) == [
            'node 1 "Text": nodes feed each other in a circle: 1 "Text" → 1 "Text". Cut one of these links.'
        ]

    def test_each_cycle_is_one_fault_and_what_it_feeds_is_none(self, faults_of: FaultsOf) -> None:
        api = {
            "below": step("TAdd", a=["c", 0], b=["x", 0]),
            "a": step("TAdd", a=["c", 0], b=1),
            "b": step("TAdd", a=["a", 0], b=1),
            "c": step("TAdd", a=["b", 0], b=1),
            "x": step("TAdd", a=["y", 0], b=1),
            "y": step("TAdd", a=["x", 0], b=["c", 0]),
        }
        assert [line.split(": ", 2)[2] for line in faults_of(api)] == [
            'a "Add" → b "Add" → c "Add" → a "Add". Cut one of these links.',
            'x "Add" → y "Add" → x "Add". Cut one of these links.',
        ]

    def test_a_long_cycle_is_cut(self, faults_of: FaultsOf) -> None:
        api = {str(i): step("TText", text=[str((i - 1) % 5000), 0]) for i in range(5000)}
        (line,) = faults_of(api)
        assert line.endswith('8 "Text" → 9 "Text" → … (5000 nodes) → 0 "Text". Cut one of these links.')


class TestOutput:
    def test_none(self, registry: Registry) -> None:
        (fault,) = find_faults(read_graph({"1": step("TInt")}), registry)
        assert str(fault) == 'nothing in the graph puts a result out. Add an output node: "TSave", "TShow".'

    def test_an_unknown_class_might_be_one(self, registry: Registry) -> None:
        (fault,) = find_faults(read_graph({"1": step("SaveAll")}), registry)
        assert fault.node == "1"

    def test_an_empty_graph(self, registry: Registry) -> None:
        assert [fault.node for fault in find_faults(Graph({}), registry)] == [""]


def test_one_faulty_node_hides_no_other(api: dict[str, Any], registry: Registry) -> None:
    """Planted one by one, and all together: each is found, and nothing else is."""
    planted = [("2", "kernel_size", 999), ("3", "strength", "x"), ("4", "text", 5), ("5", "images", ["4", 0])]
    for id, input, value in planted:
        api[id]["inputs"][input] = value
    found = find_faults(read_graph(api), registry)
    assert [(f.node, f.input, f.value) for f in found] == planted


def test_a_long_chain(registry: Registry) -> None:
    """Deeper than any recursion could go."""
    nodes = {"0": GraphNode("0", "TText", {"text": "a"})}
    api = {"0": step("TText", text="a")} | {str(i): step("TText", text=[str(i - 1), 0]) for i in range(1, 20_000)}
    graph = read_graph(api | {"end": step("TShow", value=["19999", 0])})
    assert graph.nodes["0"] == nodes["0"]
    assert find_faults(graph, registry) == []


def test_a_graph_error_is_ours_and_travels(registry: Registry) -> None:
    error = GraphError(find_faults(read_graph({"1": step("TInt", value="x")}), registry))
    assert isinstance(error, ApiGraphError)
    again = pickle.loads(pickle.dumps(error))  # noqa: S301
    assert (str(again), again.faults) == (str(error), error.faults)


def test_a_value_that_is_no_json_is_named_by_its_type(registry: Registry) -> None:
    graph = Graph({"1": GraphNode("1", "TInt", {"value": Image})})
    assert "input value = <" in str(find_faults(graph, registry)[0])


# ------------------------------------------------------------------------------ values that a node would refuse


def _no_vowels(text: str) -> None:
    if text.startswith("no"):
        raise BadInput("begins with no", input="KEY" if text.endswith("!") else "word", hint="Say yes.")


@node("TPicky", category="test", title="Picky", output=True)
def picky(
    word: Annotated[str, Check(_no_vowels)] = "none",
    size: Annotated[int, Field(ge=1, le=9), Odd()] = 3,
) -> None:
    """Take no word that begins with no, and odd sizes."""


PICKY = registry_of([picky])


@pytest.mark.parametrize("size", [2, 4, 8])
def test_an_even_number_where_an_odd_one_is_wanted(size: int) -> None:
    (fault,) = find_faults(read_graph({"1": step("TPicky", size=size)}), PICKY)
    assert fault.problem == "an even number, where an odd one is wanted"
    assert fault.hint == f"Use {size - 1} or {size + 1}."
    assert find_faults(read_graph({"1": step("TPicky", size=size + 1)}), PICKY) == []
    (out,) = find_faults(read_graph({"1": step("TPicky", size=10)}), PICKY)
    assert out.problem == "out of range"


def test_values_that_a_check_refuses_are_told_all_at_once() -> None:
    """But for a default, a link, and what rows set."""
    api = {
        "1": step("TPicky", word="nope"),
        "2": step("TPicky", word="now!"),
        "3": step("TPicky"),
        "4": step("TPicky", word="yes"),
    }
    graph = read_graph(api)
    validate(graph, PICKY)
    with pytest.raises(GraphError) as refused:
        check_values(graph, PICKY)
    assert str(refused.value).splitlines() == [
        'node 1 "Picky", input word = "nope": begins with no. Say yes.',
        'node 2 "Picky", input word = "now!": KEY: begins with no. Say yes.',
    ]
    with pytest.raises(GraphError, match=r'^node 2 "Picky"[^\n]*$'):
        check_values(graph, PICKY, {("1", "word")})
    check_values(graph, PICKY, {("1", "word"), ("2", "word")})
