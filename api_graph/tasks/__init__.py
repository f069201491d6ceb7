"""What FALIP is judged on: referring expressions, zero-shot classification, point clouds; and their benchmarks."""

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
