"""Training data of the demo CLIP: rendered pictures with the classes that are in them, and a tokenizer."""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import torch
from demo_clip_model import PATCH, SIZE
from PIL import Image
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from api_graph.demo.queries import CLASSES, random_query
from api_graph.demo.scenes import SIDE, Scene, scene

VOCABULARY = 512
"""Upper bound; the phrases have fewer merges to offer."""


class Pictures:
    """Pictures as the model sees them, uint8 (N, S, S, 3), and the classes in them, bool (N, 80)."""

    def __init__(self, images: np.ndarray, present: np.ndarray) -> None:
        self.images, self.present = torch.from_numpy(images), torch.from_numpy(present)

    def draw(self, rng: np.random.RandomState, count: int) -> tuple[Tensor, Tensor]:
        """`count` pictures, each mirrored with probability ½, and their classes."""
        chosen = torch.from_numpy(rng.randint(len(self.images), size=count))
        images = self.images[chosen]
        mirrored = torch.from_numpy(rng.rand(count) < 0.5)
        images[mirrored] = images[mirrored].flip(2)
        return images, self.present[chosen]


class Phrases:
    """A fresh phrase for every class, as token ids."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, context_length: int) -> None:
        self.tokenizer, self.context_length = tokenizer, context_length

    def draw(self, rng: np.random.RandomState) -> Tensor:
        """Token ids, (80, context length)."""
        texts = [random_query(rng, *meaning) for meaning in CLASSES]
        options = {"padding": "max_length", "truncation": True, "max_length": self.context_length}
        return self.tokenizer(texts, return_tensors="pt", **options).input_ids


def render_pools(workers: int = 1) -> dict[str, Pictures]:
    """The training pictures: up to three objects on a lattice, up to five on it, up to five anywhere."""
    cells = SIZE // PATCH
    plans = {
        "few": (range(8_000), partial(render, objects=(0, 3), lattice=cells)),
        "lattice": (range(100_000, 110_000), partial(render, objects=(0, 5), lattice=cells)),
        "free": (range(200_000, 230_000), partial(render, objects=(0, 5), stretch=True)),
    }
    with ProcessPoolExecutor(workers) as pool:
        return {name: _collect(pool.map(draw, seeds, chunksize=64)) for name, (seeds, draw) in plans.items()}


def render(
    seed: int, *, objects: tuple[int, int], lattice: int | None = None, stretch: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """A scene squashed to what the model sees, and its classes; `stretch`: half are not square before."""
    width = height = SIDE
    rng = np.random.RandomState(seed)
    if stretch and rng.rand() < 0.5:
        longer = round(SIDE * rng.uniform(1, 1.8))
        width, height = (longer, SIDE) if rng.rand() < 0.65 else (SIDE, longer)
    picture = scene(seed, objects, width=width, height=height, lattice=lattice)
    return np.asarray(picture.image.resize((SIZE, SIZE), Image.Resampling.BICUBIC)), classes_in(picture)


def _collect(rendered: Iterable[tuple[np.ndarray, np.ndarray]]) -> Pictures:
    images, present = zip(*rendered, strict=True)
    return Pictures(np.stack(images), np.stack(present))


def classes_in(picture: Scene) -> np.ndarray:
    """Which classes the scene holds, bool (80,)."""
    return np.array(
        [
            any(colour in (None, o.colour) and shape in (None, o.shape) for o in picture.objects)
            for colour, shape in CLASSES
        ]
    )


def build_tokenizer(context_length: int) -> PreTrainedTokenizerFast:
    """A byte-level BPE over phrases about scenes; letter case and punctuation make no difference to it."""
    rng = np.random.RandomState(0)
    phrases = [random_query(rng, *CLASSES[rng.randint(len(CLASSES))]) for _ in range(20_000)]
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.Sequence(
        [
            normalizers.NFKC(),
            normalizers.Lowercase(),
            normalizers.Replace(Regex(r"[^\p{L}\p{N}]+"), " "),
            normalizers.Strip(),
        ]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - 1,
        special_tokens=["<pad>", "<bos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(phrases, trainer)
    # open_clip pools the text at the largest id, so <eos> comes last.
    tokenizer.add_special_tokens(["<eos>"])
    ends = [(token, tokenizer.token_to_id(token)) for token in ("<bos>", "<eos>")]
    tokenizer.post_processor = processors.TemplateProcessing(single="<bos> $A <eos>", special_tokens=ends)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        model_max_length=context_length,
    )
