"""Where profiles are kept: a file outside every graph, and environment variables, read here and nowhere else.

The file is `endpoints.toml` in the user's configuration folder, or the one that `API_GRAPH_ENDPOINTS` names; each of
its tables is a profile. `API_GRAPH_ENDPOINT_<NAME>_URL`, `..._MODELS` (separated by commas) and `..._KEY_ENV` make a
profile NAME too, which replaces the file's. The file is the owner's (0600), and written as a whole or not at all.
"""

from __future__ import annotations

import os
import re
import stat
import sys
import tempfile
import warnings
from collections.abc import Mapping
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path

import platformdirs

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.files import expanded, real_path
from api_graph.lvlm.remote.profile import Profile, read_profile

_APP = "api-graph"
_FILE = "API_GRAPH_ENDPOINTS"
_VARIABLE = re.compile(r"API_GRAPH_ENDPOINT_([A-Z0-9_]+?)_(URL|MODELS|KEY_ENV)")
_PREFIX = "API_GRAPH_ENDPOINT_"
_MOST_BYTES = 1 << 20


def profiles_file() -> Path:
    """The file with the profiles, whether it is there or not."""
    given = os.environ.get(_FILE)
    return expanded(given) if given else Path(platformdirs.user_config_dir(_APP, appauthor=False)) / "endpoints.toml"


def profiles() -> dict[str, Profile]:
    """All profiles, by name. Raises BadInput for the first fault in the file or in the environment."""
    found = {name: read_profile(name, fields, "endpoints.toml") for name, fields in _tables().items()}
    for profile in _from_environment():
        replaced = [name for name in found if _as_variable(name) == _as_variable(profile.name)]
        name = replaced[0] if replaced else profile.name
        found[name] = profile.model_copy(update={"name": name})
    return found


def find_profile(name: str) -> Profile:
    """The profile `name`. Raises BadInput where there is none."""
    known = profiles()
    if name in known:
        return known[name]
    near = get_close_matches(name, known, n=1)
    meant = f"Did you mean {near[0]}? " if near else ""
    have = f"There are {', '.join(known)}." if known else "`api-graph endpoints add` makes one."
    raise BadInput(
        f"there is no such profile in {profiles_file()}, nor in the environment",
        input="endpoint",
        value=name,
        hint=meant + have,
    )


def add_profile(name: str, fields: Mapping[str, object]) -> Profile:
    """Append a profile to the file, and leave the rest of it as it is. Raises BadInput."""
    import tomli_w

    profile = read_profile(name, fields, "endpoints add")
    path = profiles_file()
    if path.exists() and name in _tables():
        hint = f"Remove it first: api-graph endpoints remove {name}"
        raise BadInput("there is such a profile already", input="NAME", value=name, hint=hint)
    before = _text_of(path).rstrip() if path.exists() else ""
    text = (f"{before}\n\n" if before else "") + tomli_w.dumps({name: fields})
    _parse_toml(text, path)
    _write(path, text)
    return profile


def remove_profile(name: str) -> None:
    """Take a profile out of the file. The others keep their settings; comments are lost. Raises BadInput."""
    import tomli_w

    known = _tables()
    if name not in known:
        hint = f"There are {', '.join(known)}." if known else "There are none."
        raise BadInput(f"there is no such profile in {profiles_file()}", input="NAME", value=name, hint=hint)
    _write(profiles_file(), tomli_w.dumps({other: table for other, table in known.items() if other != name}))


def _tables() -> dict[str, dict[str, object]]:
    """The file's tables by name, unchecked; none where there is no file. Raises BadInput."""
    path = profiles_file()
    if not path.exists() and not os.environ.get(_FILE):
        return {}
    found: dict[str, dict[str, object]] = {}
    for name, table in _parse_toml(_text_of(path), path).items():
        if not isinstance(table, dict):
            hint = 'Write a table for each profile: [local], and below it base_url = "http://localhost:8000/v1".'
            raise BadInput("stands outside of any profile", input=f"{path.name}, {name}", hint=hint)
        found[name] = table
    return found


def _parse_toml(text: str, path: Path) -> dict[str, object]:
    """A TOML document. Raises BadInput, naming `path`."""
    # Python 3.10 has no tomllib of its own; tomli is the same.
    tomllib = import_module("tomllib" if sys.version_info >= (3, 11) else "tomli")
    fault = ""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        fault = f"is not TOML: {error}"
    raise _bad_file(fault, path)


def _text_of(path: Path) -> str:
    """What the file holds. Raises BadInput."""
    try:
        with path.open("rb") as file:
            if os.name == "posix" and os.fstat(file.fileno()).st_mode & stat.S_IWOTH:
                warnings.warn(
                    f"everybody can change {path}, and so where your keys go: chmod 600 it", ApiGraphWarning, 2
                )
            return file.read(_MOST_BYTES).decode()
    except (OSError, UnicodeDecodeError) as error:
        problem = error.strerror if isinstance(error, OSError) else "is not in UTF-8"
        raise _bad_file(f"cannot be read: {problem}", path) from None


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


def _bad_file(problem: str, path: Path) -> BadInput:
    return BadInput(problem, input="endpoints file", value=str(path), hint="Correct it there.")


def _from_environment() -> list[Profile]:
    given: dict[str, dict[str, str]] = {}
    for variable, value in sorted(os.environ.items()):
        if not variable.startswith(_PREFIX):
            continue
        match = _VARIABLE.fullmatch(variable)
        if not match:
            hint = "There are ..._URL, ..._MODELS and ..._KEY_ENV; the last is the name of the variable with the key."
            raise BadInput("is no setting of a profile", input=variable, hint=hint)
        given.setdefault(match[1], {})[match[2]] = value
    return [_profile_of(name, values) for name, values in given.items()]


def _profile_of(name: str, values: Mapping[str, str]) -> Profile:
    if not values.get("URL"):
        raise BadInput("is not set", input=f"{_PREFIX}{name}_URL", hint="Set it, or unset the others of this profile.")
    models = [model.strip() for model in values.get("MODELS", "").split(",") if model.strip()]
    fields = {"base_url": values["URL"], "models": models, "key_env": values.get("KEY_ENV") or None}
    return read_profile(name.lower(), fields, f"{_PREFIX}{name}_*")


def _as_variable(name: str) -> str:
    return name.upper().replace("-", "_")
