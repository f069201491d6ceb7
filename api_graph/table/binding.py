"""Which columns of a table set which of a graph's inputs."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from api_graph.errors import ApiGraphWarning, BadInput
from api_graph.graph import Graph, InputSetter, Link, execution_order, settable
from api_graph.graph.inputs import InputNames
from api_graph.graph.words import closest
from api_graph.registry import Registry
from api_graph.table.columns import MEANINGS, TRUTHS, ColumnReport, KeptInput, check_kept, meanings
from api_graph.table.lists import as_lines
from api_graph.table.rows import Row, has_value


class Binding:
    """A graph, and which of its inputs the rows of a table set.

    A column sets the input of the same name; `columns` maps names of inputs to columns that have other names. All other
    columns set nothing and are kept with the results. With `texts`, as for CSV, the values are texts, and are read like
    those of the command line. `grid` names inputs that the rows of a grid set, in columns of those names; their values
    have been read.

    `inputs` has by column the node and the input that it sets, of the columns that were looked up, as by `check`.

    Raises GraphError if `columns` has a name that no input has, BadInput if it has that of a linked input.
    """

    def __init__(
        self,
        graph: Graph,
        registry: Registry,
        columns: Mapping[str, str] | None = None,
        *,
        texts: bool = False,
        grid: Collection[str] = (),
        unused: Collection[str] = (),
    ) -> None:
        self.graph, self.registry, self.texts, self.grid = graph, registry, texts, tuple(grid)
        self.unused = tuple(unused)
        self._names = InputNames(graph, registry)
        self._setter = InputSetter(graph, registry)
        self._free = frozenset(self._names.free)
        self._renamed = {column: name for name, column in (columns or {}).items()}
        self._input_names: dict[str, str | None] = dict.fromkeys(
            unused
        )  # by column, as far as they have been looked up
        self.inputs: dict[str, tuple[str, str]] = {}
        self._taken = {self._names.find(name) for name in columns or {}}  # from columns of their name
        for name in columns or {}:
            if self._is_linked(*self._names.find(name)):
                hint = "Name an input of the node that feeds it."
                raise BadInput("is linked: another node feeds it", input="--column", value=name, hint=hint)
        for name in grid:
            self._input_names[name], self.inputs[name] = name, self._names.find(name)

    def check(
        self,
        columns: Sequence[str],
        constants: Iterable[str] = (),
        keep: Collection[str] = (),
        *,
        shipped: bool = False,
        keep_null: bool = False,
    ) -> ColumnReport:
        """What a table's columns set, and what stays as the graph has it.

        `constants` are names of inputs that are set for all rows, `keep` those that are to stay as they are: a column
        of the name of one in both sets nothing. With `keep_null` a constant is what rows without a value have. Raises
        BadInput if none of the columns sets an input, if a column sets a constant, if a column that was promised is
        missing, and for an input that must not stay in silence (see `check_kept`). Warns of columns whose names nearly
        fit.
        """
        if twice := [column for column in columns if column in self.grid]:
            hint = "Leave it out of the grid, or give that column another name."
            raise BadInput("the table has a column of this name", input="--grid", value=twice[0], hint=hint)
        missing = [column for column in self._renamed if column not in columns]
        if missing:
            there = f"There are: {', '.join(columns)}."
            raise BadInput("the table has no such column", input="--column", value=missing[0], hint=there)
        by_name = {self._names.find(name): name for name in constants}
        if both := by_name.keys() & {self._names.find(name) for name in keep}:
            self._set_aside(columns, both)
        if not any([self._input_name(column) for column in columns]):  # a list: each column is to be looked up
            names = ", ".join(s.name for s in settable(self.graph, self.registry) if s.given)
            raise BadInput(
                f"none of its columns is an input of the graph, which has: {names}",
                input="ROWS",
                value=", ".join(columns),
                hint=self._renaming(columns) or "Rename one, or say --column NAME=COLUMN.",
            )
        if self.grid:
            self._check_grid(columns, by_name)
        instead = self._check_constants(columns, by_name, keep_null=keep_null) if by_name else {}
        sets = {c: self._names.all_names(*self.inputs[c])[0] for c in columns if self._input_name(c)}
        unused = tuple(column for column in columns if not self._input_name(column))
        kept = self._kept(set(by_name), self._chosen(keep) if keep else set())
        check_kept(kept, unused, shipped=shipped)
        return ColumnReport(sets, unused, {each.name: each.value for each in kept}, instead=instead)

    def _set_aside(self, columns: Iterable[str], chosen: Collection[tuple[str, str]]) -> None:
        """Let columns that would set a chosen input by their names set nothing."""
        for column in columns:
            if column not in self._renamed and self._input_name(column) and self.inputs[column] in chosen:
                del self.inputs[column]
                self._input_names[column] = None
                self.unused += (column,)

    def _check_constants(
        self, columns: Iterable[str], constants: Mapping[tuple[str, str], str], *, keep_null: bool
    ) -> dict[str, object]:
        """By name the constants that rows without a value have. Raises BadInput if there are none such, and a column
        sets one.
        """
        instead: dict[str, object] = {}
        for column in columns:
            if not self._input_name(column) or (address := self.inputs[column]) not in constants:
                continue
            name = constants[address]
            if not keep_null:
                word = f"'{name}'" if " " in name else name
                hint = f"Leave --set {word} out, or say --keep {word} too: the column sets nothing then."
                if column in self._renamed:
                    hint = f"Leave --set {word} or that --column out."
                raise BadInput(f"the column {column} sets it, too", input="--set", value=name, hint=hint)
            instead[self._names.all_names(*address)[0]] = self.graph.nodes[address[0]].inputs[address[1]]
        return instead

    def _check_grid(self, columns: Iterable[str], constants: Mapping[tuple[str, str], str]) -> None:
        """Raise BadInput if a column or a constant sets what the grid sets, too."""
        by_grid = {self.inputs[name]: name for name in self.grid}
        others = {self.inputs[column]: f"the column {column}" for column in columns if self._input_name(column)}
        others |= {address: f"--set {name}" for address, name in constants.items()}
        if both := next((address for address in by_grid if address in others), None):
            hint = "Leave one of the two out."
            raise BadInput(f"{others[both]} sets it, too", input="--grid", value=by_grid[both], hint=hint)

    def find(self, name: str) -> tuple[str, str] | None:
        """The node and the input that `name` means, None unless it is one that no link feeds."""
        free = [input for input in self._names.matching(name) if input in self._free]
        return free[0] if len(free) == 1 else None

    def _renaming(self, columns: Sequence[str]) -> str:
        """The renaming that is offered where no column has the name of an input."""
        kept = [(each, column) for each in self._kept(set(), set()) for column in columns]
        offers = [f"--column '{e.name}={column}'" for e, column in kept if meanings(column) & e.kinds]
        return f"If it is meant, say {' '.join(dict.fromkeys(offers))}." if offers else ""

    def _chosen(self, keep: Iterable[str]) -> set[tuple[str, str]]:
        """The inputs that `keep` names. Raises GraphError for a name that none has, BadInput if a column sets it."""
        chosen = set()
        for name in keep:
            input = self._names.find(name)
            if input in self.inputs.values():
                column = next(column for column, other in self.inputs.items() if other == input)
                hint = "Leave --keep out, or give that column another name."
                raise BadInput(f"the column {column} sets it", input="--keep", value=name, hint=hint)
            chosen.add(input)
        return chosen

    def _kept(self, constant: set[tuple[str, str]], chosen: set[tuple[str, str]]) -> list[KeptInput]:
        """The inputs that no column and no constant sets, as far as they have a title or a meaning of their own."""
        found = []
        for s in settable(self.graph, self.registry):
            address = (s.node, s.input)
            if not s.given or address in constant or address in self.inputs.values():
                continue
            titled = not self.registry[self.graph.nodes[s.node].class_type].is_own_title(s.title)
            names = [s.title] if titled else [name for name in s.names if "." not in name]
            kinds = {kind for name in names for kind in meanings(name)} | ({s.input} & set(MEANINGS))
            if kinds or (titled and s.title in s.names) or address in chosen:
                found.append(KeptInput(s.name, s.value, frozenset(kinds), address in chosen))
        return found

    def graph_of(self, row: Row) -> Graph:
        """The graph with a row's values in it; where a row has no value, the input stays as it is.

        A list sets an input that takes one text per line.
        Raises GraphError for values that the inputs do not take, BadInput for a row that cannot be read.
        """
        if row.fault is not None:
            raise row.fault
        values: dict[str, object] = {}
        for column, value in row.values.items():
            if (has_value(value) or column in self.grid) and (name := self._input_name(column)):  # a grid's "" is one
                values[name] = value
        for name, value in values.items():
            if isinstance(value, list | tuple) or (isinstance(value, str) and value.startswith("[")):
                address = self._names.find(name)
                node = self.graph.nodes[address[0]]
                input = self._names.specs[address]
                values[name] = as_lines(value, node, self.registry[node.class_type], input, name)
        try:
            if self.texts:
                typed = {name: value for name, value in values.items() if name in self.grid}
                return self._setter.set(
                    typed, {name: str(value) for name, value in values.items() if name not in typed}
                )
            return self._setter.set(values)
        except (TypeError, ValueError, RecursionError) as error:
            raise BadInput(f"the row cannot be read ({error})", input="ROWS", value=row.number) from error

    def picture_columns(self, row: Row) -> list[str]:
        """The columns of a row that set an input which names a picture file."""
        specs = {column: self._names.specs[self.inputs[column]] for column in row.values if self._input_name(column)}
        return [column for column, spec in specs.items() if spec.widget.upload and spec.socket == "COMBO"]

    def pictures_of(self, row: Row) -> list[str]:
        """Names of the picture files that a row's graph reads."""
        set_by = {self.inputs[column]: column for column in row.values if self._input_name(column)}
        found = []
        for node in self.graph.nodes.values():
            for spec in self.registry[node.class_type].inputs:
                if spec.widget.upload and spec.socket == "COMBO":
                    name = row.values.get(set_by.get((node.id, spec.name), ""))
                    found.append(node.inputs.get(spec.name) if name is None else name)
        return [name for name in found if isinstance(name, str)]

    def own_nodes(self) -> frozenset[str]:
        """Ids of the nodes that depend on every input that the rows set. No two rows share their results."""
        every = frozenset({input: column for column, input in self.inputs.items()}.values())
        return frozenset(self.nodes_by_columns(()).get(every, ()))

    def nodes_by_columns(self, columns: Iterable[str]) -> dict[frozenset[str], list[str]]:
        """Ids of the nodes that depend on the rows, by the columns that they depend on.

        `columns` are looked up first; known are also those that were met before.
        """
        for column in columns:
            self._input_name(column)
        set_by = {input: column for column, input in self.inputs.items()}
        nodes: dict[frozenset[str], list[str]] = defaultdict(list)
        above: dict[str, frozenset[str]] = {}
        for id in execution_order(self.graph, list(self.graph.nodes)):
            own = frozenset(column for (node, _), column in set_by.items() if node == id)
            inputs = self.graph.nodes[id].inputs.values()
            above[id] = own.union(*(above[value.node] for value in inputs if isinstance(value, Link)))
            if above[id]:
                nodes[above[id]].append(id)
        return dict(nodes)

    def _is_linked(self, node: str, input: str) -> bool:
        return isinstance(self.graph.nodes[node].inputs.get(input), Link)

    def _input_name(self, column: str) -> str | None:
        """The name of the input that a column sets, or None. The first look-up may warn."""
        if column not in self._input_names:
            name = self._renamed.get(column)
            fitting = self._names.matching(column) if name is None else [self._names.find(name)]
            free = [input for input in fitting if name is not None or input in self._free - self._taken]
            if len(free) == 1:
                self._input_names[column], self.inputs[column] = name or column, free[0]
            else:
                self._input_names[column] = None
                if self._taken.isdisjoint(fitting):
                    self._warn_if_near(column, fitting, free)
        return self._input_names[column]

    def _warn_if_near(self, column: str, fitting: Sequence[tuple[str, str]], free: Sequence[tuple[str, str]]) -> None:
        """Warn of a column that sets nothing though its name nearly fits: several inputs, a linked one, or a typo."""
        if free:
            names = [self._names.full_name(*input) for input in free]
            hint = f"say --column '{names[0]}={column}', if that is meant (or {' or '.join(names)})"
        elif len(fitting) == 1 and self._is_linked(*fitting[0]) and "." in column:
            hint = f"another node feeds {self._names.full_name(*fitting[0])}"
        else:
            known = (name for s in settable(self.graph, self.registry) if s.given for name in s.names)
            near = closest(column, known)
            hint = f"did you mean {near}?" if near and column.casefold() not in TRUTHS else ""
        if hint:
            warnings.warn(f"the column {column} sets nothing: {hint}", ApiGraphWarning, stacklevel=2)
