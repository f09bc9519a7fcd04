"""The numbers and the sentences of a report, from measurements given by hand."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest

from cornea_stream.report.records import Records
from cornea_stream.report.statistics import least_certain, stretches_without_cornea, summarize
from cornea_stream.report.wording import clock, percent


def records(**columns: list[float]) -> Records:
    """Return records with these columns; a steady 10 frames a second, everything else perfect."""
    count = len(next(iter(columns.values())))
    steady = {"frame": np.arange(count), "time_s": np.arange(count) / 10}
    values = {**{f.name: np.ones(count) for f in fields(Records)}, **steady, **columns}
    return Records(**{name: np.array(column, float) for name, column in values.items()})


def test_the_numbers_are_those_of_the_rows() -> None:
    found = records(
        present=[1, 1, 0, 0, 1],
        area_px=[100, 300, 0, 0, 500],
        centroid_x=[0, 3, np.nan, np.nan, 9],
        centroid_y=[0, 4, np.nan, np.nan, 9],
        confidence=[0.8, 0.9, 0, 0, 0.7],
        agreement_prev=[np.nan, 0.9, 0, 1, 0],
    )
    told = summarize(found)
    assert told.frames == 5
    assert told.duration_s == pytest.approx(0.5)
    assert told.share == pytest.approx(0.6)
    assert told.area_px == 300
    assert told.confidence == pytest.approx(0.8)
    assert told.movement_px == pytest.approx(5)
    # Rows 1, 2 and 4; two frames in a row without a cornea say nothing of how steady masks are.
    assert told.flicker == pytest.approx((0.1 + 1 + 1) / 3)


def test_without_any_cornea_what_is_not_known_is_none() -> None:
    nothing = [np.nan] * 3
    told = summarize(
        records(present=[0, 0, 0], area_px=[0, 0, 0], centroid_x=nothing, centroid_y=nothing)
    )
    assert (told.share, told.area_px, told.confidence, told.flicker) == (0, None, None, None)


def test_stretches_reach_to_the_next_frame_with_a_cornea() -> None:
    found = records(present=[0, 1, 0, 0, 1, 0])
    assert stretches_without_cornea(found) == [
        pytest.approx((0, 0.1)), pytest.approx((0.2, 0.4)), pytest.approx((0.5, 0.6)),
    ]  # fmt: skip
    assert stretches_without_cornea(records(present=[1, 1])) == []


def test_doubtful_moments_are_the_lowest_and_lie_apart() -> None:
    confidence = np.full(600, 0.99)
    confidence[100:140] = np.linspace(0.5, 0.6, 40)  # one bad scene
    confidence[400] = 0.7
    agreement = np.full(600, 0.98)
    agreement[250] = 0.4
    moments = least_certain(records(confidence=confidence, agreement_prev=agreement), 4)
    rows = [moment.row for moment in moments]
    assert rows == sorted(rows)
    assert {100, 250, 400} < set(rows)
    assert min(np.diff(rows)) >= 600 / 8
    reasons = {moment.row: moment.reason for moment in moments}
    assert (reasons[100], reasons[250]) == ("confidence 0.50", "agreement 0.40")


def test_times_and_shares_are_never_rounded_up_to_what_they_are_not() -> None:
    assert [clock(t) for t in (0, 59.99, 60, 3725.68)] == [
        "0:00.0",
        "0:59.9",
        "1:00.0",
        "1:02:05.6",
    ]
    assert [percent(v) for v in (None, 0.5, 0.9999, 1)] == [
        "–", "50.0\u202f%", "99.9\u202f%", "100.0\u202f%",
    ]  # fmt: skip
