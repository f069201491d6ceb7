"""Scorers of benchmarks: pure functions of what was answered and what is right, as the official code scores it."""

from typing import TYPE_CHECKING

from api_graph.bench.scorers.choices import (
    MMVP_SWAPPED,
    draw_choice,
    hr_bench_scores,
    mmvp_pairs,
    open_answer_correct,
    parse_multiple_choice,
    parse_open,
    read_letter,
    vstar_correct,
)
from api_graph.bench.scorers.judges import (
    FAILED_REVIEW,
    LlavaBenchScore,
    llava_bench_scores,
    mm_vet_scores,
    parse_llava_bench_review,
    parse_mm_vet_score,
)
from api_graph.bench.scorers.vqa import UnanswerableScores, normalize_vqa, unanswerable_scores, vqa_accuracy
from api_graph.bench.scorers.yes_no import (
    MmeScores,
    MmeTask,
    PopeScores,
    mme_scores,
    parse_mme,
    parse_pope,
    pope_scores,
    strict_yes_no,
)
from api_graph.lazily import lazily

if TYPE_CHECKING:  # torch is not imported for those who need none of these
    from api_graph.bench.scorers.maps import (
        SegmentationScores,
        average_precision,
        iou,
        per_class_mean,
        refers_to,
        segmentation_scores,
        top_k,
        worst_group,
    )

__all__ = [
    "FAILED_REVIEW",
    "MMVP_SWAPPED",
    "LlavaBenchScore",
    "MmeScores",
    "MmeTask",
    "PopeScores",
    "SegmentationScores",
    "UnanswerableScores",
    "average_precision",
    "draw_choice",
    "hr_bench_scores",
    "iou",
    "llava_bench_scores",
    "mm_vet_scores",
    "mme_scores",
    "mmvp_pairs",
    "normalize_vqa",
    "open_answer_correct",
    "parse_llava_bench_review",
    "parse_mm_vet_score",
    "parse_mme",
    "parse_multiple_choice",
    "parse_open",
    "parse_pope",
    "per_class_mean",
    "pope_scores",
    "read_letter",
    "refers_to",
    "segmentation_scores",
    "strict_yes_no",
    "top_k",
    "unanswerable_scores",
    "vqa_accuracy",
    "vstar_correct",
    "worst_group",
]

if not TYPE_CHECKING:  # to a type checker, a name that is not there is an error
    __getattr__, __dir__ = lazily(
        __name__,
        {
            "SegmentationScores": "maps",
            "average_precision": "maps",
            "segmentation_scores": "maps",
            "iou": "maps",
            "per_class_mean": "maps",
            "refers_to": "maps",
            "top_k": "maps",
            "worst_group": "maps",
        },
    )
