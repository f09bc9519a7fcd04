"""Media that the tests make themselves, and an engine whose answer can be computed by hand."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from browser import Tab, launch, open_tab
from numpy.typing import NDArray

from cornea_stream.engines.device import cpu_has_bf16
from cornea_stream.engines.preprocess import model_input
from cornea_stream.inference import segmenter as segmenter_module
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame
from cornea_stream.models.checkpoint import save_checkpoint
from cornea_stream.models.pspnet import ModelSpec, build_pspnet

SHARED = Path(__file__).parents[2] / "shared"
REAL_CLIP = SHARED / "media" / "cataract_clip_1080p.mp4"
needs_bf16 = pytest.mark.skipif(not cpu_has_bf16(), reason="this CPU has no bf16")
needs_real_clip = pytest.mark.skipif(not REAL_CLIP.exists(), reason="the real clip is not here")

with suppress(ImportError):  # the machine that tests a GPU has none
    from hypothesis import HealthCheck, settings

    settings.register_profile(
        "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
    )
    settings.load_profile("untimed")

Image = NDArray[np.uint8]
TINY_SPEC = ModelSpec("resnet18", psp_out_channels=32, image_size=(64, 64))


def disc(width: int, height: int, x: float, y: float, radius: float) -> tuple[Image, Image]:
    """Return a dark RGB picture with a bright disc, and the disc's mask."""
    image = np.full((height, width, 3), (40, 50, 60), np.uint8)
    rows, columns = np.mgrid[:height, :width]
    inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
    image[inside] = (210, 200, 220)
    return image, np.where(inside, 255, 0).astype(np.uint8)


def moving_discs(count: int, width: int = 160, height: int = 120) -> list[Image]:
    """Return pictures of a disc that walks to the right."""
    return [disc(width, height, 50 + 3 * i, height / 2, 28)[0] for i in range(count)]


def write_video(
    path: Path,
    pictures: Sequence[Image],
    *,
    pts: Iterable[int] | None = None,
    time_base: Fraction = Fraction(1, 1000),
    rate: int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    options: dict[str, str] | None = None,
    prepare: Callable[[av.VideoStream], None] | None = None,
    audio: str | None = None,
    muxing: dict[str, str] | None = None,
    title: str | None = None,
) -> Path:
    """Encode RGB pictures at the given times (in `time_base`; default a steady `rate`)."""
    step = int(1 / (rate * time_base))
    times = list(pts) if pts is not None else [i * step for i in range(len(pictures))]
    with av.open(str(path), "w", options=muxing or {}) as container:
        container.metadata.update({"title": title} if title else {})
        stream = container.add_stream(
            codec, rate=rate, options=options or ({"crf": "12"} if codec == "libx264" else {})
        )
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = time_base
        if prepare:
            prepare(stream)
        sound = container.add_stream(audio, rate=48000) if audio else None
        for picture, at in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = at, time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            for index in range(int(48000 * float(times[-1] * time_base) / 1024) + 1):
                wave = np.sin((np.arange(1024) + 1024 * index) / 20)[None].astype(np.float32)
                tone = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
                tone.sample_rate, tone.pts, tone.time_base = 48000, 1024 * index, Fraction(1, 48000)
                container.mux(sound.encode(tone))
            container.mux(sound.encode(None))
    return path


def read_video(path: Path) -> list[tuple[float, av.VideoFrame]]:
    """Return (time, frame) of every frame, straight from PyAV."""
    with av.open(str(path)) as container:
        return [(float(frame.time or 0), frame) for frame in container.decode(video=0)]


def audio_packets(path: Path) -> list[tuple[float, bytes]]:
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        return [
            (float(packet.pts * packet.time_base), bytes(packet))
            for packet in container.demux(stream)
            if packet.size
        ]


class BrightnessEngine:
    """Sees cornea wherever the picture is bright: logits by hand, through the engine protocol."""

    batch_size = 2
    in_flight = 2

    def prepare(self, frame: Frame) -> Image:
        return model_input(frame, TINY_SPEC.image_size)

    def image(self, prepared: Image) -> Image:
        return 255 - prepared  # a cornea is darker than what is around it

    def submit(self, inputs: Sequence[Image]) -> BrightnessEngine.Answer:
        return BrightnessEngine.Answer(np.stack(inputs))

    def describe(self) -> dict[str, str | int]:
        return {"backend": "test", "device": "none", "precision": "exact", "batch_size": 2}

    class Answer:
        def __init__(self, images: NDArray[np.uint8]) -> None:
            self.images = images

        def result(self) -> NDArray[np.float32]:
            return self.images.astype(np.float32).mean(axis=3) / 12 - 11


@pytest.fixture(scope="session")
def weights() -> dict[str, torch.Tensor]:
    """Return the tensors of `foreign.network`."""
    from foreign import network

    return dict(network().state_dict())


@pytest.fixture(autouse=True)
def _own_priority() -> Iterator[None]:
    """Give back the real-time priority that SVT-AV1 takes under root: all else would starve."""
    yield
    if hasattr(os, "sched_setscheduler") and os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Run the whole suite side by side, what is named on the command line in this process.

    Tests wait more than they compute: two workers per core. Each takes up to 2 GiB of memory.
    """
    if config.option.file_or_dir:
        return 0
    os.environ.setdefault("OMP_NUM_THREADS", "1")  # in the workers: the cores are shared already
    return min(8, 2 * (os.cpu_count() or 1))


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network with random weights, as a file."""
    torch.manual_seed(3)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    model = build_pspnet("resnet18", psp_out_channels=32)
    save_checkpoint(path, model.state_dict(), TINY_SPEC, {"note": "random"})
    return path


@pytest.fixture
def segmenter(tiny_checkpoint: Path) -> Segmenter:
    """A segmenter that finds what is bright."""
    return bright_segmenter(tiny_checkpoint)


def bright_segmenter(checkpoint: Path) -> Segmenter:
    """Return a segmenter for which no network is built."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(segmenter_module, "build_engine", lambda *_, **__: BrightnessEngine())
        return Segmenter(checkpoint, device="cpu", backend="torch")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Headless Chromium. Not for the session: its event loop is in the way of others' asyncio."""
    yield from launch()


@pytest.fixture
def tab(browser: Any) -> Iterator[Tab]:
    """A tab of a desktop's size in light mode."""
    yield from open_tab(browser, viewport={"width": 1280, "height": 1000}, color_scheme="light")


@pytest.fixture(scope="session")
def published_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain full PSPNet-ResNet101 state dict, as the published recipe saves it."""
    import segmentation_models_pytorch as smp

    torch.manual_seed(5)
    model = smp.PSPNet("resnet101", encoder_weights=None, in_channels=3, classes=1)
    # Statistics of raw 0-255 input, so that random weights give lively logits.
    model.train()
    rng = np.random.default_rng(0)
    with torch.no_grad():
        for _ in range(3):
            noise = rng.integers(0, 256, (2, 3, 16, 16)).astype(np.float32)
            model(torch.nn.functional.interpolate(torch.from_numpy(noise), size=(128, 128)))
    path = tmp_path_factory.mktemp("published") / "model.pth"
    torch.save(model.state_dict(), path)
    return path


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> object:
    """Return a function that runs the command line here: (exit code, stdout, stderr)."""
    from cornea_stream.cli import main

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["cornea-stream", *map(str, arguments)])
        with pytest.raises(SystemExit) as exited:
            main()
        captured = capsys.readouterr()
        return int(exited.value.code or 0), captured.out, captured.err

    return run
