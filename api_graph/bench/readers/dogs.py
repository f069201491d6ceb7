"""Stanford Dogs in its official layout: Images/, Annotation/ with PASCAL VOC's XML, and a list of the test pictures."""

from __future__ import annotations

import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

from scipy.io import loadmat

from api_graph.errors import BadInput
from api_graph.tasks.examples import Benchmark, LabelledImage
from api_graph.tasks.labels import readable_name
from api_graph.tasks.record import Box, Record, bad_record, read_text, text_lines

_LARGEST_ANNOTATION = 1 << 20
_SIDES = ("xmin", "ymin", "xmax", "ymax")
# Entities can only be declared in a document type, and no annotation has one.
_DECLARATION = re.compile(r"<!\s*(DOCTYPE|ENTITY)", re.IGNORECASE)


def read_dogs(root: str | os.PathLike[str], split: str = "test") -> Benchmark:
    """The pictures of one `split` ("test": 8,580) with every dog's box; labels are the sorted breeds.

    The list is `test_list.txt` (FOLDER/FILE.jpg a line) where there is one, else the official `test_list.mat`.
    """
    folder = Path(root)
    breeds = sorted(path.name for path in (folder / "Images").glob("*") if path.is_dir())
    if not breeds:
        raise BadInput("there is no folder Images with a folder per breed", input="path", value=str(folder))
    index = {breed: number for number, breed in enumerate(breeds)}
    examples = []
    for record in _listed(folder, split):
        breed, _, file = record.text("file").partition("/")
        if breed not in index or not file:
            raise record.fail("file", "it names none of the breeds' folders", f"{breed}/{file}")
        boxes = read_voc_boxes(folder / "Annotation" / breed / Path(file).stem)
        examples.append(LabelledImage(folder / "Images" / breed / file, index[breed], boxes))
    return Benchmark("StanfordDogs", tuple(map(readable_name, breeds)), tuple(examples))


def _listed(folder: Path, split: str) -> Iterator[Record]:
    text, matlab = folder / f"{split}_list.txt", folder / f"{split}_list.mat"
    if text.is_file():
        names = text_lines(read_text(text))
        path = text
    else:
        names = _matlab_names(matlab)
        path = matlab
    for number, name in enumerate(names, 1):
        if name.strip():
            yield Record(path, number, {"file": name.strip().replace("\\", "/")})


def _matlab_names(path: Path) -> list[str]:
    """`file_list` of a MATLAB file: a column of cells with a text each."""
    if not path.is_file():
        hint = "Name the data set's own folder, and a split that it has (train or test)."
        raise BadInput("there is no such list, nor one that ends in .txt", input="path", value=str(path), hint=hint)
    try:
        return [str(cell.item()) for cell in loadmat(path)["file_list"].ravel()]
    except Exception as error:  # scipy answers a damaged file with nearly any exception
        raise bad_record(path, f"it cannot be read ({error})", field="file_list") from error


def read_voc_boxes(path: str | os.PathLike[str]) -> tuple[Box, ...]:
    """Every object/bndbox of an annotation, as (left, top, right, bottom)."""
    text = read_text(path, most=_LARGEST_ANNOTATION)
    if _DECLARATION.search(text):
        raise bad_record(Path(path), "an annotation declares no document type and no entities")
    try:
        root = ET.fromstring(text)
    except ET.ParseError as error:
        raise bad_record(Path(path), f"this is no XML ({error})", line=error.position[0]) from error
    boxes = tuple(_box(Path(path), index, box) for index, box in enumerate(root.iterfind("object/bndbox")))
    if not boxes:
        raise bad_record(Path(path), "it holds no object with a box", field="object/bndbox")
    return boxes


def _box(path: Path, index: int, element: ET.Element) -> Box:
    record = Record(path, None, {side: element.findtext(side) for side in _SIDES}, f"object[{index}].")
    left, top, right, bottom = (record.number(side) for side in _SIDES)
    if right <= left or bottom <= top:
        raise record.fail("bndbox", "a box needs sides above 0", (left, top, right, bottom))
    return left, top, right, bottom
