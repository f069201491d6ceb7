"""An endpoint: a profile and one of its models."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

from api_graph.errors import inputs_named
from api_graph.lvlm.remote.endpoints_file import find_profile, profiles
from api_graph.lvlm.remote.profile import Profile

_MARK = "endpoint:"
_KEPT_HERE = ".api-graph-answers"
_ID = re.compile("[0-9a-f]{32}")
_own_id = uuid4().hex  # where a folder cannot hold one, answers stay within the process


@dataclass(frozen=True, eq=False, repr=False)
class Endpoint:
    """One model behind one server. It holds no key: the key is read from the environment when something is asked."""

    profile: Profile
    model: str

    @classmethod
    def open(cls, name: str) -> Endpoint:
        """The endpoint that `name` says: "PROFILE", or "PROFILE/MODEL-ID" (a model's id may hold slashes itself).

        Both are taken with "endpoint:" before them too, as graphs write them.

        Raises BadInput for an unknown profile, and for a model that the profile does not have. Nothing is sent.
        """
        profile_name, _, model = name.removeprefix(_MARK).partition("/")
        profile = find_profile(profile_name)
        return cls(profile, profile.model_id(model))

    @property
    def host(self) -> str:
        """Where images and questions go, for people to see."""
        return self.profile.host

    def __repr__(self) -> str:
        return f"Endpoint({self.profile.name!r}, {self.model!r})"


def identity(name: str, answers: Path | None = None) -> dict[str, str]:
    """What the answers of the endpoint `name` depend on, for cache keys: a digest, with no URL and no key in it.

    `answers` is the folder with which they are kept: a run with another one asks again, unless the profile keeps
    answers for all.
    """
    endpoint = Endpoint.open(name)
    found = {"endpoint": endpoint.profile.fingerprint(endpoint.model)}
    return found if answers is None or endpoint.profile.keep_answers else {**found, "answers": _id_of(answers)}


def _id_of(folder: Path) -> str:
    """The id of a folder, which lies in it and goes with it: other runs may write to the same path in a container."""
    path = folder / _KEPT_HERE
    for _ in range(2):
        with suppress(OSError, UnicodeDecodeError):
            if _ID.fullmatch(found := path.read_text("ascii")):
                return found
        own = path.with_name(f"{_KEPT_HERE}.{uuid4().hex}")
        with suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            own.write_text(uuid4().hex, "ascii")
            try:
                os.link(own, path)  # of several processes one is the first, and all read its id
            except FileExistsError:
                if _ID.fullmatch(path.read_text("ascii", "replace")) is None:
                    os.replace(own, path)
            except OSError:  # no links there
                os.replace(own, path)
        with suppress(OSError):
            own.unlink(missing_ok=True)
    return _own_id


def check_answerer(answerer: str) -> None:
    """Raise BadInput for an endpoint that is not there: no such profile, or no such model.

    A key that is not set is told when something is asked: answers that were kept need none.
    """
    name = endpoint_in(answerer)
    if name is not None:
        with inputs_named(endpoint="answerer"):
            Endpoint.open(name)


def marked(name: str) -> str:
    """The endpoint `name` as it is written in a graph, where a local model could be meant as well."""
    return f"{_MARK}{name}"


def endpoint_in(answerer: str) -> str | None:
    """The endpoint's name in a text that `marked` wrote; None where a local model is meant."""
    return answerer.removeprefix(_MARK) if answerer.startswith(_MARK) else None


def names_endpoint(name: str) -> bool:
    """Whether a name is that of an endpoint, where it need not be marked: that of a profile, or marked all the same."""
    return name.startswith(_MARK) or name.partition("/")[0] in profiles()
