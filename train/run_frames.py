"""Frames of runs that are worth annotating, read from the source again, with the runs' masks."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from cornea_stream.errors import CheckpointError, SourceError, UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.media.frame import Frame, Image
from cornea_stream.media.orientation import upright
from cornea_stream.models.shipped import shipped_weights
from cornea_stream.models.stated_input import stated_in
from cornea_stream.report.records import Records, load_records
from cornea_stream.report.runs import Run, find_runs, is_run, open_run
from cornea_stream.report.statistics import least_certain
from cornea_stream.sources import Source, VideoSource, open_source
from cornea_stream.sources.containers import MAX_MEGAPIXELS
from cornea_stream.sources.fingerprint import fingerprint

# Times have six decimals in the table and three in a mask video.
_SLACK_S = 0.001
# A seek decodes about as many frames as there are between two keyframes.
_FRAMES_PER_SEEK = 250
SPREAD = "evenly spread"
"""The reason of frames that were not chosen for their uncertainty."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """A frame to annotate: its time in the source, its number if known, and the reason."""

    time_s: float
    number: int | None
    reason: str

    @property
    def label(self) -> str:
        """A name that is unique in the run: the number as in the table, or the milliseconds."""
        if self.number is None:
            return f"t{round(1000 * self.time_s):09d}"
        return f"{self.number:06d}"


class RunFrames:
    """A run whose source exists, unchanged."""

    def __init__(self, folder: Path) -> None:
        """Open a run. Raises SourceError if its source cannot be read again."""
        self.run: Run = open_run(folder)
        self.name = folder.resolve().name
        self.case = f"case_{self.name}"
        """Name of the surgery in training data."""
        if not self.run.source:
            raise SourceError(f"the run did not finish: {folder}: run again with resume=True")
        path = self.run.source.get("path")
        if not path:
            raise SourceError(f"a live source cannot be read again: {folder}: run a recording")
        self.source = Path(str(path))
        self.masks = self.run.find("mask.mkv", "mask.png")
        measured = self.masks or self.run.find("metrics.csv")
        self.records: Records | None = load_records(self.run) if measured else None

    def check_source(self) -> None:
        """Raise SourceError if the source is missing or has changed since the run."""
        if not self.source.exists():
            raise SourceError(f"the source of the run is missing: {self.source}: put it back there")
        if fingerprint(self.source) != self.run.record.get("fingerprint"):
            raise SourceError(
                f"the source has changed since the run: {self.source}: run again with "
                "overwrite=True"
            )

    def choose(self, spread: int, uncertain: int) -> list[Chosen]:
        """Return `spread` even and up to `uncertain` of the least certain frames, by time.

        Without measurements, all of them are evenly spread.
        Raises SourceError if there are none.
        """
        if self.records is None:
            return self._even_times(spread + uncertain)
        count = len(self.records)
        even = np.linspace(0, count - 1, min(spread, count)).round().astype(int)
        doubtful = least_certain(self.records, uncertain) if uncertain else []
        reasons = dict.fromkeys(even.tolist(), SPREAD)
        reasons.update({moment.row: moment.reason for moment in doubtful})
        if not reasons:
            raise SourceError(
                f"no uncertain frames in this run: {self.run.folder}: choose evenly spread ones"
            )
        time_s, number = self.records.time_s, self.records.frame
        return [
            Chosen(float(time_s[row]), int(number[row]), reason)
            for row, reason in sorted(reasons.items())
        ]

    def frames(self, chosen: Sequence[Chosen]) -> Iterator[tuple[Frame, Image]]:
        """Yield the chosen frames, sorted by time, with their upright masks.

        Masks that the run did not keep are computed again, each from its own frame even if the run
        averaged it with its neighbors.
        """
        self.check_source()
        times_s = [choice.time_s for choice in chosen]
        masks = self._kept_masks(times_s) if self.masks else itertools.repeat(None)
        with self._open(self.source, self.run.settings.get("start_s")) as source:
            shown = _shown_at(source, times_s, self._sparse(chosen))
            for time_s, frame, kept in zip(times_s, shown, masks, strict=False):
                exact = self.records is None or _same_time(frame, time_s)
                if frame is None or not exact or (kept is not None and frame.size != kept.shape):
                    raise SourceError(
                        f"no matching frame at {time_s:.3f} s: {self.source}: run again with "
                        "overwrite=True, or separately for each frame size if the size changes"
                    )
                yield frame, self.segmenter(frame).mask if kept is None else kept

    @cached_property
    def segmenter(self) -> Segmenter:
        """The segmenter of the run, whose weights must be there unchanged."""
        settings = self.run.settings
        return Segmenter(
            self._checked_weights(),
            threshold=float(settings.get("threshold", 0.5)),
            raw=bool(settings.get("raw_mask", False)),
            **stated_in(settings.get("stated_input")),
        )

    @property
    def weights(self) -> str:
        """The name of the run's weights if they came with the package, else their path."""
        recorded = self._checkpoint
        shipped = (
            n for n, path in shipped_weights().items() if _sha256(path) == recorded["sha256"]
        )
        return next(shipped, str(recorded["file"]))

    def _checked_weights(self) -> Path:
        file = shipped_weights().get(self.weights) or Path(self.weights)
        if file.is_file() and _sha256(file) == self._checkpoint["sha256"]:
            return file
        raise CheckpointError(
            f"the weights of the run are missing or have changed: {file}: put them back, or run "
            "again with mask=True and overwrite=True"
        )

    @property
    def _checkpoint(self) -> dict[str, Any]:
        recorded = self.run.record.get("checkpoint")
        return {"file": None, "sha256": None, **(recorded if isinstance(recorded, dict) else {})}

    def _even_times(self, count: int) -> list[Chosen]:
        first_s, last_s = self.run.start_s, self.run.record.get("last_time_s")
        number = min(count, int(self.run.record.get("frames") or 0))
        if not number or last_s is None:
            raise SourceError(f"the run has no frames: {self.run.folder}: choose another run")
        times = np.linspace(first_s, float(last_s), number)
        return [Chosen(float(time_s), None, SPREAD) for time_s in times]

    def _kept_masks(self, times_s: Sequence[float]) -> Iterator[Image]:
        assert self.masks is not None
        assert self.records is not None
        first_s = float(self.records.time_s[0])
        with self._open(self.masks) as source:
            # Where the run began late, the time of the video's first mask is not that of the frame.
            first = next(iter(source))
            shift_s = first_s - first.time_s
        with self._open(self.masks) as source:
            wanted = [time_s - shift_s for time_s in times_s]
            shown = _shown_at(source, wanted, self._sparse(times_s))
            for time_s, mask in zip(times_s, shown, strict=True):
                if mask is None or not _same_time(mask, time_s - shift_s, 2 * _SLACK_S):
                    raise SourceError(
                        f"table and masks are from different runs: {self.masks}: no mask at "
                        f"{time_s:.3f} s: run again with overwrite=True"
                    )
                gray = np.asarray(mask.video.to_ndarray(format="gray"), np.uint8)
                yield upright(gray, mask.orientation)

    def _open(self, path: Path, start_s: float | None = None) -> Source:
        settings = self.run.settings
        return open_source(
            path,
            start_s=start_s,
            max_megapixels=float(settings.get("max_megapixels", MAX_MEGAPIXELS)),
            video_track=settings.get("video_track") if path == self.source else None,
        )

    def _sparse(self, chosen: Sequence[object]) -> bool:
        return len(chosen) * _FRAMES_PER_SEEK < int(self.run.record.get("frames") or 0)


