"""A recording as microscopes and capture boards write them, and what a camera sends.

Every frame carries its number in black and white blocks at the bottom left, so that frames can be
recognized in any output.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from cornea_stream.synthetic import generate_clip

Image = NDArray[np.uint8]
FRAMES, HEIGHT, WIDTH = 125, 768, 1024
CAMERA_SECONDS, CAMERA_RATE, CAMERA_HEIGHT, CAMERA_WIDTH = 4, 25, 720, 1280
ASKED_S = 5.5
"""The time of the single frame."""
_BITS, _BLOCK = 10, 24
_SOUND_RATE = 48000
_TICKS = Fraction(1, 1000)
_ONE_SLICE = {"threads": "1", "preset": "veryfast", "bf": "0", "g": "25"}


def times_s() -> list[float]:
    """Return the times of the recording: uneven, with a second lost by the recorder."""
    steps = [(40, 40, 20, 60)[index % 4] + 1000 * (index == 50) for index in range(FRAMES)]
    return [int(ticks) / 1000 for ticks in np.cumsum([0, *steps[1:]])]


def eye() -> Iterable[tuple[Image, Image]]:
    """Return the upright frames of the recording and their true masks."""
    return generate_clip(7, FRAMES, HEIGHT, WIDTH)


def write_missing(recording: Path, camera: Path) -> None:
    """Write what is not there yet."""
    if not recording.exists():
        write_recording(recording)
    if not camera.exists():
        write_camera(camera)


def write_recording(path: Path) -> None:
    """Write an mp4 with uneven times, sound and a camera upside down."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "16"})
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.codec_context.time_base = _TICKS
        stream.set_display_rotation(180)
        sound = container.add_stream("aac", rate=_SOUND_RATE)
        for index, ((image, _), time_s) in enumerate(zip(eye(), times_s(), strict=True)):
            stored = np.ascontiguousarray(np.rot90(_numbered(image, index), 2))
            frame = av.VideoFrame.from_ndarray(stored, format="rgb24")
            frame.pts, frame.time_base = round(time_s / _TICKS), _TICKS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        for frame in _tone(times_s()[-1]):
            container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def write_camera(path: Path) -> None:
    """Write what the camera sends: Matroska, steady, without sound."""
    frames = CAMERA_SECONDS * CAMERA_RATE
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=CAMERA_RATE, options=_ONE_SLICE)
        stream.width, stream.height, stream.pix_fmt = CAMERA_WIDTH, CAMERA_HEIGHT, "yuv420p"
        clip = generate_clip(3, frames, CAMERA_HEIGHT, CAMERA_WIDTH)
        for index, (image, _) in enumerate(clip):
            frame = av.VideoFrame.from_ndarray(_numbered(image, index), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def number_of(image: Image) -> int:
    """Return the number that an upright (H, W, 3) frame carries."""
    row = image[image.shape[0] - _BLOCK // 2]
    return sum(int(row[bit * _BLOCK + _BLOCK // 2].mean() > 128) << bit for bit in range(_BITS))


def _numbered(image: Image, number: int) -> Image:
    image = image.copy()
    for bit in range(_BITS):
        value = 235 if number >> bit & 1 else 16
        image[-_BLOCK:, bit * _BLOCK : (bit + 1) * _BLOCK] = value
    return image


def _tone(seconds: float) -> Iterable[av.AudioFrame]:
    for index in range(int(_SOUND_RATE * seconds / 1024)):
        wave = np.sin((np.arange(1024) + 1024 * index) / 20)[None].astype(np.float32)
        frame = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        frame.sample_rate, frame.pts = _SOUND_RATE, 1024 * index
        frame.time_base = Fraction(1, _SOUND_RATE)
        yield frame
