"""What FALIP is judged on: which box a text means, what an image shows, what a point cloud is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from api_graph.clip import ClipModel, ImageFeatures
from api_graph.context import Context
from api_graph.errors import BadInput, inputs_named
from api_graph.folders import Folders, names_in
from api_graph.geometry import ResizeMode
from api_graph.pixels._check import checked_image, required_masks
from api_graph.pixels.pairing import EVERY, Pairs
from api_graph.pixels.prompts import draw_box, named_mark
from api_graph.regions import Boxes, boxes_around
from api_graph.sockets import Image, Mask
from api_graph.spec import Choices, Widget, node
from api_graph.tasks import scores as box_scores
from api_graph.tasks import subtract, templates
from api_graph.tasks.classification import Classification, classified
from api_graph.tasks.features import Fovea, seeing
from api_graph.tasks.pointcloud.classification import fused, view_features
from api_graph.tasks.pointcloud.project import depth_images, project, unit_sphere
from api_graph.tasks.pointcloud.read import READERS, read_points
from api_graph.tasks.socket_types import BoxScores, LabelFeatures, MeanText, PointClouds

from . import estimates
from .fingerprints import point_fingerprint
from .prompts import PairingChoice, corners
from .socket_types import AnyBoxes, Clip, Clouds, Features, Labels, Query, Scores, boxes_of

CATEGORY = "attention prompting/tasks"


@node("APResizeMode", category="attention prompting/models", title="Resize mode", model=True, aliases=("squash",))
def resize_mode(
    model: Clip,
    mode: Annotated[
        ResizeMode,
        Field(
            description="squash: each side is scaled to fit, as FALIP's code does. longest: all of the image, with "
            "bars. shortest: the middle alone."
        ),
    ] = "squash",
) -> Annotated[ClipModel, Field(description="The model that sees images in this way.")]:
    """The same model with another way of bringing images to its size: a centre crop never shows it what lies beside."""
    return seeing(model, mode)


# --------------------------------------------------------------------------------------- referring expressions

Template = Annotated[str, Field(description="What is said around the text; {} is where it stands.")]


@node("APFillTemplate", category=CATEGORY, title="Text in a template", aliases=("a photo of",))
def fill_template(
    text: Annotated[str, Field(description="A caption, a phrase."), Widget(multiline=True)],
    template: Template = templates.REFERRING,
    lower_case: Annotated[bool, Field(description="As the official code writes captions.")] = True,
) -> Annotated[str, Field(description="The text in the template.")]:
    """Put a text into a template, as CLIP likes to read it: "a photo of the man on the left"."""
    with inputs_named(templates="template"):
        (checked,) = templates.template_texts([template])
    return templates.filled(checked, text.strip().lower() if lower_case else text.strip())


@node("APScoreBoxes", category=CATEGORY, title="Score boxes", store=True)
def score_boxes(
    features: Annotated[ImageFeatures, Field(description="One per box: foveal features, or those of drawn images.")],
    query: Query,
    subtract: Annotated[
        MeanText | None, Field(description="Its score is taken off: what a box gets for any text.")
    ] = None,
    logit_scale: Annotated[
        float, Field(ge=0, le=10_000, description="exp(logit scale) of the model; 100 for most CLIPs."), Widget(step=1)
    ] = box_scores.CLIP_LOGIT_SCALE,
) -> Annotated[BoxScores, Field(description="One score for each box.")]:
    """How well each box fits the text: the scaled cosine of its feature and the text's (FALIP section 3)."""
    negatives = None if subtract is None else subtract.vector
    return BoxScores(box_scores.score_boxes(features.features, query.features[0], logit_scale, negatives=negatives))


@node("APAggregateScores", category=CATEGORY, title="Aggregate scores", store=True, aliases=("ensemble",))
def aggregate_scores(
    first: Scores,
    second: Annotated[BoxScores, Field(description="Of the same boxes.")],
    third: Annotated[BoxScores | None, Field(description="Of the same boxes.")] = None,
    fourth: Annotated[BoxScores | None, Field(description="Of the same boxes.")] = None,
    mode: Annotated[
        Literal["sum", "max"],
        Field(description="Models are summed; ways of showing a box are summed, or the best counts."),
    ] = "sum",
) -> Annotated[BoxScores, Field(description="One score for each box.")]:
    """One score per box from several: of several models, or of several ways to show the box."""
    given = [scores.scores for scores in (first, second, third, fourth) if scores is not None]
    if len({len(scores) for scores in given}) > 1:
        raise BadInput("the scores are of different numbers of boxes", input="second", value=[len(s) for s in given])
    return BoxScores(box_scores.stacked(given, mode))


