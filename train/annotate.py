"""Extracts frames of a run with their masks as annotations, for correction and training."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cornea_stream.errors import OutputError, SourceError, UsageError
from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.sinks.png import write_png
from cornea_stream.storage import output_errors, write_file
from cornea_train import supervisely
from cornea_train.coco import CocoFile
from cornea_train.run_frames import Chosen, RunFrames, open_runs

COCO, META = "coco.json", "meta.json"


@dataclass(frozen=True, slots=True)
class Annotated:
    """The result for one run: its folder, the number of images, and those without a cornea.

    If `class_name` is another structure, `without_cornea` counts the images without it.
    """

    folder: Path
    images: int
    without_cornea: int
    class_name: str = CLASS_NAME


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
    opened = open_runs(runs)
    for run in opened:
        if run.masks is None:
            raise SourceError(
                f"no masks in this run: {run.run.folder}: run again with mask=True and metrics=True"
            )
        run.check_source()
    targets = [root / run.case for run in opened]
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


def _write(
    run: RunFrames, root: Path, chosen: list[Chosen], coco: CocoFile, polygons: bool
) -> Annotated:
    target = root / run.case
    part = _part(target)
    images, annotations = part / "img", part / "ann"
    with output_errors(part):
        shutil.rmtree(part, ignore_errors=True)
        images.mkdir(parents=True)
        annotations.mkdir()
    written = empty = 0
    for choice, (frame, mask) in zip(chosen, run.frames(chosen), strict=True):
        name = f"{run.name}_{choice.label}.png"
        content = supervisely.annotation(mask, polygons=polygons, class_name=run.run.class_name)
        write_png(images / name, frame.rgb())
        _write_json(annotations / f"{name}.json", content)
        coco.add(f"{run.case}/img/{name}", mask)
        written, empty = written + 1, empty + (not mask.any())
    return Annotated(target, written, empty, run.run.class_name)


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")  # training reads case* only


def _write_json(path: Path, content: object) -> None:
    write_file(path, (json.dumps(content) + "\n").encode())
