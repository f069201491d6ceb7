"""The papers' main tables as recipes: which graph is which row, which benchmark which column, what the paper reports.

Figures are per cent, or points where the benchmark has points. What a paper reports of methods that no shipped graph
has stands in the table all the same; such a row is run where the user names a graph for it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from api_graph.errors import BadInput


@dataclass(frozen=True)
class PaperColumn:
    """A column: a figure of a benchmark, by the names that both have here. `parts` are those that it needs."""

    title: str
    benchmark: str
    figure: str
    parts: tuple[str, ...] = ()


@dataclass(frozen=True)
class PaperRow:
    """A row: a graph with settings. `models` says by role which input takes that model; `reported` is in the order of
    the columns, None where the paper has no figure.
    """

    title: str
    graph: str | None
    reported: Sequence[float | None]
    settings: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of its results folder: "api-clip"."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-")


@dataclass(frozen=True)
class PaperTable:
    """A table of a paper. `models` are the paper's own, by role. `answer` is the title of what answers."""

    name: str
    title: str
    columns: Sequence[PaperColumn]
    rows: Sequence[PaperRow]
    models: Mapping[str, str]
    notes: str = ""
    answer: str | None = None

    def benchmarks(self) -> dict[str, tuple[str, ...]]:
        """The benchmarks of its columns, with the parts that are needed; none for all."""
        found: dict[str, tuple[str, ...]] = {}
        for column in self.columns:
            found[column.benchmark] = tuple(dict.fromkeys((*found.get(column.benchmark, ()), *column.parts)))
        return found

    def columns_of(self, benchmark: str) -> list[PaperColumn]:
        """The columns that show a benchmark."""
        return [column for column in self.columns if column.benchmark == benchmark]


_ASKING = {"answerer": "answerer"}
_CLIP = {"answerer": "answerer", "clip": "Load CLIP.model"}
_LVLM = {"answerer": "answerer", "lvlm": "Load LVLM.model"}
_ONE_LVLM = {"answerer": "Load LVLM.model"}
_API_MODELS = {
    "answerer": "llava-hf/llava-1.5-13b-hf",
    "clip": "ViT-L-14-336/openai",
    "lvlm": "llava-hf/llava-1.5-13b-hf",
}
_LLAVA = "relative score (of 100)"
_JUDGED = (
    "MM-Vet and LLaVA-Bench are compared under one judge only: those of the paper are retired, so that its figures "
    "cannot be reached."
)


def _api(title: str, graph: str | None, *reported: float | None, models: Mapping[str, str] = _ASKING) -> PaperRow:
    return PaperRow(title, graph, reported, models=models if graph else {})


API_1 = PaperTable(
    name="api-1",
    title="API, table 1: LLaVA-1.5-13B answers",
    columns=(
        PaperColumn("VizWiz", "vizwiz", "VQA accuracy"),
        PaperColumn("TextVQA", "textvqa", "VQA accuracy"),
        PaperColumn("MMMU", "mmmu", "accuracy"),
        PaperColumn("MME", "mme", "matching accuracy"),
        PaperColumn("MM-Vet", "mm-vet", "total"),
        PaperColumn("LLaVA-W", "llava-bench", _LLAVA),
    ),
    rows=(
        _api("no prompt", "lvlm_ask", 60.93, 48.32, 35.15, 85.5, 32.8, 71.9),
        _api("step by step", "lvlm_step_by_step", 60.98, 48.22, 35.40, 84.2, 33.7, 73.5),
        _api("FGVP, mask", None, 56.89, 39.38, 36.14, 75.8, 31.0, 57.4),
        _api("FGVP, reverse blur mask", None, 61.22, 33.91, 35.00, 81.4, 25.0, 57.4),
        _api("SoM", None, 54.16, 18.81, 35.57, 75.4, 26.4, 56.1),
        _api("API (CLIP)", "api_clip_ask", 61.26, 48.78, 37.52, 87.2, 35.3, 74.1, models=_CLIP),
        _api("API (LLaVA)", "api_lvlm_ask", 61.35, 48.79, 36.95, 86.3, 36.6, 74.8, models=_LVLM),
    ),
    models=_API_MODELS,
    notes=f"MME is the share of right answers, over all 14 tasks; the paper's may be over fewer. {_JUDGED}",
    answer="Answer",
)

API_2 = PaperTable(
    name="api-2",
    title="API, self-reflection: LLaVA-1.5-13B",
    columns=(PaperColumn("LLaVA-W", "llava-bench", _LLAVA),),
    rows=(
        _api("no prompt", "lvlm_ask", 71.9),
        _api("in words", "lvlm_reflect", 72.9),
        _api("API (LLaVA)", "api_lvlm_ask", 74.8, models=_LVLM),
        _api("re-emphasise", "api_lvlm_hint", 72.7, models=_ONE_LVLM),
        _api("evaluate", "api_lvlm_evaluate", 76.1, models=_ONE_LVLM),
    ),
    models=_API_MODELS,
    notes=_JUDGED,
    answer="Answer",
)

