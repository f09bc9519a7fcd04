"""`cornea-stream evaluate`: agreement with annotated frames, stability on a video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from cornea_stream.cli import options as opt
from cornea_stream.media.class_name import CLASS_NAME, in_words


def evaluate(
    data_dir: Annotated[Path | None, typer.Option(help="Folder of annotated frames.")] = None,
    video: Annotated[
        Path | None, typer.Option(help="Video to measure the stability of masks on.")
    ] = None,
    checkpoint: opt.Checkpoint = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            help="Folder for the outputs.",
            show_default="output/evaluation; of a video alone nothing is written",
        ),
    ] = None,
    split_file: Annotated[
        Path | None, typer.Option(help="Score only the validation frames of this split.json.")
    ] = None,
    data_format: opt.DataFormat = "auto",
    class_name: opt.ClassName = None,
    mask_value: opt.MaskValue = None,
    group_by: opt.GroupBy = None,
    empty_is_background: opt.EmptyIsBackground = False,
    respect_holes: opt.RespectHoles = False,
    max_bad: Annotated[int, typer.Option(help="Maximum number of unusable pairs.", min=0)] = 0,
    worst: Annotated[
        int | None,
        typer.Option(help="Number of frames on the contact sheet.", min=1, show_default="12"),
    ] = None,
    device: opt.Device = "auto",
    backend: opt.Backend = "auto",
    precision: opt.Precision = "auto",
    threshold: opt.Threshold = 0.5,
    raw_mask: opt.RawMask = False,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_: opt.Json = False,
) -> None:
    """Score a checkpoint: IoU, Dice and boundary distances per surgery, with confidence intervals.

    Writes evaluation.json; with --data-dir also evaluation.csv and worst_frames.png (ground truth
    in white, prediction in green).
    """
    import json
    from dataclasses import asdict

    from cornea_stream.errors import UsageError
    from cornea_stream.inference.segmenter import Segmenter
    from cornea_train import evaluate as work
    from cornea_train.formats import DataOptions

    if data_dir is None and video is None:
        raise UsageError("nothing to evaluate: give --data-dir, --video or both")
    if data_dir is None:
        for_annotated = {
            "--split-file": split_file, "--respect-holes": respect_holes, "--max-bad": max_bad,
            "--worst": worst, "--format": data_format != "auto", "--class-name": class_name,
            "--mask-value": mask_value, "--group-by": group_by,
            "--empty-is-background": empty_is_background,
        }  # fmt: skip
        for name, value in for_annotated.items():
            if value:
                raise UsageError(f"{name} is for annotated frames: add --data-dir, or leave it out")
    folder = output_dir or Path("output/evaluation")
    is_written = output_dir is not None or data_dir is not None
    if is_written:
        work.check_folder(folder, overwrite)
    segmenter = Segmenter(
        checkpoint,
        device=device,
        backend=backend,
        precision=precision,
        batch_size=1,
        threshold=threshold,
        raw=raw_mask,
    )
    told: dict[str, Any] = {"checkpoint": segmenter.checkpoint.sha256}
    if segmenter.class_name != CLASS_NAME:
        told["class_name"] = segmenter.class_name
    if video is not None:
        told["stability"] = asdict(work.stability(video, segmenter))
    result = None
    if data_dir is not None:
        options = DataOptions(
            data_format, class_name or segmenter.class_name, mask_value, group_by,
            empty_is_background, respect_holes,
        )  # fmt: skip
        result = work.evaluate(
            data_dir, segmenter, options=options, max_bad=max_bad,
            split_file=split_file, sheet=folder / "worst_frames.png", worst=worst or 12,
        )  # fmt: skip
    if is_written:
        work.write_evaluation(folder, result, told)
    if result is not None:
        told["summaries"] = [asdict(summary) for summary in result.summaries]
    if json_:
        typer.echo(json.dumps(told, indent=1))
    elif not quiet:
        _print(told)


def _print(told: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    what = in_words(told.get("class_name", CLASS_NAME))

    if "summaries" in told:
        table = Table()
        for heading in ("surgery", "frames", "IoU", "95 % interval", "Dice", "HD95", "surface"):
            table.add_column(heading, justify="left" if heading == "surgery" else "right")
        for row in told["summaries"]:
            table.add_row(
                row["case"],
                str(row["frames"]),
                f"{row['iou']:.3f}",
                f"{row['iou_low']:.3f}–{row['iou_high']:.3f}",
                f"{row['dice']:.3f}",
                f"{row['hd95_px']:.1f} px",
                f"{row['surface_distance_px']:.1f} px",
            )
        Console().print(table)
    if "stability" in told:
        steady = told["stability"]
        Console().print(
            f"Stability over {steady['frames']} frames: {what} in {steady['present']:.0%}; "
            f"IoU of consecutive masks {steady['neighbour_iou']:.3f} "
            f"(5th percentile {steady['neighbour_iou_low']:.3f}); "
            f"centroid moves {steady['centroid_step_px']:.1f} px per frame.",
            soft_wrap=True,
            highlight=False,
        )
