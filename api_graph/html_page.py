"""What pages have in common that load nothing else: how a template becomes one, and the policy that lets no more in."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment


def templates_in(*folders: Path) -> Environment:
    """The templates of folders. Texts that are put into one are escaped, and a name that is unknown is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(folders)
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)


def page_style(own: Path) -> str:
    """The style of all pages, and behind it a page's own."""
    return Path(__file__).with_name("page.css").read_text("utf-8") + own.read_text("utf-8")


def content_policy(style: str, script: str) -> str:
    """A content security policy: this style, this script and pictures that are part of the page; nothing else."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