API_3 = PaperTable(
    name="api-3",
    title="API, hallucinations: LLaVA-1.5-13B answers",
    columns=(
        PaperColumn("Unanswerable, recall", "vizwiz", "unanswerable recall"),
        PaperColumn("Unanswerable, accuracy", "vizwiz", "unanswerable accuracy"),
        PaperColumn("POPE, accuracy", "pope", "accuracy"),
        PaperColumn("POPE, F1", "pope", "F1"),
    ),
    rows=(
        _api("no prompt", "lvlm_ask", 81.41, 81.41, 81.00, 81.00),
        _api("API (CLIP)", "api_clip_ask", 83.83, 83.83, 82.81, 82.81, models=_CLIP),
        _api("API (LLaVA)", "api_lvlm_ask", 85.26, 85.26, 83.52, 83.52, models=_LVLM),
    ),
    models=_API_MODELS,
    notes="The paper does not define its figure of VizWiz, and does not name that of POPE, nor the part that it used: "
    "both readings stand beside its one figure.",
    answer="Answer",
)


_FALIP_MODELS = {"clip": "ViT-B-16/openai"}
_FALIP_ROLES = {"clip": "Load CLIP.model"}
_IOU = "accuracy at IoU > 0.5"


def _falip(title: str, graph: str | None, *reported: float | None, **settings: str) -> PaperRow:
    named = {name.replace("__", ".").replace("_", " "): value for name, value in settings.items()}
    return PaperRow(title, graph, reported, named, _FALIP_ROLES if graph else {})


def _foveal(title: str, graph: str, *reported: float | None) -> PaperRow:
    """With the constants of the released code; for a ViT-B/16 the layers are the last four."""
    return _falip(title, graph, *reported, Foveal_mask__cells="reference")


FALIP_1 = PaperTable(
    name="falip-1",
    title="FALIP, referring expressions: ViT-B/16, annotated boxes",
    columns=(
        PaperColumn("RefCOCO testA", "refcoco", f"{_IOU}: testa", ("testa", "testb")),
        PaperColumn("RefCOCO testB", "refcoco", f"{_IOU}: testb", ("testa", "testb")),
        PaperColumn("RefCOCO+ testA", "refcoco-plus", _IOU, ("testa",)),
        PaperColumn("RefCOCOg test", "refcocog", _IOU, ("test",)),
    ),
    rows=(
        _falip("RedCircle", "rec_circle_blur", 41.6, 36.2, 44.7, 45.4),
        _falip("PASTA", None, 41.7, 37.6, 43.2, 49.2),
        _foveal("FALIP", "rec_foveal", 44.2, 39.4, 46.8, 51.5),
    ),
    models=_FALIP_MODELS,
    notes="Its mean is over columns that it does not show, and is left out.",
)

FALIP_2 = PaperTable(
    name="falip-2",
    title="FALIP, forms of the mask: ViT-B/16, annotated boxes",
    columns=(
        PaperColumn("RefCOCO testA", "refcoco", _IOU, ("testa",)),
        PaperColumn("RefCOCOg test", "refcocog", _IOU, ("test",)),
    ),
    rows=(
        _foveal("CLS row", "rec_foveal", 44.2, 51.5),
        _foveal("all rows", "rec_foveal_rows", 36.6, 43.7),
        _foveal("diagonal", "rec_foveal_diagonal", 13.3, 16.1),
        _falip("no mask", "rec_none", 14.8, 25.5),
    ),
    models=_FALIP_MODELS,
    notes="Without a mask all boxes have one score, and the first is taken: the figure says how often that is right.",
)

FALIP_3 = PaperTable(
    name="falip-3",
    title="FALIP, classification: ViT-B/16, top-1",
    columns=(
        PaperColumn("Stanford Dogs", "dogs", "top-1"),
        PaperColumn("CUB-200-2011", "cub", "top-1"),
        PaperColumn("ImageNet-S", "imagenet-s", "mean of the classes' top-1"),
        PaperColumn("Waterbirds", "waterbirds", "top-1"),
    ),
    rows=(
        _falip("CLIP", "classify_plain", 56.5, 54.2, 64.9, 78.2),
        _falip("RedCircle", "classify_circle", 52.4, 44.2, 62.8, 77.5, Draw_circle__preset="falip"),
        _falip("Blur", "classify_blur", 51.9, 39.1, 53.8, 78.1),
        _falip("FALIP", "classify_foveal", 58.3, 54.3, 67.3, 79.7),
    ),
    models=_FALIP_MODELS,
    notes="The paper gives no templates: compare with its CLIP row first.",
)

FALIP_4 = PaperTable(
    name="falip-4",
    title="FALIP, point clouds: ViT-B/16, top-1",
    columns=(
        PaperColumn("ModelNet40", "modelnet40", "top-1"),
        *(
            PaperColumn(f"ScanObjectNN {part}", "scanobjectnn", f"top-1: {part}")
            for part in ("OBJ_ONLY", "OBJ_BG", "PB_T50_RS")
        ),
    ),
    rows=(
        _falip("CLIP", "point_cloud_plain", 16.5, 14.6, 14.6, 14.6),
        _falip("FALIP", "point_cloud_foveal", 18.6, 15.3, 15.3, 15.3),
    ),
    models=_FALIP_MODELS,
    notes="The paper does not say which variant of ScanObjectNN it used: its one figure stands beside each.",
)

PAPERS: Mapping[str, PaperTable] = MappingProxyType(
    {table.name: table for table in (API_1, API_2, API_3, FALIP_1, FALIP_2, FALIP_3, FALIP_4)}
)
"""The tables by name, in the order in which they are listed."""


def paper_table(name: str) -> PaperTable:
    """The table of that name. Raises BadInput where there is none."""
    if name not in PAPERS:
        raise BadInput("there is no such table", input="NAME", value=name, hint=f"There are: {', '.join(PAPERS)}.")
    return PAPERS[name]
