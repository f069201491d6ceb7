"""The Chinese catalogue: it is Chinese, it has no text that no node has, and what it lacks stays English."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from api_graph.docs import Catalogue, chinese
from api_graph.docs.catalogue import KINDS
from api_graph.registry import Registry, own_nodes
from api_graph.spec import NodeSpec

CHINESE = re.compile(r"[\u4e00-\u9fff]")
SAME = {"clip", "lvlm", "tokens"}
"""Names that stay as they are, as Chinese texts write them."""


def test_nothing_is_left_over() -> None:
    """If not: take the text out of api_graph/docs/zh.json, or change it to what the node says now."""
    assert chinese().stale(own_nodes()) == []


class TestNewNode:
    """A node that has no Chinese yet: its English is used, and make_docs says so in one line."""

    @pytest.fixture
    def with_new_nodes(self, registry: Registry) -> Registry:
        return {**own_nodes(), **registry}

    def test_it_is_written_in_english_with_one_warning(
        self, make_docs, with_new_nodes: Registry, tmp_path: Path, monkeypatch, capsys
    ) -> None:
        monkeypatch.setitem(make_docs["main"].__globals__, "own_nodes", lambda: with_new_nodes)
        monkeypatch.setitem(make_docs["main"].__globals__, "ROOT", tmp_path)
        monkeypatch.setattr("sys.argv", ["make_docs.py"])
        make_docs["main"]()
        (warning,) = (line for line in capsys.readouterr().err.splitlines() if "zh.json" in line)
        assert warning.startswith("warning: not in api_graph/docs/zh.json, so they stay English: ")
        assert '"Cut something out."' in warning
        page = (tmp_path / "web/docs/TCut/zh.md").read_text("utf-8")
        assert page.startswith("# Cut \\* out\n\nCut something out.\n\n| 输入 | ")  # what the catalogue has is Chinese
        names = json.loads((tmp_path / "locales/zh/nodeDefs.json").read_text("utf-8"))["TCut"]
        assert (names["display_name"], names["inputs"]["sides"]["tooltip"]) == ("Cut * out", "At least `3`.")

    def test_no_warning_without_reason(self, make_docs, registry: Registry) -> None:
        complete = Catalogue(texts={"Show": "显示", "Show it.": "显示。"}, names={"image": "图像"})
        show = {"TShow": registry["TShow"]}
        rest = complete.missing(show)
        assert rest[0] == "other"  # the category; then the pages' own phrases
        filled = Catalogue({"other": "其他"}, complete.names, complete.texts, dict.fromkeys(rest[1:], "短语"))
        assert make_docs["warnings_of"](show, filled) == []
        (stale,) = make_docs["warnings_of"]({}, Catalogue(texts={"Gone": "无"}, phrases=filled.phrases))
        assert stale == 'in api_graph/docs/zh.json, but in no node: "Gone"'


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_chinese(kind: str) -> None:
    found = getattr(chinese(), kind)
    assert {english for english, text in found.items() if not CHINESE.search(text)} <= SAME


@pytest.mark.parametrize("spec", own_nodes().values(), ids=lambda spec: spec.id)
def test_what_is_typed_is_not_translated(spec: NodeSpec) -> None:
    """Choices of a combo that the English tooltip explains, and all numbers, stand in the Chinese one, too."""
    for one in spec.inputs:
        choices = one.choices if isinstance(one.choices, tuple) else ()
        said = [
            choice
            for choice in choices
            if re.search(rf"(?<!\w){re.escape(choice)}\b(:| (ranks|for|swaps)\b)", one.description)
        ]
        translated = chinese().text(one.description)
        assert [choice for choice in said if choice not in translated] == []
        assert set(re.findall(r"\d+", one.description)) == set(re.findall(r"\d+", translated))


def test_titles_do_not_clash() -> None:
    """In Chinese, too, two nodes are told apart by their titles."""
    titles = [chinese().text(spec.title) for spec in own_nodes().values()]
    assert len(set(titles)) == len(titles)
    for spec in own_nodes().values():
        names = [chinese().name(one.name) for one in spec.inputs]
        assert len(set(names)) == len(names), spec.id
