"""All parts of the scenes' benchmark, and its files."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import torch

from api_graph.bench.scenes.asking import attention_part, questions_part, strategies_part
from api_graph.bench.scenes.boxes import boxes_part
from api_graph.bench.scenes.heads import heads_part
from api_graph.bench.scenes.maps import maps_part
from api_graph.bench.scenes.pointing import pointing_part
from api_graph.bench.scenes.selection import selection_part
from api_graph.bench.scenes.setting import Setting
from api_graph.bench.scenes.steering import steering_part
from api_graph.bench.scenes.table import Part, csv_text, folder_names, latex, markdown, write_part
from api_graph.errors import BadInput
from api_graph.files import whole_file
from api_graph.tasks.record import json_file

PARTS: Mapping[str, Callable[[Setting], Part]] = {
    "maps": maps_part,
    "selection": selection_part,
    "boxes": boxes_part,
    "questions": questions_part,
    "attention": attention_part,
    "strategies": strategies_part,
    "pointing": pointing_part,
    "steering": steering_part,
    "heads": heads_part,
}
"""Each makes one table."""

NAME, BENCH = "scenes", "bench.json"
_FORMAT = 1


def chosen_parts(names: Sequence[str]) -> list[str]:
    """The parts of these names in the benchmark's own order; all where none is named. Raises BadInput."""
    for name in names:
        if name not in PARTS:
            raise BadInput("there is no such part", input="--part", value=name, hint=f"There are: {', '.join(PARTS)}.")
    return [name for name in PARTS if not names or name in names]


def run_parts(setting: Setting, names: Sequence[str] = (), *, threads: int = 1) -> Iterator[Part]:
    """The parts of these names, or all, one after the other.

    The demo models are small: one thread is about as fast as several, and gives the same figures each time. `threads`
    are torch's while a part is made.
    """
    for name in chosen_parts(names):
        with _threads(threads), torch.inference_mode():
            part = PARTS[name](setting)
        yield part


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def document(parts: Sequence[Part], setting: Setting) -> str:
    """The tables as one Markdown document."""
    sections = [f"## {part.title}\n\n{part.about}\n\n{markdown(part)}\n" for part in parts]
    return "\n".join([f"# Scenes\n\n{_about(setting)}\n", *sections])


def _about(setting: Setting) -> str:
    """What the figures are of, and what they say."""
    facts = f"Rendered scenes of the {setting.seeds} seeds, CLIP {setting.clip_name}, LVLM {setting.lvlm_name}."
    if "demo" not in (setting.clip_name, setting.lvlm_name):
        return f"{facts} Intervals are of 95 %."
    return (
        f"{facts} The demo models are tiny and trained on such scenes: figures show that the pipeline is right and how "
        "the methods rank here, not what they gain on real models. Intervals are of 95 %."
    )


def check_folder(out: Path) -> None:
    """Raise BadInput where another benchmark's files are in a folder: they would be written over."""
    path = out / BENCH
    if not path.is_file():
        return
    found = json_file(path)
    name = found.get("benchmark") if isinstance(found, Mapping) else None
    if name != NAME:
        problem = "the files of another benchmark are in it"
        raise BadInput(problem, input="--out", value=str(out), hint="Name another folder.")


def write_parts(out: Path, parts: Sequence[Part], setting: Setting, versions: Mapping[str, str]) -> None:
    """Write scores.md, .csv and .tex, and a folder for each part, in which `api-graph compare` finds its rows."""
    out.mkdir(parents=True, exist_ok=True)
    facts = {"limit": None, "versions": dict(versions), "setting": asdict(setting)}
    for part in parts:
        write_part(out / part.name, part)
        rows = [row for row in part.rows if row.scores]
        names = dict(zip([row.name for row in part.rows], folder_names([row.name for row in part.rows]), strict=True))
        if rows:
            graphs = {names[row.name]: {"row": row.name} for row in rows}
            _write_json(out / part.name / BENCH, {"benchmark": f"{NAME}: {part.name}", "graphs": graphs, **facts})
    _write(out / "scores.md", document(parts, setting))
    _write(out / "scores.csv", csv_text(parts))
    _write(out / "scores.tex", "\n\n".join(latex(part) for part in parts) + "\n")
    _write_json(out / BENCH, {"benchmark": NAME, "graphs": {}, "parts": [part.name for part in parts], **facts})


def _write_json(path: Path, facts: Mapping[str, object]) -> None:
    _write(path, json.dumps({"format": _FORMAT, **facts}, indent=1))


def _write(path: Path, text: str) -> None:
    with whole_file(path) as file:
        file.write(text.encode("utf-8"))
