"""Does it help to show an LVLM where to look? Every strategy, way of pointing and control on the same questions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from api_graph.bench.answers import is_right
from api_graph.bench.localization import KERNEL, THRESHOLD
from api_graph.bench.scenes.answering import answers
from api_graph.bench.scenes.asking import annotated, items_of
from api_graph.bench.scenes.heatmaps import CONTROLS, METHODS, Asked, Heatmaps
from api_graph.bench.scenes.setting import Setting
from api_graph.bench.scenes.table import AGAINST, Part, Row, against
from api_graph.bench.scenes.ways import WAYS, Place, Way
from api_graph.demo.maps import cls_map
from api_graph.lvlm import LvlmModel, Request, contrast_preset
from api_graph.lvlm.steer import Steering, steer_preset
from api_graph.lvlm.strategies import extract_answer, strategy_prompt
from api_graph.lvlm.verdict import says_true
from api_graph.pixels.blend import alpha_blend
from api_graph.pixels.heatmap import mean_filter, normalize
from api_graph.pixels.peaks import box_of_peak
from api_graph.pixels.prompts import fgvp, preset, set_of_mark
from api_graph.pixels.read import to_pil, to_tensor
from api_graph.pixels.resize import to_pixels

_CLS, _OWN = "Ψcls", "its own attention"
_BLUR = 16.0
_TOKENS, _GAZE = 3, 3.0
"""Side of the filter over Ψcls's tokens, and strength of its fovea; picked on validation scenes."""


def pointing_part(setting: Setting) -> Part:
    """Questions about colours and shapes on harder scenes; every row is compared with the plain image."""
    count = setting.sizes.pointing
    asked = [a for kind in ("colour", "shape") for a in setting.asked(kind, count, "harder", targeted=True)]
    items, rows = items_of(asked), list[Row]()
    for name, said in _answers(setting, asked):
        right = [is_right(text, a.question.answer) for text, a in zip(said, asked, strict=True)]
        rows.append(against(name, items, said, right, rows[0] if rows else None))
    return Part(
        "pointing",
        "Does it help to show the LVLM where to look?",
        f"{len(asked)} questions about colours and shapes on harder scenes (5 objects, 40 strokes). Gained and lost: "
        "against the plain image, with the exact p-value of McNemar's test. Annotated: darkened by "
        f"{setting.strength:g} where the map is low; maps are clamped at 0, max-pooled 3×3 and stretched from 0 to 1. "
        "FGVP and set of mark use the true masks of all objects; the found box is that of Ψcls's peak.",
        "shown",
        AGAINST,
        rows,
        items,
    )


def _answers(setting: Setting, asked: Asked) -> list[tuple[str, list[str]]]:
    """By the row's name the answers; the plain image first."""
    heatmaps = {name: of(setting, asked) for name, of in {**METHODS, **CONTROLS}.items()}
    said = {name: answers(setting.lvlm, requests) for name, requests in _rows(setting, asked, heatmaps)}
    said["reflect: a second round after its own answer"] = _reflected(setting.lvlm, asked, said["the plain image"])
    shown = _annotated(asked, heatmaps[_CLS], setting.strength)
    chosen = f"annotated: {_CLS}"
    said["evaluate: annotated by Ψcls where that suffices"] = _evaluated(
        setting.lvlm, shown, said[chosen], said["the plain image"]
    )
    return list(said.items())


def _rows(setting: Setting, asked: Asked, heatmaps: Mapping[str, Heatmaps]) -> Iterator[tuple[str, Sequence[Request]]]:
    """Each row's name and requests, one after the other: the pictures of all rows together take gigabytes."""
    yield "the plain image", _requests(asked)
    yield "step by step", _requests(asked, [strategy_prompt(a.question.text, "step_by_step") for a in asked])
    for name in (*METHODS, *CONTROLS):
        yield f"annotated: {name}", _annotated(asked, heatmaps[name], setting.strength)
    yield "blurred by Ψcls", _blurred(asked, heatmaps[_CLS], setting.strength)
    shown = _annotated(asked, heatmaps[_CLS], setting.strength)
    own = _annotated(asked, heatmaps[_OWN], setting.strength)
    yield (
        "two images: annotated by Ψcls and by its own attention",
        [replace(one, images=(*one.images, *other.images)) for one, other in zip(shown, own, strict=True)],
    )
    hinted = [replace(one, question=strategy_prompt(one.question, "hint")) for one in shown]
    yield "annotated by Ψcls, with the hint", hinted
    yield from _gazing(setting, asked, shown).items()
    yield from _contrasted(asked).items()
    yield from _on_masks(asked).items()
    yield from _ways("the true box", asked, _true_places(asked), WAYS)
    yield from _ways("the found box", asked, _found_places(setting, asked), [way for way in WAYS if not way.by_mask])


def _requests(asked: Asked, texts: Sequence[str] | None = None) -> list[Request]:
    texts = [a.question.text for a in asked] if texts is None else texts
    return [Request(text, (a.scene.image,)) for text, a in zip(texts, asked, strict=True)]


def _annotated(asked: Asked, heatmaps: Heatmaps, strength: float) -> list[Request]:
    pictures = annotated(asked, heatmaps, strength)
    return [Request(a.question.text, images) for a, images in zip(asked, pictures, strict=True)]


