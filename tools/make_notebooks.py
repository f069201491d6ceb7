"""Writes docs/notebooks/: each page of tools/notebooks/ as a notebook, with what its cells gave when they ran here.

    python tools/make_notebooks.py [NAME ...]

It needs nbclient and ipykernel, which are in the extra `test`. Of a page, blocks of Python are cells of code, and the
rest is text. A notebook is run in a copy of its place in the repository, so that it finds the example picture and
leaves nothing behind. Bars of progress are left out: they say how long it took here.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
PAGES, NOTEBOOKS = ROOT / "tools" / "notebooks", ROOT / "docs" / "notebooks"
NEEDED = ("graphs/api_graph_example.png",)
_BLOCK = re.compile(r"^```python\n(.*?)\n```$", re.M | re.S)
_TIMEOUT = 600


def names() -> list[str]:
    """The notebooks that there are."""
    return sorted(path.stem for path in PAGES.glob("*.md"))


def cells_of(page: str) -> Iterator[tuple[str, str]]:
    """The cells of a page in their order, each "code" or "markdown"."""
    for number, part in enumerate(_BLOCK.split(page)):
        if part.strip():
            yield ("code" if number % 2 else "markdown"), part.strip("\n")


def notebook_of(name: str) -> Any:
    """The notebook of a page, before it is run."""
    from nbformat import v4

    made = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell}
    page = (PAGES / f"{name}.md").read_text("utf-8")
    cells = [made[kind](text, id=f"cell-{n}") for n, (kind, text) in enumerate(cells_of(page), start=1)]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def run(notebook: Any) -> Any:
    """Run a notebook's cells in a kernel of its own. Raises CellExecutionError for a cell that fails."""
    from nbclient import NotebookClient

    with TemporaryDirectory() as folder:
        place = Path(folder, "docs", "notebooks")
        place.mkdir(parents=True)
        for file in NEEDED:
            Path(folder, file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, Path(folder, file))
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        own = {"PYTHONPATH": path, "API_GRAPH_CACHE": str(Path(folder, "cache")), "CUDA_VISIBLE_DEVICES": ""}
        resources = {"metadata": {"path": str(place)}}
        NotebookClient(notebook, timeout=_TIMEOUT, resources=resources, coalesce_streams=True).execute(
            env={**os.environ, **own}
        )
    for cell in notebook.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [one for one in cell.outputs if not _is_bar(one)]
    return notebook


def _is_bar(output: Any) -> bool:
    """Whether it is a bar of progress, or the complaint that it is drawn as text because ipywidgets are not there."""
    if output.output_type != "stream" or output.name != "stderr":
        return False
    return output.text.startswith("\r") or "IProgress not found" in output.text


def main() -> None:
    """Write the notebooks that are named, or all."""
    import nbformat

    NOTEBOOKS.mkdir(exist_ok=True)
    for name in sys.argv[1:] or names():
        nbformat.write(run(notebook_of(name)), NOTEBOOKS / f"{name}.ipynb")
        print(f"docs/notebooks/{name}.ipynb")


if __name__ == "__main__":
    main()
