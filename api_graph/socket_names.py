"""Names of sockets, apart from the sockets themselves, which need torch."""

from __future__ import annotations

from dataclasses import dataclass

ANY = "*"
"""Whatever is linked."""
ATTRIBUTION = "AP_ATTRIBUTION"


@dataclass(frozen=True)
class Socket:
    """Names the ComfyUI socket that an annotated type travels through, as in `Annotated[Tensor, Socket("IMAGE")]`."""

    name: str
