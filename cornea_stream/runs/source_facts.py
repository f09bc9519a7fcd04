"""What a run will do with a source, without running it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from cornea_stream.media.frame import MediaInfo
from cornea_stream.sources import VideoSource, open_source
from cornea_stream.sources.tracks import describe_tracks

_MATRICES = {0: "RGB", 1: "BT.709", 5: "BT.601", 6: "BT.601", 9: "BT.2020"}
_WITHOUT_MATRIX = ("rgb", "bgr", "gbr", "gray", "pal8", "mono", "ya")
_RANGES = {1: "limited range", 2: "full range"}


def describe_source(path: Path, *, scan: bool = False) -> dict[str, Any]:
    """Return the properties of a source; with `scan`, read it through and report what is found.

    Raises SourceError if it cannot be read.
    """
    with open_source(path) as source:
        info = source.info
        first = None
        count, interlaced, last_s = 0, 0, 0.0
        sizes: set[tuple[int, int]] = set()
        for frame in source:
            first = first or frame
            count += 1
            interlaced += frame.video.interlaced_frame
            last_s = frame.time_s
            sizes.add(frame.size)
            if not scan:
                break
        assert first is not None  # an open source has a frame
        height, width = first.size
        facts: dict[str, Any] = {
            **asdict(info),
            "upright size": f"{width}x{height}",
            "orientation": _orientation(info),
            "color": _color(info),
            "interlaced": bool(first.video.interlaced_frame),
            "first_time_s": first.time_s,
        }
        if isinstance(source, VideoSource):
            facts["tracks"], facts["rate_basis"] = describe_tracks(path)
        if scan:
            facts |= {
                "frames read": count,
                "interlaced frames": interlaced,
                "frame sizes": [f"{w}x{h}" for h, w in sorted(sizes)],
                "last_time_s": last_s,
                "damaged_s": [list(stretch) for stretch in source.damaged_s],
                "warnings": list(source.warnings),
            }
    return facts


def _orientation(info: MediaInfo) -> str:
    turned = f"turned by {info.rotation}° counter-clockwise" if info.rotation else ""
    mirrored = "mirrored" if info.mirrored else ""
    return ", ".join(filter(None, (turned, mirrored))) or "as stored"


def _color(info: MediaInfo) -> str:
    if info.pix_fmt.startswith(_WITHOUT_MATRIX):
        return "RGB or gray"
    matrix = _MATRICES.get(info.colorspace, "no known matrix, read as BT.601")
    stated = _RANGES.get(info.color_range, "no stated range")
    return f"{matrix}, {stated}" + (f", tone-mapped from HDR ({info.hdr})" if info.hdr else "")
