"""Words: a map for each word of an LVLM's answer, as a strip and as a page on which a word is clicked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Literal, NamedTuple

from PIL import Image as Pictures
from pydantic import Field
from torch import Tensor

from api_graph.context import Context, SaveContext
from api_graph.errors import BadInput, inputs_named
from api_graph.files import name_below
from api_graph.lvlm import LvlmAttribution, LvlmModel, WordMaps, attribute
from api_graph.lvlm.steer import Steering
from api_graph.lvlm.word_page import words_page
from api_graph.lvlm.word_pictures import Scale, words_strip
from api_graph.lvlm.words import Method
from api_graph.pixels.read import to_pil, to_tensor
from api_graph.pixels.write import write_numbered_text
from api_graph.sockets import Attribution, Image
from api_graph.spec import Widget, node

from . import estimates
from .blend import Colours, Opacity
from .lvlm import (
    CATEGORY,
    GivenAnswer,
    Normalization,
    Watched,
    WatchedSteering,
    WatchedTokens,
    requests_of_each,
    watched_by_call,
)

OneImage = Annotated[Image, Field(description="The image that the model was asked about, one.")]
Words = Annotated[WordMaps, Field(description="The maps of an answer's words, from Ψ words.")]
OtherMaps = Annotated[
    WordMaps | None, Field(description="Other maps of the same answer, such as its activation maps: shown beside them.")
]
ColourScale = Annotated[
    Scale,
    Field(description="What the colours run over. word: each map, from its lowest to its highest. answer: all maps."),
]


class WordsResult(NamedTuple):
    """What `Ψ words` gives."""

    words: Annotated[WordMaps, Field(description="The words and their maps.")]
    answer: Annotated[str, Field(description="What the model said while it was watched.")]


def map_all_words(
    image: Sequence[Tensor],
    query: Sequence[str],
    answer: Sequence[str],
    steering: Sequence[Steering | None],
    context: Sequence[Context],
    *,
    model: LvlmModel,
    method: Method,
    layers: str,
    normalization: Normalization,
    max_new_tokens: int,
) -> list[WordsResult]:
    """`Ψ words` for many calls, whose images (1, H, W, 3) and questions may differ in size and length."""
    prompts = [
        Watched(index, request, way, answer[index])
        for index, own in enumerate(image)
        for request, way in requests_of_each(model, query[index], [one_picture(own)], steering[index])
    ]
    attend = partial(
        attribute,
        model,
        layers=layers,
        normalize=normalization,
        max_new_tokens=max_new_tokens,
        progress=context[0].progress,
        method=method,
    )
    found = watched_by_call(prompts, attend)
    return [_words(found[index][0], query[index], method, own) for index, own in enumerate(context)]


def _words(found: LvlmAttribution, query: str, method: Method, context: Context) -> WordsResult:
    maps = WordMaps(found.answer, found.words, query, method)
    context.show_text(found.answer)
    return WordsResult(maps, found.answer)


def one_picture(image: Tensor) -> Pictures.Image:
    """The picture of an image (1, H, W, 3). Raises BadInput for several: words are of an answer about one."""
    if len(image) != 1:
        raise BadInput(
            f"there are {len(image)} images, and words are of an answer about one",
            input="image",
            hint="Take one of the batch, or run the graph over a table.",
        )
    return to_pil(image)[0]


@node(
    "APLvlmWords",
    category=CATEGORY,
    title="Ψ words",
    store=True,
    batched=map_all_words,
    over=("image", "query", "answer", "steering"),
    aliases=("attention per word", "token attention", "TAM", "token activation map", "where to look", "explain"),
)
def map_words(
    context: Context,
    model: Annotated[LvlmModel, Field(description="The LVLM that is watched, from Load LVLM.")],
    image: OneImage,
    query: Annotated[str, Field(description="The question."), Widget(multiline=True)],
    method: Annotated[
        Method,
        Field(
            description="attention: where the model looked while it said the word (API eq. 8). activation: which parts "
            "of the image speak for the word, by the model's own head (TAM); no attention is read."
        ),
    ] = "attention",
    layers: Annotated[
        str,
        Field(
            description="attention only. auto is the model's own, or the paper's 20 of 0 to 39, or half-way up. "
            "Else numbers from 0, such as 20 or 14,15,17 or -3; several are averaged."
        ),
    ] = "auto",
    normalization: Annotated[
        Normalization,
        Field(
            description="attention only. full: the attention itself (API eq. 8). image_only: softmax over the image "
            "tokens alone, as the official code has it."
        ),
    ] = "full",
    max_new_tokens: WatchedTokens = 64,
    answer: GivenAnswer = "",
    steering: WatchedSteering = None,
) -> WordsResult:
    """A map for each word of an LVLM's answer, the tokens of a word joined: its attention, or its activation (TAM)."""
    return map_all_words(
        [image],
        [query],
        [answer],
        [steering],
        [context],
        model=model,
        method=method,
        layers=layers,
        normalization=normalization,
        max_new_tokens=max_new_tokens,
    )[0]


