"""Words of an answer: nodes/words.py."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from api_graph.context import Context, SaveContext
from api_graph.geometry import Geometry
from api_graph.lvlm import LvlmModel, WordMaps, lvlm_attribution
from api_graph.lvlm.steer import Steering
from api_graph.lvlm.word_page import words_page
from api_graph.lvlm.word_pictures import words_strip
from api_graph.lvlm.words import Word
from api_graph.pixels.read import to_pil, to_tensor
from api_graph.sockets import Attribution
from tests.nodes.case import Case, at, case, refused
from tests.nodes.world import World


@case("APLvlmWords")
def map_words(world: World) -> Case:
    def expected(
        context: Context,
        model: LvlmModel,
        image: Tensor,
        query: str,
        method: Any,
        layers: str,
        normalization: Any,
        max_new_tokens: int,
        answer: str,
        steering: Steering | None,
    ) -> tuple[WordMaps, str]:
        found = lvlm_attribution(
            to_pil(image)[0],
            query,
            model,
            layers=layers,
            normalize=normalization,
            max_tokens=max_new_tokens,
            answer=answer if answer.strip() else None,
            method=method,
            fovea=steering,
        )
        context.show_text(found.answer)
        return WordMaps(found.answer, found.words, query, method), found.answer

    told, box = "a red ring", [[0, 0, 60, 60]]
    return Case(
        expected,
        given={"model": world.lvlm, "image": world.picture(1), "query": "What colour is the ring?"},
        others={
            "model": at(world.other_lvlm),
            "image": at(world.picture(2, width=240)),
            "query": at("Describe the picture."),
            "method": at("activation", answer=told),
            "layers": at("1, 3"),
            "normalization": at("image_only"),
            "max_new_tokens": at(1, answer=told),
            "answer": at(told),
            "steering": [at(Steering.of(box)), at(Steering.of(box), method="activation", answer=told)],
        },
        refusals=[
            refused("layers", layers="99"),
            refused("layers", layers="1", method="activation"),
            refused("normalization", normalization="sideways"),
            refused("steering", steering=Steering.of([box, box])),
            refused("steering", steering=Steering.of([[500, 500, 600, 600]])),
            refused("steering", steering=Steering.of(box, layers=[9])),
            refused("steering", steering=Steering.of(box, heads=[9])),
            refused("image", image=torch.cat([world.picture(2), world.picture(3)])),
        ],
        tolerance=1e-4,
    )


def word_maps(world: World, seed: int, *texts: str, method: Any = "attention") -> WordMaps:
    """Random maps of an image of 60 × 40 for the words of an answer."""
    answer, words, start = " ".join(texts), [], 0
    for step, text in enumerate(texts):
        maps = Attribution(world.noise(1, 3, 4, seed=seed + step), (Geometry.whole(60, 40),))
        words.append(Word(text, start, start + len(text), (step,), maps))
        start += len(text) + 1
    return WordMaps(answer, tuple(words), "What?", method)


@case("APMapOfWords")
def map_of_words(world: World) -> Case:
    maps = word_maps(world, 1, "red", "car")

    def expected(words: WordMaps, phrase: str, result: str) -> Attribution:
        chosen = [one for one in words.words if not phrase or one.text == phrase]
        values = torch.stack([one.map for one in chosen])
        if result == "each":
            return Attribution(values, (Geometry.whole(60, 40),) * len(chosen))
        return Attribution(values.mean(0, keepdim=True), (Geometry.whole(60, 40),))

    return Case(
        expected,
        given={"words": maps},
        others={"words": at(word_maps(world, 5, "red")), "phrase": at("car"), "result": at("each")},
        refusals=[refused("phrase", phrase="green")],
    )


def others_of_both(world: World) -> dict[str, Any]:
    return {
        "image": at(world.noise(1, 40, 60, 3, seed=3)),
        "words": at(word_maps(world, 5, "red", "bus")),
        "beside": at(word_maps(world, 7, "red", "car", method="activation")),
        "scale": at("answer"),
        "colormap": at("viridis"),
    }


@case("APWordsStrip")
def strip(world: World) -> Case:
    def expected(image: Tensor, words: WordMaps, beside: WordMaps | None, **settings: Any) -> Tensor:
        readings = [words, beside] if beside else [words]
        return to_tensor(words_strip(to_pil(image)[0], readings, **settings))[0]

    return Case(
        expected,
        given={"image": world.noise(1, 40, 60, 3, seed=1), "words": word_maps(world, 1, "red", "car")},
        others={**others_of_both(world), "opacity": at(0.25), "columns": at(2), "cell": at(32)},
        refusals=[
            refused("image", image=world.noise(2, 40, 60, 3)),
            refused("words", image=world.noise(1, 40, 70, 3)),
            refused("beside", beside=word_maps(world, 1, "blue")),
        ],
    )


@case("APSaveWordsPage")
def save_page(world: World) -> Case:
    def expected(
        image: Tensor,
        words: WordMaps,
        context: SaveContext,
        beside: WordMaps | None,
        filename_prefix: str,
        **settings: Any,
    ) -> str:
        page = words_page(to_pil(image)[0], [words, beside] if beside else [words], **settings)
        name = f"{filename_prefix}_00001_.html"
        path = context.folders.output / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page, "utf-8")
        context.show_file(path, kind="pages")
        context.show_text(name)
        return name

    return Case(
        expected,
        given={"image": world.noise(1, 40, 60, 3, seed=1), "words": word_maps(world, 1, "red", "car")},
        others={**others_of_both(world), "filename_prefix": at("folder/mine")},
        refusals=[
            refused("image", image=world.noise(2, 40, 60, 3)),
            refused("words", image=world.noise(1, 40, 70, 3)),
            refused("filename_prefix", filename_prefix="../mine"),
            refused("filename_prefix", filename_prefix="m" * 300),
        ],
    )
