"""Extracts frames of a run with their masks as annotations, for correction and training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from cornea_stream.errors import OutputError, SourceError, UsageError
from cornea_stream.media.frame import Frame, Image
from cornea_stream.media.orientation import upright
from cornea_stream.report.records import Records, load_records
from cornea_stream.report.runs import Run, open_run
from cornea_stream.report.statistics import least_certain
from cornea_stream.sinks.png import write_png
from cornea_stream.sources import open_source
from cornea_stream.sources.containers import MAX_MEGAPIXELS
from cornea_stream.sources.fingerprint import fingerprint
from cornea_stream.storage import output_errors, write_file
from cornea_train import supervisely
from cornea_train.coco import CocoFile

COCO, META = "coco.json", "meta.json"
# Times have six decimals in the table and three in a mask video.
_SLACK_S = 0.001


@dataclass(frozen=True, slots=True)
class Annotated:
    """The result for one run: its folder, the number of images, and those without a cornea."""

    folder: Path
    images: int
    without_cornea: int


def annotate(
    runs: Sequence[str | Path],
    output_dir: str | Path,
    *,
    spread: int = 20,
    uncertain: int = 20,
    polygons: bool = False,
) -> list[Annotated]:
    """Write frames of runs with their masks as a Supervisely project and as COCO.

    Each run gives `case_<folder name>`/img/*.png and ann/*.png.json, in the format that training
    reads, with `spread` evenly spread frames (all if the run has fewer) and up to `uncertain` of
    the least certain ones, half a second apart. meta.json and coco.json cover all runs. Masks are
    exact bitmaps or, with `polygons`, simplified outlines.
    Raises UsageError, SourceError if a run or its source is missing or has changed, and
    OutputError. Nothing is overwritten, because it may contain corrections.
    """
    if spread < 0 or uncertain < 0 or spread + uncertain == 0:
        raise UsageError("no frames to annotate: give spread or uncertain a positive number")
    root = Path(output_dir)
    opened = [_Annotatable(Path(run)) for run in runs]
    targets = [root / run.case for run in opened]
    if len(set(targets)) < len(targets):
        raise UsageError("two run folders have the same name: annotate them separately")
    for target in (*targets, root / COCO, root / META):
        if target.exists():
            raise OutputError(
                f"output exists: {target}: choose another output folder (it may contain "
                "corrections)"
            )
    names = {run.run.class_name for run in opened}
    if len(names) > 1:
        raise UsageError(
            f"runs of several structures: {', '.join(sorted(names))}: annotate them separately"
        )
    (class_name,) = names
    coco = CocoFile(polygons=polygons, class_name=class_name)
    try:
        results = [
            _write(run, root, run.choose(spread, uncertain), coco, polygons) for run in opened
        ]
        for target in targets:
            with output_errors(target):
                _part(target).rename(target)
    finally:
        for target in targets:
            shutil.rmtree(_part(target), ignore_errors=True)
    _write_json(root / META, supervisely.project_meta(class_name))
    _write_json(root / COCO, coco.content())
    return results


class _Annotatable:
    """A run whose source and masks exist."""

    def __init__(self, folder: Path) -> None:
        self.run: Run = open_run(folder)
        self.records: Records = load_records(self.run)
        self.name = folder.resolve().name
        self.case = f"case_{self.name}"
        masks = self.run.find("mask.mkv", "mask.png")
        if masks is None:
            raise SourceError(
                f"no masks in this run: {folder}: run again with mask=True and metrics=True"
            )
        self.masks = masks
        if not self.run.source:
            raise SourceError(f"the run did not finish: {folder}: run again with resume=True")
        path = self.run.source.get("path")
        if not path:
            raise SourceError(f"a live source cannot be read again: {folder}: run a recording")
        self.source = Path(str(path))
        if not self.source.exists():
            raise SourceError(f"the source of the run is missing: {self.source}: put it back there")
        if fingerprint(self.source) != self.run.record.get("fingerprint"):
            raise SourceError(
                f"the source has changed since the run: {self.source}: run again with "
                "overwrite=True"
            )

    def choose(self, spread: int, uncertain: int) -> set[int]:
        """Return the rows of the frames to write. Raises SourceError if there are none."""
        count = len(self.records)
        even = np.linspace(0, count - 1, min(spread, count)).round().astype(int)
        doubtful = least_certain(self.records, uncertain) if uncertain else []
        chosen = {*even.tolist(), *(moment.row for moment in doubtful)}
        if not chosen:
            raise SourceError(
                f"no uncertain frames in this run: {self.run.folder}: choose evenly spread ones"
            )
        return chosen

    def frames(self) -> Iterator[tuple[Frame, Image]]:
        """Yield the frames of the run with their upright masks, in the order of the rows."""
        limit = float(self.run.settings.get("max_megapixels", MAX_MEGAPIXELS))
        start_s = self.run.settings.get("start_s")
        track = self.run.settings.get("video_track")
        with (
            open_source(
                self.source, start_s=start_s, max_megapixels=limit, video_track=track
            ) as source,
            open_source(self.masks, max_megapixels=limit) as masks,
        ):
            frames, times = iter(source), self.records.time_s
            shift_s = None
            for time_s in times:
                mask = next(iter(masks), None)
                if mask and shift_s is None:
                    shift_s = time_s - mask.time_s
                if not mask or abs(mask.time_s + (shift_s or 0.0) - time_s) > 2 * _SLACK_S:
                    raise SourceError(
                        f"table and masks are from different runs: {self.masks}: no mask at "
                        f"{time_s:.3f} s: run again with overwrite=True"
                    )
                # Skip the frames in between that the run omitted.
                frame = next((f for f in frames if f.time_s >= time_s - _SLACK_S), None)
                gray = np.asarray(mask.video.to_ndarray(format="gray"), np.uint8)
                found = upright(gray, mask.orientation)
                if frame is None or frame.time_s > time_s + _SLACK_S or frame.size != found.shape:
                    raise SourceError(
                        f"no matching frame at {time_s:.3f} s: {self.source}: run again with "
                        "overwrite=True, or separately for each frame size if the size changes"
                    )
                yield frame, found


def _write(
    run: _Annotatable, root: Path, rows: set[int], coco: CocoFile, polygons: bool
) -> Annotated:
    target = root / run.case
    part = _part(target)
    images, annotations = part / "img", part / "ann"
    with output_errors(part):
        shutil.rmtree(part, ignore_errors=True)
        images.mkdir(parents=True)
        annotations.mkdir()
    written = empty = 0
    for row, (frame, mask) in enumerate(run.frames()):
        if row in rows:
            name = f"{run.name}_{frame.index:06d}.png"
            content = supervisely.annotation(mask, polygons=polygons, class_name=run.run.class_name)
            write_png(images / name, frame.rgb())
            _write_json(annotations / f"{name}.json", content)
            coco.add(f"{run.case}/img/{name}", mask)
            written, empty = written + 1, empty + (not mask.any())
        if row >= max(rows):
            break
    return Annotated(target, written, empty)


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")  # training reads case* only


def _write_json(path: Path, content: object) -> None:
    write_file(path, (json.dumps(content) + "\n").encode())
