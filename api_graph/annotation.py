"""`annotate`: images and questions in, annotated images out. API(CLIP) and API(LVLM) as one function."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from inspect import signature
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, get_args, overload

import torch
from PIL import Image as PillowImage
from torch import Tensor

from api_graph.arguments import typed, unknown_argument
from api_graph.clip import ClipAttribution, ClipModel, clip_attribution
from api_graph.clip.decompose import Recipe
from api_graph.clip.load import loaded_clip
from api_graph.clip.maps import Similarity
from api_graph.deprecation import deprecated, formerly
from api_graph.errors import BadInput, inputs_named
from api_graph.files import expanded
from api_graph.lvlm import LvlmModel, Request, attribute
from api_graph.lvlm.asking import MOST_PROMPTS
from api_graph.lvlm.load import loaded_lvlm
from api_graph.lvlm.remote import names_endpoint
from api_graph.models.source import is_lvlm, names_open_clip, names_repository
from api_graph.notebook import one_line, quoted
from api_graph.pixels.blend import Background, Colour, alpha_blend, reference_blend
from api_graph.pixels.given import Images, Pixels, as_pictures, is_single
from api_graph.pixels.heatmap import Normalization, mean_filter, normalize, soft_or
from api_graph.pixels.read import Picture, to_pil, to_tensor
from api_graph.pixels.reference import revise_mask
from api_graph.pixels.resize import Interpolation, to_pixels
from api_graph.pixels.shown import Shown, coloured
from api_graph.plotting import Panel
from api_graph.progress import tracked
from api_graph.sockets import Attribution

if TYPE_CHECKING:
    from typing_extensions import Unpack

Psi = Literal["both", "cls", "comp"]

PAPER_KERNEL = 15
REFERENCE_KERNEL = 3


@dataclass(frozen=True, eq=False)
class Annotated(Shown):
    """An annotated image, the heatmap Φ (H, W) float32 in [0, 1] that made it, and the map on the token grid.

    `query` is the question that it is for, and `original` the image before.
    """

    image: PillowImage.Image
    heatmap: Tensor
    attribution: Attribution
    query: str = ""
    original: PillowImage.Image | None = None

    def picture(self) -> PillowImage.Image:
        """The annotated image."""
        return self.image

    def _panels(self) -> list[list[Panel]]:
        over = coloured(self.heatmap[None], self.original)
        before = [] if self.original is None else [Panel(self.query or "image", self.original)]
        return [[*before, Panel("heatmap", over, is_map=True), Panel("annotated", self.image)]]

    def __repr__(self) -> str:
        row, column = divmod(int(self.heatmap.argmax()), self.heatmap.shape[1])
        size = f"{self.image.width}×{self.image.height} pixels"
        return one_line(self, quoted(self.query) if self.query else "", size, f"peak at x={column}, y={row}")

    if not TYPE_CHECKING:  # who has a list of one from version 0.1 still gets at it, and is told

        def __iter__(self) -> Iterator[Annotated]:
            return iter(self._listed())

        def __getitem__(self, index: int) -> Annotated:
            return self._listed()[index]

        def __len__(self) -> int:
            return len(self._listed())

        def __bool__(self) -> bool:
            return True

        def _listed(self) -> list[Annotated]:
            problem = "annotate gives one result for one image and one query, no list"
            deprecated(f"{problem}: take the result itself, or give [query] for a list", stacklevel=3)
            return [self]


class AnnotateSettings(TypedDict, total=False):
    """What `annotate` takes by name, for type checkers: the map's settings, and then those of the blend."""

    device: str | torch.device | None
    start_layer: int | None
    layer: int | None
    psi: Psi
    similarity: Similarity | None
    normalization: Normalization
    contrast: float
    kernel_size: int | None
    interpolation: Interpolation | None
    progress: bool | None
    background: Background
    grey: float
    colour: Colour
    blur_radius: float
    background_image: Tensor | None
    strength: float


Model: TypeAlias = "str | ClipModel | LvlmModel"


