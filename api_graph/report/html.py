"""Pages that load nothing else: a template, one style and script for all, and a policy that lets no more in."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.files import whole_file

_HERE = Path(__file__).parent


def rendered_page(
    template: str,
    title: str,
    *,
    templates: Path = _HERE,
    more_style: str = "",
    filters: Mapping[str, Callable[..., str]],
    **values: object,
) -> str:
    """The page that a template makes of `values`: it extends `base.html.j2`, and all texts in it are escaped.

    `templates` is the folder that it lies in. `more_style` is added to the style of all pages.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader([templates, _HERE]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    style, script = ((_HERE / name).read_text("utf-8") for name in ("report.css", "report.js"))
    style += more_style
    own = {"style": Markup(style), "script": Markup(script), "policy": _policy(style, script)}
    return environment.get_template(template).render(title=title, **own, **values)


def write_page(path: Path, page: str, *, option: str) -> None:
    """Write a page, or another text, whole or not at all. Raises BadInput with the option that chose the file."""
    try:
        with whole_file(path) as file:
            file.write(page.encode())
    except OSError as error:
        raise BadInput(
            f"it cannot be written ({error.strerror or error})",
            input=option,
            value=str(path),
            hint="Choose a file in a folder that you may write to.",
        ) from error


def _policy(style: str, script: str) -> str:
    """A content security policy: this style, this script and pictures that are part of the page; nothing else."""
    return (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
