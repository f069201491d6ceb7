"""API Graph: steer what a vision-language model looks at, without training it."""

import os as _os

__version__ = "0.1.0"

# In a checkout the typed nodes and the saved graphs lie beside this folder (ComfyUI's layout); in a wheel inside
# it. Either way they are `api_graph.nodes` and `api_graph.graphs`, so that no top-level module called `nodes` exists.
_checkout = _os.path.dirname(_os.path.dirname(_os.path.abspath(__file__)))
if not _os.path.isdir(_os.path.join(__path__[0], "nodes")) and _os.path.isfile(
    _os.path.join(_checkout, "nodes", "__init__.py")
):
    __path__.append(_checkout)