def open_runs(folders: Sequence[str | Path]) -> list[RunFrames]:
    """Open the runs in these folders; a folder that contains runs stands for all of them.

    Raises SourceError, and UsageError if two have the same name.
    """
    found: list[Path] = []
    for folder in map(Path, folders):
        below = [] if is_run(folder) or not folder.is_dir() else find_runs(folder)
        found += below or [folder]
    runs = [RunFrames(folder) for folder in found]
    if len({run.case for run in runs}) < len(runs):
        raise UsageError("two run folders have the same name: annotate them separately")
    return runs


def _shown_at(source: Source, times_s: Sequence[float], seek: bool) -> Iterator[Frame | None]:
    """Yield the frames shown at increasing times; None before the first one and after a seek."""
    if seek and isinstance(source, VideoSource):
        for time_s in times_s:
            try:
                yield source.frame_at(max(0.0, time_s + _SLACK_S))
            except UsageError:  # beyond the end
                yield None
        return
    frames = iter(source)
    shown, following = None, next(frames, None)
    for time_s in times_s:
        while following is not None and following.time_s <= time_s + _SLACK_S:
            shown, following = following, next(frames, None)
        yield shown


def _same_time(frame: Frame | None, time_s: float, slack_s: float = _SLACK_S) -> bool:
    return frame is not None and abs(frame.time_s - time_s) <= slack_s


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
