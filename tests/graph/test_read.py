"""Reading graphs: every form that is one, and one clear line for whatever is none."""

from __future__ import annotations

import json
import math
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from api_graph.graph import Graph, GraphError, Link, Unreadable, find_faults, read_graph, settable, validate
from api_graph.graph.read import LARGEST_FILE
from api_graph.registry import Registry, all_nodes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["class_type", "inputs", "_meta", "nodes", "links", "prompt"]), inner, max_size=4
        )
    ),
    max_leaves=15,
)
ODD_NODES = st.fixed_dictionaries(
    {
        "class_type": st.sampled_from(["TBlur", "TAdd", "TChoose", "No"]) | JSON,
        "inputs": st.dictionaries(
            st.sampled_from(["heatmap", "a", "file"]),
            JSON | st.tuples(st.sampled_from("abc"), st.integers(-1, 2)).map(list),
            max_size=3,
        )
        | JSON,
    }
)


def node(**inputs: Any) -> dict[str, Any]:
    return {"1": {"class_type": "TInt", "inputs": inputs}}


def message(source: Any) -> str:
    with pytest.raises(GraphError) as caught:
        read_graph(source)
    return str(caught.value)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Writes graph.json into the working folder."""
    monkeypatch.chdir(tmp_path)

    def write(content: str | bytes, name: str = "graph.json") -> Path:
        Path(name).write_bytes(content.encode() if isinstance(content, str) else content)
        return Path(name)

    return write


class TestForms:
    def test_a_path_a_text_and_a_mapping_give_the_same(self, api, graph: Graph, write) -> None:
        path = write(json.dumps(api))
        assert read_graph(path) == read_graph(str(path)) == graph

    def test_a_wrapper_is_taken_off_and_the_rest_kept(self, api, graph: Graph) -> None:
        wrapped = read_graph({"prompt": api, "workflow": {"nodes": [], "links": []}})
        assert wrapped.nodes == graph.nodes
        assert wrapped.extra == {"workflow": {"nodes": [], "links": []}}

    def test_a_node_may_have_the_id_prompt(self) -> None:
        read = read_graph({"prompt": {"class_type": "TInt", "inputs": {"value": 2}}})
        assert read.nodes["prompt"].literals() == {"value": 2}

    def test_a_byte_order_mark_is_tolerated(self, api, graph: Graph, write) -> None:
        assert read_graph(write("\ufeff" + json.dumps(api))) == graph

    def test_so_is_utf_16_as_windows_shells_write_it(self, api, graph: Graph, write) -> None:
        assert read_graph(write(json.dumps(api).encode("utf-16"))) == graph

    def test_unknown_node_keys_are_ignored(self) -> None:
        extra = {"is_changed": [math.nan], "_meta": {"title": "T", "cnr_id": "x", "ver": 3}, "properties": []}
        read = read_graph({"1": {"class_type": "TInt", "inputs": {}, **extra}})
        assert (read.nodes["1"].title, read.nodes["1"].inputs) == ("T", {})

    @pytest.mark.parametrize("meta", [None, [], {"title": 3}, {"title": None}])
    def test_a_title_that_is_no_text_is_none(self, meta: Any) -> None:
        assert read_graph({"1": {"class_type": "TInt", "inputs": {}, "_meta": meta}}).nodes["1"].title == ""

    def test_wrapped_values_are_unwrapped(self) -> None:
        read = read_graph(node(a={"__value__": ["1", 0]}, b={"__type__": "CURVE", "__value__": None}, c={"d": 1}))
        assert read.nodes["1"].inputs == {"a": ["1", 0], "b": None, "c": {"d": 1}}

    @pytest.mark.parametrize("name", ["subgraph", "bypass"])
    def test_prompts_sent_by_the_official_frontend(self, name: str) -> None:
        sample = Path(__file__).parent / "samples" / f"{name}_expected_prompt.json"
        assert read_graph(sample).to_api() == json.loads(sample.read_text())


class TestImages:
    @pytest.fixture
    def png(self, api, write):
        """A PNG as ComfyUI's SaveImage writes it."""

        def png(**texts: Any) -> Path:
            info = PngImagePlugin.PngInfo()
            for key, value in texts.items():
                info.add_text(key, value if isinstance(value, str) else json.dumps(value))
            path = write(b"", "out.png")
            Image.new("RGB", (8, 8)).save(path, pnginfo=info)
            return path

        return png

    def test_png(self, api, graph: Graph, png) -> None:
        read = read_graph(png(prompt=api, workflow={"nodes": []}, parameters="steps 20"))
        assert read == Graph(graph.nodes, {"workflow": {"nodes": []}})

    def test_png_with_text_outside_latin_1(self, api, png) -> None:
        api["4"]["inputs"]["text"] = "どこ?"
        assert read_graph(png(prompt=json.dumps(api, ensure_ascii=False))).nodes["4"].inputs == {"text": "どこ?"}

    def test_webp(self, api, graph: Graph, write) -> None:
        path, exif = write(b"", "out.webp"), Image.Exif()
        exif[0x0110] = f"prompt:{json.dumps(api)}"
        exif[0x010F] = 'workflow:{"nodes": []}'
        Image.new("RGB", (8, 8)).save(path, exif=exif)
        assert read_graph(path) == Graph(graph.nodes, {"workflow": {"nodes": []}})

    def test_a_riff_chunk_of_odd_length_is_padded(self, api, graph: Graph, write) -> None:
        exif = Image.Exif()
        exif[0x0110] = f"prompt:{json.dumps(api)}"
        content = exif.tobytes()
        chunks = (
            b"WEBP" + b"ODD " + struct.pack("<I", 3) + b"abc\0" + b"EXIF" + struct.pack("<I", len(content)) + content
        )
        path = write(b"RIFF" + struct.pack("<I", len(chunks)) + chunks, "out.webp")
        assert read_graph(path) == graph

    def test_an_image_without_a_graph(self, png) -> None:
        hint = "Give a picture that ComfyUI saved, or the graph's .json file; sent copies lose it."
        assert message(png()) == f"out.png has no graph in it. {hint}"

    def test_a_png_of_another_program(self, png) -> None:
        text = message(png(parameters="a cat\nSteps: 20, Sampler: Euler"))
        assert text.startswith('out.png has no graph in it, only "parameters", as AUTOMATIC1111 and others write them')

    def test_a_png_with_the_editors_format_alone(self, png) -> None:
        node = {"id": 7, "type": "PreviewAny", "mode": 0, "widgets_values": []}
        assert list(read_graph(png(workflow={"nodes": [node]}), all_nodes()).nodes) == ["7"]

    @pytest.mark.parametrize(
        ("content", "kind"),
        [
            (b"\xff\xd8\xff\xe0....", "is a JPEG"),
            (b"\xff\xd8\xff\xe1..Exif..Workflow:{}", "is a JPEG, with what may be a graph inside"),
            (b"GIF89a\x01\0", "is a GIF"),
            (b"\0\0\0\x1cftypavif\xff", "is an AVIF"),
            (b"\0\0\0\x1cftypheic\xff", "is a HEIC"),
            (b"\0\0\0\x1cftypisom\xff", "is an MP4 or MOV film"),
            (b"\x1aE\xdf\xa3\xff", "is a WebM or Matroska film"),
            (b"PK\x03\x04\xff", "is a ZIP file"),
        ],
    )
    def test_other_files_are_named(self, write, content: bytes, kind: str) -> None:
        text = message(write(content, "out.bin"))
        assert text.startswith(f"out.bin {kind}: graphs are read from PNG and WebP, or from .json. Open it in ComfyUI")

    def test_a_bad_prompt_in_an_image(self, png) -> None:
        assert message(png(prompt="{")).startswith("the prompt in out.png is not JSON: ")

    def test_compressed_text(self, api, graph: Graph, write) -> None:
        for international in (False, True):
            info, path = PngImagePlugin.PngInfo(), write(b"", "out.png")
            if international:
                info.add_itxt("prompt", json.dumps(api), "en", "Aufforderung", zip=True)
            else:
                info.add_text("prompt", json.dumps(api), zip=True)
            Image.new("RGB", (8, 8)).save(path, pnginfo=info)
            assert read_graph(path) == graph

    @pytest.mark.parametrize("name", ["out.png", "out.webp"])
    def test_an_image_cut_short(self, name: str, api, graph: Graph, write) -> None:
        info, exif = PngImagePlugin.PngInfo(), Image.Exif()
        info.add_text("prompt", json.dumps(api))
        exif[0x0110] = f"prompt:{json.dumps(api)}"
        Image.new("RGB", (8, 8)).save(write(b"", name), pnginfo=info, exif=exif)
        content = Path(name).read_bytes()
        assert read_graph(write(content, name)) == graph
        for end in range(12, len(content), 7):
            try:
                assert read_graph(write(content[:end], name)) == graph
            except GraphError as error:
                assert str(error).startswith(f"{name} has no graph in it. ")


