"""Bad input, end to end: one clear line that names the node, the input, the value and a hint, and no work is lost."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

import api_graph

from .conftest import PICTURE, STAR, Cli


def png_of(width: int, height: int) -> bytes:
    """A PNG of 100 bytes that promises `width` × `height` pixels."""
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)),
        (b"IDAT", zlib.compress(b"\0" * 100)),
        (b"IEND", b""),
    ]
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


def cut_jpeg(path: Path) -> None:
    with Image.open(PICTURE) as picture:
        picture.convert("RGB").save(path, "JPEG")
    path.write_bytes(path.read_bytes()[:5000])


FILES: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "missing.png": (lambda path: None, "there is no such file", "Put the file there"),
    "folder": (Path.mkdir, "it is a folder or a device, not a file", "Name one file."),
    "no_image.png": (lambda path: path.write_text("hello"), "this is not an image", "Save it in one of PNG, JPEG"),
    "svg.png": (lambda path: path.write_text("<svg/>"), "this is not an image", "Save it in one of PNG, JPEG"),
    "eps.png": (lambda path: path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n"), "this is not an image", "Save it in"),
    "cut.jpg": (cut_jpeg, "the file is cut short: of its 320 rows the last", "Download or save it again."),
    "empty.png": (lambda path: path.write_bytes(b""), "the file is empty", "Download or save it again."),
    "bomb.png": (lambda path: path.write_bytes(png_of(40_000, 40_000)), "1600000000 pixels", "Make it smaller."),
    "large.png": (lambda path: path.write_bytes(png_of(12_000, 10_000)), "12000×10000", "Make it smaller"),
    "x" * 5000: (lambda path: None, "there is no such file", "Put the file there"),
    "loop.png": (lambda path: path.symlink_to(path), "there is no such file", "Put the file there"),
    "~nobody-of-this-name/a.png": (lambda path: None, "there is no such file", "Put the file there"),
}


@pytest.mark.parametrize("name", FILES, ids=lambda name: name[:20])
def test_a_file_that_is_no_picture(cli: Cli, name: str) -> None:
    make, problem, hint = FILES[name]
    make(Path(name))
    answer = cli("run", "api_clip_cls", image=name)
    error = answer.error()
    assert answer.code == 1
    assert error.startswith('node 1 "image": image: ')
    assert problem in error and hint in error and name[-20:] in error
    assert not list(Path("output").glob("*"))


@pytest.mark.parametrize("name", ["/dev/zero", "fifo"])
def test_a_device_does_not_hang(cli: Cli, name: str) -> None:
    if name == "fifo":
        os = pytest.importorskip("posix")
        os.mkfifo(name)
    elif not Path(name).exists():
        pytest.skip("there is no such device here")
    assert "it is a folder or a device" in cli("run", "api_clip_cls", image=name).error()


def test_what_a_failed_run_has_computed_is_kept(cli: Cli) -> None:
    """The picture is bad, the question is not: the next run, with another picture, finds its features."""
    cut_jpeg(Path("cut.jpg"))
    assert cli("run", "api_clip_cls", image="cut.jpg", query=STAR).code == 1
    assert cli("run", "api_clip_cls", "--json", query=STAR).actions["Encode query"] == "disk"


@pytest.mark.parametrize("query", ["", "  \t ", "\n"])
def test_an_empty_query(cli: Cli, query: str) -> None:
    answer = cli("run", "api_clip_cls", query=query)
    assert answer.code == 1
    assert answer.error().startswith('node 5 "Encode query": query: a query is empty (got ')
    assert answer.error().endswith("Say what to look for.")


def test_a_query_over_the_context_length_is_cut_and_says_so(cli: Cli) -> None:
    long = " ".join([STAR] * 40)  # 120 words, a token each, and the two marks
    answer = cli("run", "api_clip_cls", query=long)
    (warning,) = answer.lines("warning")
    assert answer.code == 0
    assert "is 98 tokens too long for 'demo', which reads 24; its end was cut off" in warning
    short = cli("run", "api_clip_cls", query=" ".join([STAR] * 7))  # 21 words and the marks: nothing is cut
    assert (short.code, short.lines("warning")) == (0, [])


def test_a_kernel_larger_than_the_image_works_and_an_even_one_does_not(cli: Cli) -> None:
    assert cli("run", "api_clip_cls", kernel_size=4095).code == 0
    even = cli("run", "api_clip_cls", kernel_size=16)
    assert even.code == 2  # nothing has run
    assert even.error().startswith('node 9 "Mean filter", input kernel_size = 16: an even number, where an odd one is')
    assert even.error().endswith("Use 15 or 17.")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("kernel_size=0", 'node 9 "Mean filter", input kernel_size = 0: out of range. Give a whole number from 1'),
        ("kernel_size=1e3", 'input kernel_size = "1e3": this is not a whole number'),
        ("strength=nan", 'node 10 "Alpha blend", input strength = "nan": this is not a number'),
        ("strength=1,5", 'input strength = "1,5": this is not a number. Give a number from 0 to 1.'),
        ("qurey=a star", 'Did you mean "query"?'),
    ],
)
def test_a_bad_value_is_refused_before_anything_runs(cli: Cli, setting: str, said: str) -> None:
    answer = cli("run", "api_clip_cls", "--set", setting)
    assert answer.code == 2
    assert said in answer.error()
    assert not Path("output").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("hello", "x.json is not JSON: Expecting value, at line 1, column 1. Mend it there"),
        ('{"1": ', "x.json is not JSON"),
        ("[" * 100_000, "x.json nests too deeply"),
        ("[]", "x.json is no graph, but a list. A graph in API format is"),
        ("null", "x.json is no graph, but null. A graph in API format is"),
        ('{"a": 5}', "x.json is JSON, but no graph: nothing in it is a node. A graph in API format is"),
        ('{"nodes": [], "links": []}', "the editor's own save format"),
        ("\0", "is not JSON"),
    ],
)
def test_a_file_that_is_no_graph(cli: Cli, content: str, said: str) -> None:
    Path("x.json").write_text(content, "utf-8")
    answer = cli("run", "x.json")
    assert answer.code == 2
    assert said in answer.error()


@pytest.mark.parametrize("name", ["~nobody-of-this-name", "x" * 5000, "loop", "", "/dev/zero"])
def test_a_graph_of_an_impossible_name(cli: Cli, name: str) -> None:
    if name == "loop":
        Path(name).symlink_to(name)
    answer = cli("check", name)
    assert answer.code == 2
    assert answer.error()


def test_from_python_it_is_an_exception_with_the_same_text(cli: Cli) -> None:
    said = cli("run", "api_clip_cls", image="missing.png").error()
    with pytest.raises(api_graph.ApiGraphError) as failed:
        api_graph.run_graph("api_clip_cls", {"image": "missing.png"})
    assert str(failed.value) == said
    with pytest.raises(api_graph.BadInput, match=r"query is empty \(got ''\)\. Say what to look for\."):
        api_graph.annotate(PICTURE, "")
