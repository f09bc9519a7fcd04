"""What each stage of `run` costs, beside what the machine allows: CPU time and bytes per frame.

    python -m benchmarks.budget VIDEO [--rounds 5] [--output benchmarks/results/budget.json]

The video is brought to each size; default weights, `auto` engine, overlay out. Each stage runs
alone over decoded frames; its cost is user and system time of the process, the least of the rounds,
so that other work on the machine counts little. Beside it stands a limit, measured in the same
rounds: decoding and encoding by the codec alone, the network by one request without a pipeline, a
copy of the bytes for stages that only move pixels. What the whole command takes beyond its stages
is Python, threads and memory.
"""

from __future__ import annotations

import argparse
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterable
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np

from benchmarks.media import RATE, reencoded
from benchmarks.report import save
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.overlay import OverlayStyle, YuvPainter
from cornea_stream.media.planes import view
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sinks import check_encoder
from cornea_stream.sinks.video import VideoFile
from cornea_stream.sources import open_source

SIZES = ((1024, 768), (1920, 1080), (3840, 2160))
FRAMES = 600
"""Frames of a whole run, so that its start and end count little, as in recordings."""
KEPT_BYTES = 400_000_000
"""Decoded frames that are kept for the stages; their overlays need as much again."""
Work = Callable[[], int]
"""Does a stage over all its frames; returns their number."""


def cpu_ms(work: Work) -> float:
    """Return the CPU time per frame in milliseconds, of all threads of this process."""
    began = time.process_time()
    count = work()
    return 1000 * (time.process_time() - began) / count


def each(step: Callable[[Any], object], items: Iterable[Any]) -> Work:
    """Return the work of a step on every item, of which no result is kept."""

    def work() -> int:
        count = 0
        for item in items:
            step(item)
            count += 1
        return count

    return work


