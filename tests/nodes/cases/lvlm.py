"""LVLMs: nodes/lvlm.py."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from api_graph.context import Context
from api_graph.lvlm import Contrast, HeadProfile, LvlmModel, Request, Sampling, ask_all, lvlm_attribution
from api_graph.lvlm.heads.profile import other_heads as drawn_instead
from api_graph.lvlm.steer import Steering
from api_graph.pixels.read import to_pil
from api_graph.sockets import Attribution
from tests.lvlm.heads.made import profile_of
from tests.nodes.case import Case, at, case, refused
from tests.nodes.world import World


@case("APLvlmAttention")
def attend(world: World) -> Case:
    def expected(
        context: Context,
        model: LvlmModel,
        image: Tensor,
        query: str,
        hint: str,
        layers: str,
        steps: str,
        first_step: int,
        last_step: int,
        phrase: str,
        normalization: Any,
        max_new_tokens: int,
        answer: str,
        steering: Steering | None,
        profile: HeadProfile | None,
        other_heads: int,
    ) -> tuple[Attribution, str]:
        heads = profile.heads if profile else None
        if heads and other_heads >= 0:
            heads = drawn_instead(heads, dict.fromkeys(range(4), range(4)), other_heads)
        which = {"range": range(first_step, last_step + 1), "phrase": phrase}
        found = [
            lvlm_attribution(
                picture,
                hint if hint.strip() else query,
                model,
                layers=None if layers in ("auto", "", "profile") else [int(number) for number in layers.split(",")],
                steps=which.get(steps, steps),
                normalize=normalization,
                max_tokens=max_new_tokens,
                answer=answer if answer.strip() else None,
                heads=heads,
                fovea=None if steering is None else replace(steering, foveas=steering.foveas[i : i + 1]),
            )
            for i, picture in enumerate(to_pil(image))
        ]
        said = "\n".join(one.answer for one in found)
        context.show_text(said)
        return Attribution(torch.stack([one.map for one in found]), tuple(one.geometry for one in found)), said

    told, box = "a red ring", [[0, 0, 60, 90]]
    profile, foreign = profile_of(world.lvlm), profile_of(world.other_lvlm)
    return Case(
        expected,
        given={"model": world.lvlm, "image": world.picture(1), "query": "What colour is the ring?"},
        others={
            "model": at(world.other_lvlm),
            "image": at(torch.cat([world.picture(2, width=240), world.picture(3, width=240)])),
            "query": at("What shape is the red thing, and where?"),
            "hint": at("Is there a star?"),
            "layers": [at("0"), at("1, 3"), at("-1")],
            "steps": [at("first"), at("range", last_step=1, first_step=1), at("phrase", answer=told, phrase="ring")],
            "first_step": at(1, steps="range", last_step=2, answer=told),
            "last_step": at(1, steps="range", answer=told),
            "phrase": at("ring", steps="phrase", answer=told),
            "normalization": at("image_only"),
            "max_new_tokens": at(1, answer=told),
            "answer": at(told),
            "steering": [
                at(Steering.of(box)),
                at(Steering.of([box, None], strength=1.0), image=torch.cat([world.picture(2), world.picture(3)])),
                at(Steering.of(box, mode="scale", layers=[1]), answer=told),
                at(Steering.of(box, heads=profile), answer=told),
            ],
            "profile": [at(profile, layers="profile"), at(profile.chosen(count=5), layers="profile", answer=told)],
            "other_heads": at(3, layers="profile", profile=profile),
        },
        refusals=[
            refused("layers", layers="99"),
            refused("layers", layers="the last"),
            refused("steps", steps="phrase", phrase="hippopotamus"),
            refused("phrase", steps="phrase"),
            refused("last_step", steps="range", first_step=2, last_step=1),
            refused("normalization", normalization="sideways"),
            refused("steering", steering=Steering.of([box, box])),
            refused("steering", steering=Steering.of([[500, 500, 600, 600]])),
            refused("steering", steering=Steering.of(box, layers=[9])),
            refused("steering", steering=Steering.of(box, heads=[9])),
            refused("steering", steering=Steering.of(box, heads=foreign)),
            refused("layers", layers="profile"),
            refused("layers", profile=profile),
            refused("profile", layers="profile", profile=foreign),
            refused("profile", layers="profile", profile=profile.chosen(count=9), other_heads=0),
            refused("other_heads", other_heads=0),
        ],
    )


@case("APQueryLVLM")
def query_lvlm(world: World) -> Case:
    def expected(
        context: Context,
        model: LvlmModel,
        question: str,
        image: Tensor | None,
        image_2: Tensor | None,
        image_3: Tensor | None,
        image_4: Tensor | None,
        system: str,
        max_tokens: int,
        temperature: float,
        seed: int,
        steering: Steering | None,
        contrast: Contrast | None,
    ) -> tuple[Any, ...]:
        images = [to_pil(batch) for batch in (image, image_2, image_3, image_4) if batch is not None]
        request = Request(question, tuple(picture for batch in images for picture in batch), system, steering, contrast)
        (answer,) = ask_all(model, [request], Sampling(max_tokens=max_tokens, temperature=temperature, seed=seed))
        assert not isinstance(answer, Exception)
        context.show_text(answer.text)
        return answer.text, answer.tokens, answer.seconds, answer.model, answer.finish_reason

    pictures = [world.picture(seed) for seed in range(6)]
    return Case(
        expected,
        given={"model": world.other_lvlm, "question": "What is there?", "image": pictures[0], "max_tokens": 8},
        others={
            "model": at(world.lvlm),
            "question": at("What colour is the ring?"),
            "image": [at(pictures[1]), at(torch.cat(pictures[1:3]))],
            "image_2": at(pictures[1]),
            "image_3": at(pictures[2], image_2=pictures[1]),
            "image_4": at(pictures[3], image_2=pictures[1], image_3=pictures[2]),
            "system": at("Be brief."),
            "max_tokens": at(2),
            "temperature": at(1.5),
            "seed": at(7, temperature=1.5),
            "steering": [
                at(Steering.of([[0, 0, 60, 90]])),
                at(Steering.of([None, [[0, 0, 60, 90]]], mode="boost"), image_2=pictures[1]),
                at(Steering.of("image", mode="scale", strength=3.0)),
            ],
            "contrast": [
                at(Contrast("no_image", strength=4.0)),
                at(Contrast("complement", strength=6.0, cut=0.0), steering=Steering.of([[0, 0, 60, 90]], strength=1.0)),
            ],
        },
        refusals=[
            refused("steering", steering=Steering.of("image", layers=[9])),
            refused("steering", steering=Steering.of("image", heads=[9])),
            refused("steering", steering=Steering.of([[500, 500, 600, 600]])),
            refused("steering", steering=Steering.of(["image", "image"])),
            refused("contrast", contrast=Contrast("no_fovea")),
            refused("contrast", contrast=Contrast("no_image"), image=None),
        ],
        view=lambda reply: reply if isinstance(reply, Exception) else (reply[0], reply[1], *reply[3:]),
    )


@case("APChooseImage")
def choose_image(world: World) -> Case:
    def expected(context: Context, verdict: str, when_true: Any, when_false: Any, unclear: str) -> Any:
        chosen = {"T": "when_true", "F": "when_false"}.get(verdict, unclear)
        unsaid = "" if verdict in ("T", "F") else " (no clear verdict)"
        context.show_text(f"{chosen.replace('_', ' ')}{unsaid}: {verdict}")
        return when_true if chosen == "when_true" else when_false, chosen == "when_true"

    images = [world.noise(1, 4, 5, 3, seed=seed) for seed in range(3)]
    return Case(
        expected,
        given={"verdict": "T", "when_true": images[0], "when_false": images[1]},
        others={
            "verdict": at("F"),
            "when_true": at(images[2]),
            "when_false": at(images[2], verdict="F"),
            "unclear": at("when_true", verdict="perhaps"),
        },
        refusals=[refused("when_true", when_true=None), refused("when_false", verdict="F", when_false=None)],
    )