@node(
    "APMeanText",
    estimate=estimates.caption_features,
    category=CATEGORY,
    title="Mean of captions",
    store=True,
    aliases=("subtract", "negative captions"),
)
def mean_text(
    model: Clip,
    captions: Annotated[str, Field(description="Captions of other images, one per line."), Widget(multiline=True)],
    template: Template = templates.REFERRING,
    count: Annotated[
        int, Field(ge=1, le=1_000_000, description="How many are drawn, at most.")
    ] = subtract.REFERENCE_COUNT,
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, description="Equal seeds draw equal captions.")] = 0,
) -> Annotated[MeanText, Field(description="The captions' mean feature, for Score boxes.")]:
    """What to subtract from scores: the mean of captions drawn at random, in the words of the query's template."""
    lines = [line for line in captions.splitlines() if line.strip()]
    drawn = subtract.sample_captions(lines, count, seed=seed)
    with inputs_named(templates="template"):
        return MeanText(subtract.mean_text(model, drawn, template), len(drawn))


class ChosenBox(NamedTuple):
    choice: Annotated[int, Field(description="The index of the box, counted from 0.")]
    text: Annotated[str, Field(description="The choice, and every box's probability.")]
    image: Annotated[Image, Field(description="With the box drawn.")]
    box: Annotated[Boxes, Field(description="The one that was chosen.")]
    margin: Annotated[float, Field(description="How much more probable it is than the next one.")]
    probabilities: list[Annotated[float, Field(description="One for each box, in their order.")]]
    corners: list[Annotated[float, Field(description="Left, top, right and bottom of the chosen box, in pixels.")]]


@node("APChooseBox", category=CATEGORY, title="Choose box", version=2, aliases=("referring expression", "REC"))
def choose_box(
    scores: Scores,
    boxes: Annotated[AnyBoxes, Field(description="The boxes that were scored.")],
    image: Annotated[Image, Field(description="The image that they lie in, or several.")],
    pairing: PairingChoice = EVERY,
) -> ChosenBox:
    """Choose the box with the highest score, the first of equals; of several images, on the image where it has it."""
    image = checked_image(image)
    found = boxes_of(boxes, image, pairing)
    values, pairs = corners(found, image), Pairs.of(len(image), len(found), pairing)
    if len(scores.scores) != len(pairs.images):
        on = "" if len(image) == 1 else f" and {len(image)} images, which need {len(pairs.images)} scores"
        raise BadInput(f"there are {len(found)} boxes{on}", input="scores", value=len(scores.scores))
    choice = box_scores.BoxChoice.of(scores.scores)
    shown, chosen = pairs.images[choice.index], (pairs.regions or [0])[choice.index]
    where = "" if len(image) == 1 else f" on image {shown} of {len(image)}"
    lines = [f"box {chosen} of {len(found)}{where}, ahead by {choice.margin:.3f}"]
    chances = choice.probabilities.tolist()
    for i, j, p in zip(pairs.images, pairs.regions or [], chances, strict=True):
        which = f"{j}" if len(image) == 1 else f"{j} on image {i}"
        lines.append(f"{which}: {p:.3f} at ({', '.join(f'{edge:.0f}' for edge in values[j].tolist())})")
    box = found.pick([chosen])
    picture = draw_box(image[shown : shown + 1], box.values)
    return ChosenBox(chosen, "\n".join(lines), picture, box, choice.margin, chances, values[chosen].tolist())


class ChosenMark(NamedTuple):
    choice: Annotated[int, Field(description="The index of the mask, counted from 0; −1 where no mark is named.")]
    text: Annotated[str, Field(description="The choice in words.")]
    image: Annotated[Image, Field(description="With a box around the mask; as it was where no mark is named.")]
    mask: Annotated[Mask, Field(description="The one that was chosen; empty where no mark is named.")]


