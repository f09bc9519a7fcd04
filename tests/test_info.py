"""`info` of a source: what a run will do with it, and with `--scan` what is in it."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest
from conftest import moving_discs, write_video
from typer.testing import CliRunner

from cornea_stream.cli import app
from cornea_stream.runs.source_facts import describe_source


def test_tracks_orientation_and_color(tmp_path: Path) -> None:
    def prepare(stream: Any) -> None:
        stream.set_display_rotation(90, hflip=True)
        context = stream.codec_context
        context.colorspace, context.color_range, context.color_trc = 9, 1, 16

    path = write_video(tmp_path / "v.mp4", moving_discs(10), prepare=prepare, audio="aac")
    facts = describe_source(path)
    assert facts["orientation"] == "turned by 90° counter-clockwise, mirrored"
    assert facts["upright size"] == "120x160"
    assert facts["color"] == "BT.709, limited range, tone-mapped from HDR (PQ)"
    video, sound = facts["tracks"]
    assert video.startswith("0 video h264 160x120 25 fps")
    assert video.endswith("(read by a run)")
    assert sound.startswith("1 audio aac 48000 Hz")
    assert facts["rate_basis"] == "average of the times"
    assert "frames read" not in facts


def test_interlacing_and_start(tmp_path: Path) -> None:
    options = {"flags": "+ildct+ilme", "x264-params": "interlaced=1"}
    path = write_video(
        tmp_path / "v.ts", moving_discs(6), options=options, time_base=Fraction(1, 25)
    )
    facts = describe_source(path, scan=True)
    assert facts["interlaced"] is True
    assert facts["start_time_s"] > 0
    assert (facts["frames read"], facts["interlaced frames"]) == (6, 6)
    assert (facts["first_time_s"], facts["damaged_s"]) == (0, [])


def test_scan_reports_damage(tmp_path: Path) -> None:
    path = write_video(tmp_path / "v.mkv", moving_discs(40), options={"g": "10", "crf": "12"})
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [p for p in container.demux(container.streams.video[0]) if p.size]
        place = packets[20].pos + 16
    content[place : place + 400] = b"\xa5" * 400
    path.write_bytes(content)
    result = CliRunner().invoke(app, ["info", str(path), "--scan", "--json"])
    assert result.exit_code == 0
    facts = json.loads(result.output)
    assert facts["damaged_s"]
    assert facts["warnings"]
    assert facts["frames read"] > 30


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_images_have_no_tracks(tmp_path: Path, suffix: str) -> None:
    import PIL.Image

    path = tmp_path / f"a.{suffix}"
    PIL.Image.fromarray(moving_discs(1)[0]).save(path)
    facts = describe_source(path, scan=True)
    assert "tracks" not in facts
    assert (facts["kind"], facts["color"], facts["frames read"]) == ("image", "RGB or gray", 1)
