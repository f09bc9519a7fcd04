"""The same work done by what one would pick instead: overlay video in, overlay video out.

    python -m benchmarks.peers VIDEO [--device cuda] [--rounds 3] [--yolo FILE.onnx] [--output FILE]

The video is scaled to 1024x768. Supervision, torchcodec and ultralytics take part where they are
installed, ultralytics with the file of `benchmarks.ease.yolo_export` for the default weights. All
contestants use the same network, first that of the default weights, then the published one:
ResNet-101 at 512x512. They take turns for `--rounds` rounds in one run, so that a noisy machine is
noisy for all; ratios of medians are what counts. Loading and the first frames are not counted for
anyone.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import torch

from benchmarks.media import RATE, reencoded
from benchmarks.report import save
from cornea_stream.diagnostics.benchmark import plain_loop
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.models.checkpoint import Checkpoint, load_checkpoint
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source

Contestant = Callable[[Path], float]
PLAIN = "plain OpenCV loop, fp32"
SIZE = (1024, 768)
"""Width and height of common recordings."""


def ours(weights: Checkpoint, backend: str, precision: str, device: str) -> Contestant:
    """Return a run of this project with one engine, loaded once."""
    segmenter = Segmenter(weights, backend=backend, precision=precision, device=device)
    segmenter(np.zeros((64, 64, 3), np.uint8))

    def run(video: Path) -> float:
        with tempfile.TemporaryDirectory() as folder:
            return run_source(video, folder, segmenter, RunOptions()).fps

    return run


def _segment(model: torch.nn.Module, weights: Checkpoint, rgb: np.ndarray) -> np.ndarray:
    small = cv2.resize(rgb, weights.spec.image_size[::-1])
    device = next(model.parameters()).device
    with torch.inference_mode():
        logits = model(_normalized(small[None], weights).to(device))
    mask = (logits[0, 0].cpu().numpy() > 0).astype(np.uint8)
    return cv2.resize(mask, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST)


def _normalized(images: np.ndarray, weights: Checkpoint) -> torch.Tensor:
    mean, std = (torch.tensor(v).reshape(3, 1, 1) for v in (weights.spec.mean, weights.spec.std))
    return (torch.from_numpy(images).permute(0, 3, 1, 2).float() - mean) / std


def supervision_loop(weights: Checkpoint, device: str) -> Contestant:
    """Return `supervision.process_video` with its own mask annotator."""
    import supervision as sv

    model = weights.build().to(device)
    annotator = sv.MaskAnnotator(color=sv.Color(0, 255, 0), opacity=0.5)

    def callback(frame: np.ndarray, _: int) -> np.ndarray:
        mask = _segment(model, weights, cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)) > 0
        if not mask.any():
            return frame
        rows, columns = np.nonzero(mask)
        box = [[columns.min(), rows.min(), columns.max(), rows.max()]]
        found = sv.Detections(xyxy=np.array(box, float), mask=mask[None], class_id=np.zeros(1, int))
        return annotator.annotate(frame, found)

    def run(video: Path) -> float:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            sv.process_video(str(video), f"{folder}/o.mp4", callback)
            seconds = time.perf_counter() - began
            return sv.VideoInfo.from_video_path(str(video)).total_frames / seconds

    return run


def pyav_batches(weights: Checkpoint, device: str, size: int = 8) -> Contestant:
    """Return a PyAV loop that predicts in batches, in full RGB and fp32."""
    model = weights.build().to(device)
    height, width = weights.spec.image_size

    def overlays(video: Path) -> Iterator[np.ndarray]:
        with av.open(str(video)) as source, torch.inference_mode():
            frames = (frame.to_ndarray(format="rgb24") for frame in source.decode(video=0))
            while held := list(islice(frames, size)):
                inputs = np.stack([cv2.resize(rgb, (width, height)) for rgb in held])
                logits = model(_normalized(inputs, weights).to(device))
                for rgb, one in zip(held, logits[:, 0].cpu().numpy(), strict=True):
                    yield _painted(rgb, cv2.resize((one > 0).astype(np.uint8), rgb.shape[1::-1]))

    return _encoded(overlays)


def torchcodec_loop(weights: Checkpoint, device: str) -> Contestant:
    """Return a loop over torchcodec's frames, in fp32."""
    from torchcodec.decoders import VideoDecoder

    model = weights.build().to(device)

    def overlays(video: Path) -> Iterator[np.ndarray]:
        for frame in VideoDecoder(str(video), dimension_order="NHWC"):
            rgb = frame.numpy()
            yield _painted(rgb, _segment(model, weights, rgb))

    return _encoded(overlays)


