"""For all tests: a cache of their own, and no example that fails for being slow on a busy machine."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# The same examples at every run of CI: a new one that fails is found at a desk, not while something lands.
settings.register_profile("api_graph", deadline=None, derandomize="CI" in os.environ)
settings.load_profile("api_graph")


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory):
    """Nothing is read from, or written to, the cache of whoever runs the tests; nor are their endpoints."""
    endpoints = tmp_path_factory.mktemp("config") / "endpoints.toml"
    endpoints.touch()
    with pytest.MonkeyPatch.context() as patch:
        for variable in [name for name in os.environ if name.startswith("API_GRAPH_ENDPOINT")]:
            patch.delenv(variable)
        patch.setenv("API_GRAPH_ENDPOINTS", str(endpoints))
        patch.setenv("API_GRAPH_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("API_GRAPH_MODELS", raising=False)
        patch.delenv("API_GRAPH_CACHE_GIB", raising=False)
        patch.delenv("API_GRAPH_MAX_VRAM", raising=False)
        yield
