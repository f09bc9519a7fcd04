"""How the pages put a run into words and figures."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from cornea_stream.report.runs import Run
from cornea_stream.report.statistics import Summary

NOT_KNOWN = "–"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number of the summary, and what it is."""

    name: str
    value: str
    note: str = ""


def clock(time_s: float) -> str:
    """Return a time as m:ss.t or h:mm:ss.t, cut, not rounded up."""
    tenths = int(time_s * 10 + 1e-6)
    minutes, tenths = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{tenths // 10:02d}.{tenths % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def number(value: float | None, digits: int = 0) -> str:
    """Return a number with thin thousands, or a dash where it is not known."""
    return NOT_KNOWN if value is None else f"{value:,.{digits}f}".replace(",", "\u202f")


def percent(value: float | None) -> str:
    """Return a share as a percentage, or a dash; only what is whole is told as 100 %."""
    if value is None:
        return NOT_KNOWN
    digits = 1
    shown = 100 * value
    if value < 1 and round(shown, digits) == 100:
        shown = 99.9
    return f"{shown:.{digits}f}\u202f%"


def area_mm2(run: Run, summary: Summary) -> float | None:
    """Return the median area by the run's own scale; None where it has none."""
    scale = run.told.get("scale") or {}
    if summary.area_px is None or not scale.get("mm_per_px"):
        return None
    return summary.area_px * float(scale["mm_per_px"]) ** 2 * float(scale["aspect"])


def figures(run: Run, summary: Summary) -> list[Figure]:
    """Return the numbers that stand at the top of a report."""
    area = [
        f"{percent(summary.area_fraction)} of the picture" if summary.area_px else None,
        f"about {mm2:.0f} mm²" if (mm2 := area_mm2(run, summary)) else None,
    ]
    return [
        Figure("Frames", number(summary.frames), _expected(run)),
        Figure("Duration", clock(summary.duration_s)),
        Figure("Frames with cornea", percent(summary.share)),
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
        Figure("Speed of the run", f"{number(run.told.get('fps'), 1)} fps"),
    ]


def subtitle(run: Run) -> str:
    """Return what kind of source it is and when it was processed, in a line."""
    source = _source(run)
    rate = source.get("frame rate")
    parts = [
        {"video": "video", "image": "image", "images": "folder of images"}.get(
            source.get("kind", "")
        ),
        source.get("size"),
        f"{rate} fps" if rate else None,
        str(run.told["started"])[:16].replace("T", " ") + " UTC" if "started" in run.told else None,
    ]
    return " · ".join(part for part in parts if part)


def details(run: Run) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return headings with their names and values: source, settings, checkpoint, versions."""
    told = run.told
    checkpoint = told.get("checkpoint") or {}
    groups: list[tuple[str, dict[str, Any]]] = [
        ("Source", _source(run)),
        ("Settings", {k: v for k, v in run.settings.items() if k != "checkpoint"}),
        ("Scale, estimated", told.get("scale") or {}),
        ("Engine", told.get("engine") or {}),
        ("Work done by", told.get("paths") or {}),
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
                "started": told.get("started"),
                "seconds": told.get("seconds"),
                "machine": told.get("machine"),
                "outputs": ", ".join(map(str, told.get("outputs", []))),
            },
        ),
        ("Versions", told.get("versions") or {}),
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
        "audio": source.get("audio_codec"),
    }


def _expected(run: Run) -> str:
    told, expected = run.told.get("frames"), run.told.get("frames_expected")
    if run.status == "complete" or not told or not expected:
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
