"""From a map to a box, a point and a mask: how well they fit the object asked for, on rendered scenes.

    python benchmarks/selection.py                        # 300 test scenes, the shipped settings
    python benchmarks/selection.py --seeds validation     # where the settings were chosen

It says how the steps after the map do on one tiny model, nothing about real ones.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor

from api_graph.clip.load import load_clip
from api_graph.demo.maps import cls_map
from api_graph.demo.scenes import SIDE, TEST_SEEDS, VALIDATION_SEEDS, Scene, SceneObject, scene, tight_box
from api_graph.pixels.heatmap import mean_filter, normalize
from api_graph.pixels.peaks import box_of_peak, find_peaks
from api_graph.pixels.resize import to_pixels
from api_graph.pixels.threshold import Keep, heatmap_to_mask
from api_graph.regions import Boxes, boxes_around

KERNEL, THRESHOLD = 15, 0.6
"""What the shipped graphs have."""

_BATCH = 50


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="demo", help="what load_clip takes: a name or a folder")
    parser.add_argument("--scenes", type=int, default=300)
    parser.add_argument("--seeds", choices=("test", "validation"), default="test")
    parser.add_argument("--side", type=int, default=SIDE, help="width and height of a scene, in pixels")
    args = parser.parse_args()
    cases = list(asked(TEST_SEEDS if args.seeds == "test" else VALIDATION_SEEDS, args.scenes, args.side))
    maps = heatmaps(args.model, cases)
    print(table(maps, [wanted for _, wanted in cases]))


def asked(seeds: range, count: int, side: int) -> Iterator[tuple[Scene, SceneObject]]:
    """Scenes of 3 to 5 objects, and in each an object that its colour and shape tell apart."""
    for seed in seeds:
        drawn = scene(seed, width=side, height=side)
        unique = drawn.unique_objects()
        if unique:
            yield drawn, unique[seed % len(unique)]
            count -= 1
        if not count:
            return


def heatmaps(model: str, cases: list[tuple[Scene, SceneObject]]) -> list[Tensor]:
    """The heatmap (1, H, W) of each scene for "the COLOUR SHAPE", as `api_clip_map` makes it."""
    clip = load_clip(model, device="cpu")
    found: list[Tensor] = []
    for first in range(0, len(cases), _BATCH):
        part = cases[first : first + _BATCH]
        maps = cls_map(clip, [drawn.image for drawn, _ in part], [f"the {wanted.name}" for _, wanted in part])
        smooth = mean_filter(to_pixels(maps.with_values(normalize(maps.values))), KERNEL)
        found += smooth.split(1)
    return found


def table(maps: list[Tensor], wanted: list[SceneObject]) -> str:
    """The figures as a Markdown table."""
    pairs = list(zip(maps, wanted, strict=True))
    boxes = [(box_of_peak(one, THRESHOLD)[0], true.box) for one, true in pairs]
    strips = [(boxes_around(one, min(0.5, float(one.max()))), true.box) for one, true in pairs]
    points = [(find_peaks(one, threshold=THRESHOLD).points[0], true.mask) for one, true in pairs]
    filled = [(point, np.asarray(ndimage.binary_fill_holes(mask), dtype=bool)) for point, mask in points]
    around = [(point, boxed(mask)) for point, mask in points]
    rows = [
        ("Box of the peak: IoU at least .5", share(box_iou(*pair) >= 0.5 for pair in boxes)),
        ("Boxes around masks, above .5: the same", share(box_iou(*pair) >= 0.5 for pair in strips)),
        ("Peaks, n = 1: in the object's box", share(mask[y, x] for (x, y), mask in around)),
        ("on the object, its holes filled", share(mask[y, x] for (x, y), mask in filled)),
        ("on the object", share(mask[y, x] for (x, y), mask in points)),
    ]
    for keep in ("peak", "all"):
        at = {cut: mean_iou(maps, wanted, cut, keep) for cut in (THRESHOLD, *np.arange(0.4, 0.86, 0.05).tolist())}
        best = max(at, key=lambda cut: at[cut])
        rows.append(
            (f"Heatmap to mask, keep {keep}: mean IoU", f"{at[THRESHOLD]:.3f}; best {at[best]:.3f} at {best:.2f}")
        )
    head = f"| {len(maps)} scenes, kernel {KERNEL}, threshold {THRESHOLD} | |\n|---|---|"
    return "\n".join([head, *(f"| {name} | {value} |" for name, value in rows)])


def share(right: Iterable[bool]) -> str:
    return f"{np.mean(list(right)):.3f}"


def box_iou(found: Boxes, true: Sequence[int]) -> float:
    a = found.values[0].tolist()
    shared = max(0.0, min(a[2], true[2]) - max(a[0], true[0])) * max(0.0, min(a[3], true[3]) - max(a[1], true[1]))
    return shared / ((a[2] - a[0]) * (a[3] - a[1]) + (true[2] - true[0]) * (true[3] - true[1]) - shared)


def boxed(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """All of the box around a mask."""
    left, top, right, bottom = tight_box(mask)
    inside = np.zeros_like(mask)
    inside[top:bottom, left:right] = True
    return inside


def mean_iou(maps: list[Tensor], wanted: list[SceneObject], threshold: float, keep: Keep) -> float:
    ratios = []
    for one, true in zip(maps, wanted, strict=True):
        mask, truth = heatmap_to_mask(one, threshold=threshold, keep=keep)[0] > 0, torch.from_numpy(true.mask)
        ratios.append(float((mask & truth).sum() / (mask | truth).sum()))
    return float(np.mean(ratios))


if __name__ == "__main__":
    main()
