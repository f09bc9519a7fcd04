"""Damage in FFV1, which has a checksum for each slice."""

from __future__ import annotations

from pathlib import Path

import av
import pytest
from conftest import write_video
from damaged_videos import assert_told, noise, video_bytes, video_packets

from cornea_stream.errors import SourceError
from cornea_stream.sources import open_source


def test_ffv1_whose_header_is_damaged_is_refused(tmp_path: Path) -> None:
    """All frames depend on it; the decoder compares its checksum."""
    options = {"level": "3", "slicecrc": "1", "g": "1"}
    path = write_video(tmp_path / "v.mkv", noise(10), codec="ffv1", options=options)
    with av.open(str(path)) as container:
        header = container.streams.video[0].codec_context.extradata
    assert header
    content = bytearray(path.read_bytes())
    content[content.index(header) + 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"v\.mkv .*damaged"):
        open_source(path)


@pytest.mark.parametrize("kind", ["slice", "length", "no checksums"])
def test_slices_of_ffv1(tmp_path: Path, kind: str) -> None:
    """Without checksums, a slice is damaged only if the decoder says so, and never if it is not."""
    options = {"level": "3", "slicecrc": str(int(kind != "no checksums")), "g": "1", "slices": "4"}
    path = write_video(tmp_path / "v.mkv", noise(10), codec="ffv1", options=options)
    with open_source(path, strict=True) as source:
        assert len(list(source)) == 10
    if kind == "no checksums":
        return
    time_s, place, size = video_packets(path)[5]
    content = bytearray(path.read_bytes())
    end = content.index(bytes(video_bytes(path, 5)), place) + size
    content[end - 8 + 2 if kind == "length" else end - size // 8] ^= 1
    path.write_bytes(content)
    assert len(assert_told(path, time_s, within_s=0.1)) >= 9