class TestNoGraph:
    """What is no graph at all: one line each."""

    @pytest.mark.parametrize(
        ("document", "start"),
        [
            ([], "the graph is no graph, but a list. A graph in API format is"),
            (3, "the graph is no graph, but 3. "),
            (None, "the graph is no graph, but null. "),
            ({}, "the graph has no nodes. "),
            ({"prompt": {}}, "the graph has no nodes. "),
            ({"a": 1, "b": {"c": 2}}, "the graph is JSON, but no graph: nothing in it is a node. "),
            ({"nodes": [], "links": []}, "the graph is in the editor's own save format. Its nodes name no inputs; "),
        ],
    )
    def test_documents(self, document: Any, start: str) -> None:
        assert message(document).startswith(start)
        assert "\n" not in message(document)

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            ("{,}", "graph.json is not JSON: "),
            (
                "",
                "graph.json is not JSON: Expecting value, at line 1, column 1. Mend it there, or export it again",
            ),
            (
                "\xff".encode("latin-1"),
                "graph.json is not UTF-8 text. Give a graph's .json file, or a PNG with a graph in it.",
            ),
            (b"\xff\xfe{", "graph.json is not UTF-8 text. "),
            ("[" * 200_000, "graph.json nests too deeply. Export it again from the editor."),
            ('{"1":' * 200_000, "graph.json nests too deeply. "),
            ('{"1": ' + "9" * 5000 + "}", "graph.json holds a number with too many digits. "),
            ("[1, 2]", "graph.json is no graph, but a list. "),
        ],
    )
    def test_files(self, write, content: str | bytes, expected: str) -> None:
        text = message(write(content))
        assert text.startswith(expected)
        assert "\n" not in text

    def test_paths(self, write, tmp_path: Path) -> None:
        assert message("none.json") == "there is no file none.json. Check the path."
        assert message("") == ". is a folder. Name the graph's file in it."
        assert message("a\0b").startswith("a b cannot be read (")
        assert "cannot be read (" in message("x" * 5000)
        assert message("/dev/null") == "/dev/null is not a plain file. Give a graph's .json file."

    def test_a_large_file_is_not_read(self, write) -> None:
        path = write("")
        with path.open("wb") as file:
            file.truncate(LARGEST_FILE + 1)
        assert message(path) == "graph.json is larger than 64 MB. Is it a graph?"

    def test_too_many_nodes(self) -> None:
        nodes = {str(i): {"class_type": "TInt", "inputs": {}} for i in range(100_001)}
        assert message(nodes) == "the graph has 100001 nodes; more than 100000 are not read. Split it."


