"""`api-graph find-heads`: which heads of an LVLM look where they are asked to, as a profile for Steer and Ψ LVLM."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from api_graph.cli.console import print_json, print_table, say, tell
from api_graph.cli.exits import OK
from api_graph.cli.options import Debug, Json, existing_folders, writable_folder
from api_graph.errors import BadInput, inputs_named

if TYPE_CHECKING:
    from api_graph.lvlm import HeadProfile, LvlmModel
    from api_graph.lvlm.heads.items import ItemTable

_LINE_EVERY = 5.0  # seconds between two lines about progress


def find_heads(
    table: Annotated[
        Path | None,
        typer.Argument(
            metavar="TABLE",
            help="A .csv or .jsonl with the columns image, query and boxes; default: rendered scenes.",
            show_default=False,
        ),
    ] = None,
    lvlm: Annotated[str, typer.Option("--lvlm", metavar="MODEL", help="An LVLM, as *Load LVLM* takes it.")] = "demo",
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="Folder for the profile.")] = Path("heads"),
    input: Annotated[
        list[Path] | None,
        typer.Option(
            "--input", metavar="DIR", help="Folder with pictures that the table names, besides its own. Repeatable."
        ),
    ] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", metavar="N", min=1, help="The first N rows of the table.", show_default=False),
    ] = None,
    scenes: Annotated[
        int | None,
        typer.Option(
            "--scenes", metavar="N", min=1, help="How many rendered scenes; default: 200.", show_default=False
        ),
    ] = None,
    by: Annotated[
        Literal["gaze", "image", "entropy", "sinks"],
        typer.Option(
            "--by", help="What heads are ranked by: weight on the region, on the image, compact maps, no sinks."
        ),
    ] = "gaze",
    count: Annotated[
        int, typer.Option("--count", metavar="N", min=0, help="How many the report chooses; 0 is a tenth of all.")
    ] = 0,
    unit: Annotated[
        Literal["heads", "layers"], typer.Option("--unit", help="Whether it chooses single heads or whole layers.")
    ] = "heads",
    draws: Annotated[
        int, typer.Option("--draws", metavar="N", min=0, max=1000, help="How often others are drawn, as a control.")
    ] = 20,
    batch: Annotated[int, typer.Option("--batch", metavar="N", min=1, help="Items that run together.")] = 8,
    device: Annotated[str, typer.Option("--device", metavar="DEVICE", help="auto, cpu, cuda or mps.")] = "auto",
    quantization: Annotated[
        Literal["8bit", "4bit"] | None,
        typer.Option("--quantization", help="Weights in 8 or 4 bits, on an NVIDIA GPU.", show_default=False),
    ] = None,
    as_json: Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no tables; files only.")] = False,
    debug: Debug = False,
) -> int:
    """Find the heads of an LVLM that look where they are asked to: a profile for *Steer* and *Ψ LVLM*.

    Each row is a picture, a question and the boxes of what it asks about, and runs through the model once. --out gets
    heads.json (the profile, of this model alone), heads.png (layers × heads) and report.md, in which the chosen heads
    stand beside others by chance and beside all.
    """
    from api_graph.lvlm import find_heads, load_lvlm
    from api_graph.lvlm.heads.find import SCENES
    from api_graph.lvlm.heads.report import head_figure, report_text

    items = _items(table, input, limit, scenes)
    folder = writable_folder(out, "--out")
    folder.mkdir(parents=True, exist_ok=True)
    with inputs_named(name="--lvlm", device="--device", quantization="--quantization"):
        model = load_lvlm(lvlm, device=None if device == "auto" else device, quantization=quantization)
    _check_count(model, count, unit)
    progress = None if quiet or as_json else _told()
    with inputs_named(path="TABLE", table="TABLE", items="TABLE", scenes="--scenes"):
        found = find_heads(model, items, scenes=scenes or SCENES, batch_size=batch, progress=progress)
    profile = found.chosen(by, count, unit=unit)
    profile.save(folder / "heads.json")
    head_figure(profile).save(folder / "heads.png")
    (folder / "report.md").write_text(report_text(profile, draws) + "\n", "utf-8")
    if as_json:
        print_json(_document(profile, folder, draws))
    elif not quiet:
        _show(profile, folder, draws)
    return OK


def _items(table: Path | None, input: list[Path] | None, limit: int | None, scenes: int | None) -> ItemTable | None:
    """The table, whose pictures lie beside it or in the --input folders; None for rendered scenes."""
    from api_graph.folders import Folders
    from api_graph.lvlm.heads.items import ItemTable

    if table is None:
        for option, given in (("--limit", limit), ("--input", input)):
            if given is not None:
                raise BadInput("there is no table", input=option, value=str(given), hint="Name one, or leave it out.")
        return None
    if scenes is not None:
        raise BadInput("there is a table", input="--scenes", value=scenes, hint="Leave one of them out.")
    beside = (table.absolute().parent,) if table.is_file() else ()
    folders = Folders((*beside, *existing_folders(input, "--input")), Path(), Path())

    def picture_of(name: str) -> Path:
        try:
            return folders.input_file(name)
        except BadInput as error:
            elsewhere = "Put it beside the table, or name its folder with --input."
            hint = elsewhere if "--set" in error.hint else error.hint
            raise BadInput(error.problem, input=error.input, value=name, hint=hint) from error

    return ItemTable(table, picture_of, limit)


def _check_count(model: LvlmModel, count: int, unit: str) -> None:
    """Refuse more heads or layers than there are before anything runs."""
    from api_graph.lvlm.decoder import attention_modules
    from api_graph.lvlm.heads.profile import head_count

    layers = len(attention_modules(model.module))
    total = layers if unit == "layers" else layers * head_count(model.module)
    if count > total:
        raise BadInput(f"the model has {total} {unit} to choose from", input="--count", value=count)


def _told() -> Callable[[int, int | None], None]:
    """Says on stderr how far it is, now and then."""
    said = time.monotonic()

    def tell_of(done: int, total: int | None) -> None:
        nonlocal said
        if time.monotonic() - said >= _LINE_EVERY or done == total:
            said = time.monotonic()
            tell(f"{done:,} items" if total is None else f"{done:,} of {total:,} items")

    return tell_of


def _show(profile: HeadProfile, folder: Path, draws: int) -> None:
    from api_graph.lvlm.heads.report import MEASURES, report_rows

    print_table(("heads", *MEASURES.values()), [row.cells() for row in report_rows(profile, draws)])
    say()
    first = profile.ranking() if profile.unit == "heads" else profile.layer_ranking()
    say(f"First by {profile.by}: {'; '.join(map(str, first[:5]))}.")
    say(str(folder / "heads.json"))


def _document(profile: HeadProfile, folder: Path, draws: int) -> dict[str, object]:
    from api_graph.lvlm.heads.report import report_rows

    record = profile.record
    return {
        "ok": True,
        "exit_code": OK,
        "profile": folder / "heads.json",
        "files": [folder / name for name in ("heads.json", "heads.png", "report.md")],
        "model": record.model.model_dump(mode="json"),
        "made": record.made.model_dump(mode="json"),
        "chosen": [{"layer": layer, "heads": list(heads)} for layer, heads in profile.heads.items()],
        "ranking": [one._asdict() for one in profile.ranking()],
        "report": [
            {"heads": row.name, "means": dict(row.means), "spread": None if row.spread is None else dict(row.spread)}
            for row in report_rows(profile, draws)
        ],
    }
