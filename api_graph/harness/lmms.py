"""Models of lmms-eval that show another of its models annotated pictures.

    lmms-eval --model api_graph --model_args inner=llava_hf,pretrained=...,graph=api_clip --tasks textvqa_val

`inner` is the model that answers, chat or simple as this one is, and gets all arguments that are not named here;
`graph` annotates, `picture` is the title of the node that saves what is shown, and `set:NAME=VALUE` sets an input of
the graph. `query` is the column of a task's documents with the raw question, from which the map is made;
`query=context` takes the whole prompt.
"""

from __future__ import annotations

import copy
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from lmms_eval.api.instance import Instance  # pyright: ignore[reportMissingImports]
from lmms_eval.api.model import lmms  # pyright: ignore[reportMissingImports]
from lmms_eval.models import get_model  # pyright: ignore[reportMissingImports]
from PIL import Image

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.harness.annotator import Annotator

Doc = Mapping[str, Any]
Place = tuple[str, str, int]
"""A document: its task, its split, and its number there."""

_FILES = "api_graph.files"
_CONTEXT = "context"


class _Annotated(lmms):
    """Hands all requests on to the inner model, with annotated pictures in the place of the documents' own."""

    shown_at: ClassVar[int]
    """Which argument of a request is the function that gives a document's pictures."""

    def __init__(
        self,
        inner: str,
        graph: str = "api_clip",
        picture: str = "Annotated image",
        query: str = "question",
        **more: Any,
    ) -> None:
        super().__init__()
        settings = {name.removeprefix("set:"): value for name, value in more.items() if name.startswith("set:")}
        self.annotator, self.query = Annotator(graph, picture, settings), query
        model = get_model(inner, force_simple=self.is_simple)
        if model.is_simple != self.is_simple:
            kinds = (
                ("chat", "Run it with --force_simple.") if model.is_simple else ("simple", "Leave out --force_simple.")
            )
            raise BadInput(f"it is no {kinds[0]} model", input="inner", value=inner, hint=kinds[1])
        self.inner: lmms = model(**{name: value for name, value in more.items() if not name.startswith("set:")})

    def generate_until(self, requests: list[Instance]) -> list[Any]:
        """The inner model's answers about the annotated pictures."""
        return self._answered(requests, self.inner.generate_until)

    def loglikelihood(self, requests: list[Instance]) -> list[Any]:
        """The inner model's likelihoods, given the annotated pictures."""
        return self._answered(requests, self.inner.loglikelihood)

    def generate_until_multi_round(self, requests: list[Instance]) -> list[Any]:
        """Not supported: raises BadInput."""
        problem = "tasks of several rounds are not supported: each round has pictures of its own"
        raise BadInput(problem, input="tasks", value=requests[0].task_name if requests else None)

    def _answered(self, requests: list[Instance], answer: Callable[[list[Instance]], list[Any]]) -> list[Any]:
        with tempfile.TemporaryDirectory(prefix="api_graph_") as folder:
            files = self._annotated(requests, Path(folder))
            self.inner.task_dict = self._documents(files)
            if self._world_size > 1:  # lmms-eval has set them here, for the outer model alone
                self.inner._rank, self.inner._world_size = self._rank, self._world_size
            try:
                return answer([self._replaced(request) for request in requests])
            finally:
                self.inner.task_dict = self.task_dict

    def _annotated(self, requests: Sequence[Instance], folder: Path) -> dict[Place, list[Path]]:
        """The files of each document's annotated pictures."""
        asked: dict[Place, tuple[Callable[[Doc], Any], str]] = {}
        for request in requests:
            if len(request.args) <= 5:  # a likelihood without a picture
                continue
            place = _place(request)
            one = request.args[self.shown_at], self._question(request)
            if asked.setdefault(place, one)[1] != one[1]:
                problem = "two prompts are about one document"
                raise BadInput(problem, input="query", value=self.query, hint="Name a column with the raw question.")
        counts: dict[Place, int] = {}

        def pictures() -> Iterator[tuple[Image.Image, str]]:
            for place, (shown, question) in asked.items():
                found = list(self.pictures(shown(self._document(place))))
                counts[place] = len(found)
                yield from ((picture, question) for picture in found)

        files = iter(self.annotator.annotate(pictures(), folder))
        without = sum(not count for count in counts.values())
        if without:
            told = f"{without} of {len(counts)} documents have no picture, and are handed on as they are"
            warnings.warn(told, ApiGraphWarning, stacklevel=2)
        return {place: [next(files) for _ in range(count)] for place, count in counts.items()}

    def _question(self, request: Instance) -> str:
        if self.query == _CONTEXT:
            return str(request.args[0])
        document = self._document(_place(request))
        if not isinstance(document.get(self.query), str):
            columns = ", ".join(name for name, value in document.items() if isinstance(value, str))
            hint = f"Documents of {request.args[4]} have: {columns}. query=context takes the whole prompt."
            raise BadInput("the documents have no such text", input="query", value=self.query, hint=hint)
        return document[self.query]

    def _document(self, place: Place) -> Doc:
        task, split, number = place
        return self.task_dict[task][split][number]

    def _documents(self, files: Mapping[Place, list[Path]]) -> dict[str, Any]:
        """The tasks' documents, each with its files: models ask one request's function for the documents of others."""
        found: dict[str, Any] = {task: {**splits} for task, splits in self.task_dict.items()}
        for task, split, _ in files:
            found[task][split] = _Documents(self.task_dict[task][split], partial(_files_of, files, task, split))
        return found

    def _replaced(self, request: Instance) -> Instance:
        if len(request.args) <= 5:
            return request
        replaced, arguments = copy.copy(request), list(request.args)
        arguments[self.shown_at] = partial(self._shown, arguments[self.shown_at])
        replaced.arguments = tuple(arguments)
        return replaced

    def _shown(self, original: Callable[[Doc], Any], document: Doc) -> Any:
        files = iter(document[_FILES])
        return self.put(original({name: v for name, v in document.items() if name != _FILES}), files)

    def pictures(self, shown: Any) -> Iterator[Image.Image]:
        """The pictures in what a document's function gives."""
        raise NotImplementedError

    def put(self, shown: Any, files: Iterator[Path]) -> Any:
        """The same with the pictures of the files instead."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------ what lmms-eval asks of a model

    def __getattr__(self, name: str) -> Any:
        """What this model does not have, such as an accelerator or a tokenizer, is the inner model's."""
        if name == "inner":
            raise AttributeError(name)
        return getattr(self.inner, name)

    @property
    def rank(self) -> int:
        return self._rank if self._world_size > 1 else self.inner.rank

    @property
    def world_size(self) -> int:
        return self._world_size if self._world_size > 1 else self.inner.world_size

    def set_cache_hook(self, cache_hook: Any) -> None:
        super().set_cache_hook(cache_hook)
        self.inner.set_cache_hook(cache_hook)

    def clean(self) -> None:
        self.inner.clean()


