"""LVLMs behind endpoints that speak OpenAI's chat completions: vLLM, SGLang, Ollama, hosted APIs.

A graph names a profile and nothing else. URL and key belong to the machine: `endpoints_file` says where they are kept,
`address` what may be reached, and `secret` who gets to see the key.
"""

from typing import TYPE_CHECKING

from api_graph.lazily import lazily

if TYPE_CHECKING:
    from api_graph.lvlm.remote.ask import ask_endpoint, try_endpoint
    from api_graph.lvlm.remote.endpoint import (
        Endpoint,
        check_answerer,
        endpoint_in,
        identity,
        marked,
        names_endpoint,
    )
    from api_graph.lvlm.remote.endpoints_file import find_profile, profiles
    from api_graph.lvlm.remote.failure import EndpointError
    from api_graph.lvlm.remote.profile import Profile

__all__ = [
    "Endpoint",
    "EndpointError",
    "Profile",
    "ask_endpoint",
    "check_answerer",
    "endpoint_in",
    "find_profile",
    "identity",
    "marked",
    "names_endpoint",
    "profiles",
    "try_endpoint",
]

if not TYPE_CHECKING:  # to a type checker, a name that is not there is an error
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "Endpoint": "endpoint",
            "EndpointError": "failure",
            "Profile": "profile",
            "ask_endpoint": "ask",
            "check_answerer": "endpoint",
            "endpoint_in": "endpoint",
            "find_profile": "endpoints_file",
            "identity": "endpoint",
            "marked": "endpoint",
            "names_endpoint": "endpoint",
            "profiles": "endpoints_file",
            "try_endpoint": "ask",
        },
    )
