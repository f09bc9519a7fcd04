"""A run in one piece and in chunks, to be compared in all that they leave."""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
from conftest import Image, audio_packets, disc, read_video

from cornea_stream.batch.run_batch import run_batch
from cornea_stream.batch.setup import Setup
from cornea_stream.batch.task import Here, Step, plan_source
from cornea_stream.chunks.executor import ChunkingExecutor
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import source_name
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.result import RunResult
from cornea_stream.runs.run import run_source

EVERYTHING = RunOptions(mask=True, frames=True, metrics=True, polygons=True, white_to_white_mm=11.7)
X264 = {"g": "10", "bf": "3", "sc_threshold": "0", "crf": "12"}
OPEN_GOP = {**X264, "x264-params": "open-gop=1:scenecut=0"}
VFR = np.cumsum([0, *([40, 1, 73, 40, 200, 33, 40] * 9)[:59]]).tolist()
CODECS = {
    "libx265": ("mp4", {"g": "10", "x265-params": "log-level=error:open-gop=1:bframes=3"}),
    "libvpx-vp9": ("webm", {"g": "10", "auto-alt-ref": "1", "lag-in-frames": "8"}),
    "libsvtav1": ("mkv", {"g": "10", "preset": "10"}),
    "mpeg2video": ("ts", {"g": "10", "bf": "2"}),
    "mjpeg": ("mkv", {}),
    "ffv1": ("mkv", {"g": "10"}),
}


def eyes(count: int = 60) -> list[Image]:
    """Return a disc that wanders, jumps now and then, and is sometimes missing."""
    pictures = []
    for i in range(count):
        x = 40 + (7 * i) % 80 + (30 if i % 23 > 17 else 0)
        pictures.append(disc(160, 120, x, 50 + i % 17, 0 if i % 29 == 19 else 18 + i % 9)[0])
    return pictures


def both(
    path: Path, segmenter: Segmenter, options: RunOptions = EVERYTHING, length_s: float = 0.5
) -> tuple[RunResult, RunResult]:
    """Run a video in one piece and in chunks."""
    whole = run_source(path, path.parent / "whole", segmenter, options)
    return whole, in_chunks(path, segmenter, options, length_s)


def in_chunks(
    path: Path,
    segmenter: Segmenter,
    options: RunOptions = EVERYTHING,
    length_s: float = 0.5,
    *,
    stop: threading.Event | None = None,
    on_step: Callable[[Step], None] = lambda step: None,
) -> RunResult:
    """Run a video in chunks, one after the other in this process."""
    task = plan_source(
        path, path.parent / "cut" / source_name(path), options, segmenter.mask_settings
    )
    executor = ChunkingExecutor(Here(Given(segmenter)), length_s, smooth=segmenter.smooth)
    (result,), _ = run_batch(
        [task], executor,
        stop=stop or threading.Event(), on_step=on_step, on_result=lambda task, result: None,
    )  # fmt: skip
    assert not result.error, result.traceback
    return result


class Given(Setup):
    """A segmenter that is there already."""

    def __init__(self, segmenter: Segmenter) -> None:
        object.__setattr__(self, "segmenter", segmenter)

    def build(self) -> Segmenter:
        return self.segmenter  # type: ignore[attr-defined,no-any-return]


def assert_equal(whole: RunResult, cut: RunResult, *said: str) -> None:
    """Check all outputs: pixels of masks, every time, the table, PNG bytes, sound, run.json.

    `said` are warnings that the segmented run alone has.
    """
    a, b = Path(whole.folder), Path(cut.folder)
    assert sorted(p.name for p in a.iterdir()) == sorted(p.name for p in b.iterdir())
    assert (cut.status, cut.frames) == (whole.status, whole.frames)
    assert (cut.last_time_s, cut.scale) == (whole.last_time_s, whole.scale)
    assert cut.frames_found == whole.frames_found
    warnings = sorted([*whole.warnings, *said])
    assert sorted(cut.warnings) == warnings
    for table in ("metrics.csv", "polygons.jsonl"):
        if (a / table).exists():
            assert (b / table).read_text() == (a / table).read_text()
    for one, other in zip(sorted(a.glob("frames/*")), sorted(b.glob("frames/*")), strict=True):
        assert one.name == other.name
        assert one.read_bytes() == other.read_bytes()
    for name in ("overlay.mp4", "mask.mkv"):
        if (a / name).exists():
            assert_equal_videos(a / name, b / name)
    # An encoder that got no more frames than it holds back does not tell how far it runs ahead.
    if (a / "overlay.mp4").exists() and max(segments_of(cut), default=3) > 2:
        assert decode_times(b / "overlay.mp4") == decode_times(a / "overlay.mp4")
    told = [json.loads((folder / "run.json").read_text()) for folder in (a, b)]
    for field in ("status", "source", "fingerprint", "frames", "last_time_s", "outputs", "settings",
                  "engine", "checkpoint", "scale", "paths"):  # fmt: skip
        assert told[0][field] == told[1][field]
    assert sorted(told[1]["warnings"]) == warnings


def assert_equal_videos(one: Path, other: Path) -> None:
    assert described(one) == described(other)
    for (time_s, frame), (other_s, copy) in zip(read_video(one), read_video(other), strict=True):
        assert other_s == time_s
        assert copy.rotation == frame.rotation
        if one.suffix == ".mkv":
            assert np.array_equal(copy.to_ndarray(), frame.to_ndarray())
        else:  # the encoder starts anew at every cut
            difference = copy.to_ndarray().astype(int) - frame.to_ndarray()
            assert np.abs(difference).mean() < 3
    if described(one)["audio"]:
        assert audio_packets(one) == audio_packets(other)


def decode_times(path: Path) -> list[int | None]:
    """Return the decoding times of the pictures, after checking that a player can keep them."""
    with av.open(str(path)) as container:
        stamps = [(p.dts, p.pts) for p in container.demux(video=0) if p.size]
    assert all(a[0] < b[0] for a, b in itertools.pairwise(stamps))
    assert all(dts <= pts for dts, pts in stamps)
    return [dts for dts, _ in stamps]


def described(path: Path) -> dict[str, Any]:
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        context = stream.codec_context
        return {
            "size": (context.width, context.height, context.pix_fmt),
            "tags": (
                context.color_range, context.colorspace, context.color_primaries, context.color_trc
            ),
            "aspect": stream.sample_aspect_ratio,
            "codec": (context.name, context.codec_tag, context.extradata),
            "frames": stream.frames,
            "start": stream.start_time,
            "duration": container.duration if path.suffix == ".mp4" else None,
            "audio": [s.codec_context.name for s in container.streams.audio],
        }  # fmt: skip


def segments_of(result: RunResult) -> list[int]:
    """Return how many frames each chunk of a run had; nothing when it was done in one piece."""
    told = json.loads((Path(result.folder) / "run.json").read_text())
    frames: list[int] = told.get("segments", {}).get("frames", [])
    return frames


def damage(path: Path, begin: float, length: int) -> None:
    content = bytearray(path.read_bytes())
    start = int(begin * len(content))
    content[start : start + length] = bytes(length)
    path.write_bytes(content)
