"""What controls need in a graph: the same answers with maps that know nothing of the question, or with other heads.

`with_controls` puts it into a graph that blends a map into an image, or in which heads are chosen. What a control sets
there are inputs with names, so that a row sets them as any other input.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import cast

from api_graph.errors import BadInput
from api_graph.graph import Graph, GraphNode, Link
from api_graph.graph.inputs import InputNames
from api_graph.graph.model import title_of
from api_graph.json_values import Json
from api_graph.registry import Registry
from api_graph.table.control_rows import ANOTHER_ROW, COLUMN, NONE, Controls

_BLENDS, _CONTROL, _HEADS = "APAlphaBlend", "APControlHeatmap", "APRandomHeads"
_TEXT_OF_MAP: Mapping[str, Mapping[str, Json]] = {
    "APEncodeQuery": {"blank": True},
    "APLvlmAttention": {},
    "APLvlmWords": {},
}
"""Nodes that read the question for a map, and what an empty one takes there."""
_OTHER_HEADS = {
    "APSteer": ("heads", lambda said: said not in ("", "all")),
    "APLvlmAttention": ("layers", "profile".__eq__),
}
"""Nodes that can take others in the place of the chosen heads of an LVLM: the input that chooses, and when it does."""
_PICTURES = ("APLoadImage", "LoadImage")
_MODELS = {"AP_LVLM", "AP_ANSWERER"}

Address = tuple[str, str]


class _Builder:
    """A graph under change: its nodes, and new ones under ids of their own."""

    def __init__(self, graph: Graph, registry: Registry) -> None:
        self.nodes, self.registry, self.extra = dict(graph.nodes), registry, graph.extra
        self._next = max((int(id) for id in graph.nodes if id.isdecimal()), default=0)

    def add(self, class_type: str, inputs: Mapping[str, object], title: str) -> str:
        """A new node; its title gets a number where there is one of that title."""
        titles = {title_of(node, self.registry.get(node.class_type)) for node in self.nodes.values()}
        count = 1
        while (own := title if count == 1 else f"{title} {count}") in titles:
            count += 1
        self._next += 1
        while str(self._next) in self.nodes:
            self._next += 1
        self.nodes[str(self._next)] = GraphNode(str(self._next), class_type, dict(inputs), own)
        return str(self._next)

    def relink(self, old: Link, new: Link, where: Callable[[str], bool]) -> None:
        """Feed from `new` what `old` feeds, in the nodes for which `where` holds."""
        for id, node in self.nodes.items():
            if where(id) and old in node.links().values():
                inputs = {name: new if value == old else value for name, value in node.inputs.items()}
                self.nodes[id] = replace(node, inputs=inputs)

    def above(self, id: str) -> set[str]:
        """A node and all that feed it."""
        found, left = set[str](), [id]
        while left:
            if (one := left.pop()) not in found and one in self.nodes:
                found.add(one)
                left += [link.node for link in self.nodes[one].links().values()]
        return found

    def below(self, ids: Collection[str], without: Collection[str] = ()) -> set[str]:
        """The nodes and all that they feed, but for what is behind those of `without`."""
        found = set(ids)
        while new := {
            id
            for id, node in self.nodes.items()
            if id not in found and id not in without and any(link.node in found for link in node.links().values())
        }:
            found |= new
        return found

    def graph(self) -> Graph:
        return Graph(self.nodes, self.extra)


def with_controls(
    graph: Graph,
    registry: Registry,
    columns: Collection[str],
    sets: Mapping[str, Address],
    taken: Collection[Address] = (),
) -> tuple[Graph, Controls, list[str]]:
    """A graph with the nodes that controls need, the controls, and why others are left out.

    `sets` has by column of the table the input that it sets, and `taken` the inputs that the settings of a grid set.
    Raises BadInput for a graph in which there is nothing to control, and for a column that has the controls' name.
    """
    if COLUMN in columns:
        hint = "Give it another name: the results have the name of each row's control there."
        raise BadInput("the table has a column of this name", input="--controls", value=COLUMN, hint=hint)
    build, notes = _Builder(graph, registry), list[str]()
    blends = [id for id, node in graph.nodes.items() if node.class_type == _BLENDS and "heatmap" in node.links()]
    used = {*sets.values(), *taken}
    changes: dict[str, dict[Address, Json]] = {NONE: {}}
    usual: dict[Address, Json] = {}
    copies: dict[Address, str] = {}  # by an input that a column sets, its column: of copies
    if blends:
        _control_heatmaps(build, blends, changes, usual)
        copies = _control_sources(build, blends, sets, used, changes, usual, notes)
        _control_backgrounds(build, blends, used, changes, usual, notes)
    _control_heads(build, used, changes, usual, notes)
    if len(changes) == 1:
        raise BadInput(
            "there is nothing to control in this graph",
            input="--controls",
            hint="Controls stand in for the heatmap of an Alpha blend, or for heads that are chosen.",
        )
    done = build.graph()
    names = InputNames(done, registry)
    settings = {
        control: {names.full_name(*address): value for address, value in {**usual, **own}.items()}
        for control, own in changes.items()
    }
    other = {names.full_name(*address): column for address, column in copies.items()}
    apart = sorted(other.values(), key=lambda column: done.nodes[sets[column][0]].class_type not in _PICTURES)
    controls = Controls(settings, other, apart)
    if taken_names := [name for name in controls.inputs if name in columns]:
        hint = "Give it another name: the results have there what a control sets."
        raise BadInput("the table has a column of this name", input="--controls", value=taken_names[0], hint=hint)
    return done, controls, notes


def _control_heatmaps(
    build: _Builder, blends: Collection[str], changes: dict[str, dict[Address, Json]], usual: dict[Address, Json]
) -> None:
    """Put a Control heatmap behind every map that is blended."""
    changes |= {"uniform": {}, "centre": {}}
    for blend in blends:
        heatmap = build.nodes[blend].links()["heatmap"]
        if build.nodes[heatmap.node].class_type == _CONTROL:  # two blends of one map
            continue
        image = build.nodes[blend].links().get("image")
        inputs = {"heatmap": heatmap, "kind": "none", **({} if image is None else {"image": image})}
        own = build.add(_CONTROL, inputs, "Control heatmap")
        build.relink(heatmap, Link(own, 0), lambda id, own=own: id != own)
        usual[own, "kind"] = "none"
        for kind in ("uniform", "centre"):
            changes[kind][own, "kind"] = kind


def _control_sources(
    build: _Builder,
    blends: Collection[str],
    sets: Mapping[str, Address],
    used: Collection[Address],
    changes: dict[str, dict[Address, Json]],
    usual: dict[Address, Json],
    notes: list[str],
) -> dict[Address, str]:
    """Give the maps a picture and a question of their own, which usually are those of the row.

    Gives, by input of the new nodes, the column that it has its value from.
    """
    controls = {id for id, node in build.nodes.items() if node.class_type == _CONTROL}
    maps = set[str]().union(*(build.above(build.nodes[id].links()["heatmap"].node) for id in controls))
    texts = _questions(build, maps, used, notes)
    columns = {address: column for column, address in sets.items()}
    fed_by_rows = {address for address in columns if address[0] in maps}
    if not fed_by_rows:
        notes.append(f"no control {ANOTHER_ROW}: no column of the table sets what the map is made of")
    if inside := next((a for a in fed_by_rows if build.nodes[a[0]].links()), None):
        notes.append(
            f"no control {ANOTHER_ROW}: the column {columns[inside]} sets a step of the map itself, "
            f"{title_of(build.nodes[inside[0]], build.registry.get(build.nodes[inside[0]].class_type))}"
        )
        fed_by_rows = set()
    copies: dict[Address, str] = {}
    copied: dict[str, str] = {}
    for id in dict.fromkeys([*(id for id, _ in sorted(fed_by_rows)), *texts]):
        node = build.nodes[id]
        title = title_of(node, build.registry.get(node.class_type))
        copied[id] = build.add(node.class_type, node.inputs, f"control {title}")
        for output in range(len(build.registry[node.class_type].outputs)):
            build.relink(Link(id, output), Link(copied[id], output), maps.__contains__)
    moved = build.below(copied.values(), controls)
    if wrong := [id for id in sorted(moved - maps - {*copied.values()}) if _asks(build, id)]:
        node = build.nodes[wrong[0]]
        raise BadInput(
            f"the steps of the map feed {title_of(node, build.registry.get(node.class_type))} too",
            input="--controls",
            hint="Give the map's steps, and who answers, nodes of their own.",
        )
    for id, input in sorted(fed_by_rows):
        copies[copied[id], input] = columns[id, input]
    if copies:
        changes[ANOTHER_ROW] = {}
    if texts:
        blank = changes["blank-question"] = dict[Address, Json]()
        for id, input in texts.items():
            blank[copied[id], input] = ""
            if (copied[id], input) not in copies:
                usual[copied[id], input] = cast("Json", build.nodes[id].inputs[input])
        for id in maps:
            for input, value in _TEXT_OF_MAP.get(build.nodes[id].class_type, {}).items():
                usual[id, input], blank[id, input] = False, value
    return copies


def _asks(build: _Builder, id: str) -> bool:
    """Whether a node gets a model that answers."""
    node = build.nodes[id]
    spec = build.registry[node.class_type]
    return any(input.name in node.links() and _MODELS & {*input.socket.split(",")} for input in spec.inputs)


def _questions(build: _Builder, maps: Collection[str], used: Collection[Address], notes: list[str]) -> dict[str, str]:
    """The nodes whose text the maps are asked with, each with its input; none where that cannot be blanked."""
    found: dict[str, str] = {}
    if not any(build.nodes[id].class_type in _TEXT_OF_MAP for id in maps):
        notes.append("no control blank-question: no step of the map reads a question")
    for id in sorted(maps):
        node = build.nodes[id]
        if node.class_type not in _TEXT_OF_MAP:
            continue
        title = title_of(node, build.registry.get(node.class_type))
        query = node.links().get("query")
        sources = [] if query is None else [one for one in build.above(query.node) if not build.nodes[one].links()]
        texts = [(one, name) for one in sources for name in build.nodes[one].literals() if name == "text"]
        if node.inputs.get("hint") or (id, "hint") in used:
            notes.append(f"no control blank-question: {title} is asked with a hint")
        elif len(texts) != 1:
            notes.append(f"no control blank-question: the question of {title} does not come from one text node")
        elif (id, "blank") in used:
            notes.append(f"no control blank-question: blank of {title} is set by the rows")
        else:
            found[texts[0][0]] = texts[0][1]
            continue
        return {}
    return found


def _control_backgrounds(
    build: _Builder,
    blends: Collection[str],
    used: Collection[Address],
    changes: dict[str, dict[Address, Json]],
    usual: dict[Address, Json],
    notes: list[str],
) -> None:
    """Blur what a blend would darken."""
    for id in blends:
        node = build.nodes[id]
        title = title_of(node, build.registry.get(node.class_type))
        background = node.inputs.get("background", "black")
        if background == "blur" or isinstance(background, Link) or (id, "background") in used:
            notes.append(f"no control blur: {title} blurs already, or has its background from elsewhere")
        elif node.inputs.get("arithmetic", "float") != "float":
            notes.append(f"no control blur: {title} has the official code's arithmetic, which does not blur")
        else:
            continue
        return
    blur = changes["blur"] = dict[Address, Json]()
    for id in blends:
        usual[id, "background"] = cast("Json", build.nodes[id].inputs.get("background", "black"))
        blur[id, "background"] = "blur"


def _control_heads(
    build: _Builder,
    used: Collection[Address],
    changes: dict[str, dict[Address, Json]],
    usual: dict[Address, Json],
    notes: list[str],
) -> None:
    """Draw other heads where a node has chosen some."""
    for id, node in list(build.nodes.items()):
        heads, model = node.inputs.get("heads"), node.links().get("model")
        if node.class_type in _OTHER_HEADS:
            _control_lvlm_heads(build, id, used, changes, usual, notes)
            continue
        if model is None or not isinstance(heads, str) or not heads.strip():
            continue
        title = title_of(node, build.registry.get(node.class_type))
        if (id, "heads") in used:
            notes.append(f"no control random-heads: the heads of {title} are set by the rows")
            continue
        if build.registry[build.nodes[model.node].class_type].outputs[model.output].socket != "AP_CLIP":
            continue
        own = build.add(_HEADS, {"model": model, "heads": heads, "seed": 0, "draw": False}, "Random heads")
        build.nodes[id] = replace(node, inputs={**node.inputs, "heads": Link(own, 0)})
        usual[own, "draw"] = False
        changes.setdefault("random-heads", {})[own, "draw"] = True


def _control_lvlm_heads(
    build: _Builder,
    id: str,
    used: Collection[Address],
    changes: dict[str, dict[Address, Json]],
    usual: dict[Address, Json],
    notes: list[str],
) -> None:
    """The same where an LVLM is steered, or read, in chosen heads: the node itself draws others."""
    node = build.nodes[id]
    name, chooses = _OTHER_HEADS[node.class_type]
    chosen, others = node.inputs.get(name, ""), node.inputs.get("other_heads", -1)
    if not (chooses(chosen.strip().lower()) if isinstance(chosen, str) else "profile" in node.links()):
        return
    title = title_of(node, build.registry.get(node.class_type))
    if (id, name) in used or (id, "other_heads") in used:
        notes.append(f"no control random-heads: the heads of {title} are set by the rows")
    elif others != -1:
        notes.append(f"no control random-heads: {title} has other heads already")
    else:
        usual[id, "other_heads"] = -1
        changes.setdefault("random-heads", {})[id, "other_heads"] = 0
