"""The docs site: every page is in its navigation, and what is missing or fetched in built pages is found."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import build_site

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]


def pages_in(nav: list[dict[str, object]]) -> list[str]:
    found: list[str] = []
    for entry in nav:
        for inside in entry.values():
            found += [inside] if isinstance(inside, str) else pages_in(inside)  # type: ignore[arg-type]
    return found


def test_every_page_is_in_the_navigation_once(tmp_path: Path) -> None:
    pages = [path for pattern in build_site.SOURCES for path in ROOT.glob(pattern) if path.suffix == ".md"]
    assert sorted(pages_in(PROJECT["nav"])) == sorted(path.relative_to(ROOT).as_posix() for path in pages)
    assert {f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md")} <= set(pages_in(PROJECT["nav"]))


def test_the_site_is_strict_about_links_and_fetches_no_fonts() -> None:
    assert PROJECT["validation"]["invalid_links"] and PROJECT["validation"]["invalid_link_anchors"]
    assert PROJECT["theme"]["font"] is False
    assert (PROJECT["docs_dir"], PROJECT["site_dir"]) == (build_site.PAGES, build_site.SITE)
    assert "tools/build_site.py" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_sources_keep_their_places(tmp_path: Path) -> None:
    for name in ("README.md", "docs/one.md", "docs/deep/two.jpg", "tests/not.md", "build/pages/old.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    pages = build_site.gather(tmp_path)
    found = {path.relative_to(pages).as_posix() for path in pages.rglob("*") if path.is_file()}
    assert found == {"README.md", "docs/one.md", "docs/deep/two.jpg"}
    assert (pages / "docs" / "one.md").read_text() == "docs/one.md"


PAGE = """<html><head><link rel="stylesheet" href="style.css">{head}</head><body>
<a href="#here">1</a> <a href="https://example.org/">2</a> <a href="other.html#there">3</a> <a href="folder/">4</a>
<img src="a%20picture.jpg"> <img src="data:image/png;base64,AA=="> <a name="x">no address</a> {body}
</body></html>"""


@pytest.mark.parametrize(
    ("head", "body", "found"),
    [
        ("", "", []),
        ("", '<img src="none.jpg">', ["sub/page.html: there is no none.jpg"]),
        ("", '<a href="../lost/">', ["sub/page.html: there is no ../lost/"]),
        ("", '<a href="empty/">', ["sub/page.html: there is no empty/"]),
        (
            '<script src="https://cdn.example/x.js"></script>',
            "",
            ["sub/page.html: would be loaded from elsewhere: https://cdn.example/x.js"],
        ),
        (
            '<link href="//fonts.example/f.css">',
            "",
            ["sub/page.html: would be loaded from elsewhere: //fonts.example/f.css"],
        ),
    ],
)
def test_faults_of_built_pages_are_found(tmp_path: Path, head: str, body: str, found: list[str]) -> None:
    folder = tmp_path / "sub"
    (folder / "folder").mkdir(parents=True)
    (folder / "empty").mkdir()
    for name in ("style.css", "other.html", "a picture.jpg", "folder/index.html"):
        (folder / name).write_text("")
    (folder / "page.html").write_text(PAGE.format(head=head, body=body))
    assert list(build_site.faults(tmp_path)) == found


def test_names_that_the_reference_lacks_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api_graph.__all__", ["annotate", "ask", "load_clip"])
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "reference.html").write_text(
        '<h2 id="api_graph.annotate"></h2><h2 id="api_graph.clip.load.load_clip"></h2><h2 id="other.ask"></h2>'
    )
    assert build_site.unwritten(tmp_path) == ["docs/reference.html: there is no ask"]
