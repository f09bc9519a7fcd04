"""Mutated videos, checkpoints and annotations: one clear error or a result, nothing else.

    python tests/fuzz/mutate.py [--counts run=500 decode=10000 checkpoint=4000 annotation=8000]

Every input follows from its kind and number, so that a finding can be repeated with `--only KIND
NUMBER`. Inputs are tried in a child process; one that dies or hangs is a finding and the next child
goes on behind it. Findings are also: an error of an unexpected class (users would see "internal
error"), and a file outside the folder that the input was given.
"""

from __future__ import annotations

import argparse
import base64
import faulthandler
import json
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
import torch

sys.path.insert(0, str(Path(__file__).parents[1]))
from conftest import TINY_SPEC, moving_discs, write_video

from cornea_stream import Segmenter
from cornea_stream.errors import CorneaStreamError
from cornea_stream.models.checkpoint import load_checkpoint, save_checkpoint
from cornea_stream.models.pspnet import build_pspnet
from cornea_stream.runs.run import run_source
from cornea_stream.sources import open_source
from cornea_train.formats import DEFAULTS, BadAnnotationError
from cornea_train.formats.base import draw
from cornea_train.formats.supervisely import read_content

HANG_S = 60
SIZE = (48, 64)
CODECS = {
    "a.mp4": ("libx264", "yuv420p"), "b.mkv": ("ffv1", "yuv420p"), "c.avi": ("mjpeg", "yuvj420p"),
    "d.ts": ("mpeg2video", "yuv420p"), "e.webm": ("libvpx-vp9", "yuv420p"),
    "f.mov": ("prores_ks", "yuv422p10le"), "g.mp4": ("libx265", "yuv420p"),
}  # fmt: skip


@cache
def seeds(kind: str) -> list[tuple[str, bytes]]:
    """Return the (name, content) of the whole inputs of a kind."""
    torch.manual_seed(3)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind in ("run", "decode"):
            for file, (codec, pixels) in CODECS.items():
                write_video(
                    folder / file, moving_discs(8, 64, 48), codec=codec, pix_fmt=pixels,
                    time_base=Fraction(1, 25),
                )  # fmt: skip
            for file in ("h.png", "i.jpg"):
                cv2.imwrite(str(folder / file), moving_discs(1, 64, 48)[0])
        elif kind == "checkpoint":
            model = build_pspnet("resnet18", psp_out_channels=32)
            save_checkpoint(folder / "a.safetensors", model.state_dict(), TINY_SPEC, {})
            small = dict(list(model.state_dict().items())[:12])
            torch.save(small, folder / "b.pth")
            save_checkpoint(folder / "c.pth", model.state_dict(), TINY_SPEC, {})
        else:
            png = cv2.imencode(".png", np.full((20, 20), 255, np.uint8))[1].tobytes()
            bitmap = {"data": base64.b64encode(zlib.compress(png)).decode(), "origin": [5, 6]}
            hole = [[9, 9], [12, 9], [9, 12]]
            points = {"exterior": [[5, 5], [50, 6], [40, 40]], "interior": [hole]}
            for file, geometry in (
                ("a.json", {"geometryType": "polygon", "points": points}),
                ("b.json", {"geometryType": "bitmap", "bitmap": bitmap}),
            ):
                item = {"classTitle": "Cornea", **geometry}
                size = {"height": SIZE[0], "width": SIZE[1]}
                (folder / file).write_text(json.dumps({"size": size, "objects": [item]}))
        return [(path.name, path.read_bytes()) for path in sorted(folder.iterdir())]


def mutate(rng: np.random.Generator, data: bytes) -> bytes:
    """Return the bytes with a few of: bits flipped, bytes set, stretches cut, doubled, swapped."""
    buffer = bytearray(data)
    for _ in range(int(rng.integers(1, 5))):
        if len(buffer) < 8:
            break
        # Half of the changes fall on the first 512 bytes, where headers lie.
        end = len(buffer) if rng.random() < 0.5 else min(len(buffer), 512)
        at, length = int(rng.integers(end)), int(rng.integers(1, 65))
        match int(rng.integers(6)):
            case 0:
                buffer[at] ^= 1 << int(rng.integers(8))
            case 1:
                buffer[at] = int(rng.choice([0, 1, 0x7F, 0x80, 0xFF, 0x2D, 0x39]))
            case 2:
                del buffer[at : at + length]
            case 3:
                buffer[at:at] = buffer[at : at + length]
            case 4:
                extreme = int(rng.choice([0, 2**31 - 1, 2**32 - 1]))
                buffer[at : at + 4] = extreme.to_bytes(4, "big")
            case _ if rng.random() < 0.2:
                del buffer[at:]
    return bytes(buffer)


