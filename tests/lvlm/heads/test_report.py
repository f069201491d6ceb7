"""The report of a profile: its rows by hand, its words, and its picture."""

from __future__ import annotations

import itertools
import statistics

import numpy as np
import pytest

from api_graph.lvlm import HeadProfile
from api_graph.lvlm.heads.report import head_figure, report_rows, report_text
from tests.lvlm.heads.made import record_of

GAZE = [[0.1, 0.5, 0.2], [0.5, 0.05, 0.9]]


@pytest.fixture
def profile() -> HeadProfile:
    return HeadProfile(record_of(GAZE), count=2)


def test_rows_by_hand(profile: HeadProfile) -> None:
    """The best two have .9 and .5; the others draw two of .5, .2, .1 and .05."""
    best, others, every = report_rows(profile, draws=200)
    assert (best.name, best.means["gaze"]) == ("the best 2 heads by gaze", pytest.approx(0.7))
    assert best.spread is None and others.spread is not None
    pairs = [statistics.fmean(pair) for pair in itertools.combinations((0.5, 0.2, 0.1, 0.05), 2)]
    assert others.name == "2 other heads by chance, 200 draws"
    assert others.spread["gaze"] == (pytest.approx(min(pairs)), pytest.approx(max(pairs)))
    assert others.means["gaze"] == pytest.approx(statistics.fmean(pairs), abs=0.03)
    assert (every.name, every.means["gaze"]) == ("all 6 heads", pytest.approx(0.375))
    assert best.cells()[1] == "0.7000" and others.cells()[1].endswith("(0.0750 to 0.3500)")
    assert {row.means["entropy"] for row in (best, others, every)} == {1.0}


def test_where_there_are_no_others(profile: HeadProfile) -> None:
    assert [row.name for row in report_rows(profile.chosen(count=4))] == ["the best 4 heads by gaze", "all 6 heads"]
    assert len(report_rows(profile, draws=0)) == 2
    assert [row.name for row in report_rows(profile.chosen(count=1, unit="layers"))][:2] == [
        "the best 1 layer by gaze",
        "1 other layer by chance, 20 draws",
    ]


def test_the_control_stands_beside_the_best_whatever_is_chosen(profile: HeadProfile) -> None:
    rows = [row.cells() for row in report_rows(profile)]
    for draw in ("random", "all"):
        assert [row.cells() for row in report_rows(profile.chosen(draw=draw))] == rows


def test_the_text(profile: HeadProfile) -> None:
    lines = report_text(profile, draws=2, most=3).splitlines()
    assert lines[0] == "Heads of by hand (llava, 2 layers of 3), over 3 items."
    assert [line.count("|") for line in lines[2:7]] == [6] * 5
    assert lines[-3:] == ["1. layer 1, head 2: 0.9", "2. layer 0, head 1: 0.5", "3. layer 1, head 0: 0.5"]
    assert report_text(profile.chosen(unit="layers", count=1)).endswith("1. layer 1: 0.4833\n2. layer 0: 0.2667")


def test_where_items_are_from(profile: HeadProfile) -> None:
    made = profile.record.made

    def said(**changes: object) -> str:
        record = profile.record.model_copy(update={"made": made.model_copy(update=changes)})
        return report_text(HeadProfile(record)).splitlines()[0].partition("over ")[2]

    assert said(source="scenes", seeds=(5, 9)) == "3 rendered scenes of the seeds from 5 on."
    assert said(source="table", table="t.csv") == "3 rows of t.csv."
    assert said(unseen=2) == "3 items; 2 more do not count, no image token shows their boxes."


def test_the_picture_frames_the_chosen(profile: HeadProfile) -> None:
    """Its squares are 32 pixels wide; the frame is the only red."""
    shown = np.asarray(head_figure(profile)).astype(int)
    red = (shown == [255, 64, 64]).all(-1)
    assert red.sum() == 2 * (32**2 - 28**2)
    columns, rows = np.flatnonzero(red.any(0)), np.flatnonzero(red.any(1))
    assert columns.max() - columns.min() == 63 and rows.max() - rows.min() == 63  # heads 1 and 2, layers 0 and 1
    assert head_figure(HeadProfile(record_of([[0.1] * 128] * 64))).width < 2300
    gaps = head_figure(HeadProfile(record_of(GAZE, layers=[1, 3])))
    assert gaps.height == head_figure(profile).height + 64
