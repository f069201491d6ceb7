"""Pictures that are dropped onto the editor, and masks that are painted in it: they become transparency."""

from __future__ import annotations

import asyncio
import json
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from aiohttp import BodyPartReader, web
from aiohttp.http_exceptions import BadHttpMessage

from api_graph.editor import limits
from api_graph.editor.routes.bodies import PICTURES, disk_errors
from api_graph.editor.routes.files import find_file
from api_graph.editor.state import state_of
from api_graph.editor.workspace import Workspace
from api_graph.errors import BadInput
from api_graph.files import sha256_of
from api_graph.folders import inside

routes = web.RouteTableDef()

_CHUNK = 1 << 18
_LONGEST_FIELD = 10_000
_LONGEST_NAME = 150  # bytes, so that a number fits behind it
_MOST_PARTS = 20


@dataclass
class Upload:
    """A form with a picture: its fields, and the picture in a file of its own that nobody else knows yet."""

    file: Path
    name: str = ""
    fields: dict[str, str] = field(default_factory=dict)


@routes.post("/upload/image")
async def upload_image(request: web.Request) -> web.Response:
    """Keep a picture in the input folder; answers under which name."""
    state = state_of(request)
    async with received(request, state.workspace) as upload:
        folder = folder_of(state.workspace, upload.fields)
        await asyncio.to_thread(checked_picture, upload.file)
        async with state.placing:
            overwrite = upload.fields.get("overwrite") in ("true", "1")
            name = await asyncio.to_thread(place, upload.file, folder, upload.name, overwrite=overwrite)
    kind, subfolder = upload.fields.get("type", "input"), upload.fields.get("subfolder", "")
    return web.json_response({"name": name, "subfolder": subfolder, "type": kind})


@asynccontextmanager
async def received(request: web.Request, workspace: Workspace) -> AsyncIterator[Upload]:
    """The form that a request brings, its picture streamed to disk. Raises HTTP errors for one that is too large."""
    if (request.content_length or 0) > limits.LARGEST_UPLOAD + limits.MIB:
        raise too_large()
    if not request.content_type.startswith("multipart/"):
        raise web.HTTPBadRequest(text="a form with a picture is wanted")
    upload = Upload(workspace.uploads / f".{secrets.token_hex(8)}.part")
    try:
        with disk_errors():
            await _receive(request, upload)
            if not upload.name:
                raise web.HTTPBadRequest(text="the form has no picture in it")
            yield upload
    finally:
        upload.file.unlink(missing_ok=True)


async def _receive(request: web.Request, upload: Upload) -> None:
    parts = 0
    try:
        form = await request.multipart()
        while (part := await form.next()) is not None:
            parts += 1
            if parts > _MOST_PARTS or not isinstance(part, BodyPartReader):
                raise web.HTTPBadRequest(text="this is no form with one picture")
            if part.name == "image" and part.filename:
                upload.name = safe_name(part.filename)
                await _save(part, upload.file)
            elif part.name:
                data = await part.read_chunk(_LONGEST_FIELD)
                upload.fields[part.name] = data.decode("utf-8", "replace")
    except (ValueError, AssertionError, BadHttpMessage, LookupError, RuntimeError) as error:
        raise web.HTTPBadRequest(text="the form is damaged") from error


async def _save(part: BodyPartReader, file: Path) -> None:
    size = 0
    with file.open("wb") as target:
        while chunk := await part.read_chunk(_CHUNK):
            size += len(chunk)
            if size > limits.LARGEST_UPLOAD:
                raise too_large()
            target.write(chunk)


def too_large() -> web.HTTPException:
    return web.HTTPRequestEntityTooLarge(
        limits.LARGEST_UPLOAD, 0, text=f"a picture may have {limits.LARGEST_UPLOAD // limits.MIB} MB"
    )


