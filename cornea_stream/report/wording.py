"""The texts and numbers of the pages."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from cornea_stream.media.class_name import in_words
from cornea_stream.report.runs import Run
from cornea_stream.report.statistics import Summary

NOT_KNOWN = "–"


@dataclass(frozen=True, slots=True)
class Figure:
    """A headline number with its name and an explanation."""

    name: str
    value: str
    note: str = ""


def clock(time_s: float) -> str:
    """Return a time as m:ss.t or h:mm:ss.t, truncated, not rounded."""
    tenths = int(time_s * 10 + 1e-6)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with thin spaces between thousands, or a dash if it is unknown."""
    return NOT_KNOWN if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")


def percent(value: float | None) -> str:
    """Return a share as a percentage, or a dash; only exactly 1 gives 100 %."""
    if value is None:
        return NOT_KNOWN
    digits = 1
    shown = 100 * value
    if value < 1 and round(shown, digits) == 100:
        shown = 99.9
    return f"{shown:.{digits}f}\u202f%"


def area_mm2(run: Run, summary: Summary) -> float | None:
    """Return the median area in mm², or None without a pixel spacing."""
    scale = run.record.get("scale") or {}
    if summary.area_px is None or not scale.get("mm_per_px"):
        return None
    return summary.area_px * float(scale["mm_per_px"]) ** 2 * float(scale["aspect"])


def figures(run: Run, summary: Summary) -> list[Figure]:
    """Return the headline numbers of a report."""
    area = [
        f"{percent(summary.area_fraction)} of the frame" if summary.area_px else None,
        f"about {mm2:.0f} mm²" if (mm2 := area_mm2(run, summary)) else None,
    ]
    return [
        Figure("Frames", number(summary.frames), _expected(run)),
        Figure("Duration", clock(summary.duration_s)),
        Figure(f"Frames with {in_words(run.class_name)}", percent(summary.share)),
        Figure(
            "Median area",
            f"{number(summary.area_px)} px",
            ", ".join(text for text in area if text),
        ),
        Figure("Median confidence", number(summary.confidence, 3), "mean probability in the mask"),
        Figure("Flicker", percent(summary.flicker), "of the mask changes per frame"),
        Figure(
            "Median movement",
            f"{number(summary.movement_px, 1)} px",
            "of the centroid per frame",
        ),
        Figure("Processing speed", f"{number(run.record.get('fps'), 1)} fps"),
    ]


def subtitle(run: Run) -> str:
    """Return the kind of source and the time of the run, in one line."""
    source = _source(run)
    rate = source.get("frame rate")
    parts = [
        {"video": "video", "image": "image", "images": "folder of images"}.get(
            source.get("kind", "")
        ),
        source.get("size"),
        f"{rate} fps" if rate else None,
        str(run.record["started"])[:16].replace("T", " ") + " UTC"
        if "started" in run.record
        else None,
    ]
    return " · ".join(part for part in parts if part)


def details(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return groups of (name, value) rows: source, settings, checkpoint, versions."""
    record = run.record
    checkpoint = record.get("checkpoint") or {}
    groups: list[tuple[str, dict[str, Any]]] = [
        ("Source", _source(run)),
        ("Settings", {k: v for k, v in run.settings.items() if k != "checkpoint"}),
        ("Pixel spacing (estimated)", record.get("scale") or {}),
        ("Engine", record.get("engine") or {}),
        ("Processing", record.get("paths") or {}),
        (
            "Checkpoint",
            {
                "file": Path(str(checkpoint["file"])).name if "file" in checkpoint else None,
                "sha256": checkpoint.get("sha256"),
                **(checkpoint.get("spec") or {}),
            },
        ),
        (
            "Run",
            {
                "started": record.get("started"),
                "seconds": record.get("seconds"),
                "machine": record.get("machine"),
                "outputs": ", ".join(map(str, record.get("outputs", []))),
            },
        ),
        ("Versions", record.get("versions") or {}),
    ]
    shown = [(name, [(k.replace("_", " "), _plain(v)) for k, v in g.items() if v not in (None, "")])
             for name, g in groups]  # fmt: skip
    return [(name, rows) for name, rows in shown if rows]


def _source(run: Run) -> dict[str, Any]:
    source = run.source
    if not source:
        return {}
    video = source.get("kind") == "video"
    return {
        "file": run.name,
        "kind": source.get("kind"),
        "size": f"{source.get('width')}×{source.get('height')}",
        "frame rate": f"{float(Fraction(source['rate'])):.5g}" if video else None,
        "pixel format": source.get("pix_fmt"),
        "rotation": source.get("rotation") or None,
        "mirrored": source.get("mirrored") or None,
        "audio": source.get("audio_codec"),
    }


def _expected(run: Run) -> str:
    done, expected = run.record.get("frames"), run.record.get("frames_expected")
    if run.status == "complete" or not done or not expected:
        return ""
    return f"of about {expected}"


def _plain(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ", ".join(map(_plain, value))
    return str(value)
