"""Heads of an LVLM: which of them look where they are asked to, kept in a file, and chosen for Steer and Ψ LVLM."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from api_graph.context import Context, SaveContext
from api_graph.errors import BadInput, inputs_named
from api_graph.files import name_below
from api_graph.folders import Folders, names_in
from api_graph.lvlm import HeadProfile, LvlmModel
from api_graph.lvlm.heads.find import SCENES, find_heads
from api_graph.lvlm.heads.profile import By, Unit
from api_graph.lvlm.heads.record import Measure, record_text
from api_graph.lvlm.heads.report import DRAWS, head_figure, report_text
from api_graph.pixels.read import to_tensor
from api_graph.pixels.write import write_numbered_text
from api_graph.sockets import Image
from api_graph.spec import Choices, node

from .fingerprints import RENDERED, item_table, profile_fingerprint, table_fingerprint

CATEGORY = "attention prompting/LVLM"

Profile = Annotated[HeadProfile, Field(description="The profile, from Find heads, Load head profile or Choose heads.")]
NewProfile = Annotated[HeadProfile, Field(description="The profile, for Choose heads, Steer and Ψ LVLM.")]
OtherHeads = Annotated[
    int,
    Field(
        ge=-1,
        le=2**32 - 1,
        description="-1: the chosen heads. From 0 on, a control: as many others in their place, of any layer, drawn by "
        "chance with this seed.",
    ),
]


def heads_to_read(profile: HeadProfile | None, layers: str, other_heads: int) -> HeadProfile | None:
    """The heads that `Ψ LVLM` reads, where `layers` means those of a profile: its own, or others in their place."""
    heads = heads_of(profile, layers, input="layers")
    if other_heads < 0:
        return heads
    if heads is None:
        hint = "Link a profile and write profile as the layers, or leave it at -1."
        raise BadInput("no heads are chosen", input="other_heads", value=other_heads, hint=hint)
    others = heads.chosen(draw="random", seed=other_heads)
    with inputs_named(count="profile"):
        _ = others.heads  # refused where there are not so many
    return others


def heads_of(profile: HeadProfile | None, named: str, *, input: str) -> HeadProfile | None:
    """The profile where the text `named` of an input means it: both or neither. Raises BadInput, naming `input`."""
    asked = named.strip().lower() == "profile"
    if asked and profile is None:
        hint = "Link one, from Find heads, Load head profile or Choose heads."
        raise BadInput("no profile is linked", input=input, value=named, hint=hint)
    if profile is not None and not asked:
        raise BadInput("a profile is linked", input=input, value=named, hint="Write profile, or unlink it.")
    return profile


def tables(folders: Folders) -> Sequence[str]:
    """Names of the tables at the top of the input folders."""
    return names_in(folders.inputs, lambda path: path.suffix.lower() in (".csv", ".jsonl"))


@node(
    "APFindHeads",
    category=CATEGORY,
    title="Find heads",
    store=True,
    fingerprint=table_fingerprint,
    aliases=("gaze heads", "localization heads", "attention heads", "head profile", "probe", "attention sinks"),
)
def find(
    context: Context,
    model: Annotated[LvlmModel, Field(description="The LVLM whose heads are measured, from Load LVLM.")],
    table: Annotated[
        str,
        Choices(lambda: (RENDERED,), open=True, inside=tables),
        Field(
            description="rendered scenes need no file. Else a .csv or .jsonl in the input folder, with the columns "
            "image, query and boxes."
        ),
    ] = RENDERED,
    scenes: Annotated[
        int, Field(ge=1, le=100_000, description="How many rendered scenes, where there is no table.")
    ] = SCENES,
) -> NewProfile:
    """Measure what each head of an LVLM looks at when it is asked about a place: to steer a few heads in the place of
    all, or to make maps of those that point best.

    Each question is one forward pass. For the demo model rendered scenes will do; for a model of photographs take a
    table of questions like those that it will be asked.
    """
    found = item_table(context.folders, table)
    with inputs_named(path="table", items="table"):
        return find_heads(
            model, found, scenes=scenes, progress=lambda done, total: context.progress(done, total or done)
        )


@node(
    "APChooseHeads", category=CATEGORY, title="Choose heads", aliases=("select heads", "profiled layers", "top heads")
)
def choose(
    profile: Profile,
    by: Annotated[
        By,
        Field(
            description="gaze: most weight on the asked region (Gaze Heads). image: most on the image. entropy: the "
            "most compact maps (localization heads). sinks: most on image tokens that are no attention sinks (VAR)."
        ),
    ] = "gaze",
    count: Annotated[int, Field(ge=0, le=65_536, description="How many; 0 is a tenth of all, at least one.")] = 0,
    unit: Annotated[
        Unit, Field(description="heads: single ones. layers: whole layers, by the means of their heads.")
    ] = "heads",
) -> NewProfile:
    """Choose heads or layers of a profile: by gaze to steer, by entropy for maps, layers where a method names layers.

    Steer takes them with heads = profile, Ψ LVLM with layers = profile. Whether the choice matters, `other_heads` of
    both shows: as many others in their place.
    """
    return profile.chosen(by, count, unit=unit)


# ------------------------------------------------------------------------------------------ files


def profile_files(folders: Folders) -> Sequence[str]:
    """Names of the JSON files at the top of the input folders."""
    return names_in(folders.inputs, lambda path: path.suffix.lower() == ".json")


@node(
    "APLoadHeadProfile",
    category=CATEGORY,
    title="Load head profile",
    waits=True,
    fingerprint=profile_fingerprint,
    aliases=("load profile", "gaze heads", "open heads"),
)
def load(
    context: Context,
    file: Annotated[
        str,
        Choices(tuple, open=True, inside=profile_files),
        Field(description="A file in the input folder that Save head profile or `api-graph find-heads` wrote."),
    ],
    model: Annotated[
        LvlmModel | None,
        Field(description="Check at once that the profile is of this LVLM. Whoever uses its heads checks it, too."),
    ] = None,
) -> NewProfile:
    """Read a profile of heads that was found before, here or elsewhere: it fits the weights that it was made with, and
    no others.
    """
    with inputs_named(profile="file"):
        return HeadProfile.load(context.folders.input_file(file, input="file"), model)


@node(
    "APSaveHeadProfile",
    category=CATEGORY,
    title="Save head profile",
    output=True,
    aliases=("write heads", "export heads"),
)
def save(
    profile: Profile,
    context: SaveContext,
    filename_prefix: Annotated[
        str, Field(description="Files are PREFIX_00001_.json and so on; it may contain a folder.")
    ] = "heads",
) -> Annotated[str, Field(description="The file's name in the output folder.")]:
    """Write a profile of heads as a JSON file, to choose from it again without the forward passes.

    It has every measure of every head and how they were found. The choice of heads is no part of it.
    """
    with inputs_named(prefix="filename_prefix", path="filename_prefix"):
        prefix = context.folders.name_of_row(filename_prefix)
        path = write_numbered_text(context.folders.output, prefix, record_text(profile.record), ".json")
    context.show_file(path, kind="profiles")
    name = name_below(context.folders.output, path) or path.name
    context.show_text(name)
    return name


# ------------------------------------------------------------------------------------------ report


class HeadReport(NamedTuple):
    """What `Head report` gives."""

    image: Annotated[Image, Field(description="A square for each layer and head; the chosen ones are framed.")]
    text: Annotated[str, Field(description="The chosen heads beside others by chance and beside all, and the ranking.")]
    layers: list[Annotated[int, Field(description="The layer of each chosen head, counted from 0.")]]
    heads: list[Annotated[int, Field(description="Its number in that layer, counted from 0.")]]


@node(
    "APHeadReport", category=CATEGORY, title="Head report", aliases=("head map", "layers and heads", "visualize heads")
)
def report(
    profile: Profile,
    measure: Annotated[
        Measure,
        Field(
            description="What the colours show. gaze: weight on the asked region. image_share: weight on the image. "
            "entropy: 0 for a map of one patch. sink_share: share of the image's weight on attention sinks."
        ),
    ] = "gaze",
    draws: Annotated[
        int, Field(ge=0, le=1000, description="How often as many other heads are drawn by chance, as a control.")
    ] = DRAWS,
    most: Annotated[int, Field(ge=1, le=1000, description="How many heads the text names.")] = 10,
    colormap: Annotated[Literal["viridis", "turbo", "inferno", "grey"], Field(description="Low to high.")] = "viridis",
) -> HeadReport:
    """Show a profile: a picture of layers × heads, and the chosen heads beside others by chance and beside all."""
    figure = to_tensor(head_figure(profile, measure, colormap))[0]
    layers, heads = (list(one) for one in zip(*profile.places, strict=True))
    return HeadReport(figure, report_text(profile, draws, most), layers, heads)
