"""An endpoint: a profile and one of its models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from api_graph.lvlm.remote.profile import Profile
from api_graph.lvlm.remote.profiles import find_profile

_MARK = "endpoint:"


@dataclass(frozen=True, eq=False, repr=False)
class Endpoint:
    """One model behind one server. It holds no key: that is read from the environment when something is asked."""

    profile: Profile
    model: str

    @classmethod
    def open(cls, name: str) -> Endpoint:
        """The endpoint that `name` says: "PROFILE", or "PROFILE/MODEL-ID" (a model's id may hold slashes itself).

        Raises BadInput for an unknown profile, and for a model that the profile does not have. Nothing is sent.
        """
        profile_name, _, model = name.partition("/")
        profile = find_profile(profile_name)
        return cls(profile, profile.model_id(model))

    @property
    def host(self) -> str:
        """Where images and questions go, for people to see."""
        return self.profile.host

    def __repr__(self) -> str:
        return f"Endpoint({self.profile.name!r}, {self.model!r})"


def identity(name: str) -> dict[str, Any]:
    """What makes answers of the endpoint `name` its own, for cache keys: a digest, with no URL and no key in it."""
    endpoint = Endpoint.open(name)
    return {"endpoint": endpoint.profile.fingerprint(endpoint.model)}


def marked(name: str) -> str:
    """How the endpoint `name` is written where a local model could be meant as well."""
    return f"{_MARK}{name}"


def endpoint_in(answerer: str) -> str | None:
    """The endpoint's name in a text that `marked` has written; None where a local model is meant."""
    return answerer.removeprefix(_MARK) if answerer.startswith(_MARK) else None
