"""Times count from where the source starts, as players count, and reach the overlay exactly."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import av
import pytest
from conftest import audio_packets, moving_discs, write_video

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sources import VideoSource, open_source

TEN_HOURS = {"output_ts_offset": "36001"}


def movie_timescale(path: Path) -> int:
    content = path.read_bytes()
    box = content.index(b"mvhd")
    return int.from_bytes(content[box + 16 : box + 20], "big")


@pytest.mark.parametrize("suffix", ["ts", "mkv"])
def test_a_recording_that_begins_late(tmp_path: Path, segmenter: Segmenter, suffix: str) -> None:
    path = write_video(
        tmp_path / f"v.{suffix}", moving_discs(50), options={"bf": "2", "g": "10"},
        audio="aac", muxing=TEN_HOURS,
    )  # fmt: skip
    with open_source(path) as source:
        times = [frame.time_s for frame in source]
        assert source.info.start_time_s == pytest.approx(36001, abs=2)
    assert times[0] == pytest.approx(0, abs=0.1)
    assert times[-1] - times[0] == pytest.approx(49 / 25, abs=2e-3)
    with VideoSource(path) as source:
        assert source.frame_at(1.5).time_s == max(time for time in times if time <= 1.5)
    with open_source(path, start_s=1.2, end_s=1.6) as source:
        assert [frame.time_s for frame in source] == [t for t in times if 1.2 <= t < 1.6]
    result = run_source(path, tmp_path / "out", segmenter, RunOptions(metrics=True))
    overlay = Path(result.folder) / "overlay.mp4"
    with av.open(str(overlay)) as container:
        shown = [frame.time for frame in container.decode(video=0)]
    assert shown == pytest.approx(times, abs=1e-4)
    told = json.loads((Path(result.folder) / "run.json").read_text())
    assert told["source"]["start_time_s"] == pytest.approx(36001, abs=2)
    assert told["last_time_s"] == pytest.approx(times[-1])
    heard = [time for time, _ in audio_packets(path)]
    late = heard[1] - told["source"]["start_time_s"] - times[0]
    assert audio_packets(overlay)[1][0] - shown[0] == pytest.approx(late, abs=2e-3)


def test_the_overlay_begins_at_the_same_tick(tmp_path: Path, segmenter: Segmenter) -> None:
    base = Fraction(1, 12800)
    times = [469 + 512 * i for i in range(10)]  # 469 ticks are no whole milliseconds
    path = write_video(
        tmp_path / "v.mp4", moving_discs(10), pts=times, time_base=base, audio="aac",
        muxing={"movie_timescale": "12800"},
    )  # fmt: skip
    with open_source(path) as source:
        expected = [frame.video.pts * frame.video.time_base for frame in source]
    assert expected == [time * base for time in times]
    result = run_source(path, tmp_path / "out", segmenter)
    overlay = Path(result.folder) / "overlay.mp4"
    with av.open(str(overlay)) as container:
        found = [frame.pts * frame.time_base for frame in container.decode(video=0)]
        scale = container.streams.video[0].time_base.denominator
    assert found == expected
    assert movie_timescale(overlay) == scale
