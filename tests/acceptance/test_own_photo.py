"""From nothing to one's own photo with a checkpoint of one's own: what README prints, found in its first screens."""

from __future__ import annotations

import shlex
from pathlib import Path

import numpy as np
from PIL import Image

from tests.acceptance.conftest import Cli

README = Path(__file__).parents[2] / "README.md"
TWO_SCREENS = 60  # lines of a text


def photo() -> Image.Image:
    """Of no rendered scene: soft colours and grain, wider than high, as cameras turn them."""
    random = np.random.default_rng(5)
    ramp = np.linspace(60, 200, 300)[None, :, None] + np.linspace(-40, 40, 200)[:, None, None] * [1, 0, -1]
    image = Image.fromarray((ramp + random.normal(0, 8, (200, 300, 3))).clip(0, 255).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    image.info["exif"] = exif.tobytes()
    return image


def test_three_commands_and_a_photo_is_annotated(cli: Cli, model_folder: Path) -> None:
    lines = README.read_text("utf-8").splitlines()
    (install,) = [number for number, line in enumerate(lines) if line.endswith("api-graph demo")]
    activate = next(number for number, line in enumerate(lines) if ". .venv/bin/activate" in line)
    (place,) = [number for number, line in enumerate(lines) if line.startswith("api-graph run api_clip --set model=")]
    assert install < activate < place < TWO_SCREENS
    taken = photo()
    taken.save("photo.jpg", exif=taken.info["exif"])
    words = shlex.split(lines[place])[1:]
    assert words[3] == "model=ViT-L-14-336/openai" and words[5] == "image=photo.jpg"
    words[3] = f"model={model_folder}"  # "a folder with a checkpoint works too"
    answer = cli(*words)
    assert answer.code == 0, answer.err
    shown = [Path(line) for line in answer.out.splitlines() if line.endswith(".png")]
    annotated = [Image.open(path) for path in shown if path.name.startswith("annotated")]
    assert [one.size for one in annotated] == [(200, 300)]  # upright
    with Image.open("photo.jpg") as file:
        upright = np.asarray(file.transpose(Image.Transpose.ROTATE_270)).astype(int)
    seen = np.asarray(annotated[0].convert("RGB")).astype(int)
    assert (seen <= upright).all() and (upright - seen).max() > 40  # darkened where it does not matter
