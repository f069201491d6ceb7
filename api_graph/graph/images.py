"""The texts in a saved image: PNG's text chunks, and the EXIF of a WebP. No pixel is decoded."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

PNG = b"\x89PNG\r\n\x1a\n"
"""The first bytes of a PNG."""
_LONGEST_TEXT = 64 * 2**20
_OTHER_KINDS = {
    b"\xff\xd8\xff": "a JPEG",
    b"GIF8": "a GIF",
    b"BM": "a BMP",
    b"II*\0": "a TIFF",
    b"MM\0*": "a TIFF",
    b"\xff\x0a": "a JPEG XL",
    b"\0\0\0\x0cJXL ": "a JPEG XL",
    b"\x1aE\xdf\xa3": "a WebM or Matroska film",
    b"fLaC": "a FLAC file",
    b"%PDF": "a PDF",
    b"PK\x03\x04": "a ZIP file",
    b"\x1f\x8b": "a gzip file",
}
_BRANDS = {b"avif": "an AVIF", b"avis": "an AVIF", b"heic": "a HEIC", b"heix": "a HEIC", b"mif1": "a HEIF"}


def other_kind(data: bytes) -> str | None:
    """What a file seems to be that is neither text nor a picture with a graph: "a JPEG". None if nothing known."""
    if data[4:8] == b"ftyp":
        return _BRANDS.get(data[8:12], "an MP4 or MOV film")
    return next((kind for start, kind in _OTHER_KINDS.items() if data.startswith(start)), None)


def embedded_texts(data: bytes) -> dict[str, str]:
    """The texts in a PNG or a WebP by keyword, without those that are damaged: metadata may be of any origin."""
    return _png_texts(data) if data.startswith(PNG) else _webp_texts(data)


def _png_texts(data: bytes) -> dict[str, str]:
    """The chunks tEXt, zTXt and iTXt (PNG specification, section 11.3.3)."""
    texts: dict[str, str] = {}
    for kind, body in _chunks(data, start=len(PNG), header=">I4s", checksum=4):
        keyword, _, rest = body.partition(b"\0")
        if kind == b"tEXt":
            text = rest.decode("latin-1")
        elif kind == b"zTXt":
            text = _inflated(rest[1:]).decode("latin-1")
        elif kind == b"iTXt":
            _language, _, rest_of_text = rest[2:].partition(b"\0")
            _translated, _, content = rest_of_text.partition(b"\0")
            text = (_inflated(content) if rest[:1] == b"\1" else content).decode("utf-8", "replace")
        else:
            continue
        texts[keyword.decode("latin-1")] = text
    return texts


def _webp_texts(data: bytes) -> dict[str, str]:
    """ComfyUI writes `prompt:{...}` and `workflow:{...}` into EXIF's text tags, whatever these are meant for."""
    from PIL.Image import Exif

    exif = Exif()
    for kind, body in _chunks(data, start=12, header="<4sI", checksum=0):
        if kind == b"EXIF":
            try:
                exif.load(body)
            except (SyntaxError, ValueError, struct.error):
                return {}
    pairs = [tag.partition(":") for tag in exif.values() if isinstance(tag, str)]
    return {keyword.lower(): text for keyword, colon, text in pairs if colon}  # some nodes write `Workflow:`


def _chunks(data: bytes, start: int, header: str, checksum: int) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each chunk. One byte of padding follows a RIFF chunk of odd length."""
    at = start
    while at + 8 <= len(data):
        fields = struct.unpack(header, data[at : at + 8])
        kind, length = fields if isinstance(fields[0], bytes) else fields[::-1]
        body = data[at + 8 : at + 8 + length]
        if len(body) < length:  # the file is cut short
            return
        yield kind, body
        at += 8 + length + (checksum or length % 2)


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, _LONGEST_TEXT)
    except zlib.error:
        return b""
