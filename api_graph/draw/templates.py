"""The shipped graphs as templates of the editors: what people read, which is the file's name, and how they open.

An editor shows neither a title nor a sentence of a pack's template but the file's name, and sorts by nothing else.
ComfyUI itself lists them unsorted, and its A → Z puts what begins with a digit last.
"""

from __future__ import annotations

from api_graph.draw.workflow import to_workflow
from api_graph.graph.model import Graph
from api_graph.registry import Registry

TEMPLATES = {
    "api_clip_map": "1 Where does CLIP look",
    "lvlm_ask": "2 Ask about a picture",
    "api_clip_crop": "3 Crop to what I mean.app",
    "api_clip_mask": "4 Mask what I mean",
    "api_lvlm": "5 Look where it matters, then answer",
    "rec_foveal": "6 Which box is meant",
    "api_clip": "API with CLIP - annotate a picture",
    "api_clip_ask": "API with CLIP - annotate and ask",
    "api_clip_baselines": "API with CLIP - compare with older maps",
    "api_clip_cls": "API with CLIP - Psi cls alone",
    "api_clip_questions": "API with CLIP - several questions",
    "api_clip_reference": "API with CLIP - as the official code",
    "api_ensemble": "API with CLIP and LVLM - two maps, one answer",
    "api_lvlm_ask": "API with LVLM - look with one, ask another",
    "api_lvlm_evaluate": "API with LVLM - annotate only if it suffices",
    "api_lvlm_hint": "API with LVLM - with a hint",
    "api_lvlm_reference": "API with LVLM - as the official code",
    "api_fovea": "API and FALIP - a map as the fovea",
    "falip_alpha": "API and FALIP - a region as the map",
    "gaze_api": "Steer the LVLM - to where CLIP looks",
    "gaze_boxes": "Steer the LVLM - to a box",
    "gaze_contrast": "Steer the LVLM - to a box, by contrast",
    "gaze_self": "Steer the LVLM - to where it looks by itself",
    "gaze_tour": "Steer the LVLM - from box to box",
    "find_heads": "Steer the LVLM - find its heads",
    "classify_blur": "FALIP classify - blur around the box",
    "classify_circle": "FALIP classify - red circle",
    "classify_foveal": "FALIP classify - foveal attention",
    "classify_plain": "FALIP classify - without a prompt",
    "head_reactions": "FALIP heads - which react to a prompt",
    "point_cloud_foveal": "FALIP point cloud - foveal attention",
    "point_cloud_plain": "FALIP point cloud - without a prompt",
    "rec_blur": "FALIP which box - blur",
    "rec_circle": "FALIP which box - red circle",
    "rec_circle_blur": "FALIP which box - red circle and blur",
    "rec_circle_foveal": "FALIP which box - red circle and foveal attention",
    "rec_circle_unleash": "FALIP which box - red circle unleashed",
    "rec_crop": "FALIP which box - crops",
    "rec_ensemble": "FALIP which box - ensemble",
    "rec_fgvp": "FALIP which box - FGVP on masks",
    "rec_foveal_diagonal": "FALIP which box - foveal attention, diagonal",
    "rec_foveal_rows": "FALIP which box - foveal attention, more rows",
    "rec_foveal_subtract": "FALIP which box - foveal attention, captions subtracted",
    "rec_foveal_unleash": "FALIP which box - foveal attention unleashed",
    "rec_grey": "FALIP which box - grey",
    "rec_none": "FALIP which box - without a prompt",
    "rec_shade": "FALIP which box - shaded boxes",
    "rec_som": "LVLM which object - set of mark",
    "lvlm_fgvp": "LVLM - FGVP on masks",
    "lvlm_options": "LVLM - choose among given answers",
    "lvlm_reflect": "LVLM - answer, reflect, answer",
    "lvlm_som": "LVLM - set of mark",
    "lvlm_step_by_step": "LVLM - step by step",
    "lvlm_words": "LVLM - words of an answer",
}
"""Name of the template by the name of the graph: six to begin with, then by method. `.app` opens as an app."""

APPS = {"api_clip_crop": (("image", "query"), "Crop")}
"""The nodes, by their titles, whose value an app asks for, and the one that it shows, which must show images.

ComfyUI's App Mode shows pictures, sound, video and 3D of a result, and no text.
"""


def template_name(graph: str) -> str:
    """The name of a shipped graph's template, without an ending."""
    return TEMPLATES.get(graph, graph)


def to_template(name: str, graph: Graph, registry: Registry) -> dict[str, object]:
    """The shipped graph `name` as the editor saves it; an app says in `extra` what it asks for and what it shows."""
    saved = to_workflow(graph, registry)
    if name in APPS:
        asked, shown = APPS[name]
        ids = {node.title: (int(id), *list(node.literals())[:1]) for id, node in graph.nodes.items()}
        outputs = [int(id) for id, node in graph.nodes.items() if node.title == shown]
        linear = {"inputs": [[*ids[title]] for title in asked], "outputs": outputs}
        extra = saved["extra"]
        assert isinstance(extra, dict)
        extra |= {"linearMode": True, "linearData": linear}
    return saved
