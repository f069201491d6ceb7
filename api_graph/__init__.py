"""API Graph: steer what a vision-language model looks at, without training it.

The public Python API, loaded when first used. Images come first, then what is asked, then the model:

* `annotate`: the image with a question's heatmap as its alpha, for a CLIP or an LVLM.
* `ask`: a question to a local model or to an endpoint; with `fovea`, a local one is pointed at a place in the image.
* `clip_attribution`, `lvlm_attribution`: Ψ itself, on the token grid.
* `load_clip`, `ClipModel`: an auxiliary CLIP, or one that you built with open_clip.
* `load_lvlm`, `LvlmModel`: a local vision-language model, or one that you loaded with transformers.
* `Steering`, `steer_preset`: how a model is pointed, in full, and the settings of published methods.
* `Contrast`, `contrast_preset`: what its answer is set against, token by token.
* `find_heads`, `HeadProfile`: which of a model's heads look where they are asked to, for steering and maps.
* `foveal_mask`, `foveal_features`: FALIP's bias over the patches, and an image's features under many of them.
* `choose_box`, `classify`, `classify_point_cloud`: what FALIP is judged on.
* `run_graph`: a saved graph as a function.
* `map_graph`: the same over the rows of a table; `read_results`: what it gave, read back.
* `draw_figure`: rows of a run as a figure for a paper.
* `compare_results`: runs over the same rows side by side, with intervals.
* `sweep_scores`, `plot_sweep`: what each setting of a grid scored, in numbers and drawn.
"""

import os as _os
from typing import TYPE_CHECKING

from api_graph.lazily import lazily as _lazily

if TYPE_CHECKING:
    from api_graph.annotation import Annotated, annotate
    from api_graph.clip import ClipAttribution, ClipModel, clip_attribution, foveal_features, foveal_mask, load_clip
    from api_graph.comparison.compare import ComparedResults, compare_results
    from api_graph.errors import ApiGraphError, ApiGraphWarning, BadInput
    from api_graph.executor import NodeError
    from api_graph.figure.draw import DrawnFigure, draw_figure
    from api_graph.graph import GraphError
    from api_graph.lvlm import (
        Answer,
        Contrast,
        HeadProfile,
        LvlmAttribution,
        LvlmModel,
        Steering,
        ask,
        contrast_preset,
        find_heads,
        load_lvlm,
        lvlm_attribution,
        steer_preset,
    )
    from api_graph.lvlm.remote import Endpoint, EndpointError
    from api_graph.pixels.given import Images
    from api_graph.runs import run_graph
    from api_graph.sockets import Attribution
    from api_graph.sweep.plot import SweepPlot, plot_sweep
    from api_graph.sweep.scores import Sweep, sweep_scores
    from api_graph.table.map import MapResults, map_graph
    from api_graph.table.records import RowResult
    from api_graph.table.results import Results, read_results
    from api_graph.tasks import BoxChoice, Classification, choose_box, classify, classify_point_cloud

__version__ = "0.2.0"
__all__ = [
    "Annotated",
    "Answer",
    "ApiGraphError",
    "ApiGraphWarning",
    "Attribution",
    "BadInput",
    "BoxChoice",
    "Classification",
    "ClipAttribution",
    "ClipModel",
    "ComparedResults",
    "Contrast",
    "DrawnFigure",
    "Endpoint",
    "EndpointError",
    "GraphError",
    "HeadProfile",
    "Images",
    "LvlmAttribution",
    "LvlmModel",
    "MapResults",
    "NodeError",
    "Results",
    "RowResult",
    "Steering",
    "Sweep",
    "SweepPlot",
    "annotate",
    "ask",
    "choose_box",
    "classify",
    "classify_point_cloud",
    "clip_attribution",
    "compare_results",
    "contrast_preset",
    "draw_figure",
    "find_heads",
    "foveal_features",
    "foveal_mask",
    "load_clip",
    "load_lvlm",
    "lvlm_attribution",
    "map_graph",
    "plot_sweep",
    "read_results",
    "run_graph",
    "steer_preset",
    "sweep_scores",
]

if not TYPE_CHECKING:  # to a type checker, a name that is not there is an error
    __getattr__, __dir__ = _lazily(
        __name__,
        {
            "Annotated": "annotation",
            "Answer": "lvlm",
            "ApiGraphError": "errors",
            "ApiGraphWarning": "errors",
            "Attribution": "sockets",
            "BadInput": "errors",
            "BoxChoice": "tasks",
            "Classification": "tasks",
            "ClipAttribution": "clip",
            "ClipModel": "clip",
            "ComparedResults": "comparison.compare",
            "Contrast": "lvlm",
            "DrawnFigure": "figure.draw",
            "Endpoint": "lvlm.remote",
            "EndpointError": "lvlm.remote",
            "GraphError": "graph",
            "Images": "pixels.given",
            "HeadProfile": "lvlm",
            "LvlmAttribution": "lvlm",
            "LvlmModel": "lvlm",
            "MapResults": "table.map",
            "NodeError": "executor",
            "Results": "table.results",
            "RowResult": "table.records",
            "Steering": "lvlm",
            "Sweep": "sweep.scores",
            "SweepPlot": "sweep.plot",
            "annotate": "annotation",
            "ask": "lvlm",
            "choose_box": "tasks",
            "classify": "tasks",
            "classify_point_cloud": "tasks",
            "clip_attribution": "clip",
            "compare_results": "comparison.compare",
            "contrast_preset": "lvlm",
            "draw_figure": "figure.draw",
            "find_heads": "lvlm",
            "foveal_features": "clip",
            "foveal_mask": "clip",
            "load_clip": "clip",
            "load_lvlm": "lvlm",
            "lvlm_attribution": "lvlm",
            "map_graph": "table.map",
            "plot_sweep": "sweep.plot",
            "read_results": "table.results",
            "run_graph": "runs",
            "steer_preset": "lvlm",
            "sweep_scores": "sweep.scores",
        },
    )

# In a checkout the typed nodes and the saved graphs lie beside this folder (ComfyUI's layout); in a wheel inside
# it. Either way they are `api_graph.nodes` and `api_graph.graphs`, so that no top-level module called `nodes` exists.
_checkout = _os.path.dirname(_os.path.dirname(_os.path.abspath(__file__)))
if not _os.path.isdir(_os.path.join(__path__[0], "nodes")) and _os.path.isfile(
    _os.path.join(_checkout, "nodes", "__init__.py")
):
    __path__.append(_checkout)