@cache
def segmenter() -> Segmenter:
    """Return a small network with random weights."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "tiny.safetensors"
        model = build_pspnet("resnet18", psp_out_channels=32)
        save_checkpoint(path, model.state_dict(), TINY_SPEC, {})
        return Segmenter(path, device="cpu", backend="torch")


def decode(path: Path) -> None:
    """Read up to 50 frames as RGB."""
    with open_source(path) as source:
        for frame in islice(source, 50):
            frame.rgb()


TARGETS: dict[str, Callable[[Path], object]] = {
    "run": lambda path: run_source(path, path.parent / "out", segmenter()),
    "decode": decode,
    "checkpoint": lambda path: load_checkpoint(path).build(),
    "annotation": lambda path: draw(read_content(path, DEFAULTS), SIZE, DEFAULTS),
}


def attempt(kind: str, number: int, folder: Path) -> str:
    """Try one input in `folder`; return what came of it: "read" or "refused". Other errors rise."""
    rng = np.random.default_rng((7, number))
    name, data = seeds(kind)[number % len(seeds(kind))]
    path = folder / name
    path.write_bytes(mutate(rng, data))
    try:
        TARGETS[kind](path)
    except (CorneaStreamError, BadAnnotationError):
        return "refused"
    return "read"


def child(kind: str, numbers: range) -> None:
    """Try the inputs, telling each before and after on standard output."""
    seeds(kind)
    with tempfile.TemporaryDirectory() as outer:
        for number in numbers:
            print("try", number, flush=True)
            faulthandler.dump_traceback_later(HANG_S, exit=True)
            with tempfile.TemporaryDirectory(dir=outer) as inner:
                try:
                    print(attempt(kind, number, Path(inner)), flush=True)
                except Exception as err:
                    what = f"{type(err).__name__}: {err}"[:300].replace("\n", " ")
                    print("finding", number, what)
                if [path.name for path in Path(outer).iterdir()] != [Path(inner).name]:
                    print("finding", number, "a file outside its folder")
            faulthandler.cancel_dump_traceback_later()


def fuzz(kind: str, count: int) -> dict[str, object]:
    """Try `count` inputs of a kind; return how many were read, refused, and the findings."""
    result: dict[str, object] = {}
    read = refused = at = 0
    findings: list[str] = []
    while at < count:
        command = [sys.executable, __file__, "--child", kind, str(at), str(count)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace")
        for line in done.stdout.splitlines():
            read += line == "read"
            refused += line == "refused"
            if line.startswith("finding"):
                findings.append(f"{kind} {line[8:]}")
            elif line.startswith("try"):
                at = int(line.split()[1]) + 1
        if done.returncode:
            findings.append(f"{kind} {at - 1} died ({done.returncode}): {done.stderr[-400:]}")
            if not done.stdout:
                break
    result |= {"tried": at, "read": read, "refused": refused, "findings": findings}
    return result


def main() -> int:
    """Fuzz the kinds asked for, print the counts; 1 with findings."""
    parser = argparse.ArgumentParser(description="Try mutated inputs.")
    parser.add_argument(
        "--counts", nargs="+", metavar="KIND=N",
        default=["run=500", "decode=10000", "checkpoint=4000", "annotation=8000"],
    )  # fmt: skip
    parser.add_argument("--only", nargs=2, metavar=("KIND", "NUMBER"))
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.child:
        kind, start, end = options.child
        child(kind, range(int(start), int(end)))
        return 0
    if options.only:
        with tempfile.TemporaryDirectory() as folder:
            print(attempt(options.only[0], int(options.only[1]), Path(folder)))
        return 0
    counts = (text.split("=") for text in options.counts)
    results = {kind: fuzz(kind, int(count)) for kind, count in counts}
    print(json.dumps(results, indent=2))
    return int(any(result["findings"] for result in results.values()))


if __name__ == "__main__":
    sys.exit(main())
