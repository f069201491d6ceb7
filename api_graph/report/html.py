"""Pages that load nothing else: a template, one style and script for all, and a policy that lets no more in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from api_graph.errors import BadInput
from api_graph.files import whole_file
from api_graph.html_page import content_policy, page_style, templates_in

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
    from markupsafe import Markup

    environment = templates_in(templates, _HERE)
    environment.filters.update(filters)
    style, script = page_style(_HERE / "report.css") + more_style, (_HERE / "report.js").read_text("utf-8")
    own = {"style": Markup(style), "script": Markup(script), "policy": content_policy(style, script)}
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
