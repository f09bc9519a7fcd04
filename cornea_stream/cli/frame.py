"""`cornea-stream frame`: extract the frame shown at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import options as opt
from cornea_stream.cli.groups import with_groups
from cornea_stream.cli.panels import Engine, Look, Masks, Weights


@with_groups
def frame(
    video: Annotated[Path, typer.Argument(help="A video file.", metavar="VIDEO")],
    times: Annotated[
        list[str] | None,
        typer.Argument(help="Times: 90, 90s, 1m30s, 1:30 or HH:MM:SS.mmm.", metavar="TIME..."),
    ] = None,
    *,
    timestamp: Annotated[
        list[str] | None,
        typer.Option("--timestamp", "-t", help="The same as TIME.", metavar="TIME"),
    ] = None,
    output_dir: opt.OutputDir = Path("output"),
    overwrite: opt.Overwrite = False,
    video_track: opt.VideoTrack = None,
    look: Look,
    weights: Weights,
    engine: Engine,
    masks: Masks,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_: opt.Json = False,
) -> None:
    """Write the frame shown at a time, its mask and its overlay as PNGs.

    This is the last frame that begins at or before the time. OUTPUT_DIR/<name>/<time>s gets
    original.png, mask.png, Cornea.png (the same under the name of the structure) and overlay.png.
    """
    import json
    from dataclasses import asdict

    from cornea_stream.cli.notes import print_notes
    from cornea_stream.media.class_name import in_words
    from cornea_stream.media.times import parse_time
    from cornea_stream.runs.snapshot import snapshot

    typed = [*(times or ()), *(timestamp or ())]
    if not typed:
        raise typer.BadParameter(f"no time is given: try cornea-stream frame {video} 1:30")
    setup = engine.setup(weights, masks, batch_size=1)
    setup.check()
    checkpoint = setup.load()
    class_name = checkpoint.spec.class_name
    results = snapshot(
        video,
        [parse_time(text) for text in typed],
        output_dir,
        setup.build,
        class_name=class_name,
        overwrite=overwrite,
        video_track=video_track,
        **look.style(),
    )
    if json_:
        typer.echo(json.dumps([asdict(result) for result in results], default=str, indent=2))
    elif not quiet:
        what = in_words(class_name)
        for result in results:
            found = (
                f"{what}, confidence {result.confidence:.2f}" if result.present else f"no {what}"
            )
            typer.echo(f"{result.folder}: frame at {result.time_s:.3f} s: {found}")
        print_notes(checkpoint, found_any=any(result.present for result in results))