def _blurred(asked: Asked, heatmaps: Heatmaps, strength: float) -> list[Request]:
    """Blurred where the heatmap is low, instead of darkened."""
    found = []
    for a, heatmap in zip(asked, heatmaps, strict=True):
        image = to_tensor(a.scene.image)[0]
        blurred = alpha_blend(image, heatmap, background="blur", blur_radius=_BLUR, strength=strength)
        found.append(Request(a.question.text, (to_pil(blurred)[0],)))
    return found


def _gazing(setting: Setting, asked: Asked, shown: Sequence[Request]) -> dict[str, list[Request]]:
    """Ψcls as the fovea of the LVLM, as `gaze_api` has it: alone, and on the annotated image.

    And boxes as foveas at the default strength: the true one for the answer's first token alone, and a wrong one.
    """
    gazes, first, wrong = list[Steering](), list[Steering](), list[Steering]()
    for a in asked:
        one = cls_map(setting.clip, [a.scene.image], [a.question.text])
        smooth = one.with_values(mean_filter(normalize(one.values), _TOKENS))
        gazes.append(Steering.of(smooth, strength=_GAZE))
    for a in asked:
        first += [Steering.of([o.box], rows="first") for o in a.scene.objects if o is a.question.target]
        wrong.append(Steering.of([next(o.box for o in a.scene.objects if o is not a.question.target)]))
    plain = _requests(asked)
    rows = {
        "fovea: Ψcls": (plain, gazes),
        "annotated by Ψcls, which is the fovea too": (shown, gazes),
        "fovea: the true box, for the first token alone": (plain, first),
        "fovea: another object's box": (plain, wrong),
    }
    return {
        name: [replace(one, steering=way) for one, way in zip(requests, ways, strict=True)]
        for name, (requests, ways) in rows.items()
    }


def _contrasted(asked: Asked) -> dict[str, list[Request]]:
    """The methods that point nowhere, but make the model look at the image more: as their papers have them."""
    pai, vcd = contrast_preset("PAI"), contrast_preset("VCD")
    boosted = Steering.of("image", **steer_preset("PAI"))
    return {
        "PAI: all of the image boosted, against no image": [
            replace(one, steering=boosted, contrast=pai) for one in _requests(asked)
        ],
        "VCD: against the image with noise": [replace(one, contrast=vcd) for one in _requests(asked)],
    }


def _on_masks(asked: Asked) -> dict[str, list[Request]]:
    """FGVP and set of mark as the API paper has them: all objects, not knowing which one is asked about."""
    found: dict[str, list[Request]] = {"FGVP, reverse blur": [], "FGVP, mask": [], "set of mark": []}
    for a in asked:
        image = to_tensor(a.scene.image)[0]
        masks = torch.stack([torch.from_numpy(o.mask).float() for o in a.scene.objects])
        pictures: dict[str, Tensor] = {
            "FGVP, reverse blur": fgvp(image, masks, together=True, **preset("fgvp", "fgvp_reverse_blur")),
            "FGVP, mask": fgvp(image, masks, together=True, **preset("fgvp", "fgvp_mask")),
            "set of mark": set_of_mark(image, masks, **preset("set_of_mark", "som")).image,
        }
        for name, picture in pictures.items():
            found[name].append(Request(a.question.text, (to_pil(picture)[0],)))
    return {f"{name}, all objects": requests for name, requests in found.items()}


def _ways(
    where: str, asked: Asked, places: Sequence[Place], ways: Sequence[Way]
) -> Iterator[tuple[str, list[Request]]]:
    for way in ways:
        requests = [way.request(a.question.text, place) for a, place in zip(asked, places, strict=True)]
        yield f"{where}: {way.name}", requests


def _true_places(asked: Asked) -> list[Place]:
    return [Place.of(a.scene, a.question.target) for a in asked if a.question.target]


def _found_places(setting: Setting, asked: Asked) -> list[Place]:
    """The box of the peak of Ψcls for the question."""
    found = []
    for a in asked:
        one = cls_map(setting.clip, [a.scene.image], [a.question.text])
        smooth = mean_filter(to_pixels(one.with_values(normalize(one.values))), KERNEL)
        found.append(Place(to_tensor(a.scene.image)[0], box_of_peak(smooth, THRESHOLD)[0].values))
    return found


def _reflected(model: LvlmModel, asked: Asked, first: Sequence[str]) -> list[str]:
    texts = [
        strategy_prompt(a.question.text, "reflect", said) if said.strip() else a.question.text
        for a, said in zip(asked, first, strict=True)
    ]
    return [extract_answer(text) for text in answers(model, _requests(asked, texts))]


def _evaluated(
    model: LvlmModel, shown: Sequence[Request], with_map: Sequence[str], without: Sequence[str]
) -> list[str]:
    """The answer about the annotated image where the model says that it suffices, else about the plain one."""
    verdicts = answers(model, [replace(one, question=strategy_prompt(one.question, "evaluate")) for one in shown])
    return [
        said if says_true(verdict) else other for verdict, said, other in zip(verdicts, with_map, without, strict=True)
    ]
