"""Writes the videos of the corpus with FFmpeg's encoders and muxers."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from .axes import CODECS, RATES, WITHOUT_TIMES, VideoCase
from .pictures import Image, paint
from .truth import Truth

_MS = Fraction(1, 1000)
_STARTS_S = {"ten hours": 36001, "late video": Fraction(3, 5)}
_CUT_FRAMES = 3
"""So many frames lie before time 0 in files that start early: their edit list hides them."""
_SAMPLES = 48000
_SAID = {**dict.fromkeys(WITHOUT_TIMES, ("has no times",)), "dv": ("interlaced, bottom",)}


def write_video(case: VideoCase, path: Path, rng: np.random.Generator) -> Truth:
    """Write the video; return what is right for it."""
    rate = RATES[case.rate]
    steps = [1] * case.count if rate else [int(n) for n in rng.integers(17, 60, case.count)]
    time_base = 1 / rate if rate else _MS
    ticks = np.cumsum([0, *steps[:-1]])
    early = case.start == "early"
    offset = -int(ticks[_CUT_FRAMES]) if early else round(_STARTS_S.get(case.start, 0) / time_base)
    options = dict(case.container.options)
    if case.fragments:
        options["movflags"] = "frag_keyframe+empty_moov+default_base_moof"
    pictures = [paint(number, *case.size) for number in range(case.count)]
    with av.open(str(path), "w", format=case.container.format, options=options) as container:
        stream = container.add_stream(
            CODECS[case.codec].encoder, rate=rate or 25, options=dict(case.options)
        )
        stored = _stored(pictures[0], case)
        stream.height, stream.width = stored.shape[:2]
        stream.pix_fmt, stream.codec_context.time_base = case.pix_fmt, time_base
        if case.quarters or case.mirrored:
            stream.set_display_rotation(90 * case.quarters, hflip=case.mirrored)
        tracks = [_preview(container, rate) for _ in range(case.previews)]
        sounds = [_sound(container, case) for _ in range(case.sounds)]
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(_stored(picture, case), "rgb24")
            frame.pts, frame.time_base = int(ticks[number]) + offset, time_base
            container.mux(stream.encode(frame))
            for track in tracks:
                small = frame.reformat(48, 32, "yuv420p")
                small.pts, small.time_base = frame.pts, time_base
                container.mux(track.encode(small))
        for track in (stream, *tracks):
            container.mux(track.encode(None))
        length_s = float(ticks[-1] * time_base)
        begin_s = float(offset * time_base) if case.start == "ten hours" else 0.0
        for sound in sounds:
            _play(container, sound, begin_s, length_s)
    first = _CUT_FRAMES if early else 0
    return Truth(
        [float((tick - ticks[first]) * time_base) for tick in ticks[first:]],
        pictures[first:],
        _tick_s(case),
        case.pix_fmt == "gray",
        ("encoded to AAC", *_SAID.get(case.suffix, ())),
    )


def _stored(picture: Image, case: VideoCase) -> Image:
    """Turn a picture so that a quarter counter-clockwise each, then a mirror, makes it upright."""
    mirrored = picture[:, ::-1] if case.mirrored else picture
    return np.ascontiguousarray(np.rot90(mirrored, -case.quarters))


def _preview(container: av.container.OutputContainer, rate: Fraction | None) -> av.VideoStream:
    track = container.add_stream("libx264", rate=rate or 25, options={"threads": "1"})
    track.width, track.height, track.pix_fmt = 48, 32, "yuv420p"
    track.codec_context.time_base = 1 / rate if rate else _MS
    return track


def _sound(container: av.container.OutputContainer, case: VideoCase) -> av.AudioStream:
    sound = container.add_stream(case.container.sound or "", rate=_SAMPLES)
    sound.bit_rate = 96000
    sound.layout = "mono"
    return sound


def _play(
    container: av.container.OutputContainer, sound: av.AudioStream, begin_s: float, length_s: float
) -> None:
    wave = np.sin(np.arange(int(_SAMPLES * (length_s + 0.1))) / 20).astype(np.float32)
    tone = av.AudioFrame.from_ndarray(wave[None], "fltp", "mono")
    tone.sample_rate, tone.time_base = _SAMPLES, Fraction(1, _SAMPLES)
    tone.pts = round(begin_s * _SAMPLES)
    container.mux(sound.encode(tone))
    container.mux(sound.encode(None))


def _tick_s(case: VideoCase) -> float:
    """Return how exactly the container keeps times."""
    return {"gif": 0.0101, "mp4": 1e-4, "mov": 1e-4}.get(case.suffix, 1.1e-3)
