"""`api-graph edit` as a process of its own, for all tests here, and Chromium in front of it.

What is missing skips the tests; with API_GRAPH_BROWSER_TESTS=1 it fails them. CHROMIUM names a browser that is not on
the PATH; API_GRAPH_SCREENSHOTS a folder that keeps the pictures for people to look at.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.editor.browser.editor import Editor

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
Pictures = Callable[[str], Path | None]
WINDOW = {"width": 1400, "height": 900}


def needed(found: Any, what: str) -> Any:
    if found:
        return found
    if os.environ.get("API_GRAPH_BROWSER_TESTS") == "1":
        pytest.fail(f"{what} is missing, and API_GRAPH_BROWSER_TESTS=1")
    pytest.skip(f"{what} is missing")


@pytest.fixture(scope="session")
def chromium() -> str:
    return needed(os.environ.get("CHROMIUM") or shutil.which("chromium"), "Chromium (Debian's package chromium)")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that the editor works in."""
    return tmp_path_factory.mktemp("editor")


@pytest.fixture(scope="session")
def server(folder: Path, own_cache: None) -> Iterator[str]:
    """The address of a running `api-graph edit`."""
    needed(find_spec("comfyui_frontend_package"), "comfyui-frontend-package (pip install 'api-graph[editor]')")
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    words = [sys.executable, "-m", "api_graph", "edit", "--no-browser", "--port", "0", "--folder", str(folder)]
    log = folder / "server.log"
    surroundings = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    with log.open("wb") as errors:
        process = subprocess.Popen(words, env=surroundings, stdout=subprocess.PIPE, stderr=errors, cwd=folder)
    with process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline().decode()
            found = re.search(r"http://\S+", line)
            assert found, f"no address in {line!r}: {log.read_text()}"
            yield found[0]
        finally:
            process.terminate()
    assert "Traceback" not in log.read_text(), log.read_text()


@pytest.fixture(scope="module")  # while Playwright is there, the thread has an event loop: others want their own
def browser(chromium: str) -> Iterator[Any]:
    needed(find_spec("playwright"), "playwright (pip install playwright)")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def module_page(browser: Any, server: str) -> Iterator[Editor]:
    page = browser.new_page(viewport=WINDOW)
    page.set_default_timeout(15_000)
    editor = Editor(page, server).open()
    editor.setting("Comfy.Minimap.Visible", False)  # it lies over the canvas
    editor.setting("Comfy.Workflow.ShowMissingNodesWarning", True)
    yield editor
    page.close()


@pytest.fixture
def editor(module_page: Editor) -> Iterator[Editor]:
    """The page, empty. Whatever its console complains of during the test fails it."""
    module_page.problems.clear()
    module_page.close_dialogs()
    module_page.empty()
    yield module_page
    assert module_page.problems == []


@pytest.fixture(params=["vue", "canvas"])
def drawn(editor: Editor, request: pytest.FixtureRequest) -> Editor:
    """The page with nodes drawn by Vue, and drawn on the canvas."""
    editor.renderer(request.param == "vue")
    return editor


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Sums in the order of the server's."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def picture(request: pytest.FixtureRequest) -> Pictures:
    """`picture("heatmap")`: where a screenshot of this test goes, None where nobody keeps them."""
    kept = os.environ.get("API_GRAPH_SCREENSHOTS")
    test = re.sub(r"\W+", "_", request.node.name).strip("_")
    return lambda name: Path(kept) / f"{test}_{name}.png" if kept else None