@overload
def annotate(  # pyright: ignore[reportOverlappingOverload]  # a text is a list of texts, to a type checker
    image: Picture, query: str, model: Model = "demo", recipe: Recipe = "paper", **settings: Unpack[AnnotateSettings]
) -> Annotated: ...
@overload
def annotate(  # whether an array is one image or several, no type says
    image: Pixels, query: str, model: Model = "demo", recipe: Recipe = "paper", **settings: Unpack[AnnotateSettings]
) -> Annotated | Any: ...
@overload
def annotate(
    image: Images,
    query: str | Sequence[str],
    model: Model = "demo",
    recipe: Recipe = "paper",
    **settings: Unpack[AnnotateSettings],
) -> list[Annotated]: ...
@formerly(images="image", queries="query")
@typed(name="model", mode="normalization", images="image", queries="query")
def annotate(
    image: Images,
    query: str | Sequence[str],
    model: Model = "demo",
    recipe: Recipe = "paper",
    *,
    device: str | torch.device | None = None,
    start_layer: int | None = None,
    layer: int | None = None,
    psi: Psi = "both",
    similarity: Similarity | None = None,
    normalization: Normalization = "minmax",
    contrast: float = 5.0,
    kernel_size: int | None = None,
    interpolation: Interpolation | None = None,
    progress: bool | None = None,
    **blend: Any,
) -> Annotated | list[Annotated]:
    """Show a model where to look for a question (API section 3).

    One image and one query give one result; a list of either gives a list: as many of both pair up, one image takes
    many queries, and one query many images. An image is a PIL image, a path, the bytes of a file, or an array
    (H, W, 3) of uint8 or of floats in [0, 1]; (B, H, W, 3) is a list of B.

    `model` says whose map it is: a loaded CLIP or LVLM, or a name that `load_clip` or `load_lvlm` takes, for `device`.
    "demo", "hf-hub:ORG/NAME" and open_clip's ARCHITECTURE/TAG are CLIPs, ORG/NAME is an LVLM, a folder what it holds.
    An LVLM answers the query, and its map is where it looked meanwhile, in `layer`.

    `recipe="paper"`: a CLIP's Ψcls and Ψcomp are each normalised and combined (soft OR; `psi` takes one of them alone).
    The map is resized with the geometry that the model saw, smoothed over `kernel_size` pixels (15) and blended;
    `blend` goes to `pixels.blend.alpha_blend` (background, strength, ...). `recipe="reference"`: as the official code
    does it, with `kernel_size` in tokens (3) and only `grey` (0 to 255) to blend with. `progress` shows a bar; None: in
    notebooks alone. Raises BadInput for what cannot be used.
    """
    _check_blend(blend, recipe)
    pictures = as_pictures(image)
    single = is_single(image) and isinstance(query, str)
    if psi not in get_args(Psi):
        raise BadInput("unknown choice of maps", input="psi", value=psi, hint="Use 'both', 'cls' or 'comp'.")
    loaded = _loaded(model, device)
    kernel = kernel_size or REFERENCE_KERNEL
    if isinstance(loaded, ClipModel):
        maps = clip_attribution(
            pictures,
            query,
            loaded,
            recipe=recipe,
            start_layer=start_layer,
            layer=layer,
            similarity=similarity,
            kernel_size=kernel,
            contrast=contrast,
        )
        together = maps.attribution
        if recipe != "reference":
            together = together.with_values(_combined(maps, psi, normalization, contrast))
        each = together.each()
    else:
        _check_of_clip(start_layer=start_layer, similarity=similarity, psi=None if psi == "both" else psi)
        asked = _pairs(pictures, query)
        maps_of_each = _of_lvlm(loaded, asked, recipe, layer, normalization, contrast, kernel)
        each = list(tracked(maps_of_each, "annotate", progress, len(asked)))
    found = [
        _annotated(*pair, attribution, recipe, kernel_size, interpolation, blend)
        for pair, attribution in zip(_pairs(pictures, query), each, strict=True)
    ]
    return found[0] if single else found


def _loaded(model: Model, device: str | torch.device | None) -> ClipModel | LvlmModel:
    """The model that is meant, loaded if it comes as a name."""
    if isinstance(model, LvlmModel) or (isinstance(model, str) and _names_lvlm(model)):
        return loaded_lvlm(model, device)
    try:
        return loaded_clip(model, device)
    except BadInput as error:
        if error.problem != "unknown model":
            raise
        hint = f"{error.hint} An LVLM is named by its folder, or as ORG/NAME on the Hugging Face hub."
        raise BadInput(error.problem, input="model", value=model, hint=hint) from error


def _names_lvlm(name: str) -> bool:
    """Whether a name is that of an LVLM: a folder that holds one, or ORG/NAME, unless open_clip has such a name.

    Raises BadInput for an endpoint.
    """
    folder = expanded(name.removeprefix("local-dir:"))
    if folder.is_dir():
        return is_lvlm(folder) and not (folder / "open_clip_config.json").is_file()
    if name == "demo" or name.startswith("hf-hub:") or names_open_clip(name):
        return False
    if names_endpoint(name):
        problem = "this is an endpoint, and where a model looks is read inside it"
        raise BadInput(problem, input="model", value=name, hint="Load a local LVLM, or take a CLIP.")
    return names_repository(name)


