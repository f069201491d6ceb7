"""A graph as a Mermaid flowchart."""

from __future__ import annotations

import re
from typing import Any

import pytest

from api_graph.draw import to_mermaid
from api_graph.draw.colours import category_colour
from api_graph.graph import read_graph
from api_graph.registry import Registry, all_nodes
from api_graph.settings import shipped


def test_a_small_graph(chain: dict[str, Any], registry: Registry) -> None:
    assert to_mermaid(read_graph(chain), registry).splitlines() == [
        "flowchart LR",
        '    n0["<b>image</b><br/>image: #34;cat.png#34;"]',
        '    n1["<b>Number</b><br/>value: 0.5"]',
        '    n2["<b>Mix</b><br/>note: #34;two#92;n#92;#34;lines#92;#34;#34;"]',
        '    n3["<b>Save</b>"]',
        '    n4["<b>Save</b><br/>prefix: #34;b#34;"]',
        '    n0 -->|"image"| n2',
        '    n0 -->|"mask"| n2',
        '    n1 -->|"strength"| n2',
        '    n2 -->|"image"| n3',
        '    n2 -->|"image"| n4',
        f"    classDef c0 fill:{category_colour('test/in')},stroke:#888,color:#fff",
        "    class n0 c0",
        f"    classDef c1 fill:{category_colour('test')},stroke:#888,color:#fff",
        "    class n1,n2 c1",
        f"    classDef c2 fill:{category_colour('test/out')},stroke:#888,color:#fff",
        "    class n3,n4 c2",
    ]


@pytest.mark.parametrize("name", shipped())
def test_nothing_in_a_label_means_anything_to_mermaid(name: str) -> None:
    text = to_mermaid(read_graph(shipped()[name]), all_nodes())
    for label in re.findall(r'\["(.*)"\]|\|"(.*)"\|', text):
        plain = re.sub(r"<b>|</b>|<br/>|#\d+;", "", "".join(label))
        assert not set(plain) & set('"<>#&;[]{}|`\\') - {";"}


def test_a_graph_that_cannot_run_is_drawn_all_the_same(registry: Registry) -> None:
    api = {
        "end": {"class_type": "Unknown <b>", "inputs": {"a": ["gone", 1], "b": [1, 0]}},
        "2": {"class_type": "TSave", "inputs": {"image": ["end", 7]}, "_meta": {"title": "]\n-->"}},
    }
    lines = to_mermaid(read_graph(api), registry).splitlines()
    assert lines[1:7] == [
        '    n0["<b>Unknown #60;b#62;</b><br/>b: #91;1, 0#93;"]',
        '    n1["<b>#93; --#62;</b>"]',
        '    n2["gone"]',
        '    n2 -->|"1 → a"| n0',
        '    n0 -->|"7 → image"| n1',
        lines[6],
    ]
    assert lines[6].startswith("    classDef c0 ")
