"""What loaders ask of the libraries that are installed. ComfyUI may bring older ones, for people who run CLIP alone."""

from __future__ import annotations

from importlib import metadata

from packaging.version import InvalidVersion, Version

from api_graph.errors import BadInput

TRANSFORMERS = "4.57"


def require_transformers(what: str) -> None:
    """Raise BadInput where the installed transformers is missing, or older than `what` ("a local LVLM") needs."""
    try:
        found = metadata.version("transformers")
    except metadata.PackageNotFoundError:
        found = None
    try:
        fits = found is not None and Version(found) >= Version(TRANSFORMERS)
    except InvalidVersion:
        fits = True  # somebody's own build: they know what it holds
    if not fits:
        raise BadInput(
            f"{what} needs transformers {TRANSFORMERS} or newer, and "
            f"{'none is installed' if found is None else f'{found} is installed'}",
            input="model",
            hint=f'Run: pip install --upgrade "transformers>={TRANSFORMERS}".',
        )
