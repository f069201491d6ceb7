"""Masks and images put together by the rules of ComfyUI's own nodes: headless, a graph gives what it gives there.

Images are (B, H, W, C) with 3 or 4 channels, masks (B, H, W) or (H, W). What ComfyUI does not clamp stays as it is.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional

from api_graph.errors import BadInput
from api_graph.pixels._check import check_choice

Operation = Literal["multiply", "add", "subtract", "and", "or", "xor"]
Upscale = Literal["nearest-exact", "bilinear", "area", "bicubic", "lanczos"]
CropTo = Literal["disabled", "center"]


def batch_of_masks(mask: Tensor) -> Tensor:
    """A mask as (B, H, W), whatever stands before its height and width."""
    return mask.reshape(-1, *mask.shape[-2:])


def grow_mask(mask: Tensor, expand: int, *, tapered_corners: bool = True) -> Tensor:
    """`expand` passes of a grey 3×3 dilation, or of an erosion where it is negative, over (B, H, W).

    With `tapered_corners` a pass looks at the four nearest pixels only, so that a point grows into a diamond.
    """
    mask = batch_of_masks(mask)
    signed = mask if expand >= 0 else -mask  # an erosion is the dilation of the negative
    for _ in range(abs(expand)):
        larger = _dilated(signed, tapered_corners)
        if torch.equal(larger, signed):  # all is one value: no further pass would change it
            break
        signed = larger
    return signed if expand >= 0 else -signed


def _dilated(mask: Tensor, tapered: bool) -> Tensor:
    def along(kernel: tuple[int, int], padding: tuple[int, int]) -> Tensor:
        return functional.max_pool2d(mask[:, None], kernel, 1, padding)[:, 0]

    if tapered:
        return torch.maximum(along((3, 1), (1, 0)), along((1, 3), (0, 1)))
    return along((3, 3), (1, 1))


def crop_mask(mask: Tensor, x: int, y: int, width: int, height: int) -> Tensor:
    """The part of (B, H, W) masks from (x, y); smaller, or empty, where it reaches beyond them."""
    return batch_of_masks(mask)[:, y : y + height, x : x + width].clone()


def crop_image(image: Tensor, x: int, y: int, width: int, height: int) -> Tensor:
    """The part of images from (x, y), which is moved onto the image; cut at its edge, and never empty."""
    left, top = min(x, image.shape[2] - 1), min(y, image.shape[1] - 1)
    return image[:, top : top + height, left : left + width].clone()


def composite_masked(
    destination: Tensor, source: Tensor, x: int, y: int, *, resize_source: bool = False, mask: Tensor | None = None
) -> Tensor:
    """Lay `source` over `destination` at (x, y), as much of it as `mask` says.

    Source and mask are cut or repeated in turn to the destination's batch. The mask is resized (bilinear) to the
    source, and the source to the destination where `resize_source` says so. What overhangs is cut off. A source with
    alpha loses it on a destination without; one without gets an alpha of 1 on a destination with it.
    """
    source = _with_channels(source, destination.shape[-1])
    if resize_source:
        source = resized(source, (destination.shape[1], destination.shape[2]))
    source = cycled(source, len(destination))
    if mask is None:
        weight = torch.ones_like(source[..., :1])
    else:
        weight = cycled(resized_mask(mask, (source.shape[1], source.shape[2])), len(destination))[..., None]
    result = destination.clone()
    rows, columns = result.shape[1] - y, result.shape[2] - x
    if rows > 0 and columns > 0:
        source, weight = source[:, :rows, :columns], weight[:, :rows, :columns]
        part = result[:, y : y + source.shape[1], x : x + source.shape[2]]
        part.copy_(weight * source + (1 - weight) * part)
    return result


def composite_masks(destination: Tensor, source: Tensor, x: int, y: int, operation: Operation) -> Tensor:
    """Join masks where `source` lies at (x, y) in `destination`; in [0, 1]. `and`, `or` and `xor` round first.

    Raises BadInput where the source lies wholly outside, and where its batch is neither one nor the destination's.
    """
    check_choice(operation, Operation, "operation")
    result, source = batch_of_masks(destination).clone(), batch_of_masks(source)
    if len(source) not in (1, len(result)):
        raise BadInput(
            f"{len(source)} masks do not go with {len(result)}", input="source", hint="Give one, or as many."
        )
    if x >= result.shape[2] or y >= result.shape[1]:
        raise BadInput(
            f"the source lies outside the destination of {result.shape[2]}×{result.shape[1]} pixels",
            input="x" if x >= result.shape[2] else "y",
            value=x if x >= result.shape[2] else y,
            hint="Give a place inside it.",
        )
    source = source[:, : result.shape[1] - y, : result.shape[2] - x]
    part = result[:, y : y + source.shape[1], x : x + source.shape[2]]
    if operation == "multiply":
        joined = part * source
    elif operation == "add":
        joined = part + source
    elif operation == "subtract":
        joined = part - source
    else:
        a, b = part.round().bool(), source.round().bool()
        joined = (a & b if operation == "and" else a | b if operation == "or" else a ^ b).to(part)
    part.copy_(joined)
    return result.clamp(0.0, 1.0)


def join_alpha(image: Tensor, alpha: Tensor) -> Tensor:
    """Images with 1 − `alpha` as their alpha channel, (B, H, W, 4). The mask is resized (bilinear); batches repeat."""
    count = max(len(image), len(batch_of_masks(alpha)))
    opaque = 1.0 - resized_mask(alpha, (image.shape[1], image.shape[2]))
    return torch.cat([cycled(image[..., :3], count), cycled(opaque, count)[..., None]], dim=-1)


def split_alpha(image: Tensor) -> tuple[Tensor, Tensor]:
    """The colours (B, H, W, 3), and 1 − alpha as a mask (B, H, W): zeros where there is no alpha channel."""
    mask = 1.0 - image[..., 3] if image.shape[-1] > 3 else torch.zeros_like(image[..., 0])
    return image[..., :3].clone(), mask


def scale_image(image: Tensor, method: Upscale, width: int, height: int, crop: CropTo = "disabled") -> Tensor:
    """Images at another size, without antialiasing but for `lanczos`, which goes through 8 bits of Pillow.

    A side of 0 follows from the other by the image's aspect; two zeros change nothing. `crop` "center" cuts what would
    change the aspect off both sides first. `bicubic` may leave [0, 1].
    """
    check_choice(method, Upscale, "upscale_method")
    check_choice(crop, CropTo, "crop")
    old_height, old_width = image.shape[1:3]
    if width == 0 and height == 0:
        return image
    width = width or max(1, round(old_width * height / old_height))
    height = height or max(1, round(old_height * width / old_width))
    if crop == "center":
        image = _same_aspect(image, width / height)
    if method == "lanczos":
        return _lanczos(image, (width, height))
    return resized(image, (height, width), method)


def _same_aspect(image: Tensor, aspect: float) -> Tensor:
    height, width = image.shape[1:3]
    x = round(max(width - height * aspect, 0) / 2)
    y = round(max(height - width / aspect, 0) / 2)
    return image[:, y : height - y, x : width - x]


def _lanczos(image: Tensor, size: tuple[int, int]) -> Tensor:
    pictures = (image * 255).clamp(0, 255).byte().cpu().numpy()
    scaled = [np.asarray(Image.fromarray(one).resize(size, Image.Resampling.LANCZOS)) for one in pictures]
    return (torch.from_numpy(np.stack(scaled)).float() / 255).to(image.device)


def resized(image: Tensor, size: tuple[int, int], method: str = "bilinear") -> Tensor:
    """(B, H, W, C) at another (height, width), as `torch.nn.functional.interpolate` samples it by default."""
    return functional.interpolate(image.movedim(-1, 1), size, mode=method).movedim(1, -1)


def resized_mask(mask: Tensor, size: tuple[int, int]) -> Tensor:
    """Masks (B, H, W) at another (height, width), bilinear."""
    return functional.interpolate(batch_of_masks(mask)[:, None], size, mode="bilinear")[:, 0]


def cycled(tensor: Tensor, count: int) -> Tensor:
    """`count` entries of a batch: the first ones, or all of them again and again."""
    if len(tensor) == count:
        return tensor
    return tensor[torch.arange(count, device=tensor.device) % len(tensor)]


def _with_channels(image: Tensor, channels: int) -> Tensor:
    if image.shape[-1] >= channels:
        return image[..., :channels]
    return functional.pad(image, (0, channels - image.shape[-1]), value=1.0)
