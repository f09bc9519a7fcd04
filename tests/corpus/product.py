"""Runs the product on a file, with eyes in place of the network."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from unittest import mock

import av
import numpy as np
from numpy.typing import NDArray

from cornea_stream.engines.preprocess import model_input
from cornea_stream.errors import CorneaStreamError
from cornea_stream.inference import segmenter as segmenter_module
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame
from cornea_stream.models.checkpoint import save_checkpoint
from cornea_stream.models.pspnet import ModelSpec, build_pspnet
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source

from .pictures import coarse, number_of
from .truth import Reading

_SPEC = ModelSpec("resnet18", psp_out_channels=32, image_size=(64, 64))


class Eyes:
    """An engine that keeps what the network would see of each frame."""

    batch_size = 2
    in_flight = 2

    def __init__(self) -> None:
        self.reading = Reading()

    def prepare(self, frame: Frame) -> NDArray[np.uint8]:
        image = frame.rgb()
        self.reading.times_s.append(frame.time_s)
        self.reading.numbers.append(number_of(image))
        self.reading.coarse.append(coarse(image))
        return model_input(frame, _SPEC.image_size)

    def image(self, prepared: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return prepared

    def submit(self, inputs: Sequence[NDArray[np.uint8]]) -> Eyes.Answer:
        return Eyes.Answer(len(inputs))

    def describe(self) -> dict[str, str | int]:
        return {"backend": "eyes", "device": "none", "precision": "exact", "batch_size": 2}

    class Answer:
        """No cornea anywhere."""

        def __init__(self, count: int) -> None:
            self._count = count

        def result(self) -> NDArray[np.float32]:
            return np.full((self._count, 64, 64), -9, np.float32)


class Product:
    """Runs of the product in this process."""

    def __init__(self, folder: Path) -> None:
        self._eyes, checkpoint = Eyes(), folder / "eyes.safetensors"
        model = build_pspnet("resnet18", psp_out_channels=32)
        save_checkpoint(checkpoint, model.state_dict(), _SPEC, {})
        with mock.patch.object(segmenter_module, "build_engine", return_value=self._eyes):
            self._segmenter = Segmenter(checkpoint, device="cpu", backend="torch")

    def run(self, path: Path, *, overlay: bool = False) -> tuple[Reading, Reading | None]:
        """Return what a run read and said, and what its overlay shows."""
        self._eyes.reading = reading = Reading()
        with tempfile.TemporaryDirectory() as folder:
            options = RunOptions(overlay=overlay, metrics=True)
            if overlay:
                options = replace(options, preset="ultrafast", crf=14)
            try:
                result = run_source(path, folder, self._segmenter, options)
            except CorneaStreamError as err:
                reading.error = str(err)
                return reading, None
            # `Eyes` see no cornea.
            reading.said = [text for text in result.warnings if "no cornea" not in text]
            if result.damaged_s and not reading.said:
                reading.said.append("damaged_s")
            rows = (Path(result.folder) / "metrics.csv").read_text().splitlines()[1:]
            if result.status != "complete" or len(rows) != len(reading.times_s):
                reading.error = f"{result.status}: {len(rows)} rows"
            found = Path(result.folder) / "overlay.mp4"
            return reading, _shown(found) if overlay and found.exists() else None


def _shown(path: Path) -> Reading:
    with av.open(str(path)) as container:
        frames = list(container.decode(video=0))
    shown = Reading()
    for frame in frames:
        image = Frame(0, 0, frame).rgb()
        shown.times_s.append(float(frame.time or 0))
        shown.numbers.append(number_of(image))
        shown.coarse.append(coarse(image))
    return shown
