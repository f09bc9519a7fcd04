"""What correcting 20 frames of a clip brings on its other frames, and what is forgotten by it.

    python -m benchmarks.correction [--clips 3] [--checkpoint NAME|FILE]

Needs Playwright and Debian's chromium. The clips are the first generated ones of hard kinds on
which the weights are wrong. Each is segmented, 20 of its frames are corrected on the page of
`cornea-stream correct` by a scripted browser that drags the ellipse to the true one and marks the
frame without an eye, and the command that `correct` prints then trains, on two cores. Scored are
frames halfway between those corrected, and generated frames that have nothing to do with the clip.
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from benchmarks.report import save
from benchmarks.scripted_browser import correct_all
from cornea_stream import Segmenter
from cornea_stream.synthetic import generate_clip, generate_empty, generate_frame
from cornea_train.config import FINE_TUNING
from cornea_train.correct.outline import Ellipse, NoCornea, outline_of
from cornea_train.dataset import load_pair
from cornea_train.formats import find_pairs
from cornea_train.generated import VALIDATION_SEED
from cornea_train.metrics import overlap
from cornea_train.plots import contact_sheet

Sample = tuple[np.ndarray, np.ndarray]
SIZE = (384, 512)
CORRECTED, STEP = 20, 20
"""Frames to correct, and frames of the clip from one to the next."""
FRAMES = (CORRECTED - 1) * STEP + 1
EMPTY = 10
"""Frames at the end of the clip that show no eye: the last of them is corrected."""
KINDS = ("round_light", "pale_iris", "limbal_zone", "dilated", "lid_cut", "trypan_blue", "blood")
WRONG = 0.85
"""Weights whose IoU with a clip is below this are wrong on it."""
MOST_SEEDS = 3000
MOST_MINUTES, LEAST_GAINED, MOST_LOST = 10, 0.5, 0.01
"""What is promised: of the IoU that was missing in the clip, and of that on generated frames."""
UNSEEN = VALIDATION_SEED + 2**20
"""Where the seeds of generated frames begin that `train` scores none of."""
PROGRAM = (sys.executable, "-m", "cornea_stream")


class Clip(NamedTuple):
    """What decides a clip."""

    seed: int
    kind: str

    def samples(self) -> Iterator[Sample]:
        """Yield its frames with their true masks."""
        yield from generate_clip(self.seed, FRAMES - EMPTY, *SIZE, kind=self.kind)
        for _ in range(EMPTY):
            yield generate_empty(self.seed, *SIZE), np.zeros(SIZE, np.uint8)


def wrong_clips(segmenter: Segmenter) -> Iterator[Clip]:
    """Yield clips on whose beginning, middle and end the weights are wrong."""
    for seed in range(MOST_SEEDS):
        clip = Clip(seed, KINDS[seed % len(KINDS)])
        if all(iou(segmenter, [s]) < WRONG for s in islice(clip.samples(), 0, 350, 150)):
            print(f"clip {seed} ({clip.kind}): the weights are wrong on it", flush=True)
            yield clip


def iou(segmenter: Segmenter, samples: Sequence[Sample]) -> float:
    """Return the mean IoU over `samples`."""
    found = segmenter.stream(image for image, _ in samples)
    return float(np.mean([overlap(f.mask, s[1]).iou for f, s in zip(found, samples, strict=True)]))


def write_video(path: Path, samples: Sequence[Sample]) -> None:
    """Write a clip, nearly without loss."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "8"})
        stream.height, stream.width, stream.pix_fmt = *SIZE, "yuv420p"
        for index, (image, _) in enumerate(samples):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = index, Fraction(1, 25)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def true_outline(mask: np.ndarray) -> Ellipse | NoCornea:
    """Return the outline of a true mask, which the frame does not cut."""
    outline = outline_of(mask)
    assert isinstance(outline, Ellipse | NoCornea)
    return outline


def correct(samples: Sequence[Sample], folder: Path) -> str:
    """Correct the frames of the run `out/clip` in the browser; return the printed command."""
    command = (*PROGRAM, "correct", "out/clip", "--spread", str(CORRECTED), "--uncertain", "0")
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert process.stderr is not None
        line = process.stderr.readline()
        if not (address := re.search(r"http://\S+", line)):
            raise SystemExit(line + process.stderr.read())
        correct_all(address[0], lambda name: true_outline(samples[_number(name)][1]))
        out, _ = process.communicate(timeout=60)
    finally:
        process.kill()
    return out.partition("Next: ")[2].strip()


def _number(name: str) -> int:
    return int(name[-6:])


