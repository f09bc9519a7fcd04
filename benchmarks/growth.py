"""Bytes that stay allocated per frame, by output: what grows over hours of video.

    python -m benchmarks.growth [--frames 60000] [--output benchmarks/results/growth.json]

Frames are small and the masks are given, so that only reading and writing cost. Every output is
measured in a process of its own whose Python objects come from malloc too, so that `mallinfo2`
(glibc 2.33 or later) counts all memory in use; the resident set would add fragmentation.
The last two quarters of the frames are compared. Each must be longer than a row group of
metrics.parquet, and the first two long enough to fill the demuxer's index of audio packets, which
FFmpeg bounds to 1 MiB.
"""

from __future__ import annotations

import argparse
import ctypes
import json
import os
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from pathlib import Path

import av
import numpy as np

from benchmarks.media import write_looped
from benchmarks.report import save
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.media.frame import Frame, Image
from cornea_stream.pipeline.pipeline import Progress, run_pipeline
from cornea_stream.pipeline.queues import Feed
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.outputs import OutputContext, choose_outputs, open_sinks
from cornea_stream.sinks import check_encoder
from cornea_stream.sources import open_source

SIZE, RATE = (64, 48), 25
SAMPLE_EVERY = 100  # frames
CASES = {
    "reading only": (),
    "overlay.mp4": ("overlay",),
    "overlay.mp4 with audio": ("overlay",),
    "mask.mkv": ("mask",),
    "frames": ("frames",),
    "metrics.csv": ("metrics",),
    "metrics.parquet": ("parquet",),
    "polygons.jsonl": ("polygons",),
}


class GivenMasks:
    """Stages of a pipeline that find the same disc in every frame at no cost."""

    def __init__(self) -> None:
        width, height = SIZE
        rows, columns = np.mgrid[:height, :width]
        disc = (columns - width / 2) ** 2 + (rows - height / 2) ** 2 <= (height / 3) ** 2
        self._mask: Image = np.where(disc, 255, 0).astype(np.uint8)

    def prepare(self, frame: Frame) -> Frame:
        """Return the frame."""
        return frame

    def predict(self, inputs: Iterable[Frame]) -> Iterator[Frame]:
        """Yield the frames."""
        yield from inputs

    def predict_promptly(self, frames: Feed[Frame]) -> Iterator[Frame]:
        """Yield the frames."""
        yield from frames

    def finish(self, prediction: Frame) -> Segmentation:
        """Return the disc."""
        return Segmentation(prediction, self._mask.copy(), 0.95)


class _Mallinfo(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_size_t)
        for name in (
            "arena", "ordblks", "smblks", "hblks", "hblkhd",
            "usmblks", "fsmblks", "uordblks", "fordblks", "keepcost",
        )
    ]  # fmt: skip


def bytes_in_use() -> int:
    """Return the bytes that are allocated now, in heaps and in mappings."""
    mallinfo2 = ctypes.CDLL(None).mallinfo2
    mallinfo2.restype = _Mallinfo
    found = mallinfo2()
    return int(found.uordblks + found.hblkhd)


def measure(video: Path, folder: Path, wanted: Iterable[str]) -> dict[str, float]:
    """Run the outputs `wanted` over a video; return the growth from third to last quarter."""
    options = RunOptions(**{"overlay": False} | dict.fromkeys(wanted, True))  # type: ignore[arg-type]
    samples = array("q")  # pairs of frames and bytes; a list of tuples would show in the result

    def sample(progress: Progress) -> None:
        if progress.frames % SAMPLE_EVERY == 0:
            samples.extend((progress.frames, bytes_in_use()))

    folder.mkdir()
    with open_source(video) as source:
        context = OutputContext(folder, source.info, options, check_encoder("libx264"), offset_s=0)
        with open_sinks(choose_outputs(options, still=False), context) as sinks:
            run_pipeline(source, GivenMasks(), sinks, on_progress=sample, depth=1)
    *_, third, last = np.array_split(np.array(samples).reshape(-1, 2), 4)
    # Buffers fill and empty; the maximum of a quarter follows what stays.
    in_use = (last[:, 1].max() - third[:, 1].max()) / (last[-1, 0] - third[-1, 0])
    return {
        "bytes_per_frame": round(float(in_use), 1),
        "mib_per_hour_of_video": round(float(in_use) * 3600 * RATE / 2**20, 2),
    }


def add_audio(source: Path, target: Path) -> None:
    """Copy a video and add a mono AAC stream of the same length."""
    with av.open(str(source)) as video, av.open(str(target), "w") as sink:
        pictures = sink.add_stream_from_template(video.streams.video[0])
        sound = sink.add_stream("aac", rate=48000, layout="mono")
        silence = np.zeros((1, 1024), np.float32)
        written = 0
        for packet in video.demux(video=0):
            if packet.dts is None:
                continue
            while written <= 48000 * packet.dts * packet.time_base:
                tone = av.AudioFrame.from_ndarray(silence, format="fltp", layout="mono")
                tone.sample_rate, tone.pts = 48000, written
                sink.mux(sound.encode(tone))
                written += 1024
            packet.stream = pictures
            sink.mux(packet)
        sink.mux(sound.encode(None))


def main() -> None:
    """Measure every case in a process of its own, print and write the result."""
    parser = argparse.ArgumentParser(description="Memory that stays allocated per frame.")
    parser.add_argument("--frames", type=int, default=60000)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/growth.json"))
    parser.add_argument("--case", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.case:
        case, video, folder = options.case
        print(json.dumps(measure(Path(video), Path(folder), CASES[case])))
        return
    growth = {}
    with tempfile.TemporaryDirectory() as name:
        silent, sounding = Path(name) / "silent.mkv", Path(name) / "sounding.mkv"
        write_looped(silent, options.frames, SIZE, RATE)
        add_audio(silent, sounding)
        for number, case in enumerate(CASES):
            video = sounding if "audio" in case else silent
            command = [sys.executable, "-m", "benchmarks.growth", "--case", case, str(video)]
            found = subprocess.run(
                [*command, str(Path(name) / str(number))], check=True, text=True,
                stdout=subprocess.PIPE, env=os.environ | {"PYTHONMALLOC": "malloc"},
            )  # fmt: skip
            growth[case] = json.loads(found.stdout)
            print(f"{case}: {growth[case]}", file=sys.stderr, flush=True)
    result = {
        "what": "memory that stays allocated per frame, by output",
        "frames": options.frames,
        "growth": growth,
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
