"""What videos differ in: containers, codecs, pixel formats, rates, orientations, tracks, starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

RATES = {
    "23.976": Fraction(24000, 1001), "25": Fraction(25), "29.97": Fraction(30000, 1001),
    "50": Fraction(50), "60": Fraction(60), "variable": None,
}  # fmt: skip
SIZES = ((64, 96), (96, 128), (120, 160))
COUNTS = (30, 45, 60)


@dataclass(frozen=True)
class Codec:
    """An encoder with the pixel formats and options to try; options differ from file to file."""

    encoder: str
    pixels: tuple[str, ...] = ("yuv420p",)
    options: tuple[dict[str, str], ...] = ({},)
    variable: bool = True
    sizes: tuple[tuple[int, int], ...] = SIZES
    rates: tuple[str, ...] = tuple(RATES)


_GROUPS = ({"g": "12"}, {"g": "250"}, {"g": "12", "bf": "2"})
_MPEG = ({"g": "12", "b": "3M"}, {"g": "12", "bf": "2", "b": "3M"})
_X264 = tuple({"crf": "20", "preset": "veryfast", **group, "threads": "1"} for group in _GROUPS)
_X264_SLICES = {"crf": "20", "g": "15", "bf": "2", "slices": "4", "threads": "1"}
_X265 = tuple(
    {"preset": "ultrafast", "x265-params": f"log-level=none:pools=1:crf=22:{more}"}
    for more in ("keyint=12", "keyint=12:bframes=0", "keyint=60:open-gop=1")
)
CODECS = {
    "h264": Codec(
        "libx264", ("yuv420p", "yuv422p", "yuv444p", "yuv420p10le", "yuvj420p"),
        (*_X264, _X264_SLICES),
    ),
    "hevc": Codec("libx265", ("yuv420p", "yuv420p10le"), _X265),
    "av1": Codec(
        "libsvtav1", ("yuv420p", "yuv420p10le"),
        ({"preset": "8", "crf": "18", "svtav1-params": "lp=1:keyint=15"},),
    ),
    "vp8": Codec("libvpx", options=({"g": "12", "b": "1M", "deadline": "good", "cpu-used": "5"},)),
    "vp9": Codec(
        "libvpx-vp9", ("yuv420p",),
        ({"g": "12", "crf": "25", "b": "0", "deadline": "realtime", "cpu-used": "8"},),
    ),
    "mpeg4": Codec("mpeg4", options=_MPEG),
    "mpeg2": Codec("mpeg2video", ("yuv420p", "yuv422p"), _MPEG, variable=False),
    "mpeg1": Codec("mpeg1video", options=_MPEG, variable=False),
    "mjpeg": Codec("mjpeg", ("yuvj420p", "yuvj422p", "yuvj444p"), ({"qscale": "4"},)),
    "prores": Codec("prores_ks", ("yuv422p10le", "yuv444p10le")),
    "dnxhd": Codec(
        "dnxhd", ("yuv422p",), ({"profile": "dnxhr_hq"},), sizes=((256, 320),), variable=False
    ),
    "ffv1": Codec(
        "ffv1", ("yuv420p", "yuv422p10le", "gray"),
        ({"level": "3", "slicecrc": "1", "slices": "4", "g": "1"}, {"level": "1"}),
    ),
    "raw": Codec("rawvideo", sizes=SIZES[:1]),
    "rgb": Codec("rawvideo", ("rgb24",), sizes=SIZES[:1]),
    "huffyuv": Codec("ffvhuff", ("yuv422p",)),
    "utvideo": Codec("utvideo", ("yuv422p",)),
    "flv1": Codec("flv", options=({"g": "12", "b": "2M"},)),
    "wmv1": Codec("wmv1", options=({"g": "12", "b": "2M"},)),
    "wmv2": Codec("wmv2", options=({"g": "12", "b": "2M"},)),
    "msmpeg4": Codec("msmpeg4v3", options=({"g": "12", "b": "2M"},)),
    "h263": Codec("h263", options=({"g": "12", "b": "2M"},), sizes=((96, 128),),
                  rates=("29.97",), variable=False),
    "dv": Codec("dvvideo", ("yuv420p",), sizes=((576, 720),), rates=("25",), variable=False),
    "png": Codec("png", ("rgb24",)),
    "qtrle": Codec("qtrle", ("rgb24",)),
    "jpeg2000": Codec("jpeg2000", ("yuv420p",)),
    "gif": Codec("gif", ("rgb8",), rates=("25", "50"), variable=False, sizes=SIZES[:1]),
}  # fmt: skip


@dataclass(frozen=True)
class Container:
    """A format of FFmpeg with the codecs to put into it, and what else it can hold."""

    codecs: tuple[str, ...]
    format: str | None = None
    sound: str | None = None
    can: frozenset[str] = frozenset()
    options: dict[str, str] = field(default_factory=dict)


_MP4 = frozenset({"variable", "turned", "tracks", "early", "late video", "fragments"})
_TS = frozenset({"variable", "tracks", "ten hours"})
CONTAINERS = {
    "mp4": Container(("h264", "hevc", "av1", "vp9", "mpeg4", "mpeg2", "mjpeg"), None, "aac", _MP4),
    "mov": Container(
        ("h264", "hevc", "prores", "dnxhd", "mjpeg", "png", "qtrle", "rgb", "jpeg2000"),
        None, "aac", _MP4,
    ),
    "3gp": Container(("h263", "h264", "mpeg4"), None, "aac", frozenset({"turned"})),
    "mkv": Container(
        ("h264", "hevc", "av1", "vp8", "vp9", "mpeg4", "mpeg2", "mjpeg", "prores", "ffv1",
         "raw"),
        None, "aac", frozenset({"variable", "tracks", "late video"}),
    ),
    "webm": Container(("vp8", "vp9", "av1"), None, "libopus", frozenset({"variable"})),
    "ts": Container(("h264", "hevc", "mpeg2", "mpeg4"), "mpegts", "aac", _TS),
    "m2ts": Container(
        ("h264", "mpeg2"), "mpegts", "aac", frozenset({"ten hours"}), {"mpegts_m2ts_mode": "1"}
    ),
    "avi": Container(
        ("h264", "mpeg4", "msmpeg4", "mjpeg", "huffyuv", "utvideo", "ffv1", "raw", "wmv2"),
        None, "mp2",
    ),
    "flv": Container(("h264", "flv1"), None, "aac", frozenset({"variable"})),
    "wmv": Container(("wmv1", "wmv2", "msmpeg4"), "asf", "wmav2"),
    "mpg": Container(("mpeg1", "mpeg2"), "mpeg", "mp2"),
    "vob": Container(("mpeg2",), "vob", "mp2"),
    "mxf": Container(("mpeg2", "dnxhd"), None, "pcm_s16le"),
    "ivf": Container(("vp8", "vp9", "av1")),
    "h264": Container(("h264",)),
    "265": Container(("hevc",), "hevc"),
    "m2v": Container(("mpeg2",), "mpeg2video"),
    "m4v": Container(("mpeg4",), "m4v"),
    "mjpeg": Container(("mjpeg",)),
    "dv": Container(("dv",)),
    "gif": Container(("gif",)),
}  # fmt: skip
WITHOUT_TIMES = frozenset({"h264", "265", "m2v", "m4v", "mjpeg"})
"""Raw streams: FFmpeg does not read their rate, or only where the codec has one."""


@dataclass(frozen=True)
class VideoCase:
    """One video to generate."""

    suffix: str
    codec: str
    pix_fmt: str
    options: dict[str, str]
    rate: str
    size: tuple[int, int]
    count: int
    quarters: int = 0
    mirrored: bool = False
    sounds: int = 0
    previews: int = 0
    start: str = "0"
    fragments: bool = False

    @property
    def traits(self) -> dict[str, str]:
        """The case in words."""
        return {name: str(value) for name, value in vars(self).items()}

    @property
    def container(self) -> Container:
        """What the file is in."""
        return CONTAINERS[self.suffix]


def video_cases(seed: int, rounds: int) -> Iterator[VideoCase]:
    """Yield all containers with all codecs in all pixel formats; the other axes are drawn."""
    for number in range(rounds):
        for suffix, container in CONTAINERS.items():
            for name in container.codecs:
                for pix_fmt in CODECS[name].pixels:
                    if suffix == "flv" and name == "h264" and pix_fmt == "yuv444p":
                        continue
                    key = (seed, number, *f"{suffix} {name} {pix_fmt}".encode())
                    yield _drawn(suffix, name, pix_fmt, number, np.random.default_rng(key))


def _drawn(
    suffix: str, name: str, pix_fmt: str, number: int, rng: np.random.Generator
) -> VideoCase:
    codec, container = CODECS[name], CONTAINERS[suffix]
    variable = codec.variable and "variable" in container.can
    rates = [rate for rate in codec.rates if RATES[rate] or variable]
    if suffix in WITHOUT_TIMES:
        rates = ["25"]
    # Without an edit list, the delay of the encoder of sound would move the first frame.
    fragments = bool("fragments" in container.can and rng.random() < 0.25)
    # Fragments are written before it is known where the video begins.
    can = set() if fragments else {"ten hours", "early", "late video"} & container.can
    starts = sorted({"0", *can})
    turned = "turned" in container.can
    return VideoCase(
        suffix, name, pix_fmt,
        options=codec.options[number % len(codec.options)],
        rate=rates[int(rng.integers(len(rates)))],
        size=codec.sizes[int(rng.integers(len(codec.sizes)))],
        count=min(COUNTS[int(rng.integers(len(COUNTS)))], 30 if name in ("dv", "raw") else 99),
        quarters=int(rng.integers(4)) if turned else 0,
        mirrored=bool(turned and rng.random() < 0.4),
        sounds=int(rng.choice([0, 1, 1, 2 if "tracks" in container.can else 1]))
        if container.sound and not fragments else 0,
        previews=int("tracks" in container.can and name == "h264" and rng.random() < 0.4),
        start=starts[int(rng.integers(len(starts)))],
        fragments=fragments,
    )  # fmt: skip
