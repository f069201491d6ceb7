"""Add profiles to the file, and remove them. The file is the owner's: 0600, and replaced as a whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from api_graph.errors import BadInput
from api_graph.files import real_path
from api_graph.lvlm.remote.profile import Profile, read_profile
from api_graph.lvlm.remote.profiles import parse_toml, profiles_file, tables, text_of


def add_profile(name: str, fields: dict[str, Any]) -> Profile:
    """Append a profile to the file; all that stands there stays as it is. Raises BadInput."""
    import tomli_w

    profile = read_profile(name, fields, "endpoints add")
    path = profiles_file()
    if path.exists() and name in tables():
        hint = f"Remove it first: api-graph endpoints remove {name}"
        raise BadInput("there is such a profile already", input="NAME", value=name, hint=hint)
    before = text_of(path).rstrip() if path.exists() else ""
    text = (f"{before}\n\n" if before else "") + tomli_w.dumps({name: fields})
    parse_toml(text, path)
    _write(path, text)
    return profile


def remove_profile(name: str) -> None:
    """Take a profile out of the file. The others keep their settings; comments are lost. Raises BadInput."""
    import tomli_w

    known = tables()
    if name not in known:
        hint = f"There are {', '.join(known)}." if known else "There are none."
        raise BadInput(f"there is no such profile in {profiles_file()}", input="NAME", value=name, hint=hint)
    _write(profiles_file(), tomli_w.dumps({other: table for other, table in known.items() if other != name}))


def _write(path: Path, text: str) -> None:
    target = real_path(path)  # a link stays a link
    try:
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=target.parent, prefix=".endpoints-")  # 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            os.replace(temporary, target)
        except BaseException:
            os.unlink(temporary)
            raise
    except OSError as error:
        problem = f"cannot be written: {error.strerror}"
        raise BadInput(problem, input="endpoints file", value=str(path), hint="Check the folder.") from None
