"""The Chinese catalogue has every text of every node, and none that no node has."""

from __future__ import annotations

import re

import pytest

from api_graph.docs.catalogue import KINDS, chinese, words
from api_graph.registry import own_nodes
from api_graph.spec import NodeSpec

CHINESE = re.compile(r"[\u4e00-\u9fff]")
EXPLAINED = r"(?<!\w){}\b(:| (ranks|for|swaps)\b)"
SAME = {"clip", "lvlm", "tokens"}
"""Names that stay as they are, as Chinese texts write them."""


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_lacks_its_chinese_and_nothing_is_left_over(kind: str) -> None:
    """Add what is missing to api_graph/docs/zh.json, then run tools/make_docs.py."""
    assert set(getattr(chinese(), kind)) == words(own_nodes())[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_chinese(kind: str) -> None:
    found = getattr(chinese(), kind)
    assert {english for english, text in found.items() if not CHINESE.search(text)} <= SAME


@pytest.mark.parametrize("spec", own_nodes().values(), ids=lambda spec: spec.id)
def test_what_is_typed_is_not_translated(spec: NodeSpec) -> None:
    """Entries of a combo that the English tooltip explains, and all numbers, stand in the Chinese one, too."""
    for one in spec.inputs:
        entries = one.choices if isinstance(one.choices, tuple) else ()
        said = [
            entry
            for entry in entries
            if re.search(rf"(?<!\w){re.escape(entry)}\b(:| (ranks|for|swaps)\b)", one.description)
        ]
        translated = chinese().text(one.description)
        assert [entry for entry in said if entry not in translated] == []
        assert set(re.findall(r"\d+", one.description)) == set(re.findall(r"\d+", translated))


def test_titles_do_not_clash() -> None:
    """In Chinese, too, two nodes are told apart by their titles."""
    titles = [chinese().text(spec.title) for spec in own_nodes().values()]
    assert len(set(titles)) == len(titles)
    for spec in own_nodes().values():
        names = [chinese().name(one.name) for one in spec.inputs]
        assert len(set(names)) == len(names), spec.id
