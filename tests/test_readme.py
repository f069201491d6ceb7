"""The README and the pages that it leads to: every command runs as it is printed, in a copy of what a clone holds of
the graphs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pytest

from api_graph.settings import shipped

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
PAGES = (
    "commands",
    "graphs",
    "python",
    "models",
    "comfyui",
    "concepts",
    "figures",
    "architecture",
    "security",
    "alternatives",
)
"""Those in docs/ that have no tests of their own."""
TEXTS = {"README.md": README, **{f"docs/{page}.md": (ROOT / f"docs/{page}.md").read_text("utf-8") for page in PAGES}}
BLOCK = re.compile(r"(?:^<!-- (?P<mark>[a-z ]+) -->\n)?^```(?P<language>\w+)\n(?P<code>.*?)^```$", re.M | re.S)
SET_UP = "python3 -m venv .venv && .venv/bin/pip install "  # `.ci/run` does this half, as printed

posix = pytest.mark.skipif(os.name != "posix" or shutil.which("bash") is None, reason="the commands are for a shell")


class Block(NamedTuple):
    """A fenced block. `mark` is the comment on the line above it."""

    mark: str
    language: str
    code: str


BLOCKS = [
    Block(found["mark"] or "", found["language"], found["code"])
    for text in TEXTS.values()
    for found in BLOCK.finditer(text)
]
COMMANDS = "".join(block.code for block in BLOCKS if block.language == "sh" and not block.mark)


def marked(mark: str) -> str:
    (code,) = (block.code for block in BLOCKS if block.mark == mark)
    return code.strip()


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A folder with the graphs in it, where `api-graph` and `python` are those of this test run."""
    shutil.copytree(ROOT / "graphs", tmp_path / "graphs")
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "api-graph"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m api_graph "$@"\n', "utf-8")
    script.chmod(0o755)
    return tmp_path


def run(clone: Path, *words: str) -> str:
    surroundings = {
        **os.environ,
        "PATH": f"{clone / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "API_GRAPH_CACHE": str(clone / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    ran = subprocess.run(words, cwd=clone, env=surroundings, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Traceback" not in ran.stderr
    return ran.stdout


def written(clone: Path) -> set[str]:
    """Beginnings of the names of the pictures in `output/`."""
    return {path.name.rpartition("_0")[0] for path in (clone / "output").glob("*.png")}


@posix
def test_the_demo_command(clone: Path) -> None:
    code = marked("demo command")
    assert code.startswith(SET_UP)
    command = code.rpartition(" && ")[2]
    assert command == ".venv/bin/api-graph demo"
    assert "peak at" in run(clone, "bash", "-c", command.removeprefix(".venv/bin/"))
    assert {"annotated", "heatmap"} <= written(clone)


def test_the_test_command_is_the_one_that_ci_runs() -> None:
    code = marked("test command")
    assert code.startswith(SET_UP)
    assert code.endswith(" && .venv/bin/python -m pytest")
    assert "<!-- test command -->" in (ROOT / ".ci" / "run").read_text("utf-8")


@posix
def test_the_commands(clone: Path) -> None:
    """Each line in a shell of its own, a few at a time: most of what they take is loading torch."""
    lines = list(dict.fromkeys(COMMANDS.splitlines()))
    assert len(lines) >= 8 and all(line.startswith("api-graph ") for line in lines)
    with ThreadPoolExecutor(4) as threads:
        printed = "".join(threads.map(lambda line: run(clone, "bash", "-c", line), lines))
    assert {"annotated", "heatmap", "questions"} <= written(clone)
    assert "All that is needed is here." in printed


def python_of(text: str) -> str:
    """The blocks of a page, as somebody runs them who reads from the top."""
    return "\n".join(found["code"] for found in BLOCK.finditer(text) if found["language"] == "python")


PYTHON = {name: code for name, text in TEXTS.items() if (code := python_of(text))}


@pytest.mark.parametrize("name", PYTHON)
def test_the_python_code(clone: Path, name: str) -> None:
    code = PYTHON[name]
    # torch 2.4 leaves a temporary folder of its own to the end of the process.
    strict = ("-W", "error", "-W", "ignore:Implicitly cleaning up:ResourceWarning")
    printed = run(clone, sys.executable, *strict, "-c", code).splitlines()
    assert any("480, 320" in line or "480×320" in line for line in printed)
    assert any("annotated" in line for line in printed)


def test_commands_that_need_the_network_name_what_there_is() -> None:
    """They cannot run here; but their graphs and nodes must exist."""
    graphs = re.findall(r"api-graph (?:run|check) ([a-z]\w*)", "".join(TEXTS.values()))
    assert len(graphs) >= 5
    assert set(graphs) <= set(shipped())


def test_the_tables_list_the_shipped_graphs() -> None:
    listed = re.findall(r"^\| `(\w+)` \|", TEXTS["docs/graphs.md"], re.M)
    assert sorted(listed) == sorted(shipped())


@pytest.mark.parametrize("page", TEXTS)
def test_links_lead_to_files_and_headings(page: str) -> None:
    text = TEXTS[page]
    headings = {re.sub(r"[^\w -]", "", h.lower()).replace(" ", "-") for h in re.findall(r"^#+ (.+)$", text, re.M)}
    for target in re.findall(r"\]\(([^)]+)\)", text):
        if target.startswith("#"):
            assert target[1:] in headings
        elif not target.startswith("https://"):
            assert (ROOT / page).parent.joinpath(target).is_file(), target


def test_the_readme_leads_to_every_page() -> None:
    linked = set(re.findall(r"\]\(docs/(\w+)\.md\)", README))
    assert linked == {path.stem for path in (ROOT / "docs").glob("*.md")}


def prose(text: str) -> str:
    """A page without its code, its comments and its lists' marks; the names that links lead to are left out."""
    text = re.sub(r"^```.*?^```$|<!--.*?-->|^#.*$|^\|.*$|^!\[.*$", "\n", text, flags=re.M | re.S)
    return re.sub(r"\]\([^)]*\)", "]", text)


def test_the_readme_is_short() -> None:
    assert len(prose(README).split()) <= 1200


def test_no_sentence_of_the_readme_is_long() -> None:
    sentences = re.split(r"[.!?:](?:\s|$)|\n\n|^\* ", prose(README), flags=re.M)
    long = [sentence for sentence in sentences if len(sentence.split()) > 30]
    assert long == []
