"""A heatmap for the eye: coloured, alone or over its image. No plotting library is needed."""

from __future__ import annotations

from functools import cache
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.nn import functional as F

from api_graph.errors import BadInput
from api_graph.pixels._check import checked_maps, checked_picture, fitted_heatmap, in_range
from api_graph.pixels.row_blocks import levels_of, put, row_blocks

Colormap = Literal["turbo", "viridis", "inferno", "grey"]


def overlay(image: Tensor, heatmap: Tensor, opacity: float = 0.5, colormap: Colormap = "turbo") -> Tensor:
    """(1 − opacity)·image + opacity·colours of the heatmap: (B, H, W, 3), float32 or uint8 as the image is.

    `image` is (B, H, W, 3) and `heatmap` (B, H, W), clamped to [0, 1]; either may hold one for the other's many.
    A heatmap of another size is stretched, with a warning. Numbers that do not fit, NaN, and an opacity outside [0, 1]
    are a BadInput.
    """
    image = checked_picture(image)
    heatmap = fitted_heatmap(heatmap, image)
    in_range(opacity, 0.0, 1.0, "opacity")
    table = (levels_of(image) * opacity * color_table(colormap)).to(image.device)
    count, height, width = max(len(image), len(heatmap)), image.shape[1], image.shape[2]
    result = image.new_empty(count, height, width, 3)
    for rows in row_blocks(count, height, width, image.device):
        level = heatmap[:, rows].clamp(0, 1).mul_(255).round_().int()
        colours = F.embedding(level, table)  # a quarter of table[level]'s time
        seen = image[:, rows]
        if len(colours) < len(seen):
            colours = colours.add(seen, alpha=1 - opacity)
        else:
            colours.add_(seen, alpha=1 - opacity)
        put(result[:, rows], colours)
    return result


def colorize(heatmap: Tensor, colormap: Colormap = "turbo") -> Tensor:
    """Colours for (B, H, W) values, clamped to [0, 1]: float32 (B, H, W, 3)."""
    maps = checked_maps(heatmap, "heatmap")
    return overlay(maps.new_zeros(1, *maps.shape[1:], 3), maps, 1.0, colormap)


@cache
def color_table(colormap: Colormap) -> Tensor:
    """The 256 colours of a map from low to high, float32 (256, 3) in [0, 1]. Nobody changes it."""
    if colormap not in get_args(Colormap):
        hint = f"Use one of {', '.join(get_args(Colormap))}."
        raise BadInput("unknown colour map", input="colormap", value=colormap, hint=hint)
    with torch.inference_mode(False):
        stops = torch.tensor(list(bytes.fromhex(_STOPS[colormap]))).float().view(-1, 3) / 255  # (stops, 3)
        return F.interpolate(stops.T[None], size=256, mode="linear", align_corners=True)[0].T.contiguous()


# Every fifth row of the published tables. Turbo: A. Mikhailov, Google, Apache-2.0. Viridis and inferno: N. J. Smith
# and S. van der Walt, CC0. Linear interpolation gives the rows between, at most 1.2 levels of 255 off.
_STOPS = {
    "turbo": (
        "30123b36215f3b2f803f3e9c424bb54559cb4666dd4773eb4680f6458cfd4099ff38a5fb2fb2f4"
        "27bee91fc9dd1ad4d018ddc21ae4b622ebaa2ff19b3ff68a52fa7a65fd6979fe598bff4b9cfe40"
        "a9fb39b7f735c3f134d0ea34dbe236e5d938eecf3af5c53afaba39fdae35fea130fe932afc8423"
        "f9751df46617ef5811e84b0ce14109d83706ce2d04c32503b71d02a916019b0f018b09027a0403"
    ),
    "viridis": (
        "44015446085c471063481769481d6f482475472a7a46307e453781433d844142873f48893d4e8a"
        "3a538b38598c355e8d33638d31688e2e6d8e2c718e2a768e297b8e27808e25848e23898e218e8d"
        "20928c1f978b1e9c891fa18821a58524aa8328ae802eb37c35b7793dbc7446c06f50c46a5ac864"
        "65cb5e70cf577cd25089d54895d840a2da37b0dd2fbddf26cae11fd8e219e5e419f1e51dfde725"
    ),
    "inferno": (
        "00000402020c0504170a072210092d160b391e0c45260c512f0a5b380962400a67490b6a510e6c"
        "59106e61136e69166e71196e781c6d801f6c88226a902568982766a02a63a82e5fb0315bb73557"
        "bf3952c63d4dcc4248d34743d94d3ddf5337e45a31e9612bed6925f1711ff47918f78212f98b0b"
        "fa9407fb9d07fca60cfcb014fbba1ffac42af8cd37f6d746f4e156f2ea69f2f27df5f992fcffa4"
    ),
    "grey": "000000ffffff",
}