def corrected_iou(folder: Path, samples: Sequence[Sample]) -> list[float]:
    """Return how well the masks that `train` reads agree with the true ones."""
    pairs, problems = find_pairs(folder)
    assert not problems
    masks = {_number(pair.image.stem): load_pair(pair)[1] for pair in pairs}
    return [overlap(mask, samples[number][1]).iou for number, mask in masks.items()]


def fine_tune(command: str, more: str, folder: Path) -> dict[str, Any]:
    """Run the command that `correct` printed; return its times and epochs."""
    began, used = time.perf_counter(), os.times()
    subprocess.run(
        (*PROGRAM, *shlex.split(command)[1:], *shlex.split(more)), cwd=folder, check=True
    )
    seconds, after = time.perf_counter() - began, os.times()
    busy = sum(after[2:4]) - sum(used[2:4])  # of child processes
    with (folder / "corrected_weights" / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    best = max(rows, key=lambda row: float(row["val_iou"]))
    return {
        "minutes": round(seconds / 60, 2), "core_minutes": round(busy / 60, 2),
        "epochs": int(rows[-1]["epoch"]), "best_epoch": int(best["epoch"]),
    }  # fmt: skip


def measure(
    clip: Clip, generated: list[Sample], before: Segmenter, options: argparse.Namespace
) -> dict[str, Any]:
    """Correct one clip and fine-tune on it; return the scores before and after."""
    samples = list(clip.samples())
    others = samples[STEP // 2 : FRAMES - EMPTY : STEP]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_video(folder / "clip.mp4", samples)
        run = ("run", "clip.mp4", "-o", "out", "--mask", "--metrics", "--no-overlay")
        subprocess.run((*PROGRAM, *run, "--checkpoint", options.checkpoint), cwd=folder, check=True)
        began = time.perf_counter()
        command = correct(samples, folder)
        browser_s = time.perf_counter() - began
        drawn = corrected_iou(folder / "corrected", samples)
        tuned = fine_tune(command, options.train, folder)
        after = Segmenter(folder / "corrected_weights" / "best_model.pth")
        if options.sheets:
            options.sheets.mkdir(parents=True, exist_ok=True)
            tiles = [(i, m, after(i).mask, str(k)) for k, (i, m) in enumerate(others)]
            contact_sheet(options.sheets / f"{clip.seed}.png", tiles)
        scores = [{"clip": iou(s, others), "generated": iou(s, generated)} for s in (before, after)]
    gained = (scores[1]["clip"] - scores[0]["clip"]) / (1 - scores[0]["clip"])
    lost = scores[0]["generated"] - scores[1]["generated"]
    return {
        "clip": clip.seed,
        "kind": clip.kind,
        "command": command,
        "frames_corrected": len(drawn),
        "corrected_iou": round(float(np.mean(drawn)), 4),
        "browser_seconds": round(browser_s, 1),
        "before": scores[0],
        "after": scores[1],
        "share_of_missing_gained": round(gained, 3),
        "generated_lost": round(lost, 4),
        **tuned,
        "as_promised": gained >= LEAST_GAINED and lost <= MOST_LOST
        and tuned["minutes"] <= MOST_MINUTES,
    }  # fmt: skip


def parse() -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(description="Measure what corrections bring.")
    parser.add_argument("--clips", type=int, default=3, help="how many")
    parser.add_argument("--checkpoint", default="default")
    parser.add_argument("--train", default="", help="further options of train, in one string")
    parser.add_argument("--generated", type=int, default=120, help="frames")
    parser.add_argument("--sheets", type=Path, help="folder for pictures of the masks afterwards")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/correction.json"))
    return parser.parse_args()


def main() -> None:
    """Measure all clips, print and write the result."""
    options = parse()
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:2])
    segmenter = Segmenter(options.checkpoint)
    generated = [generate_frame(UNSEEN + i, *SIZE) for i in range(options.generated)]
    clips = []
    for clip in islice(wrong_clips(segmenter), options.clips):
        clips.append(measure(clip, generated, segmenter, options))
        print(clips[-1], flush=True)
    result = {
        "what": f"{CORRECTED} frames of a generated clip corrected by a scripted browser, "
        "fine-tuned with the printed command on two cores; IoU on other frames of the clip and on "
        "other generated frames",
        "checkpoint": segmenter.checkpoint.sha256,
        "settings": FINE_TUNING,
        "further_options": options.train,
        "seeds_searched": max((clip["clip"] + 1 for clip in clips), default=MOST_SEEDS),
        "clips": clips,
    }
    save(options.output, result)


if __name__ == "__main__":
    main()