class TestNodes:
    def test_every_bad_node_is_named(self) -> None:
        lines = message(
            {
                "1": {"class_type": "TInt", "inputs": {}},
                "2": {"inputs": {}, "_meta": {"title": "Two"}},
                "3": {"class_type": "TInt", "_meta": {"title": "Three"}},
                "4": {"class_type": 4, "inputs": {}},
                "5": {"class_type": "TInt", "inputs": []},
                "6": 7,
                "": {"class_type": "TInt", "inputs": {}},
                8: {"class_type": "TInt", "inputs": {}},
                "9": {"class_type": "TInt", "inputs": {1: 2}},
            }
        ).splitlines()
        form = 'A node is {"class_type": "...", "inputs": {...}}.'
        empty = 'it has no "inputs", or some that are no object. Write "inputs": {} if there are none.'
        assert lines == [
            f'node 2 "Two": it has no class_type, or one that is no text. {form}',
            f'node 3 "Three": {empty}',
            f'node 4 "": it has no class_type, or one that is no text. {form}',
            f'node 5 "TInt": {empty}',
            f'node "6" is 7, not a node. {form}',
            'the node id "" is no text, or an empty one. Ids are texts: "1", "2".',
            'the node id 8 is no text, or an empty one. Ids are texts: "1", "2".',
            'node 9 "TInt": the input name 1 is no text. Write "1".',
        ]

    @pytest.mark.parametrize(
        ("content", "expected"),
        [
            (
                '{"1": {"class_type": "TInt", "inputs": {}}, "1": {"class_type": "TInt", "inputs": {}}}',
                'graph.json has two nodes with the id "1". Renumber one of them.',
            ),
            (
                '{"1": {"class_type": "TInt", "inputs": {}, "inputs": {}}}',
                'node 1 "TInt": "inputs" is written twice. Keep one.',
            ),
            (
                '{"1": {"class_type": "TInt", "inputs": {"value": 1, "value": 2}}}',
                'node 1 "TInt": "value" is written twice. Keep one.',
            ),
        ],
    )
    def test_keys_written_twice(self, write, content: str, expected: str) -> None:
        assert message(write(content)) == expected