@node("APChooseMark", category=CATEGORY, title="Choose mark", aliases=("SoM", "set of mark", "referring expression"))
def choose_mark(
    answer: Annotated[
        str, Field(description="What a model said about the marked image, as 3 or [3]."), Widget(multiline=True)
    ],
    marks: Annotated[str, Field(description="The marks, one per line, from Set of mark."), Widget(multiline=True)],
    masks: Annotated[Mask, Field(description="The masks in the order of their marks, from Set of mark.")],
    image: Annotated[Image, Field(description="The image that they lie in, one.")],
) -> ChosenMark:
    """Choose the object whose mark an answer names. Where it names none of them, or several, none is chosen."""
    image, names = checked_image(image), [line.strip() for line in marks.splitlines() if line.strip()]
    if len(image) != 1:
        raise BadInput("marks lie on one image at a time", input="image", value=tuple(image.shape), hint="Take it out.")
    inside = required_masks(masks, image, "masks")
    if len(names) != len(inside):
        problem, hint = f"there are {len(inside)} masks", "Link both from the same Set of mark."
        raise BadInput(problem, input="marks", value=len(names), hint=hint)
    index = named_mark(answer, names)
    if index is None:
        said = f"no mark is chosen: the answer names none of {', '.join(names)}, or several"
        return ChosenMark(-1, said, image, inside[:1] * 0)
    chosen = inside[index : index + 1]
    with inputs_named(mask="masks"):
        where = boxes_around(chosen)
    edges = ", ".join(f"{edge:.0f}" for edge in where.values[0].tolist())
    told = f"mark {names[index]} of {len(names)}, at ({edges})"
    return ChosenMark(index, told, draw_box(image, where.values), chosen)


# --------------------------------------------------------------------------------------- classification


@node("APTemplates", category=CATEGORY, title="Templates", aliases=("prompt ensemble", "80 templates"))
def template_set(
    name: Annotated[
        Literal["photo", "openai", "label", "bird", "dog", "pet", "point cloud"],
        Field(description="openai: the 80 that are averaged for ImageNet."),
    ] = "photo",
) -> Annotated[str, Field(description="The templates, one per line.")]:
    """Templates for labels that others have used, one per line."""
    return "\n".join(templates.template_texts(name))


@node(
    "APEncodeLabels",
    estimate=estimates.label_features,
    category=CATEGORY,
    title="Encode labels",
    store=True,
    aliases=("zero-shot classifier",),
)
def encode_labels(
    model: Clip,
    labels: Annotated[str, Field(description="One per line."), Widget(multiline=True)],
    templates: Annotated[
        str, Field(description="One or several, a line each; {} is where the label stands."), Widget(multiline=True)
    ] = "a photo of a {}.",
) -> Annotated[LabelFeatures, Field(description="One feature for each label.")]:
    """Run a label set through CLIP's text tower: per label the mean over its templates."""
    return LabelFeatures.of(model, labels, templates)


class Verdict(NamedTuple):
    label: Annotated[str, Field(description="The best one; a line per image.")]
    text: Annotated[str, Field(description="The best ones with their probabilities; a line per image.")]
    classes: Annotated[Classification, Field(description="All scores.")]
    best: list[Annotated[str, Field(description="The labels in the text: the best one of the first image first.")]]
    probabilities: list[Annotated[float, Field(description="Their probabilities, one for each.")]]
    indices: list[Annotated[int, Field(description="Their places among the labels, counted from 0.")]]


Best = Annotated[int, Field(ge=1, le=1000, description="How many labels the text lists.")]


@node("APClassify", category=CATEGORY, title="Classify", aliases=("zero-shot classification",))
def classify(features: Features, labels: Labels, top: Best = 5) -> Verdict:
    """Say which label each image shows, or each region that was pointed at (FALIP section 4.2)."""
    return _verdict(classified(features.features, labels.features, labels.labels, labels.scale), top)


def _verdict(classes: Classification, top: int) -> Verdict:
    rows = classes.top(top)
    lines = [", ".join(f"{label} {p:.3f}" for label, p in row) for row in rows]
    best, chances = [label for row in rows for label, _ in row], [p for row in rows for _, p in row]
    places = {label: place for place, label in enumerate(classes.labels)}
    indices = [places[label] for label in best]
    return Verdict("\n".join(classes.names), "\n".join(lines), classes, best, chances, indices)


