"""One segment's work: as one source's, but with context, into the folder of a part."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from cornea_stream.chunks.chunk_source import SegmentSource
from cornea_stream.chunks.cuts import Segment
from cornea_stream.chunks.parts import EMPTY, WHOLE, part_name
from cornea_stream.chunks.rows import RowsSink
from cornea_stream.errors import SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.pipeline.pipeline import Progress, run_pipeline
from cornea_stream.runs import manifest
from cornea_stream.runs.options import RunOptions, RunResult
from cornea_stream.runs.outputs import open_sinks, plan_outputs
from cornea_stream.runs.run import describe_paths
from cornea_stream.storage import write_file


def run_segment(
    path: Path,
    folder: Path,
    segmenter: Segmenter,
    options: RunOptions,
    segment: Segment,
    *,
    stop: threading.Event | None = None,
    on_progress: Callable[[Progress], None] | None = None,
) -> RunResult:
    """Process one segment of a video into `folder`, unless it is complete there or no more needed.

    Its run.json tells what `Part` needs. A segment in which no picture can be decoded is complete,
    and empty. Raises as `run_into` does.
    """
    encoder = options.check()
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    result = RunResult(str(path), str(folder), "skipped")
    if (folder.parent / WHOLE).exists():
        return result
    fingerprint = manifest.fingerprint(path)
    key: dict[str, Any] = {
        "fingerprint": fingerprint,
        "settings": part_settings(manifest.settings(options, segmenter.mask_settings), segment),
    }
    if earlier := manifest.find_complete(folder, fingerprint, key["settings"]):
        result.frames = earlier["evidence"]["taken"]
        return result
    with manifest.at_work(folder):
        told: dict[str, Any] = {
            "status": "complete",
            "outputs": [],
            "warnings": [],
            "evidence": EMPTY,
        }
        result.status = "complete"
        if source := _open(path, options, segment):
            with source:

                def note(progress: Progress) -> None:
                    if on_progress:
                        own = min(max(progress.frames - source.context, 0), source.taken)
                        on_progress(replace(progress, frames=own))

                with open_sinks(folder, source.info, options, encoder, segment) as (sinks, warners):
                    run_pipeline(source, segmenter, sinks, stop=stop, on_progress=note)
                result.warnings = [text for warner in warners for text in warner.warnings]
                for rows in (sink for _, sink in sinks if isinstance(sink, RowsSink)):
                    result.warnings += rows.warnings
                result.outputs = [
                    part_name(target.name) for target in plan_outputs(folder, path, options)
                ]
                result.frames, result.seconds = source.taken, time.perf_counter() - clock
                result.paths = describe_paths(source, segmenter)
                if options.overlay:
                    result.paths["encode"] = encoder.codec
                if stop and stop.is_set():
                    result.status = "interrupted"
                told = manifest.describe(
                    result, source.info, fingerprint, segmenter, options, started
                )
                told["evidence"] = source.evidence
        content = json.dumps(told | key, indent=2, default=str) + "\n"
        write_file(folder / manifest.NAME, content.encode())
    return result


def part_settings(whole: dict[str, Any], segment: Segment) -> dict[str, Any]:
    """Return the settings of a part, for those of the whole run, as JSON gives them back."""
    plain: dict[str, Any] = json.loads(json.dumps({**whole, "segment": asdict(segment)}))
    return plain


def _open(path: Path, options: RunOptions, segment: Segment) -> SegmentSource | None:
    try:
        return SegmentSource(
            path,
            segment,
            start_s=options.start_s,
            end_s=options.end_s,
            every=options.every,
            strict=options.strict,
            max_megapixels=options.max_megapixels,
        )
    except SourceError:
        if options.strict:
            raise
        return None
