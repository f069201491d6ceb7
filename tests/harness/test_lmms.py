"""The plugin of lmms-eval, offline, on local tasks: each document is answered from its own annotated pictures."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("lmms_eval", reason="needs the extra lmms")

from lmms_eval import evaluator, models  # pyright: ignore[reportMissingImports]
from lmms_eval.api.instance import Instance  # pyright: ignore[reportMissingImports]
from lmms_eval.models.registry_v2 import ModelManifest  # pyright: ignore[reportMissingImports]
from lmms_eval.tasks import TaskManager  # pyright: ignore[reportMissingImports]

from api_graph import run_graph
from api_graph.demo.queries import plain_query
from api_graph.demo.scenes import scene
from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.harness import manifest
from api_graph.harness.lmms import AnnotatedChat, AnnotatedSimple
from tests.harness.inner import KNOWN, NameChat, name_of

pytestmark = pytest.mark.filterwarnings("default")  # of lmms-eval and what it brings

COUNT = 6
UTILS = """
import json
from PIL import Image

def pictures(doc, kwargs=None):
    return [Image.open(path).convert("RGB") for path in json.loads(doc["pictures"])]

def messages(doc, kwargs=None):
    content = [{"type": "image", "url": one} for one in pictures(doc)]
    return [{"role": "user", "content": [*content, {"type": "text", "text": doc["question"]}]}]

def prompt(doc, kwargs=None):
    return doc["question"] + "\\nAnswer with a word."
"""
TASK = """
task: t_words
dataset_path: json
dataset_kwargs:
  data_files:
    validation: {data}
test_split: validation
output_type: generate_until
doc_to_visual: !function utils.pictures
doc_to_messages: !function utils.messages
doc_to_text: !function utils.prompt
doc_to_target: answer
metric_list:
  - metric: exact_match
    aggregation: mean
    higher_is_better: true
"""


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """What the entry point does where the package is installed, and the model that answers."""
    registry = models.MODEL_REGISTRY_V2
    registry.register_manifest(manifest(), overwrite=True)
    paths = {f"{kind}_class_path": f"tests.harness.inner.Name{kind.capitalize()}" for kind in ("simple", "chat")}
    registry.register_manifest(ModelManifest("t_name", **paths), overwrite=True)
    registry.register_manifest(ModelManifest("t_name_simple", simple_class_path=paths["simple_class_path"]))
    registry.register_manifest(ModelManifest("t_name_chat", chat_class_path=paths["chat_class_path"]))
    yield


@pytest.fixture(scope="module")
def documents(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """Scenes with a question each; the second has two pictures. The answer names what the graph makes of them."""
    folder = tmp_path_factory.mktemp("documents")
    found = []
    for number in range(COUNT):
        drawn = scene(number, (3, 3))
        question = plain_query(drawn.objects[0].colour, drawn.objects[0].shape)
        paths = []
        for which in range(1 + (number == 1)):
            paths.append(str(folder / f"{number}_{which}.png"))
            scene(number + 50 * which, (3, 3)).image.save(paths[-1])
        KNOWN[f"annotated {number}"] = [_annotated(path, question, folder) for path in paths]
        found.append({"question": question, "pictures": json.dumps(paths), "answer": f"annotated {number}"})
    assert [name_of(pictures) for pictures in KNOWN.values()] == list(KNOWN)
    return found


def _annotated(path: str, question: str, folder: Path) -> Image.Image:
    """By another way than the plugin's: `run_graph`, a picture at a time."""
    outputs = run_graph("api_clip_cls", {"image": path, "query": question}, cache=False, output=folder / "out")
    with Image.open(outputs["11"]["files"][0]) as picture:
        return picture.convert("RGB")


