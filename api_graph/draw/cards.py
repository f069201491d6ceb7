"""What people read of the shipped graphs: a sentence on each, and when to use it, in groups that belong together."""

from __future__ import annotations

from typing import NamedTuple


class Card(NamedTuple):
    """What a graph does, and when to take it."""

    what: str
    when: str


class Group(NamedTuple):
    """Graphs that belong together, by name; `about` is said above them."""

    title: str
    about: str
    cards: dict[str, Card]


_MAPS = {
    "api_clip": Card(
        "the paper's recipe: Ψcls and Ψcomp, normalised, soft OR, resize, mean filter, alpha blend",
        "You want the image that the paper shows to the model, for any model to answer from.",
    ),
    "api_clip_cls": Card(
        "Ψcls alone: image, heatmap and annotated image side by side; what `api-graph demo` runs",
        "You want to see at a glance what a question does to an image. With the demo model this map is the better one.",
    ),
    "api_clip_reference": Card(
        "exactly what the official code computes, step by step; what is faded turns black, as by its default",
        "You compare with results of the official code.",
    ),
    "api_clip_map": Card(
        "Ψcls as a grey heatmap, as a colour overlay, and in figures",
        "You only want to know where CLIP looks, or need the map for steps of your own.",
    ),
    "api_clip_mask": Card(
        "a mask of what the text means, what it keeps of the image, and a point for a segmenter",
        "You inpaint, cut out, or segment a thing that you can name.",
    ),
    "api_clip_crop": Card(
        "a square crop of what the text means, and its box",
        "The thing is small in the image, and whoever gets it wants it large.",
    ),
    "api_clip_questions": Card(
        "several questions on one image, encoded once, on a contact sheet",
        "You try out how to word a query. Each further one costs next to nothing.",
    ),
    "api_clip_baselines": Card(
        "Ψcls beside older maps: raw CLS attention, attention rollout, attention × gradient",
        "You want to see what the decomposition of CLS gains over maps that were there before.",
    ),
}
_STRATEGIES = {
    "lvlm_ask": Card(
        "the question and the image, with no prompt",
        "You want an answer, or the baseline that every other strategy is compared with.",
    ),
    "lvlm_step_by_step": Card(
        "the question, and the words: let's think step by step",
        "You want the textual baseline: what words alone gain.",
    ),
    "lvlm_reflect": Card(
        "textual self-reflection: two rounds, and the new answer taken out of the second",
        "You want the second textual baseline, with twice the cost of one answer.",
    ),
    "lvlm_options": Card(
        "which of given answers the model finds likeliest, by the loss of each; it says none itself",
        "There are options, and an answer in words might not be one of them.",
    ),
    "lvlm_fgvp": Card(
        "FGVP: what lies outside the objects' masks is blurred (`--set FGVP.preset=fgvp_mask`: the masks in green)",
        "You have masks of the objects that matter, and want an older visual prompt to compare with.",
    ),
    "lvlm_som": Card(
        "set of mark: every object gets a number, and then the question is asked",
        "You have masks, and a model that reads numbers in pictures.",
    ),
    "api_clip_ask": Card(
        "API(CLIP): CLIP annotates the image, and an LVLM answers",
        "The model that answers is behind a server, or is costly to run twice.",
    ),
    "api_lvlm": Card(
        "API(LVLM), self-reflection: the model that looks is the one that answers, loaded once",
        "You have one local LVLM, and nothing else to load.",
    ),
    "api_lvlm_hint": Card(
        "API(LVLM), re-emphasised: the question adds that the answer lies in the visible regions",
        "The model seems to overlook that parts of the image were darkened.",
    ),
    "api_lvlm_evaluate": Card(
        "API(LVLM), evaluated: do the visible regions suffice? If not, the original image is used",
        "The map sometimes misses what is asked for, and the original should then be used.",
    ),
    "api_lvlm_ask": Card(
        "API(LVLM): one model looks, another one answers",
        "A small local LVLM looks, and a large one, perhaps behind a server, answers.",
    ),
    "api_lvlm_reference": Card(
        "API(LVLM) as the official code computes it; what is faded turns grey 200, because its benchmark script does "
        "that whatever `--grayscale` says",
        "You compare with results of the official code.",
    ),
    "api_ensemble": Card(
        "both annotated images, CLIP's and the LVLM's, in one request",
        "The model that answers takes several images, and two opinions are worth their tokens.",
    ),
    "lvlm_words": Card(
        "a map for each word of an answer, attention and activation (TAM), as a strip and as a page on which a word "
        "is clicked",
        "You want to know which part of the image each word of an answer came from.",
    ),
}
_REGIONS = {
    "rec_none": Card(
        "which box is meant, with no prompt: all boxes tie, and the first one is taken",
        "You want the floor of the table: what is right by chance.",
    ),
    "rec_foveal": Card(
        "which box is meant, by the foveal mask (FALIP)",
        "You have boxes and a description, and want the box that is meant.",
    ),
    "rec_foveal_rows": Card(
        "which box is meant, with the mask's bias on every row of the attention (form b)",
        "You check where in the attention the bias belongs.",
    ),
    "rec_foveal_diagonal": Card(
        "which box is meant, with the mask's bias on the diagonal of the attention (form c)",
        "You check where in the attention the bias belongs.",
    ),
    "rec_foveal_unleash": Card(
        "which box is meant, by the foveal mask with the reacting heads amplified",
        "You want the strongest form of the paper, and your CLIP has heads that react.",
    ),
    "rec_foveal_subtract": Card(
        "which box is meant, by the foveal mask, less the mean score of other captions",
        "Some boxes score high with every caption.",
    ),
    "rec_circle": Card(
        "which box is meant, by a red circle around it",
        "You want the visual prompt that FALIP is compared with most. The model has to have seen such circles.",
    ),
    "rec_circle_blur": Card(
        "which box is meant, by a red circle with blur outside, as FALIP's code draws it",
        "You compare with the row of that name in FALIP's tables.",
    ),
    "rec_circle_unleash": Card(
        "which box is meant, by a red circle with the reacting heads amplified",
        "You want to know whether a drawn prompt gains from the amplified heads, too.",
    ),
    "rec_circle_foveal": Card(
        "which box is meant, by a red circle and the foveal mask at once",
        "You want both prompts at once.",
    ),
    "rec_blur": Card(
        "which box is meant, with blur outside it",
        "You want a prompt that keeps the context, out of focus.",
    ),
    "rec_grey": Card(
        "which box is meant, with grey outside it",
        "You want a prompt that takes the context away and leaves the box where it was.",
    ),
    "rec_fgvp": Card(
        "which box is meant, by FGVP: blur outside each object's mask",
        "You have masks in place of boxes.",
    ),
    "rec_som": Card(
        "which object is meant, by set of mark: an LVLM says its number (the demo LVLM has never seen one)",
        "An LVLM chooses, not CLIP, and it reads numbers in pictures.",
    ),
    "rec_shade": Card(
        "which box is meant, each under a translucent colour (CPT)",
        "You want the colour prompt of CPT to compare with.",
    ),
    "rec_crop": Card(
        "which box is meant, each cropped",
        "The description is about the thing alone, and not about what lies around it.",
    ),
    "rec_ensemble": Card(
        "which box is meant, by the foveal mask and by crops, scores summed",
        "Accuracy matters more than the cost of two passes.",
    ),
    "classify_plain": Card(
        "which label fits the whole image, zero-shot",
        "There is one thing in the image, or you want the baseline.",
    ),
    "classify_foveal": Card(
        "which label fits what is in a box, by the foveal mask",
        "There are several things in the image, and a box says which one is asked about.",
    ),
    "classify_circle": Card(
        "which label fits what is in a box, by a red circle around it",
        "You compare the foveal mask with a drawn prompt.",
    ),
    "classify_blur": Card(
        "which label fits what is in a box, by blur outside it",
        "You compare the foveal mask with a prompt that changes the context.",
    ),
    "point_cloud_plain": Card(
        "which label fits a point cloud, from six depth views (PointCLIP)",
        "You classify a 3D shape with a CLIP that has only seen pictures.",
    ),
    "point_cloud_foveal": Card(
        "which label fits a point cloud, with the foveal mask over the foreground of each view",
        "The shape fills little of its views.",
    ),
    "head_reactions": Card(
        "which attention heads react to the foveal mask, as a picture",
        "You choose which heads *Unleash* should amplify in your CLIP.",
    ),
}
_BOTH = {
    "api_fovea": Card(
        "API's map as FALIP's fovea: attention steered to where the question points",
        "There is no box, and a question has to say what is classified.",
    ),
    "falip_alpha": Card(
        "FALIP's mask as the alpha of an annotated image, and an LVLM's answer",
        "You have a box, and the model that answers is behind a server: only pixels can point it.",
    ),
    "gaze_api": Card(
        "CLIP's map for the question as the fovea of the LVLM that answers; no pixel changes",
        "The LVLM runs here, and the image should stay as it is.",
    ),
    "gaze_self": Card(
        "the LVLM's own map as its fovea: it looks once, then answers with its attention held there",
        "You have memory for one model only.",
    ),
    "gaze_boxes": Card(
        "a box as the fovea of the LVLM that answers",
        'A person or a detector has said where to look: for "what colour is the star?" where there are two.',
    ),
    "gaze_contrast": Card(
        "a weak fovea on a box, and the answer set against the one without it, token by token",
        "A strong fovea breaks the model's answers, and a weak one alone does not move them.",
    ),
    "find_heads": Card(
        "which heads of an LVLM look where they are asked to: measured, shown, kept, and steered in the place of all",
        "Steering all heads breaks the model's answers, or a map should come from the heads that point best.",
    ),
    "gaze_tour": Card(
        "a fovea that moves from box to box while the LVLM describes the image, so that all are named, in that order",
        "A description should leave nothing out, and follow your order.",
    ),
}

GROUPS = (
    Group("Maps", "", _MAPS),
    Group("Prompting strategies", "Those of the paper on API, with an answer at the end.", _STRATEGIES),
    Group(
        "A region",
        "FALIP's tables, a graph for each row. A box is a line of four numbers: left, top, right, bottom.",
        _REGIONS,
    ),
    Group("Where the two meet", "API's map and FALIP's fovea in one graph.", _BOTH),
)

CARDS = {name: card for group in GROUPS for name, card in group.cards.items()}
