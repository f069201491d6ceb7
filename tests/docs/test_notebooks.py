"""The notebooks are their pages, run: what is committed has the pages' cells, and the cells run from the top."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tools import make_notebooks
from tools.make_notebooks import NOTEBOOKS, ROOT, cells_of, names

needs_kernel = pytest.mark.skipif(
    not all(map(find_spec, ("nbclient", "nbformat", "ipykernel"))), reason="nbclient or ipykernel is not installed"
)


def committed(name: str) -> dict[str, Any]:
    return json.loads((NOTEBOOKS / f"{name}.ipynb").read_text("utf-8"))


def test_there_is_one_for_each_page() -> None:
    assert names() == ["annotate", "benchmarks", "steering", "tables"]
    assert sorted(path.name for path in NOTEBOOKS.iterdir()) == [f"{name}.ipynb" for name in names()]


@pytest.mark.parametrize("name", names())
def test_a_committed_notebook_is_its_page(name: str) -> None:
    page = (make_notebooks.PAGES / f"{name}.md").read_text("utf-8")
    found = [(cell["cell_type"], "".join(cell["source"])) for cell in committed(name)["cells"]]
    assert found == list(cells_of(page)), "run tools/make_notebooks.py"


@pytest.mark.parametrize("name", names())
def test_a_committed_notebook_was_run(name: str) -> None:
    """In order, without an error or a warning; and it says nothing of the machine."""
    cells = [cell for cell in committed(name)["cells"] if cell["cell_type"] == "code"]
    assert [cell["execution_count"] for cell in cells] == list(range(1, len(cells) + 1))
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert not [one for one in outputs if one["output_type"] == "error" or one.get("name") == "stderr"]
    text = (NOTEBOOKS / f"{name}.ipynb").read_text("utf-8")
    assert '"image/png": "' in text or "data:image/png" in text
    for place in (str(ROOT), str(Path.home()), "/tmp/", "site-packages"):
        assert place not in text
    assert len(text) < 1_500_000


@needs_kernel
@pytest.mark.parametrize("name", names())
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore:Kernel")
def test_a_notebook_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each cell gives the kinds of output that are committed."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    ran = make_notebooks.run(make_notebooks.notebook_of(name))
    for cell, before in zip(ran.cells, committed(name)["cells"], strict=True):
        if cell.cell_type == "code":
            assert [kinds(one) for one in cell.outputs] == [kinds(one) for one in before["outputs"]], cell.source


def kinds(output: Any) -> tuple[str, ...]:
    return (output["output_type"], *sorted(output.get("data", {})))


def test_a_page_becomes_cells() -> None:
    page = "# Title\n\nText.\n\n```python\na = 1\n```\n```python\nb\n\nc\n```\n\n```sh\nls\n```\n"
    assert list(cells_of(page)) == [
        ("markdown", "# Title\n\nText."),
        ("code", "a = 1"),
        ("code", "b\n\nc"),
        ("markdown", "```sh\nls\n```"),
    ]


@needs_kernel
def test_a_cell_that_fails_is_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from nbclient.exceptions import CellExecutionError  # pyright: ignore[reportMissingImports]

    (tmp_path / "wrong.md").write_text("```python\nimport api_graph\napi_graph.nothing\n```\n")
    monkeypatch.setattr(make_notebooks, "PAGES", tmp_path)
    with pytest.raises(CellExecutionError, match="no attribute 'nothing'"):
        make_notebooks.run(make_notebooks.notebook_of("wrong"))
