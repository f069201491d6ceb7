"""`api-graph endpoints`: the servers whose models answer. No option takes a key: a shell keeps what is typed."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Annotated

import typer

from api_graph.cli.console import complain, one_line, print_json, print_table, say
from api_graph.cli.exits import FAILED, OK
from api_graph.cli.options import Debug, Json

if TYPE_CHECKING:
    from api_graph.lvlm.remote import Profile

Name = Annotated[str, typer.Argument(metavar="NAME", help="A profile's name.", show_default=False)]


def listed(as_json: Json = False, debug: Debug = False) -> int:
    """List the profiles: where each leads, its models, whether its key is there, and what it sets.

    All settings and their defaults are in docs/endpoints.md, and in what --json prints.
    """
    from api_graph.lvlm.remote import profiles
    from api_graph.lvlm.remote.endpoints_file import profiles_file

    found = profiles()
    if as_json:
        print_json([_facts(profile) for profile in found.values()])
    elif not found:
        say(f"No endpoints in {profiles_file()}, and none in the environment. `api-graph endpoints add` makes one.")
    else:
        print_table(("name", "host", "models", "key"), [_row(profile) for profile in found.values()])
        for profile in found.values():
            if profile.own_settings:
                said = ", ".join(f"{name} = {json.dumps(value)}" for name, value in profile.own_settings.items())
                say(one_line(f"{profile.name}: {said}"))
    return OK


def add(
    name: Name,
    url: Annotated[
        str, typer.Option("--url", metavar="URL", help="Its base URL, mostly with /v1 at the end.", show_default=False)
    ],
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="ID", help="A model that graphs may name. Repeatable.", show_default=False),
    ] = None,
    key_env: Annotated[
        str | None,
        typer.Option("--key-env", metavar="VAR", help="The environment variable with the key.", show_default=False),
    ] = None,
    allow_private: Annotated[
        bool, typer.Option("--allow-private", help="Plain http may lead to private addresses of your own network.")
    ] = False,
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Add a profile to the endpoints file. The key itself stays in an environment variable."""
    from api_graph.lvlm.remote.endpoints_file import add_profile, profiles_file

    fields: dict[str, object] = {"base_url": url, "models": model or []}
    fields |= {} if key_env is None else {"key_env": key_env}
    fields |= {"allow_private": True} if allow_private else {}
    profile = add_profile(name, fields)
    if as_json:
        print_json(_facts(profile))
    else:
        say(f"{profiles_file()}: {name} added. Graphs that name it send images and questions to {profile.host}.")
        say(f"Try it: api-graph endpoints test {name}; in a graph: --set answerer=endpoint:{name}")
    return OK


def remove(name: Name, as_json: Json = False, debug: Debug = False) -> int:
    """Take a profile out of the endpoints file."""
    from api_graph.lvlm.remote.endpoints_file import profiles_file, remove_profile

    remove_profile(name)
    if as_json:
        print_json({"removed": name})
    else:
        say(f"{profiles_file()}: {name} removed.")
    return OK


def test(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A profile, or PROFILE/MODEL-ID.", show_default=False)],
    as_json: Json = False,
    debug: Debug = False,
) -> int:
    """Ask one small question about a red image: does the endpoint answer, and does its model see?"""
    from api_graph.lvlm.remote import Endpoint, EndpointError, try_endpoint

    endpoint = Endpoint.open(name)
    try:
        answer = try_endpoint(endpoint)
    except EndpointError as error:
        complain(str(error))
        if as_json:
            print_json({"ok": False, "exit_code": FAILED, "errors": [{"message": str(error)}]})
        return FAILED
    if as_json:
        print_json({"ok": True, "profile": endpoint.profile.name, "asked": endpoint.model, **vars(answer)})
        return OK
    said = {"stop": answer.text.strip(), "length": f"{answer.text.strip()} (cut)"}.get(
        answer.finish_reason, "(refused)"
    )
    say(f'"What colour is this image?" (a red one): {said}')
    say(f"{answer.model}, {answer.seconds:.2f} s")
    return OK


def _row(profile: Profile) -> tuple[str, str, str, str]:
    key = (
        "none wanted" if profile.key_env is None else f"${profile.key_env}, {'set' if _has_key(profile) else 'NOT SET'}"
    )
    return profile.name, profile.host, ", ".join(profile.models) or "any", key


def _facts(profile: Profile) -> dict[str, object]:
    return {
        "name": profile.name,
        "host": profile.host,
        "models": profile.models,
        "key_env": profile.key_env,
        "key_set": _has_key(profile),
        "settings": profile.settings,
    }


def _has_key(profile: Profile) -> bool:
    return profile.key_env is not None and bool(os.environ.get(profile.key_env))