@node("APMapOfWords", category=CATEGORY, title="Map of words", store=True, aliases=("choose word", "pick word"))
def map_of_words(
    words: Words,
    phrase: Annotated[
        str, Field(description="A word of the answer, or several in a row as they stand there; empty: all words.")
    ] = "",
    result: Annotated[
        Literal["mean", "each"], Field(description="mean: one map. each: a map for each of the words, in order.")
    ] = "mean",
) -> Annotated[Attribution, Field(description="The map of the words, or a map for each.")]:
    """The map of words of the answer, for all that takes a map: a heatmap, an annotated image, a fovea."""
    return words.about(phrase, each=result == "each")


@node(
    "APWordsStrip",
    estimate=estimates.words_strip,
    category=CATEGORY,
    title="Words strip",
    aliases=("attention per word", "token attention", "visualize"),
)
def strip(
    image: OneImage,
    words: Words,
    beside: OtherMaps = None,
    scale: ColourScale = "word",
    opacity: Opacity = 0.6,
    colormap: Colours = "turbo",
    columns: Annotated[int, Field(ge=1, le=64, description="Pictures in a row.")] = 8,
    cell: Annotated[int, Field(ge=32, le=2048, description="Longer side of a picture, in pixels.")] = 192,
) -> Annotated[Image, Field(description="The strip, one picture.")]:
    """The image, and each word's map over it with the word below: an answer at a glance."""
    readings = [words] if beside is None else [words, beside]
    sheet = words_strip(
        one_picture(image), readings, scale=scale, opacity=opacity, colormap=colormap, columns=columns, cell=cell
    )
    return to_tensor(sheet)[0]


@node(
    "APSaveWordsPage",
    category=CATEGORY,
    title="Save words page",
    output=True,
    aliases=("HTML", "interactive", "attention per word"),
)
def save_page(
    image: OneImage,
    words: Words,
    context: SaveContext,
    beside: OtherMaps = None,
    scale: ColourScale = "word",
    colormap: Colours = "turbo",
    filename_prefix: Annotated[
        str, Field(description="Files are PREFIX_00001_.html and so on; it may contain a folder.")
    ] = "words",
) -> Annotated[str, Field(description="The page's name in the output folder.")]:
    """Write a page that shows the map of the word that is clicked: one HTML file that loads nothing else."""
    readings = [words] if beside is None else [words, beside]
    page = words_page(one_picture(image), readings, scale=scale, colormap=colormap)
    with inputs_named(prefix="filename_prefix", path="filename_prefix"):
        prefix = context.folders.name_of_row(filename_prefix)
        path = write_numbered_text(context.folders.output, prefix, page, ".html")
    context.show_file(path, kind="pages")
    name = name_below(context.folders.output, path) or path.name
    context.show_text(name)
    return name
