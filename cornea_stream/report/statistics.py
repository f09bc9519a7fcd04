"""Statistics of a run's measurements: shares, medians, stretches, least certain moments."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cornea_stream.media.class_name import CLASS_NAME, in_words
from cornea_stream.report.records import Records

Stretch = tuple[float, float]
"""Begin and end in seconds of source time."""


@dataclass(frozen=True, slots=True)
class Summary:
    """Statistics of a run; None if unknown. Medians are over frames with a cornea.

    `flicker` is the mean of 1 - agreement_prev over frames that show a cornea or directly follow
    one that does; 0 means that the mask never changes.
    """

    frames: int
    duration_s: float
    share: float
    area_px: float | None
    area_fraction: float | None
    movement_px: float | None
    confidence: float | None
    flicker: float | None


@dataclass(frozen=True, slots=True)
class Moment:
    """A frame worth checking: its row, and the reason in a few words."""

    row: int
    reason: str


def summarize(records: Records) -> Summary:
    """Return the statistics of a run."""
    found = records.found
    seen = found | np.concatenate([[False], found[:-1]])
    flicker = _finite(1 - records.agreement_prev[seen])
    return Summary(
        frames=len(records),
        duration_s=records.duration_s,
        share=float(found.mean()),
        area_px=_median(records.area_px[found]),
        area_fraction=_median(records.area_fraction[found]),
        movement_px=_median(records.movement_px),
        confidence=_median(records.confidence[found]),
        flicker=float(flicker.mean()) if flicker.size else None,
    )


def stretches_without_cornea(records: Records) -> list[Stretch]:
    """Return the stretches without a cornea, each up to the next frame with one."""
    edges = np.diff(np.concatenate([[0], ~records.found, [0]]).astype(np.int8))
    ends = np.append(records.time_s, records.time_s[-1] + records.frame_s)
    first, after = np.flatnonzero(edges == 1), np.flatnonzero(edges == -1)
    return [(float(ends[a]), float(ends[b])) for a, b in zip(first, after, strict=True)]


def least_certain(
    records: Records, count: int = 6, *, class_name: str = CLASS_NAME
) -> list[Moment]:
    """Return up to `count` moments with the lowest confidence or agreement, in order of time.

    They are at least half a second and half of duration / `count` apart, so that one bad scene
    does not take all of them. The reasons speak of `class_name`.
    """
    certainty = _certainty(records)
    apart = max(0.5, records.duration_s / (2 * count))
    open_rows = np.isfinite(certainty)
    rows: list[int] = []
    while len(rows) < count and open_rows.any():
        row = int(np.argmin(np.where(open_rows, certainty, np.inf)))
        rows.append(row)
        open_rows &= np.abs(records.time_s - records.time_s[row]) >= apart
    return [Moment(row, _reason(records, row, in_words(class_name))) for row in sorted(rows)]


def _certainty(records: Records) -> NDArray[np.float64]:
    """(N,) the lower of confidence and agreement; NaN if both are unknown.

    For a frame without a cornea only the agreement counts; it is 0 when the cornea disappears.
    """
    confidence = np.where(records.found, records.confidence, np.nan)
    before = np.concatenate([[False], records.found[:-1]])
    agreement = np.where(records.found | before, records.agreement_prev, np.nan)
    return np.fmin(confidence, agreement)


def _reason(records: Records, row: int, what: str) -> str:
    if not records.found[row]:
        return f"{what} lost"
    if row and not records.found[row - 1]:
        return f"{what} appears"
    confidence, agreement = records.confidence[row], records.agreement_prev[row]
    if np.isnan(confidence) or agreement < confidence:
        return f"agreement {agreement:.2f}"
    return f"confidence {confidence:.2f}"


def _finite(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return values[np.isfinite(values)]


def _median(values: NDArray[np.float64]) -> float | None:
    known = _finite(values)
    return float(np.median(known)) if known.size else None