def ultralytics_predict(yolo: Path, size: tuple[int, int]) -> Contestant:
    """Return ultralytics' own prediction of a video, with the network as an ONNX file."""
    from ultralytics import YOLO

    model = YOLO(str(yolo), task="segment")

    def run(video: Path) -> float:
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            count = sum(1 for _ in model.predict(
                str(video), imgsz=size, stream=True, save=True, project=folder, show_boxes=False,
                verbose=False,
            ))  # fmt: skip
            return count / (time.perf_counter() - began)

    return run


def _painted(rgb: np.ndarray, mask: np.ndarray) -> np.ndarray:
    inside = mask > 0
    rgb[inside] = rgb[inside] // 2 + np.array([0, 127, 0], np.uint8)
    return rgb


def _encoded(overlays: Callable[[Path], Iterator[np.ndarray]]) -> Contestant:
    """Return a run that encodes what `overlays` yields of a video."""

    def run(video: Path) -> float:
        with tempfile.TemporaryDirectory() as folder, av.open(f"{folder}/o.mp4", "w") as sink:
            stream = sink.add_stream("libx264", rate=RATE)
            stream.width, stream.height = SIZE
            stream.pix_fmt = "yuv420p"
            began, count = time.perf_counter(), 0
            for rgb in overlays(video):
                sink.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
                count += 1
            sink.mux(stream.encode(None))
            return count / (time.perf_counter() - began)

    return run


def contestants(weights: Checkpoint, device: str, yolo: Path | None) -> dict[str, Contestant]:
    """Return all that this machine has installed for a device, by name."""
    found: dict[str, Contestant] = {
        PLAIN: lambda video: plain_loop(video, weights, device),
        "PyAV, batches of 8, fp32": pyav_batches(weights, device),
        "cornea-stream, torch": ours(weights, "torch", "auto", device),
    }
    if find_spec("supervision"):
        found["supervision.process_video, fp32"] = supervision_loop(weights, device)
    if find_spec("torchcodec"):
        found["torchcodec and smp, fp32"] = torchcodec_loop(weights, device)
    if yolo and find_spec("ultralytics"):
        found["ultralytics, ONNX"] = ultralytics_predict(yolo, weights.spec.image_size)
    if device == "cpu" and find_spec("openvino"):
        found["cornea-stream, OpenVINO"] = ours(weights, "openvino", "auto", device)
    if device == "cpu" and find_spec("nncf"):
        found["cornea-stream, OpenVINO int8"] = ours(weights, "openvino", "int8", device)
    return found


def compare(
    weights: Checkpoint, device: str, video: Path, rounds: int, yolo: Path | None
) -> dict[str, Any]:
    """Let all contestants take turns; return medians, ratios and every single speed."""
    speeds: dict[str, list[float]] = {}
    runs = contestants(weights, device, yolo)
    for turn in range(rounds):
        for name, run in runs.items():
            speeds.setdefault(name, []).append(run(video))
            print(f"round {turn + 1}: {name}: {speeds[name][-1]:.1f} fps", flush=True)
    medians = {name: statistics.median(values) for name, values in speeds.items()}
    return {
        "median_fps": {name: round(fps, 2) for name, fps in medians.items()},
        "times_the_plain_loop": {
            name: round(fps / medians[PLAIN], 2) for name, fps in medians.items()
        },
        "rounds": {name: [round(v, 2) for v in values] for name, values in speeds.items()},
    }


def main() -> None:
    """Run the rounds at every input size, print and write the result."""
    parser = argparse.ArgumentParser(description="Peers side by side.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or cuda:N")
    parser.add_argument("--yolo", type=Path, help="the default weights as ultralytics takes them")
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/peers.json"))
    options = parser.parse_args()
    default, published = load_checkpoint(), load_checkpoint("resnet101")
    published = replace(published, spec=replace(published.spec, image_size=(512, 512)))
    networks = {"default weights, 416x256": default, "ResNet-101, 512x512": published}
    result: dict[str, Any] = {
        "what": f"frames per second at {SIZE[0]}x{SIZE[1]}, writing the overlay video",
        "checkpoint": default.sha256,
        "device": options.device,
        "networks": {},
    }
    with tempfile.TemporaryDirectory() as folder:
        video = reencoded(options.video, Path(folder) / "clip.mp4", SIZE)
        for title, weights in networks.items():
            print(title)
            yolo = options.yolo if weights is default else None
            found = compare(weights, options.device, video, options.rounds, yolo)
            result["networks"][title] = found
    save(options.output, result)


if __name__ == "__main__":
    main()