class TestValues:
    """What can be neither link nor literal is kept, for `validate` to report with the rest."""

    @pytest.mark.parametrize(
        ("value", "problem", "hint"),
        [
            ([1, 0], "a link names its node by a text", 'Write ["1", 0].'),
            (["1", 0.0], "a list, but no link", 'A link is ["node id", output number]; '),
            (["1", True], "a list, but no link", 'A link is ["node id", output number]; '),
            (["1"], "a list, but no link", 'A link is ["node id", output number]; '),
            ([], "a list, but no link", 'A link is ["node id", output number]; '),
            (
                [1, 2, 3],
                "a list, but no link",
                'A link is ["node id", output number]; a list that is a value is written',
            ),
            (math.nan, "neither NaN nor Infinity is a number in JSON", "Give a finite number."),
            (-math.inf, "neither NaN nor Infinity is a number in JSON", "Give a finite number."),
            ({"__value__": [1, [math.inf]]}, "neither NaN nor Infinity is a number in JSON", "Give a finite number."),
            ({"a": {"b": "\ud800"}}, "half a character (a lone surrogate)", "Type the text again."),
        ],
    )
    def test_unreadable(self, value: Any, problem: str, hint: str) -> None:
        read = read_graph(node(value=value)).nodes["1"].inputs["value"]
        assert isinstance(read, Unreadable)
        assert (read.value, read.problem) == (value, problem)
        assert read.hint.startswith(hint)

    def test_they_are_neither_links_nor_literals(self) -> None:
        read = read_graph(node(a=[1, 0], b=["1", 0], c=1)).nodes["1"]
        assert (read.links(), read.literals()) == ({"b": Link("1", 0)}, {"c": 1})

    @pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
    def test_no_number_in_a_file(self, write, registry: Registry, number: str) -> None:
        path = write(f'{{"1": {{"class_type": "TInt", "inputs": {{"value": {number}}}}}}}')
        with pytest.raises(GraphError, match="neither NaN nor Infinity is a number in JSON"):
            validate(read_graph(path), registry)

    def test_a_key_written_twice_in_a_value(self, write) -> None:
        read = read_graph(write('{"1": {"class_type": "TInt", "inputs": {"value": {"a": 1, "a": 2}}}}'))
        value = read.nodes["1"].inputs["value"]
        assert isinstance(value, Unreadable)
        assert value.problem == '"a" is written twice in one object'

    def test_values_nest_only_so_deep(self) -> None:
        deep: list[Any] = []
        for _ in range(100):
            deep = [deep]
        read = read_graph(node(fine={"__value__": deep}, deep={"__value__": [deep]})).nodes["1"].inputs
        assert read["fine"] is deep
        assert isinstance(read["deep"], Unreadable)

    def test_a_list_that_holds_itself(self) -> None:
        endless: list[Any] = []
        endless.append(endless)
        assert isinstance(read_graph(node(value={"__value__": endless})).nodes["1"].inputs["value"], Unreadable)


@given(JSON | st.dictionaries(st.text(min_size=1, max_size=3), ODD_NODES | JSON, max_size=4))
@settings(max_examples=300)
def test_any_json_is_a_graph_or_a_graph_error(registry: Registry, document: Any) -> None:
    try:
        graph = read_graph(document)
    except GraphError as error:
        assert error.faults
        assert len(str(error).splitlines()) == len(error.faults)
        return
    faults = find_faults(graph, registry)
    assert all(len(str(fault).splitlines()) == 1 for fault in faults)
    settable(graph, registry)


@given(st.binary(max_size=60) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_file_is_a_graph_or_a_graph_error(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_bytes(content)
    try:
        assert read_graph(path).nodes
    except GraphError as error:
        assert error.faults