class Stages:
    """The stages over the first frames of a video, and the limits beside them."""

    def __init__(self, video: Path, segmenter: Segmenter) -> None:
        self.video, self.segmenter = video, segmenter
        with open_source(video) as source:
            self.info = source.info
            size = self.info.width * self.info.height
            self.frames = list(islice(source, KEPT_BYTES // (3 * size)))
        steps = segmenter.stages
        self.prepared = [steps.prepare(frame) for frame in self.frames]
        self.predictions = list(steps.predict(self.prepared))
        self.found = [steps.finish(prediction) for prediction in self.predictions]
        self.paint = YuvPainter(OverlayStyle())
        self.painted = [self.paint(one) for one in self.found]
        self.packets = self._encoded()
        self.fps: list[float] = []

    def works(self) -> dict[str, Work]:
        """Return the work of each stage."""
        steps = self.segmenter.stages
        return {
            "decode": self._decode,
            "preprocess": each(steps.prepare, self.frames),
            "network": lambda: sum(1 for _ in steps.predict(self.prepared)),
            "mask": each(steps.finish, self.predictions),
            "paint": each(self.paint, self.found),
            "encode and mux": self._write,
            "whole command": self._run,
        }

    def limits(self) -> dict[str, Work]:
        """Return what each stage cannot go below, as work of the same kind."""
        engine = self.segmenter.engine
        planes = [view(plane) for plane in self.frames[0].video.planes]
        count = len(self.frames)
        found = self.found[0].mask

        def copy_planes(_: object) -> None:
            for plane in planes:
                plane.copy()

        return {
            "decode": self._decode_alone,
            "preprocess": each(copy_planes, range(count)),
            "network": each(lambda one: engine.submit([one.model_input]).result(), self.prepared),
            "mask": each(lambda _: found.copy(), range(count)),
            "paint": each(copy_planes, range(count)),
            "encode and mux": self._encode_alone,
        }

    def moved_bytes(self) -> dict[str, int]:
        """Return the bytes of whole pictures that each stage reads and writes, per frame.

        Y, Cb and Cr take 1.5 bytes per pixel, RGB 3, the mask 1. What codecs move inside is theirs.
        """
        pixels = self.info.width * self.info.height
        height, width = self.segmenter.checkpoint.spec.image_size
        small = 3 * height * width
        painted = int(np.mean([np.count_nonzero(one.mask) for one in self.found]))
        return {
            "decode": 3 * pixels // 2,
            "preprocess": 3 * pixels // 2 + 2 * 3 * pixels + small,
            "network": 2 * small,
            "mask": pixels + 2 * 4 * height * width,
            "paint": 2 * 3 * pixels // 2 + pixels + 2 * 3 * painted // 2,
            "encode and mux": 2 * 3 * pixels // 2 + self.packets,
        }

    def _decode(self) -> int:
        with open_source(self.video) as source:
            return sum(1 for _ in source)

    def _decode_alone(self) -> int:
        with av.open(str(self.video)) as container:
            container.streams.video[0].thread_type = "AUTO"
            return sum(1 for _ in container.decode(video=0))

    def _write(self) -> int:
        with tempfile.TemporaryDirectory() as folder:
            writer = VideoFile(Path(folder) / "v.mp4", self.info, check_encoder("libx264"))
            for picture in self.painted:
                writer.encode(picture)
            writer.close()
        return len(self.painted)

    def _encode_alone(self) -> int:
        self._encoded()
        return len(self.painted)

    def _encoded(self) -> int:
        """Encode with one thread and without a file; return the bytes per frame."""
        encoder = av.CodecContext.create("libx264", "w")
        assert isinstance(encoder, av.VideoCodecContext)
        encoder.width, encoder.height = self.info.width, self.info.height
        encoder.pix_fmt, encoder.time_base = "yuv420p", Fraction(1, RATE)
        encoder.thread_count = 1
        encoder.options = dict(check_encoder("libx264").options)
        size = 0
        for index, picture in enumerate(self.painted):
            picture.pts, picture.time_base, picture.pict_type = index, Fraction(1, RATE), 0
            size += sum(packet.size for packet in encoder.encode(picture))
        size += sum(packet.size for packet in encoder.encode(None))
        return size // len(self.painted)

    def _run(self) -> int:
        with tempfile.TemporaryDirectory() as folder:
            result = run_source(self.video, folder, self.segmenter, RunOptions())
        self.fps.append(result.fps)
        return result.frames


def measure(video: Path, segmenter: Segmenter, rounds: int) -> dict[str, Any]:
    """Return cost, limit and bytes of every stage, with what the whole run takes beyond them."""
    stages = Stages(video, segmenter)
    works, limits, moved = stages.works(), stages.limits(), stages.moved_bytes()
    costs: dict[str, list[float]] = {name: [] for name in works}
    least: dict[str, list[float]] = {name: [] for name in limits}
    for _ in range(rounds):
        for name, work in works.items():
            costs[name].append(cpu_ms(work))
            if name in limits:
                least[name].append(cpu_ms(limits[name]))
    whole = min(costs.pop("whole command"))
    table = {
        name: {
            "cpu_ms": round(min(values), 2),
            "limit_ms": round(min(least[name]), 2),
            "mbytes": round(moved[name] / 1e6, 2),
        }
        for name, values in costs.items()
    }
    together = sum(stage["cpu_ms"] for stage in table.values())
    limit = sum(stage["limit_ms"] for stage in table.values())
    cores = len(os.sched_getaffinity(0))
    return {
        "stages": table,
        "whole_cpu_ms": round(whole, 2),
        "python_and_threads_ms": round(whole - together, 2),
        "limits_together_ms": round(limit, 2),
        "fps": round(max(stages.fps), 1),
        "fps_of_stages": round(1000 * cores / together, 1),
        "fps_of_limits": round(1000 * cores / limit, 1),
    }


def main() -> None:
    """Measure, print and write the result after every size."""
    parser = argparse.ArgumentParser(description="CPU time and bytes per frame, by stage.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/budget.json"))
    options = parser.parse_args()
    segmenter = Segmenter(backend=options.backend, precision=options.precision)
    sizes: dict[str, Any] = {}
    with open_source(options.video) as source:
        repeats = math.ceil(FRAMES / sum(1 for _ in source))
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            name = f"{size[0]}x{size[1]}"
            clip = reencoded(options.video, Path(folder) / f"{name}.mp4", size, repeats)
            sizes[name] = measure(clip, segmenter, options.rounds)
            save(
                options.output,
                {
                    "what": "CPU ms and MB per frame by stage, the limit of each beside it",
                    "video": options.video.name,
                    "engine": segmenter.engine.describe(),
                    "sizes": sizes,
                },
            )


if __name__ == "__main__":
    main()