# --------------------------------------------------------------------------------------- point clouds


def point_files(folders: Folders) -> Sequence[str]:
    """Names of the point clouds at the top of the input folders."""
    return names_in(folders.inputs, lambda path: path.suffix.lower() in READERS)


@node(
    "APLoadPointCloud",
    category=CATEGORY,
    title="Load point cloud",
    waits=True,
    version=2,
    fingerprint=point_fingerprint,
)
def load_point_cloud(
    context: Context,
    file: Annotated[
        str,
        Choices(tuple, open=True, inside=point_files),
        Field(description="A file in the input folder: .ply, .off, .npy, .npz, .txt, .xyz, .pts or .csv."),
    ],
    count: Annotated[
        int, Field(ge=0, le=10_000_000, description="The first so many points; 0 takes all. PointCLIP takes 1024.")
    ] = 1024,
    unit: Annotated[
        bool, Field(description="Move and scale the cloud into the unit sphere, for which the views are made.")
    ] = True,
    columns: Annotated[
        str,
        Field(
            description="Which columns of a table or an array are x, y and z: their names, or their numbers counted "
            "from 1, such as 2 3 4. Empty: the columns called x, y and z, else the first three."
        ),
    ] = "",
) -> Annotated[PointClouds, Field(description="The points of one cloud.")]:
    """Read a point cloud."""
    with inputs_named(path="file"):
        points = read_points(context.folders.input_file(file, input="file"), columns)
    points = points[: count or None]
    return PointClouds((unit_sphere(points) if unit else points).unsqueeze(0))


class Views(NamedTuple):
    image: Annotated[Image, Field(description="Six per cloud: the nearest points bright, nothing black.")]
    mask: Annotated[Mask, Field(description="1 where a point is.")]


@node(
    "APProjectPointCloud",
    estimate=estimates.projected,
    category=CATEGORY,
    title="Project point cloud",
    store=True,
    version=2,
    aliases=("PointCLIP", "depth"),
)
def project_point_cloud(
    points: Clouds,
    side: Annotated[int, Field(ge=16, le=2048, description="Of each picture, in pixels.")] = 224,
) -> Views:
    """Six depth views of a point cloud, as PointCLIP sees it, made visible."""
    depth = depth_images(project(points.points), (side, side))[:, 0]  # (B·V, side, side)
    farthest = depth.amax((1, 2), keepdim=True).clamp(min=1e-6)
    shown = (depth > 0).float()
    bright = shown * (1 - 0.75 * depth / farthest)
    return Views(bright.unsqueeze(-1).expand(-1, -1, -1, 3).contiguous(), shown)


@node("APClassifyPointCloud", category=CATEGORY, title="Classify point cloud", version=2)
def classify_point_cloud(
    model: Clip,
    points: Clouds,
    labels: Labels,
    method: Annotated[
        Literal["foveal", "foveal cells", "none"],
        Field(description="foveal: a mask over the rectangle around the points. cells: only patches with a point."),
    ] = "foveal",
    alpha: Annotated[float, Field(ge=0, le=100, description="Height of the foveal mask."), Widget(step=0.05)] = 0.2,
    sigma: Annotated[float, Field(ge=0.1, le=10_000, description="Its width, in patches."), Widget(step=1)] = 100.0,
    layers: Annotated[
        str, Field(description='Where the mask enters: "last 4", "all", or numbers: "8,9", "-4..-1".')
    ] = "last 4",
    weights: Annotated[str, Field(description="Of the six views; empty for equal ones.")] = "",
    top: Best = 5,
) -> Verdict:
    """Say what a point cloud is, from six depth views whose foreground is pointed at (FALIP section 4.3)."""
    views = view_features(model, points.points.to(model.device), method, Fovea(alpha, sigma, layers))
    with inputs_named(betas="weights"):
        return _verdict(fused(views, labels.features, labels.labels, labels.scale, _numbers(weights)), top)


def _numbers(text: str) -> list[float] | None:
    """Numbers parted by blanks or commas; None for an empty text."""
    try:
        return [float(word) for word in text.replace(",", " ").split()] or None
    except ValueError as error:
        raise BadInput("these are no numbers", input="weights", value=text, hint="Write six, or none.") from error
