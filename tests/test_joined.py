"""Recordings joined end to end: pictures and sound go on, and stay together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from conftest import audio_packets, moving_discs, read_video, write_video

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source


@pytest.mark.parametrize("earlier_s", [0, 100])
def test_pictures_and_sound_are_counted_on_together(
    tmp_path: Path, segmenter: Segmenter, earlier_s: int
) -> None:
    """The second recording's times lie before those of the first, as after a new start."""
    muxing = {"output_ts_offset": str(earlier_s)}
    one = write_video(tmp_path / "one.ts", moving_discs(30), audio="aac", muxing=muxing)
    two = write_video(tmp_path / "two.ts", moving_discs(25), audio="aac")
    joined = tmp_path / "joined.ts"
    joined.write_bytes(one.read_bytes() + two.read_bytes() + two.read_bytes())
    result = run_source(joined, tmp_path / "out", segmenter, RunOptions(metrics=True))
    assert (result.status, result.frames) == ("complete", 80)
    assert result.warnings == [
        "times jump 2 times, as where recordings were joined: they are counted on there"
    ]
    overlay = Path(result.folder) / "overlay.mp4"
    shown = [time for time, _ in read_video(overlay)]
    np.testing.assert_allclose(np.diff(shown), 0.04, atol=1e-4)
    begins = [shown[0], shown[30], shown[55]]
    heard = audio_packets(overlay)
    assert all(np.diff([time for time, _ in heard]) > 0)
    for source, begin in zip((one, two, two), begins, strict=True):
        lag = audio_packets(source)[5][0] - read_video(source)[0][0]
        sound = audio_packets(source)[5][1][7:]  # without the ADTS header
        times = [time for time, content in heard if content == sound]
        assert min(abs(time - begin - lag) for time in times) < 1e-3