def safe_name(name: str) -> str:
    """A file name without folders. Raises HTTPBadRequest for one that is hidden, or that is no picture's."""
    name = PurePosixPath(name.replace("\\", "/")).name
    name = "".join(c for c in name if c.isprintable() and c not in '<>:"|?*')
    stem, suffix = os.path.splitext(name)
    if not stem or stem.startswith(".") or suffix.lower() not in PICTURES:
        raise web.HTTPBadRequest(text=f"a picture's name ends in one of {', '.join(PICTURES)}")
    return stem.encode("utf-8", "ignore")[:_LONGEST_NAME].decode("utf-8", "ignore").rstrip() + suffix


def folder_of(workspace: Workspace, fields: dict[str, str]) -> Path:
    """Where a form wants its picture. Raises HTTPBadRequest for a place outside."""
    roots = {"input": workspace.uploads, "temp": workspace.folders.temp}
    root = roots.get(fields.get("type", "input"))
    subfolder = fields.get("subfolder", "")
    if root is None or "\0" in subfolder or any(part.startswith(".") for part in Path(subfolder).parts):
        raise web.HTTPBadRequest(text="pictures go to the input folder")
    folder = inside(root, subfolder)
    if folder is None:
        raise web.HTTPBadRequest(text="the subfolder leads out of the input folder")
    return folder


def checked_picture(file: Path) -> None:
    """Raise HTTPUnsupportedMediaType unless the file is a picture that can be read, of a size that can be held."""
    from api_graph.pixels.read import read_image

    try:
        read_image(file)
    except BadInput as error:
        raise web.HTTPUnsupportedMediaType(text=f"the upload cannot be used: {error.problem}") from None


def place(file: Path, folder: Path, name: str, *, overwrite: bool) -> str:
    """Move the file into the folder; its name there gets a number where another picture has it already."""
    folder.mkdir(parents=True, exist_ok=True)
    stem, suffix = os.path.splitext(name)
    target, number = folder / name, 0
    while not overwrite and target.exists():
        if target.is_file() and sha256_of(target) == sha256_of(file):
            return target.name
        number += 1
        target = folder / f"{stem} ({number}){suffix}"
    if target.is_symlink() or target.is_dir():
        raise web.HTTPBadRequest(text="something else is in the way of this name")
    os.replace(file, target)
    return target.name


@routes.post("/upload/mask")
async def upload_mask(request: web.Request) -> web.Response:
    """Keep a copy of a picture (`original_ref`) that has the transparency of the upload."""
    workspace = state_of(request).workspace
    async with received(request, workspace) as upload:
        folder = folder_of(workspace, upload.fields)
        original = _original(upload.fields.get("original_ref", ""))
        kind, subfolder = original.get("type", "output"), original.get("subfolder", "")
        path = find_file(workspace, kind, subfolder, original.get("filename", ""))
        if path is None:
            raise web.HTTPBadRequest(text="the picture under the mask is not there")
        await asyncio.to_thread(checked_picture, upload.file)
        await asyncio.to_thread(_with_transparency, path, upload.file)
        name = await asyncio.to_thread(place, upload.file, folder, Path(upload.name).stem + ".png", overwrite=True)
    kind, subfolder = upload.fields.get("type", "input"), upload.fields.get("subfolder", "")
    return web.json_response({"name": name, "subfolder": subfolder, "type": kind})


def _original(text: str) -> dict[str, str]:
    try:
        reference: object = json.loads(text)
    except (ValueError, RecursionError):
        reference = None
    if not isinstance(reference, dict) or not all(isinstance(value, str) for value in reference.values()):
        raise web.HTTPBadRequest(text="the form does not say which picture the mask belongs to")
    return reference


def _with_transparency(path: Path, mask: Path) -> None:
    """Write the picture at `path` with the transparency of `mask` over the latter."""
    from api_graph.pixels.read import read_image

    try:
        picture = read_image(path).convert("RGBA")
    except BadInput as error:
        raise web.HTTPUnsupportedMediaType(text=str(error)) from None
    alpha = read_image(mask).convert("RGBA").getchannel("A")
    picture.putalpha(alpha.resize(picture.size))
    picture.save(mask, "PNG")
