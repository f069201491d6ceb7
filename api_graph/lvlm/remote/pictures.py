"""Pictures as they are sent: in the profile's format and size, as data URLs, and a hint where they are large."""

from __future__ import annotations

import base64
import io
import threading
import warnings

from PIL import Image

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.lvlm.remote.profile import Profile
from api_graph.pixels.read import to_rgb_or_rgba

_FAST = 1  # zlib's level: photographs shrink little, and time spent here is time that the server is idle
_LOSSY = 95  # quality; JPEG's colours are kept at full size, because annotations have sharp edges
_OPTIONS: dict[str, dict[str, int]] = {
    "png": {"compress_level": _FAST},
    "jpeg": {"quality": _LOSSY, "subsampling": 0},
    "webp": {"quality": _LOSSY, "method": 2},
}
_LONGEST_SIDE = {"jpeg": 65_500, "webp": 16_383}
_LARGE = 5_000_000  # bytes of a request
_loading = threading.Lock()  # Pillow reads a file when its pixels are needed, and only one thread may do so
_hinted: dict[Profile, object] = {}


def data_url(image: Image.Image, profile: Profile) -> str:
    """`image` as a file of its RGB values alone: a file's notes on camera and location stay on this machine.

    Raises BadInput for an image without pixels, and for one that is too large for the format.
    """
    if not image.width or not image.height:
        raise BadInput("an image has no pixels", input="images", value=image.size, hint="Give another.")
    with _loading:
        image.load()
    bare = to_rgb_or_rgba(image).convert("RGB")
    bare.info = {}
    longest, kind = max(bare.size), profile.picture_format
    if profile.max_side is not None and longest > profile.max_side:
        width, height = (max(1, round(side * profile.max_side / longest)) for side in bare.size)
        bare = bare.resize((width, height), Image.Resampling.LANCZOS)
    if max(bare.size) > _LONGEST_SIDE.get(kind, max(bare.size)):
        hint = f'Set the profile\'s `max_side`, at most {_LONGEST_SIDE[kind]}, or `picture_format = "png"`.'
        raise BadInput(f"an image is too large for {kind.upper()}", input="images", value=bare.size, hint=hint)
    file = io.BytesIO()
    bare.save(file, kind, **_OPTIONS[kind])
    return f"data:image/{kind};base64," + base64.b64encode(file.getvalue()).decode()


def hint_if_large(profile: Profile, size: int) -> None:
    """Warn of a request of so many bytes, if they are many: once for each profile."""
    mark = object()
    if size <= _LARGE or _hinted.setdefault(profile, mark) is not mark:  # atomic: several threads write bodies
        return
    smaller = (
        '`picture_format = "jpeg"` or `max_side = 1536`' if profile.picture_format == "png" else "`max_side = 1536`"
    )
    warnings.warn(
        f"endpoint {profile.name}: a request has {size / 1e6:.1f} MB, nearly all of it pictures. Some servers refuse "
        f"pictures above 5 MB. The profile's {smaller} would make it smaller",
        ApiGraphWarning,
        stacklevel=2,
    )
