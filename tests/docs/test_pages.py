"""Pages and names written from the nodes' contracts."""

from __future__ import annotations

import json

from api_graph.docs import Catalogue, Example, help_page, locale_files, reference
from api_graph.docs.catalogue import english_of
from api_graph.docs.pages import code, plain
from api_graph.registry import Registry

INPUTS = r"""
| input | type | default | takes | what it is |
| --- | --- | --- | --- | --- |
| `images` | `IMAGE` (list) | required |  | One \| several. |
| `model` | `COMBO` | required |  |  |
| `sides` | `INT` | `4` | 3 … 4294967295 | At least `3`. |
| `gain` | `FLOAT` | `1.5` | ≥ 0.5 |  |
| `mode` | `COMBO` | `"in_out"` | `in_out`, `a\|b` |  |
| `mask` | `MASK` | none |  |  |
| `label` | `STRING` | `"a \"b\""` |  |  |
| `loud` | `BOOLEAN` | `false` |  |  |

| output | type | what it is |
| --- | --- | --- |
| `image` | `IMAGE` | What is \<left\>. |
| `masks` | `MASK` (list) |  |
"""

GERMAN = Catalogue(
    categories={"cut": "Schneiden"},
    names={"image": "Bild"},
    texts={"Show": "Zeigen", "Show it.": "Zeige es."},
    phrases={"input": "Eingang", "required": "nötig", "Shipped graphs with this node:": "Graphen:"},
)


def test_the_reference(registry: Registry) -> None:
    introduction, _, rest = reference(registry).partition("\n\n* ")
    assert introduction.startswith("# Nodes\n")
    assert f"* {rest}" == (
        "* test.er/cut: [Cut \\* out](#tcut)\n"
        "* other: [Show](#tshow)\n"
        "\n## test.er/cut\n"
        '\n### <a id="tcut"></a>Cut \\* out\n'
        f"\nCut something out. (`TCut`; also found as snip)\n{INPUTS}"
        "\n## other\n"
        '\n### <a id="tshow"></a>Show\n'
        "\nShow it. (`TShow`; output node)\n"
        "\n| input | type | default | takes | what it is |\n| --- | --- | --- | --- | --- |\n"
        "| `image` | `IMAGE` | required |  |  |\n"
    )


def test_an_example_stands_under_its_node(registry: Registry) -> None:
    plain_page = reference(registry)
    examples = {"TCut": Example("a_graph", "pictures/a%20graph.jpg", "gallery.md")}
    shown = "\nIn the graph `a_graph`:\n\n[![What a_graph makes](pictures/a%20graph.jpg)](gallery.md#a_graph)\n"
    assert reference(registry, examples) == plain_page.replace("\n\n## other", f"\n{shown}\n## other")


def test_a_help_page(registry: Registry) -> None:
    assert help_page(registry["TCut"], Catalogue()) == f"# Cut \\* out\n\nCut something out.\n{INPUTS}"


def test_a_help_page_in_another_language(registry: Registry) -> None:
    """What the catalogue lacks stays English; beside a name in that language stands the one in files."""
    assert help_page(registry["TShow"], GERMAN, ["a_graph", "b"]) == (
        "# Zeigen\n\nZeige es.\n"
        "\n| Eingang | type | default | takes | what it is |\n| --- | --- | --- | --- | --- |\n"
        "| Bild `image` | `IMAGE` | nötig |  |  |\n"
        "\nGraphen: `a_graph`, `b`\n"
    )


def test_names_for_the_editor(registry: Registry) -> None:
    files = locale_files(registry, GERMAN)
    assert files["main.json"] == {"nodeCategories": {"cut": "Schneiden", "other": "other", "test_er": "test.er"}}
    assert files["nodeDefs.json"]["TShow"] == {
        "display_name": "Zeigen",
        "description": "Zeige es.",
        "inputs": {"image": {"name": "Bild"}},
        "outputs": {},
    }
    cut = files["nodeDefs.json"]["TCut"]
    assert cut["inputs"]["sides"] == {"name": "sides", "tooltip": "At least `3`."}
    assert cut["outputs"] == {"0": {"name": "Bild", "tooltip": "What is <left>."}, "1": {"name": "masks"}}
    assert json.loads(json.dumps(files)) == files


def test_the_english_that_a_catalogue_can_translate(registry: Registry) -> None:
    needed = english_of(registry)
    assert needed["categories"] == {"test.er", "cut", "other"}
    assert {"images", "image", "masks", "mask"} <= needed["names"]
    assert "At least `3`." in needed["texts"]
    assert "" not in needed["texts"]


def test_what_a_catalogue_lacks_and_what_it_has_for_nothing(registry: Registry) -> None:
    missing, stale = GERMAN.missing(registry), GERMAN.stale(registry)
    assert {"test.er", "mask", "Cut * out", "At least `3`.", "output"} <= set(missing)
    assert not {"cut", "image", "Show", "Show it.", "input"} & set(missing)
    assert stale == []
    only_cut = {"TCut": registry["TCut"]}
    assert GERMAN.stale(only_cut) == ["Show", "Show it."]
    complete = Catalogue(**{kind: dict.fromkeys(texts, "x") for kind, texts in english_of(registry).items()})
    assert (complete.missing(registry), complete.stale(registry)) == ([], [])


def test_nothing_in_a_cell_ends_it() -> None:
    assert plain("a|b\n*c* <d> _e_ f_g [h](i)") == r"a\|b \*c\* \<d\> \_e\_ f_g \[h\](i)"
    assert code("a|b\nc") == r"`a\|b c`"
    assert code("`a`") == "`` `a` ``"
