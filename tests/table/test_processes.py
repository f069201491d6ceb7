"""The processes of a run: their results, how they end, and how a run goes on without them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from api_graph.table.map import map_graph
from api_graph.table.processes import FEW, ITEMS_PER_CALL, ProcessDied, Processes, apply_to_each
from tests.table.runs import GRAPH, results, rows_of, table

posix = pytest.mark.skipif(os.name != "posix", reason="signals")
MANY = 10 * ITEMS_PER_CALL


def square(number: int) -> int:
    return number * number


def process_of(_: object) -> int:
    return os.getpid()


def ignores_interrupts(_: object) -> bool:
    return signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def die_at_20(number: int) -> int:
    if number == 20:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_results_in_order_from_other_processes() -> None:
    with closing(Processes(2)) as processes:
        assert list(processes.parallel_map(square, range(MANY))) == [n * n for n in range(MANY)]
        used = set(processes.parallel_map(process_of, range(MANY)))
        assert os.getpid() not in used and 1 <= len(used) <= 2
        assert all(processes.parallel_map(ignores_interrupts, range(MANY)))


@pytest.mark.parametrize(("count", "items"), [(2, FEW - 1), (2, 0), (0, MANY)])
def test_threads_see_to_a_few_items_and_to_all_where_there_is_no_processor_to_spare(count: int, items: int) -> None:
    with closing(Processes(count)) as processes:
        assert set(processes.parallel_map(process_of, range(items))) <= {os.getpid()}
        assert list(processes.parallel_map(square, range(items))) == [n * n for n in range(items)]


def test_few_items_are_made_before_they_are_wanted() -> None:
    made = []

    def items():
        for number in range(1000):
            made.append(number)
            yield number

    with closing(Processes(2)) as processes:
        answers = processes.parallel_map(square, items())
        assert next(answers) == 0
        assert len(made) <= FEW + 2 * 2 * ITEMS_PER_CALL
        answers.close()  # type: ignore[attr-defined]


def test_an_error_of_an_item_is_the_asker_s() -> None:
    with closing(Processes(2)) as processes:
        with pytest.raises(TypeError):
            list(processes.parallel_map(square, [*range(MANY), "text"]))  # type: ignore[list-item]
        assert list(processes.parallel_map(square, range(MANY))) == [n * n for n in range(MANY)]


@posix
def test_a_process_that_is_killed_is_told_once_and_threads_go_on() -> None:
    with closing(Processes(2)) as processes:
        with pytest.raises(ProcessDied):
            list(processes.parallel_map(die_at_20, range(MANY)))
        assert set(processes.parallel_map(process_of, range(MANY))) == {os.getpid()}


@posix
def test_a_killed_process_costs_a_run_no_row(tmp_path: Path) -> None:
    """Rows that it was at are cleared and done again: the same files, to the byte, and none besides."""
    path = table(tmp_path, rows_of(30, 4))
    list(map_graph(GRAPH, path, output=tmp_path / "clean", cache=False, threads=4))
    killed = threading.Event()

    def kill_one() -> None:
        while not killed.is_set():
            for child in children(os.getpid()):
                if "popen_loky" in command_of(child):
                    os.kill(child, signal.SIGKILL)
                    killed.set()
                    return
            time.sleep(0.01)

    killer = threading.Thread(target=kill_one)
    killer.start()
    found = list(map_graph(GRAPH, path, output=tmp_path / "out", cache=False, threads=4))
    was_killed = killed.is_set()
    killed.set()
    killer.join()
    if not was_killed:
        pytest.skip("no processor to spare, so no process to kill")
    assert [result.error for result in found] == [None] * 120
    assert results(tmp_path / "out") == results(tmp_path / "clean")


def children(parent: int) -> list[int]:
    """The children of any thread of a process, on Linux."""
    tasks = Path(f"/proc/{parent}/task")
    return [int(pid) for task in tasks.glob("*/children") for pid in task.read_text().split()]


def command_of(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
    except OSError:  # it has ended meanwhile
        return ""


@posix
def test_processes_end_with_a_parent_that_is_killed() -> None:
    script = (
        "import os, sys, time\n"
        "from api_graph.table.processes import Processes\n"
        "from tests.table.test_processes import process_of\n"
        "processes = Processes(2)\n"
        f"print(*set(processes.parallel_map(process_of, range({MANY}))), flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]
    )
    assert parent.stdout is not None
    with parent, parent.stdout:
        used = [int(word) for word in parent.stdout.readline().split()]
        assert used and all("popen_loky" in command_of(pid) for pid in used)
        parent.kill()
    waited = time.monotonic() + 20
    while any("popen_loky" in command_of(pid) for pid in used) and time.monotonic() < waited:
        time.sleep(0.05)
    assert not any("popen_loky" in command_of(pid) for pid in used)


@posix
def test_nothing_is_begun_for_a_parent_that_is_gone() -> None:
    script = (
        "import os\n"
        "from api_graph.table.processes import apply_to_each\n"
        "print('before', flush=True)\n"
        "apply_to_each(print, os.getppid() + 1, ['written'])\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert (ended.returncode, ended.stdout) == (1, "before\n")
    assert apply_to_each(square, os.getppid(), [2, 3]) == [4, 9]


def test_what_a_process_loads_is_little() -> None:
    """Torch would take each of them seconds."""
    script = (
        "import sys\nimport api_graph.pixels.write, api_graph.table.processes\n"
        "print([name for name in ('torch', 'transformers', 'networkx', 'pydantic') if name in sys.modules])"
    )
    ended = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert ended.stdout.strip() == "[]"
