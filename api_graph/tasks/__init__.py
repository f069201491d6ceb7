"""What FALIP is judged on: referring expressions, zero-shot classification, point clouds; and their benchmarks."""

from typing import TYPE_CHECKING

from api_graph.lazily import lazily

if TYPE_CHECKING:
    from api_graph.tasks.classification import Classification, classify, evaluate_classification
    from api_graph.tasks.features import Fovea
    from api_graph.tasks.pointcloud.classification import classify_point_cloud, evaluate_point_clouds
    from api_graph.tasks.referring import Chooser, choose_box, evaluate_referring
    from api_graph.tasks.scores import BoxChoice, score_boxes

__all__ = [
    "BoxChoice",
    "Chooser",
    "Classification",
    "Fovea",
    "choose_box",
    "classify",
    "classify_point_cloud",
    "evaluate_classification",
    "evaluate_point_clouds",
    "evaluate_referring",
    "score_boxes",
]

if not TYPE_CHECKING:  # to a type checker, a name that is not there is an error
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "BoxChoice": "scores",
            "Chooser": "referring",
            "Classification": "classification",
            "Fovea": "features",
            "choose_box": "referring",
            "classify": "classification",
            "classify_point_cloud": "pointcloud.classification",
            "evaluate_classification": "classification",
            "evaluate_point_clouds": "pointcloud.classification",
            "evaluate_referring": "referring",
            "score_boxes": "scores",
        },
    )