@pytest.fixture
def tasks(tmp_path: Path, documents: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    data = tmp_path / "val.json"
    data.write_text("\n".join(json.dumps(document) for document in documents), "utf-8")
    folder = tmp_path / "tasks"
    folder.mkdir()
    (folder / "utils.py").write_text(UTILS, "utf-8")
    (folder / "t_words.yaml").write_text(TASK.format(data=data), "utf-8")
    return folder


def score(tasks: Path, task: str, model: str, *, simple: bool, **arguments: str) -> float:
    found = evaluator.simple_evaluate(
        model=model,
        model_args=",".join(f"{name}={value}" for name, value in arguments.items()),
        tasks=[task],
        task_manager=TaskManager(include_path=str(tasks), include_defaults=False, model_name=model),
        batch_size=1,
        bootstrap_iters=0,
        force_simple=simple,
    )
    assert found is not None
    (value,) = (v for name, v in found["results"][task].items() if name.startswith("exact_match,"))
    return float(value)


GRAPH = {"inner": "t_name", "graph": "api_clip_cls"}


@pytest.mark.parametrize("simple", [True, False])
def test_every_document_is_answered_from_its_own_annotated_pictures(tasks: Path, simple: bool) -> None:
    assert score(tasks, "t_words", "t_name", simple=simple) == 0
    assert score(tasks, "t_words", "api_graph", simple=simple, **GRAPH) == 1


def test_settings_reach_the_graph(tasks: Path) -> None:
    """A strength of 1 is the graph's own; with another one the pictures are others."""
    assert score(tasks, "t_words", "api_graph", simple=True, **GRAPH, **{"set:Alpha blend.strength": "1.0"}) == 1
    assert score(tasks, "t_words", "api_graph", simple=True, **GRAPH, **{"set:Alpha blend.strength": "0.5"}) == 0


def test_the_map_is_of_the_raw_question_or_of_the_prompt(tasks: Path) -> None:
    assert score(tasks, "t_words", "api_graph", simple=True, **GRAPH, query="context") == 0


def test_likelihoods_are_of_the_annotated_pictures(documents: list[dict[str, Any]]) -> None:
    """Several choices are about one document; one that lmms-eval asks for without a picture is handed on."""
    model = AnnotatedSimple("t_name", graph="api_clip_cls")
    model.task_dict = {"task": {"val": documents}}

    def shown(document: dict[str, Any]) -> list[Image.Image]:
        return [Image.open(path).convert("RGB") for path in json.loads(document["pictures"])]

    metadata: dict[str, Any] = {"task": "task", "doc_id": 0, "repeats": 1}
    asked = [
        Instance("loglikelihood", ("A prompt", f" annotated {choice}", shown, number, "task", "val"), choice, metadata)
        for number in (0, 1, 2)
        for choice in (0, 1, 2)
    ]
    asked.append(Instance("loglikelihood", ("", "annotated 0"), 0, metadata))
    likely = [alike for _, alike in model.loglikelihood(asked)]
    assert [likely[:3], likely[3:6], likely[6:9]] == np.eye(3, dtype=bool).tolist()
    assert likely[9:] == [False]


def test_other_arguments_are_the_inner_model_s(tasks: Path) -> None:
    assert score(tasks, "t_words", "api_graph", simple=True, **GRAPH, suffix="x") == 0
    model = AnnotatedSimple.create_from_arg_string("inner=t_name,suffix=x,depth=3", {"batch_size": 2, "device": "cpu"})
    assert model.inner.suffix == "x"
    assert model.inner.others == {"depth": 3, "batch_size": 2, "device": "cpu"}
    assert (model.tokenizer_name, model.rank, model.world_size, hasattr(model, "accelerator")) == ("none", 0, 1, False)


def test_what_does_not_fit_is_told() -> None:
    with pytest.raises(
        BadInput, match=r"inner: it is no chat model \(got 't_name_simple'\)\. Run it with --force_simple"
    ):
        AnnotatedChat("t_name_simple")
    with pytest.raises(BadInput, match=r"inner: it is no simple model.* Leave out --force_simple"):
        AnnotatedSimple("t_name_chat")
    with pytest.raises(BadInput, match=r"picture: names no node .* It saves: Annotated image, Heatmap"):
        AnnotatedSimple("t_name", picture="annotated")
    with pytest.raises(BadInput, match="graph"):
        AnnotatedSimple("t_name", graph="no_such_graph")


def requests(documents: list[dict[str, Any]], shown: Any, *, where: int = 2) -> list[Instance]:
    """As lmms-eval makes them."""
    found = []
    for number in range(len(documents)):
        arguments: list[Any] = ["A prompt", {}, {}, number, "task", "val"]
        arguments[where] = shown
        metadata: dict[str, Any] = {"task": "task", "doc_id": number, "repeats": 1}
        found.append(Instance("generate_until", tuple(arguments), 0, metadata))
    return found


def test_documents_without_a_picture_are_handed_on_and_counted() -> None:
    documents = [{"question": "a ring", "n": 0}, {"question": "a star", "n": 1}]
    picture = scene(3).image
    KNOWN.update({"nothing": [], "plain": [picture]})
    model = AnnotatedSimple("t_name", graph="api_clip_cls")
    model.task_dict = {"task": {"val": documents}}
    with pytest.warns(ApiGraphWarning, match="1 of 2 documents have no picture"):
        said = model.generate_until(requests(documents, lambda doc: [picture] * doc["n"] + ["film.mp4"]))
    assert said == ["nothing", "unknown"]
    assert model.inner.task_dict is model.task_dict


def test_a_document_without_the_question_is_told() -> None:
    documents = [{"question_text": "a ring", "number": 3}]
    model = AnnotatedSimple("t_name", graph="api_clip_cls")
    model.task_dict = {"task": {"val": documents}}
    with pytest.raises(BadInput, match=r"query: .* Documents of task have: question_text\. query=context takes"):
        model.generate_until(requests(documents, lambda doc: [scene(3).image]))


def test_two_prompts_about_one_document_need_the_raw_question() -> None:
    documents = [{"question": "a ring"}]
    model = AnnotatedSimple("t_name", graph="api_clip_cls", query="context")
    model.task_dict = {"task": {"val": documents}}
    asked = requests(documents, lambda doc: [scene(3).image])
    other = requests(documents, asked[0].args[2])
    other[0].arguments = ("Another prompt", *other[0].args[1:])
    with pytest.raises(BadInput, match="query: two prompts are about one document"):
        model.generate_until([*asked, *other])


def test_a_picture_that_a_message_only_names_is_told() -> None:
    documents = [{"question": "a ring"}]
    model = AnnotatedChat("t_name", graph="api_clip_cls")
    model.task_dict = {"task": {"val": documents}}
    message = {"role": "user", "content": [{"type": "image", "url": "ring.png"}]}
    with pytest.raises(BadInput, match="url: a message names a picture, where it should hold it"):
        model.generate_until(requests(documents, lambda doc: [message], where=1))


def test_the_documents_functions_see_what_they_gave() -> None:
    """Neither the function nor the requests are changed, and the messages keep what is no picture."""
    documents = [{"question": "a ring"}]
    seen: list[dict[str, Any]] = []
    picture = scene(3).image

    def messages(document: dict[str, Any]) -> list[dict[str, Any]]:
        seen.append(document)
        content = [{"type": "image", "url": picture}, {"type": "text", "text": "What?"}]
        return [
            {"role": "system", "content": [{"type": "text", "text": "Be short."}]},
            {"role": "user", "content": content},
        ]

    class Kept(NameChat):
        def pictures(self, shown: Any) -> list[Image.Image]:
            self.shown = shown
            return super().pictures(shown)

    model = AnnotatedChat("t_name", graph="api_clip_cls")
    model.inner = Kept()
    model.task_dict = {"task": {"val": documents}}
    asked = requests(documents, messages, where=1)
    model.generate_until(asked)
    assert seen == [{"question": "a ring"}] * 2
    assert asked[0].args[1] is messages
    system, user = model.inner.shown
    assert system == {"role": "system", "content": [{"type": "text", "text": "Be short."}]}
    assert user["content"][1] == {"type": "text", "text": "What?"}
    assert user["content"][0]["url"].size == picture.size
    KNOWN["plain"] = [picture]
    assert name_of([user["content"][0]["url"]]) == "unknown"


def test_rounds_are_refused() -> None:
    with pytest.raises(BadInput, match="tasks of several rounds are not supported"):
        AnnotatedSimple("t_name").generate_until_multi_round([])


def test_ranks_reach_the_inner_model() -> None:
    model = AnnotatedSimple("t_name", graph="api_clip_cls")
    model._rank, model._world_size = 1, 2
    model.task_dict = {"task": {"val": [{"question": "a ring"}]}}
    model.generate_until(requests([{}], lambda doc: [scene(3).image]))
    assert (model.rank, model.world_size, model.inner.rank, model.inner.world_size) == (1, 2, 1, 2)
