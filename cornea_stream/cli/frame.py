"""`cornea-stream frame`: extract the frame shown at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import options as opt


def frame(
    video: Annotated[Path, typer.Argument(help="A video file.")],
    timestamp: Annotated[
        list[str],
        typer.Option(
            "--timestamp", "-t", help="Seconds, 1m30s or HH:MM:SS.mmm. Repeatable.", metavar="T"
        ),
    ],
    output_dir: opt.OutputDir = Path("output"),
    video_track: opt.VideoTrack = None,
    checkpoint: opt.Checkpoint = None,
    input_size: opt.InputSize = None,
    input_normalization: opt.InputNormalization = None,
    class_index: opt.ClassIndex = None,
    device: opt.Device = "auto",
    backend: opt.Backend = "auto",
    precision: opt.Precision = "auto",
    threshold: opt.Threshold = 0.5,
    opacity: opt.Opacity = 0.5,
    color: opt.Color = "green",
    raw_mask: opt.RawMask = False,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_: opt.Json = False,
) -> None:
    """Write original.png, Cornea.png (the mask) and overlay.png of the frame shown at a time.

    This is the last frame that begins at or before the time. With several timestamps, each gets
    its own folder. With weights for another structure, the mask is named after it.
    """
    import json
    from dataclasses import asdict

    from cornea_stream.cli.notes import print_notes
    from cornea_stream.inference.segmenter import Segmenter
    from cornea_stream.media.class_name import in_words
    from cornea_stream.media.times import parse_time
    from cornea_stream.runs.snapshot import snapshot

    times = [parse_time(text) for text in timestamp]
    segmenter = Segmenter(
        checkpoint,
        device=device,
        backend=backend,
        precision=precision,
        batch_size=1,
        threshold=threshold,
        raw=raw_mask,
        input_size=input_size,
        input_normalization=input_normalization,
        class_index=class_index,
    )
    results = snapshot(
        video,
        times,
        output_dir,
        segmenter,
        color=color,
        opacity=opacity,
        overwrite=overwrite,
        video_track=video_track,
    )
    if json_:
        typer.echo(json.dumps([asdict(result) for result in results], default=str, indent=2))
    elif not quiet:
        what = in_words(segmenter.class_name)
        for result in results:
            found = (
                f"{what}, confidence {result.confidence:.2f}" if result.present else f"no {what}"
            )
            typer.echo(f"{result.folder}: frame at {result.time_s:.3f} s: {found}")
        print_notes(segmenter.checkpoint, found_any=any(result.present for result in results))
