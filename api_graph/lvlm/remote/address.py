"""`api_graph.addresses`, by its path of version 0.1."""

from api_graph.moved import moved

moved(__name__, "api_graph.addresses")
