"""Calls of node functions as Python source, with ComfyUI's rule for lists: once for each element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from api_graph.spec import NodeSpec

_WIDEST = 100

TOGETHER = '''
def together(*lists):
    """Elements that stand side by side; a shorter list repeats its last one."""
    count = max(map(len, lists)) if all(lists) else 0
    return [[values[min(i, len(values) - 1)] for values in lists] for i in range(count)]
'''
"""What a script needs in which a node is fed by several lists."""


@dataclass(frozen=True)
class Value:
    """An expression; with `many` it is a list, and what it feeds is called for each of its elements."""

    source: str
    many: bool = False


@dataclass(frozen=True)
class Call:
    """A node function's call: `function` as the script names it, arguments by parameter."""

    spec: NodeSpec
    function: str
    arguments: dict[str, Value]

    @property
    def lists(self) -> dict[str, Value]:
        """The arguments over whose elements the call is repeated."""
        if self.spec.takes_lists:
            return {}
        return {name: value for name, value in self.arguments.items() if value.many}

    def source(self, attribute: str = "", *, joined: bool = False) -> str:
        """The call, or the list of its results. Of several outputs `attribute` is wanted; it is `joined` if a list."""
        lists = self.lists
        if not lists:
            return _fitted(f"{self.function}(", self._arguments({}), f"){attribute}")
        each = {name: f"each_{name}" for name in lists}
        call = f"{self.function}({', '.join(self._arguments(each))}){attribute}"
        loop = f"for {', '.join(each.values())} in {_side_by_side(list(lists.values()))}"
        parts = [f"part {loop}", f"for part in {call}"] if joined else [call, loop]
        one_line = f"[{' '.join(parts)}]"
        return one_line if len(one_line) <= _WIDEST else _indented("[", parts, "]")

    def _arguments(self, each: dict[str, str]) -> list[str]:
        return [f"{name}={each.get(name) or self._whole(name, value)}" for name, value in self.arguments.items()]

    def _whole(self, name: str, value: Value) -> str:
        """An argument of a node that takes lists, or one that is no list."""
        declared = self.spec.input(name)
        if declared is not None and declared.is_list:
            return value.source if value.many else f"[{value.source}]"
        return f"{value.source}[0]" if value.many else value.source


def output_of(name: str, call: Call, slot: int) -> Value:
    """What reads output number `slot` of a call whose results are all kept under `name`."""
    output = call.spec.outputs[slot]
    if not call.lists:
        return Value(f"{name}.{output.name}", output.is_list)
    if output.is_list:
        return Value(f"[part for one in {name} for part in one.{output.name}]", True)
    return Value(f"[one.{output.name} for one in {name}]", True)


def _side_by_side(lists: Sequence[Value]) -> str:
    return lists[0].source if len(lists) == 1 else f"together({', '.join(value.source for value in lists)})"


def _fitted(before: str, items: Sequence[str], after: str) -> str:
    line = f"{before}{', '.join(items)}{after}"
    return line if len(line) <= _WIDEST else _indented(before, [f"{item}," for item in items], after)


def _indented(before: str, lines: Sequence[str], after: str) -> str:
    return "\n".join([before, *(f"    {line}" for line in lines), after])