def _pairs(pictures: Sequence[PillowImage.Image], query: str | Sequence[str]) -> list[tuple[PillowImage.Image, str]]:
    """Each image with its query. Raises BadInput for numbers that do not go together, and for an empty query."""
    queries = [query] if isinstance(query, str) else list(query)
    if not queries or not all(text.strip() for text in queries):
        raise BadInput("a query is empty", input="query", value=query, hint="Say what to look for.")
    if len(pictures) != len(queries) and 1 not in (len(pictures), len(queries)):
        problem = f"{len(pictures)} images and {len(queries)} queries cannot be paired"
        raise BadInput(problem, input="query", hint="Give one query, one image, or as many queries as images.")
    count = max(len(pictures), len(queries))
    every = list(pictures) * (count // len(pictures)), queries * (count // len(queries))
    return list(zip(*every, strict=True))


def _check_of_clip(**settings: object) -> None:
    """Raise BadInput for what only a CLIP's map has."""
    for name, value in settings.items():
        if value is not None:
            raise BadInput("an LVLM's map has no such setting", input=name, value=value, hint="Leave it out.")


def _check_blend(blend: Mapping[str, Any], recipe: Recipe) -> None:
    """Raise TypeError for a keyword that is none, and BadInput for a setting of the other recipe."""
    own = [*signature(reference_blend if recipe == "reference" else alpha_blend).parameters][2:]
    for name, value in blend.items():
        if name not in AnnotateSettings.__annotations__:
            known = [*AnnotateSettings.__annotations__, *signature(annotate).parameters]
            raise unknown_argument("annotate", name, known)
        if name not in own:
            problem, hint = f"the recipe {recipe} has no such setting", f"It has {', '.join(own)}; leave this one out."
            raise BadInput(problem, input=name, value=value, hint=hint)


def _of_lvlm(
    model: LvlmModel,
    asked: Sequence[tuple[PillowImage.Image, str]],
    recipe: Recipe,
    layer: int | None,
    normalization: Normalization,
    contrast: float,
    kernel_size: int,
) -> Iterator[Attribution]:
    """Where an LVLM looks while it answers each, in [0, 1]."""
    if recipe not in get_args(Recipe):
        raise BadInput("unknown recipe", input="recipe", value=recipe, hint="Use 'paper' or 'reference'.")
    reads = "full" if recipe == "paper" else "image_only"
    requests = [Request(query, (picture,)) for picture, query in asked]
    for first in range(0, len(requests), MOST_PROMPTS):
        with inputs_named(layers="layer", layer="layer"):
            seen = _watched(model, requests[first : first + MOST_PROMPTS], layer, reads)
        for one in seen:
            if recipe == "reference":
                yield one.with_values(revise_mask(one.values, kernel_size, contrast))
            else:
                yield one.with_values(normalize(one.values, normalization, contrast))


def _watched(
    model: LvlmModel, requests: Sequence[Request], layer: int | None, reads: Literal["full", "image_only"]
) -> list[Attribution]:
    """The maps of one batch; if it fails, of its halves: less memory may be enough."""
    try:
        return [one.attribution for one in attribute(model, requests, layers=layer, normalize=reads)]
    except BadInput:
        if len(requests) == 1:
            raise
    half = len(requests) // 2
    return [*_watched(model, requests[:half], layer, reads), *_watched(model, requests[half:], layer, reads)]


def _combined(maps: ClipAttribution, psi: Psi, normalization: Normalization, contrast: float) -> Tensor:
    """The map (n, gh, gw) that annotates: the soft OR expects both of its maps in [0, 1]."""
    wanted = [getattr(maps, name) for name in ("cls", "comp") if psi in ("both", name)]
    return reduce(soft_or, [normalize(values, normalization, contrast) for values in wanted])


@torch.inference_mode()
def _annotated(
    picture: PillowImage.Image,
    query: str,
    attribution: Attribution,
    recipe: Recipe,
    kernel_size: int | None,
    interpolation: Interpolation | None,
    blend: Mapping[str, Any],
) -> Annotated:
    pixels = to_tensor(picture, eight_bits=True)[0]
    if recipe == "reference":
        heatmap = to_pixels(attribution, geometry="reference", interpolation=interpolation or "lanczos")
        blended = reference_blend(pixels, heatmap, **blend)
    else:
        heatmap = to_pixels(attribution, interpolation=interpolation or "bicubic")
        heatmap = mean_filter(heatmap, kernel_size or PAPER_KERNEL)
        blended = alpha_blend(pixels, heatmap, **blend)
    return Annotated(to_pil(blended)[0], heatmap[0], attribution, query, picture)
