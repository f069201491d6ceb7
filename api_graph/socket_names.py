"""The name of a socket on an annotation. It stands apart from the sockets themselves, which need torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Socket:
    """Names the ComfyUI socket that an annotated type travels through, as in `Annotated[Tensor, Socket("IMAGE")]`."""

    name: str
