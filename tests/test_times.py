"""Times and durations as people type them."""

from __future__ import annotations

import pytest

from cornea_stream.errors import UsageError
from cornea_stream.media.times import parse_duration, parse_time


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("12", 12), ("12.5", 12.5), (".5", 0.5), ("01:02.5", 62.5), ("1:02:03.456", 3723.456),
     (" 90 ", 90), ("00:00:00", 0), ("90:00", 5400), ("90s", 90), ("1m30s", 90), ("5m", 300),
     ("1h", 3600), ("1h5s", 3605), ("1.5h", 5400), ("0.25s", 0.25), ("100:00:00", 360_000)],
)  # fmt: skip
def test_times(text: str, seconds: float) -> None:
    assert parse_time(text) == pytest.approx(seconds)
    assert parse_duration(text) == pytest.approx(seconds) if seconds else True


@pytest.mark.parametrize(
    "text",
    ["", " ", "abc", "1:2:3:4", "1:75", "1:75:00", "1:00:00h", "1:30m", "30s1m", "1m30", "5 m",
     "5d", "nan", "inf", "1e3", "0x10", "1_000", "١٢", "+5", ":30", "1:", "9" * 400],
)  # fmt: skip
def test_what_is_no_time(text: str) -> None:
    for parse in (parse_time, parse_duration):
        with pytest.raises(UsageError, match="not a time"):
            parse(text)


@pytest.mark.parametrize("text", ["-3", "-0:05", "-5m", "--1"])
def test_negative_times_are_refused(text: str) -> None:
    with pytest.raises(UsageError, match="negative time"):
        parse_time(text)


@pytest.mark.parametrize("text", ["0", "0s", "00:00", "0h0m0s"])
def test_a_duration_is_more_than_nothing(text: str) -> None:
    assert parse_time(text) == 0
    with pytest.raises(UsageError, match="not a duration"):
        parse_duration(text)
