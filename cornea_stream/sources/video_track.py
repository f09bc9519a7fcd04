"""The video stream of a container: selection, description and cleanup of frames."""

from __future__ import annotations

import threading
from fractions import Fraction
from pathlib import Path

import av
from av.audio.stream import AudioStream
from av.codec.hwaccel import HWAccel
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from cornea_stream.errors import SourceError
from cornea_stream.media.address import Address
from cornea_stream.media.fields import Field
from cornea_stream.media.frame import MediaInfo
from cornea_stream.media.hdr import NAMES as HDR_NAMES
from cornea_stream.media.hdr import in_standard_range, tone_mapping
from cornea_stream.media.orientation import orientation_of
from cornea_stream.sources.containers import check_size, known, open_media
from cornea_stream.sources.dicom import is_dicom, read_header
from cornea_stream.sources.ends import header_duration, tagged_end
from cornea_stream.sources.metadata import carried
from cornea_stream.sources.network import open_address
from cornea_stream.sources.rate import frame_rate
from cornea_stream.sources.start_time import start_time

_NO_VIDEO = (
    Disposition.attached_pic
    | Disposition.timed_thumbnails
    | Disposition.still_image
    | Disposition.dependent
)
"""Covers, previews and parts of other pictures."""
_STILL = 0.05
"""A track of Matroska that ends after this share of the file is a picture, not the video."""


_FIRST_FIELD: dict[int, Field] = {2: "top", 3: "bottom", 4: "bottom", 5: "top"}
"""FFmpeg's numbers of field orders: the field that is shown first."""
_WITHOUT_FLAGS = ("av1", "ffv1", "hevc", "libdav1d", "vp8", "vp9")
"""Decoders that do not say of each frame if it is interlaced: the container does."""


def open_pictures(
    path: Path | Address,
    max_megapixels: float,
    stop: threading.Event | None = None,
    hwaccel: HWAccel | None = None,
    track: int | None = None,
) -> tuple[InputContainer, VideoStream]:
    """Open a file or stream; return it with its video stream, or the one numbered `track`.

    `stop` ends waiting for standard input. `hwaccel` decodes files on a device. Raises SourceError
    if there is no such video stream, or its frames exceed `max_megapixels`.
    """
    if isinstance(path, Address):
        container = open_address(path, max_megapixels=max_megapixels, stop=stop)
    else:
        container = open_media(path, max_megapixels=max_megapixels, hwaccel=hwaccel)
    try:
        stream = pick_stream(container, path, track)
        check_size(stream.width, stream.height, path, max_megapixels)
    except BaseException:
        container.close()
        raise
    return container, stream


# The color matrices of FFmpeg's scaler: RGB, BT.709, unspecified, FCC, BT.601 (two), SMPTE 240M and
# BT.2020.
_CONVERTIBLE, _UNSPECIFIED = (0, 1, 2, 4, 5, 6, 7, 9), 2


def convertible(video: av.VideoFrame) -> av.VideoFrame:
    """Return the frame without color matrix tags that cannot be converted, and without HDR."""
    if int(video.color_trc) in HDR_NAMES:
        return in_standard_range(video)
    if int(video.colorspace) not in _CONVERTIBLE:
        video.colorspace = _UNSPECIFIED
    return video


def pick_stream(
    container: InputContainer, path: Path | Address, track: int | None = None
) -> VideoStream:
    """Return the video stream numbered `track`, else the main one. Raises SourceError.

    Streams are numbered from 0, as FFmpeg does. The main one is flagged as default or else the
    largest, and is no cover, still or preview.
    """
    streams = list(container.streams.video)
    if track is not None:
        if track >= len(streams):
            raise SourceError(
                f"no video track {track}: {path}: it has {len(streams)}: choose another one, "
                "counted from 0"
            )
        streams = [streams[track]]
    else:
        streams = [s for s in streams if not s.disposition & Disposition.attached_pic]
    if not streams:
        raise SourceError(f"no video in this file: {path}: give one with a video stream")
    decodable = known(streams)
    if not decodable:
        raise SourceError(
            f"unknown codec: {path}: convert it with the software of the recorder, or the file is "
            "damaged"
        )
    videos = [s for s in decodable if not _is_still(container, s)] or decodable
    main = [s for s in videos if s.disposition & Disposition.default] or videos
    return max(main, key=lambda stream: stream.width * stream.height)


def _is_still(container: InputContainer, stream: VideoStream) -> bool:
    if stream.disposition & _NO_VIDEO or stream.frames == 1:
        return True
    end_s = tagged_end(container, stream)
    return end_s is not None and end_s < _STILL * (container.duration or 0) / av.time_base


def main_audio(container: InputContainer) -> AudioStream | None:
    """Return the audio stream flagged as default, else the first whose codec is known, or None."""
    streams = known(container.streams.audio)
    main = [stream for stream in streams if stream.disposition & Disposition.default] or streams
    return main[0] if main else None


def first_field(stream: VideoStream, video: av.VideoFrame) -> Field | None:
    """Return which field of an interlaced frame is shown first, or None for a progressive one."""
    codec, order = stream.codec_context.name, stream.codec_context.field_order
    if not video.interlaced_frame:
        return _FIRST_FIELD.get(order) if codec in _WITHOUT_FLAGS else None
    if codec == "hevc":
        return None  # it flags fields that are frames of their own
    return _FIRST_FIELD.get(order, "bottom" if codec == "dvvideo" else "top")


def conversions(info: MediaInfo) -> list[str]:
    """Return what is done to the pixels before the network and the outputs get them."""
    found = []
    if info.hdr:
        found.append(tone_mapping(info.hdr))
    if info.field_order:
        found.append(
            f"interlaced, {info.field_order} field first: the network and images get the first "
            "field of each frame, with interpolated rows"
        )
    return found


def describe(
    path: Path | Address,
    container: InputContainer,
    stream: VideoStream,
    first: av.VideoFrame,
    *,
    keep_metadata: bool = False,
) -> MediaInfo:
    """Return the properties of a source after decoding its first frame."""
    audio = main_audio(container)
    orientation = orientation_of(first)
    address = path if isinstance(path, Address) else None
    spacing = None
    if isinstance(path, Path) and is_dicom(path):
        spacing = read_header(path).spacing
    return MediaInfo(
        path=path if isinstance(path, Path) else None,
        kind="stream" if address else "video",
        width=first.width,
        height=first.height,
        pix_fmt=first.format.name,
        time_base=stream.time_base or Fraction(1, 90000),
        rate=frame_rate(stream),
        start_time_s=float(start_time(container)),
        duration_s=header_duration(container, stream),
        frame_count=stream.frames or None,
        rotation=orientation.rotation,
        mirrored=orientation.mirrored,
        sample_aspect_ratio=(spacing and spacing.aspect) or stream.sample_aspect_ratio or None,
        color_range=int(first.color_range),
        colorspace=int(first.colorspace),
        color_primaries=int(first.color_primaries),
        color_trc=int(first.color_trc),
        audio_codec=audio.codec_context.name if audio else None,
        video_track=container.streams.video.index(stream),
        metadata=carried(container, stream, everything=keep_metadata),
        field_order=first_field(stream, first),
        address=str(address) if address else None,
        hdr=HDR_NAMES.get(int(stream.codec_context.color_trc)),
        mm_per_px=spacing.height_mm if spacing else None,
    )
