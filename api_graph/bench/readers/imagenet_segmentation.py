"""ImageNet-Segmentation: 4,276 pictures with the outline of what they show, in one MATLAB file, gtsegs_ijcv.mat.

The file is HDF5: `value/img`, `value/gt` and `value/id` (n, 1) refer to each picture (3, W, H), to a reference to its
mask (W, H), and to its name, UTF-16, such as "n02119789_1234": the WordNet id comes first.
"""

from __future__ import annotations

import io
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image as PIL

from api_graph.bench.readers.hdf5 import dataset, opened
from api_graph.bench.readers.questions import Question, needed
from api_graph.bench.readers.run_lengths import encode_rle
from api_graph.json_values import Json
from api_graph.tasks.record import bad_record, spaced_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAT, NAMES = "gtsegs_ijcv.mat", "words.txt"

_NAME = "ImageNet-Segmentation"
_ID = re.compile(r"(n\d{8})(_\w+)?")
_MOST_SIDE = 8192  # pixels: what a damaged or hostile file may ask for


def read_imagenet_segmentation(root: Path) -> list[Question]:
    """The pictures of `gtsegs_ijcv.mat`, each with the text "a photo of a {name}." and its mask as run lengths.

    `words.txt` is ImageNet's list of names ("n02119789", a tab, "kit fox, Vulpes macrotis"): the first name counts.
    Pictures are read when the table is written. Needs h5py, the extra `data`. Raises BadInput.
    """
    mat = needed(root / MAT, _NAME, MAT)
    words = _words(needed(root / NAMES, _NAME, f"ImageNet's {NAMES}"))
    questions: list[Question] = []
    with opened(mat) as file:
        for index in range(_count(mat, file)):
            name = _text(mat, file, index)
            found = _ID.fullmatch(name)
            if found is None or found[1] not in words:
                raise bad_record(mat, f"{NAMES} does not hold this WordNet id", field=f"value/id[{index}]", value=name)
            _, width, height = _stored_picture(mat, file, index).shape
            mask = _mask(mat, file, index)
            if mask.shape != (height, width):
                problem = f"a mask of {height} × {width} pixels is needed, as its picture has"
                raise bad_record(mat, problem, field=f"value/gt[{index}]", value=mask.shape)
            label = words[found[1]]
            text = f"a photo of a {label}."
            facts: dict[str, Json] = {"size": [height, width], "mask": list[Json](encode_rle(mask))}
            content = partial(_png, mat, index)
            questions.append(Question(f"{index}_{name}", (content,), text, text, (label,), facts=facts))
    if not questions:
        raise bad_record(mat, "there is no picture in it", hint="Look whether this is the right file.")
    return questions


def _words(path: Path) -> dict[str, str]:
    lines = spaced_lines(path, ("id", "names"))
    return {line.text("id"): line.text("names").split(",")[0].strip() for line in lines}


def _count(path: Path, file: Any) -> int:
    counts = {name: len(_references(path, file, name)) for name in ("img", "gt", "id")}
    if len(set(counts.values())) > 1:
        raise bad_record(path, "there are not as many pictures as masks and names", field="value", value=counts)
    return counts["img"]


def _references(path: Path, file: Any, name: str) -> Any:
    return dataset(path, file, f"value/{name}", f"value/{name}")


def _numbers(path: Path, file: Any, key: Any, field: str, dimensions: int) -> Any:
    """The dataset, if it has whole numbers of at most 16 bits, and a size that a picture has."""
    found = dataset(path, file, key, field)
    shape, kind = found.shape, found.dtype
    right = len(shape) == dimensions and kind.kind in "ui" and kind.itemsize <= 2
    if not right or not all(0 < side <= _MOST_SIDE for side in shape):
        raise bad_record(path, f"whole numbers in {dimensions} dimensions are needed", field=field, value=shape)
    return found


def _stored_picture(path: Path, file: Any, index: int) -> Any:
    """The dataset (3, W, H)."""
    field = f"value/img[{index}]"
    found = _numbers(path, file, _references(path, file, "img")[index, 0], field, 3)
    if found.dtype != np.uint8 or len(found) != 3:
        raise bad_record(path, "three colours of 8 bits are needed", field=field, value=found.shape)
    return found


def _mask(path: Path, file: Any, index: int) -> NDArray[np.bool_]:
    """(H, W)."""
    field = f"value/gt[{index}]"
    reference = dataset(path, file, _references(path, file, "gt")[index, 0], field)[0, 0]
    stored = np.asarray(_numbers(path, file, reference, field, 2))
    if not set(np.unique(stored).tolist()) <= {0, 1}:
        raise bad_record(path, "a mask holds 0 and 1", field=field, value=int(stored.max()))
    return stored.T.astype(bool)


def _text(path: Path, file: Any, index: int) -> str:
    stored = _numbers(path, file, _references(path, file, "id")[index, 0], f"value/id[{index}]", 2)
    return "".join(chr(code) for code in np.asarray(stored).ravel().tolist()).strip()


def _png(path: Path, index: int) -> bytes:
    """One picture as the content of a file."""
    content = io.BytesIO()
    with opened(path) as file:
        pixels = np.asarray(_stored_picture(path, file, index)).transpose(2, 1, 0)
        PIL.fromarray(np.ascontiguousarray(pixels)).save(content, "PNG")
    return content.getvalue()
