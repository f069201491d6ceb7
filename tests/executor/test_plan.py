"""What a content key depends on, and what it does not; seen from outside, by what is run again."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api_graph.executor import MemoryCache
from api_graph.executor.plan import key_head, key_literals, step_key
from api_graph.graph import Graph, GraphNode
from api_graph.spec import node, spec_of


@node("Keyed", category="test", title="Keyed")
def keyed(a: float, b: int = 3, text: str = "") -> float:
    """A node with inputs of several kinds."""
    return a * b


SPEC = spec_of(keyed)


def _key(spec=SPEC, **inputs):
    return step_key(key_head(spec, key_literals(GraphNode("1", spec.id, inputs), spec)), {}, {})


def test_a_default_is_the_same_written_or_not():
    assert _key(a=1.0) == _key(a=1.0, b=3) == _key(a=1.0, text="", b=3)
    assert _key(a=1.0) != _key(a=1.0, b=4)


def test_one_and_one_point_zero_are_one_float():
    assert _key(a=1) == _key(a=1.0)
    assert _key(a=1) != _key(a=1.5)


def test_a_text_is_no_number_and_no_list_of_inputs():
    keys = [_key(a=1, text=t) for t in ("3", "3.0", "\n= b 4", "@ a 0 0", "\ud800", "é", "\\u00e9")]
    assert len({*keys, _key(a=1, b=4), _key(a=1)}) == 9


def test_the_nodes_id_and_title_do_not_count_but_the_inputs_order_does_not_either():
    one = GraphNode("1", "Keyed", {"a": 2.0, "b": 5}, title="Mine")
    other = GraphNode("77", "Keyed", {"b": 5, "a": 2.0})
    assert step_key(key_head(SPEC, key_literals(one, SPEC)), {}, {}) == step_key(
        key_head(SPEC, key_literals(other, SPEC)), {}, {}
    )


def test_id_version_links_and_fingerprint_count():
    base = step_key(key_head(SPEC, {"b": 1}), {"a": "00 0"}, {"f": 1})
    others = [
        step_key(key_head(replace(SPEC, version=2), {"b": 1}), {"a": "00 0"}, {"f": 1}),
        step_key(key_head(replace(SPEC, id="Other"), {"b": 1}), {"a": "00 0"}, {"f": 1}),
        step_key(key_head(SPEC, {"b": 1}), {"a": "00 1"}, {"f": 1}),
        step_key(key_head(SPEC, {"b": 1}), {"a": "01 0"}, {"f": 1}),
        step_key(key_head(SPEC, {"b": 1}), {"text": "00 0"}, {"f": 1}),
        step_key(key_head(SPEC, {"b": 1}), {"a": "00 0"}, {"f": 2}),
        step_key(key_head(SPEC, {"b": 1, "f": 1}), {"a": "00 0"}, {}),
        step_key(key_head(SPEC, {}), {"a": "00 0"}, {"b": 1, "f": 1}),
    ]
    assert len({base, *others}) == 9


def test_an_appended_parameter_with_a_default_keeps_the_key():
    @node("Keyed", category="test", title="Keyed")
    def grown(a: float, b: int = 3, text: str = "", added: bool = False) -> float:
        """The same node, a version later."""
        return a * b

    assert _key(spec_of(grown), a=1.0, b=5, added=False) == _key(a=1.0, b=5)
    assert _key(spec_of(grown), a=1.0, b=5, added=True) != _key(a=1.0, b=5)


def test_the_key_of_a_known_step_is_known():
    # sha256 of the text by hand: equal keys on every machine, in every version of Python
    from hashlib import sha256

    text = '2 Keyed 1\n= a 1.0\n= text "\\u00e9"\n@ b abc 0\n# {"x":[1,null]}'
    assert (
        step_key(key_head(SPEC, {"text": "é", "a": 1.0}), {"b": "abc 0"}, {"x": [1, None]})
        == sha256(text.encode()).hexdigest()
    )


LITERALS = st.dictionaries(
    st.sampled_from(["a", "b", "ab"]),
    st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.text('ab01.= @#"\\\n\u00e9'),
)


@given(LITERALS, LITERALS)
def test_keys_are_equal_exactly_when_the_literals_are(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (step_key(key_head(SPEC, one), {}, {}) == step_key(key_head(SPEC, other), {}, {})) is same


# ------------------------------------------------------------------------------------------ in a run


def test_a_file_counts_by_its_content_not_its_name(lab):
    executor = lab.executor(memory=MemoryCache())

    def run(name):
        return lab.run(executor, {"1": ("ReadText", {"name": name}), "2": ("Show", {"value": ["1", 0]})})

    lab.file("a.txt", "cat")
    lab.file("b.txt", "cat")
    run("a.txt")
    run("b.txt")
    assert lab.calls["ReadText"] == 1
    lab.file("a.txt", "dog!")
    run("a.txt")
    assert (lab.calls["ReadText"], lab.shown) == (2, ["cat", "cat", "dog!"])


def test_a_change_far_up_reaches_all_below(lab):
    executor = lab.executor(memory=MemoryCache())
    chain = {str(i): ("Add", {"a": [str(i - 1), 0]}) for i in range(1, 6)}
    for value in (1, 2, 1):
        lab.run(executor, {"0": ("Number", {"value": value}), **chain}, targets=["5"])
    assert lab.calls["Add"] == 10


def test_renumbered_and_retitled_graphs_hit(lab):
    executor = lab.executor(memory=MemoryCache())
    lab.run(executor, {"1": ("Number", {"value": 4}), "2": ("Show", {"value": ["1", 0]})})
    graph = lab.graph({"8": ("Number", {"value": 4}), "9": ("Show", {"value": ["8", 0]})})
    titled = Graph({id: replace(n, title=f"my {id}") for id, n in graph.nodes.items()})
    executor.run(titled, lab.folders).raise_failures()
    assert lab.calls["Number"] == 1


def test_a_fingerprint_does_not_hide_a_literal_of_the_same_name(lab):
    seen = []

    @node("Clash", category="test", title="Clash", fingerprint=lambda folders, a: {"b": 0})
    def clash(a: int = 0, b: int = 1) -> int:
        """Its fingerprint has a key that is also an input's name."""
        seen.append(b)
        return b

    lab.nodes.append(clash)
    executor = lab.executor(memory=MemoryCache())
    for b in (1, 2):
        lab.run(executor, {"1": ("Clash", {"b": b})}, targets=["1"])
    assert seen == [1, 2]


@pytest.mark.parametrize("rows", [1, 3])
def test_a_fingerprint_is_asked_once_per_run_for_equal_literals(lab, rows):
    asked = []

    @node("Asked", category="test", title="Asked", fingerprint=lambda folders, a: {"a": asked.append(a)})
    def ask(a: int = 0) -> int:
        """Counts its fingerprints."""
        return a

    lab.nodes.append(ask)
    lab.rows(lab.executor(), [{"1": ("Asked", {"a": 4})}] * rows, targets=["1"])
    assert asked == [4]