class AnnotatedSimple(_Annotated):
    """For models that get a list of pictures and a prompt."""

    is_simple = True
    shown_at = 2

    def pictures(self, shown: Any) -> Iterator[Image.Image]:
        """Those of the list; videos and sounds are none."""
        return (one for one in shown or () if isinstance(one, Image.Image))

    def put(self, shown: Any, files: Iterator[Path]) -> Any:
        """The list with other pictures."""
        return [_opened(next(files)) if isinstance(one, Image.Image) else one for one in shown or ()]


class AnnotatedChat(_Annotated):
    """For models that get messages, pictures among them."""

    is_simple = False
    shown_at = 1

    def pictures(self, shown: Any) -> Iterator[Image.Image]:
        """Those of all messages, in their order."""
        for message in shown:
            for part in message["content"]:
                if part["type"] != "image":
                    continue
                if not isinstance(part["url"], Image.Image):
                    raise BadInput("a message names a picture, where it should hold it", input="url", value=part["url"])
                yield part["url"]

    def put(self, shown: Any, files: Iterator[Path]) -> Any:
        """The messages with other pictures."""
        return [
            {
                **message,
                "content": [
                    {**part, "url": _opened(next(files))} if part["type"] == "image" else part
                    for part in message["content"]
                ],
            }
            for message in shown
        ]


class _Documents:
    """A split whose documents have the files of their pictures with them."""

    def __init__(self, documents: Any, files: Callable[[int], list[Path]]) -> None:
        self._documents, self._files = documents, files

    def __getitem__(self, number: int) -> Doc:
        return {**self._documents[number], _FILES: self._files(number)}

    def __len__(self) -> int:
        return len(self._documents)


def _files_of(files: Mapping[Place, list[Path]], task: str, split: str, number: int) -> list[Path]:
    return files[task, split, number]


def _place(request: Instance) -> Place:
    number, task, split = request.args[3:6]
    return task, split, number


def _opened(file: Path) -> Image.Image:
    with Image.open(file) as picture:
        return picture.convert("RGB")
