"""ImageNet-S: ImageNet pictures with pixel masks; its official layout, and Alpha-CLIP's, with COCO's run lengths."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from api_graph.bench.readers.run_lengths import decode_rle as decode_rle
from api_graph.errors import BadInput
from api_graph.pixels.read import read_image
from api_graph.tasks.examples import Benchmark, LabelledImage
from api_graph.tasks.record import Record, bad_record, json_file, read_text, spaced_lines, text_lines

_PICTURES = (".jpeg", ".jpg", ".png")
_WORDNET_ID = re.compile(r"n\d{8}")


def read_synsets(path: str | os.PathLike[str]) -> dict[str, str]:
    """ImageNet's LOC_synset_mapping.txt ("n01440764 tench, Tinca tinca"): WordNet id -> the first of its names."""
    return {r.text("id"): r.text("names").split(",")[0].strip() for r in spaced_lines(path, ("id", "names"))}


def read_imagenet_s(
    root: str | os.PathLike[str], names: str | os.PathLike[str], categories: str | os.PathLike[str]
) -> Benchmark:
    """`validation/WNID/*.JPEG` and `validation-segmentation/WNID/*.png`.

    `categories` is ImageNetS_categories_im919.txt (a WordNet id a line, in the order of the masks' class ids, from 1);
    `names` is ImageNet's LOC_synset_mapping.txt. A mask's class id is R + 256·G; the region is the picture's own class.
    """
    folder, known = Path(root), read_synsets(names)
    lines = [(number, line.strip()) for number, line in enumerate(text_lines(read_text(categories)), 1)]
    records = [Record(Path(categories), number, {"id": id}) for number, id in lines if id]
    ids = [record.text("id") for record in records]
    labels = [_name(record, known) for record in records]
    examples = []
    for label, id in enumerate(ids):
        for picture in sorted((folder / "validation" / id).glob("*")):
            if picture.suffix.lower() in _PICTURES:
                mask = folder / "validation-segmentation" / id / f"{picture.stem}.png"
                examples.append(LabelledImage(picture, label, mask=partial(read_class_mask, mask, label + 1)))
    if not examples:
        raise BadInput("there are no pictures in validation/WNID", input="path", value=str(folder))
    return Benchmark("ImageNet-S", tuple(labels), tuple(examples))


def read_alpha_clip(
    path: str | os.PathLike[str], images: str | os.PathLike[str], names: str | os.PathLike[str]
) -> Benchmark:
    """Alpha-CLIP's imagenet_919.json: a list of {image_pth, category_word: WordNet id, mask: COCO run lengths}.

    Labels are the WordNet ids that occur, in order; `names` is ImageNet's LOC_synset_mapping.txt.
    """
    known, content = read_synsets(names), json_file(path)
    items = list(content.values()) if isinstance(content, Mapping) else content
    if not isinstance(items, list):
        raise bad_record(Path(path), "a list of objects is needed", value=content)
    records = list(Record(Path(path), None, {"": items}).records(""))
    ids = sorted({record.text("category_word") for record in records})
    index = {id: number for number, id in enumerate(ids)}
    labels = {r.text("category_word"): _name(r, known, "category_word") for r in records}
    examples = (_packed(r, Path(images), index[r.text("category_word")]) for r in records)
    return Benchmark("ImageNet-S", tuple(labels[id] for id in ids), tuple(examples))


def read_class_mask(path: str | os.PathLike[str], class_id: int) -> NDArray[np.bool_]:
    """Where a segmentation PNG holds the class: bool (H, W)."""
    levels = np.asarray(read_image(path).convert("RGB"), dtype=np.int64)
    return levels[..., 0] + 256 * levels[..., 1] == class_id


def _packed(record: Record, images: Path, label: int) -> LabelledImage:
    mask = record.value("mask")
    counts = mask.get("counts") if isinstance(mask, Mapping) else None
    if not isinstance(mask, Mapping) or not isinstance(counts, str | list):
        raise record.fail("mask", "COCO run lengths {size, counts} are needed", mask)
    inner = Record(record.path, record.line, mask, f"{record.within}mask.")
    height, width = inner.numbers("size", 2)
    picture = images / record.text("image_pth")
    return LabelledImage(picture, label, mask=partial(_decoded, inner, counts, (int(height), int(width))))


def _decoded(record: Record, counts: str | Sequence[int], size: tuple[int, int]) -> NDArray[np.bool_]:
    try:
        return decode_rle(counts, size)
    except BadInput as error:
        raise record.fail(error.input or "counts", error.problem, error.value) from error


def _name(record: Record, names: Mapping[str, str], field: str = "id") -> str:
    id = record.text(field)
    if not _WORDNET_ID.fullmatch(id) or id not in names:
        raise record.fail(field, "the list of names does not hold this WordNet id", id)
    return names[id]
