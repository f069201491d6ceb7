"""Builds the docs site from the repository in build/site: no page is written twice, and a dead link ends it.

    pip install 'api-graph[docs]'
    python tools/build_site.py

The pages keep their places in a copy of what they link to, so that one link serves the repository and the site. Nothing
is fetched, neither now nor by who reads a page.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import api_graph

ROOT = Path(__file__).resolve().parent.parent
PAGES, SITE = "build/pages", "build/site"
SOURCES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "benchmarks/RESULTS.md",
    "docs/**/*.*",
    "example_workflows/*.jpg",
    "web/icon.png",
)
"""What the site is made of, seen from the repository."""

_ADDRESSES = {"img": "src", "script": "src", "iframe": "src", "source": "src", "link": "href", "a": "href"}


class _Addresses(HTMLParser):
    """What a page leads to, and what it loads by itself."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.leads: list[str] = []
        self.loads: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        address = dict(attrs).get(_ADDRESSES.get(tag, ""))
        if address:
            (self.leads if tag == "a" else self.loads).append(address)


def faults(site: Path) -> Iterator[str]:
    """What is wrong in the built pages: files that are not there, and what would be fetched from elsewhere.

    The builder itself looks at links between pages; pictures and folders it takes as they come.
    """
    for page in sorted(site.rglob("*.html")):
        name, found = page.relative_to(site).as_posix(), _Addresses(page.read_text("utf-8"))
        for address in [*found.leads, *found.loads]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                if address in found.loads and parts.scheme != "data":
                    yield f"{name}: would be loaded from elsewhere: {address}"
            elif parts.path and page.name != "404.html":  # which does not know where it will be shown
                target = page.parent / unquote(parts.path)
                if not (target.is_file() or (target / "index.html").is_file()):
                    yield f"{name}: there is no {address}"


def unwritten(site: Path) -> list[str]:
    """The public names that the Python reference lacks."""
    page = (site / "docs" / "reference.html").read_text("utf-8")
    ids = {found.rpartition(".")[2] for found in re.findall(r'id="(api_graph\.[\w.]+)"', page)}
    return [f"docs/reference.html: there is no {name}" for name in api_graph.__all__ if name not in ids]


def gather(root: Path = ROOT) -> Path:
    """A fresh copy of the sources in build/pages of `root`, each in its place."""
    pages = root / PAGES
    shutil.rmtree(pages, ignore_errors=True)
    for pattern in SOURCES:
        for path in root.glob(pattern):
            target = pages / path.relative_to(root)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    return pages


def main() -> None:
    gather()
    shutil.rmtree(ROOT / SITE, ignore_errors=True)
    built = subprocess.run([sys.executable, "-m", "zensical", "build", "--clean", "--strict"], cwd=ROOT, check=False)
    if built.returncode:
        sys.exit(built.returncode)
    wrong = [*faults(ROOT / SITE), *unwritten(ROOT / SITE)]
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main()
