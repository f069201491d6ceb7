"""An endpoint: a profile and one of its models."""

from __future__ import annotations

from dataclasses import dataclass

from api_graph.lvlm.remote.endpoints_file import find_profile
from api_graph.lvlm.remote.profile import Profile

_MARK = "endpoint:"


@dataclass(frozen=True, eq=False, repr=False)
class Endpoint:
    """One model behind one server. It holds no key: the key is read from the environment when something is asked."""

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


def identity(name: str) -> dict[str, str]:
    """What the answers of the endpoint `name` depend on, for cache keys: a digest, with no URL and no key in it."""
    endpoint = Endpoint.open(name)
    return {"endpoint": endpoint.profile.fingerprint(endpoint.model)}


def marked(name: str) -> str:
    """The endpoint `name` as it is written in a graph, where a local model could be meant as well."""
    return f"{_MARK}{name}"


def endpoint_in(answerer: str) -> str | None:
    """The endpoint's name in a text that `marked` wrote; None where a local model is meant."""
    return answerer.removeprefix(_MARK) if answerer.startswith(_MARK) else None
