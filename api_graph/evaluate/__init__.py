"""Moved to `api_graph.bench`."""

from api_graph.moved import moved

moved(__name__, "api_graph.bench")
