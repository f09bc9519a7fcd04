"""`cornea-stream evaluate`: agreement with annotated frames, stability on a video."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cornea_stream.cli import options as opt
from cornea_stream.cli.groups import with_groups
from cornea_stream.cli.help import MOST_USED, OUTPUTS
from cornea_stream.cli.panels import Masks
from cornea_stream.cli.panels.training import AnnotatedFrames
from cornea_stream.media.class_name import CLASS_NAME, in_words

if TYPE_CHECKING:
    from cornea_train.formats import DataOptions


@with_groups
def evaluate(
    data_dir: Annotated[
        Path | None, typer.Option(help="Folder of annotated frames.", rich_help_panel=MOST_USED)
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(help="Video to measure the stability of masks on.", rich_help_panel=MOST_USED),
    ] = None,
    output_dir: Annotated[
        Path | None,
        typer.Option(
            "--output-dir",
            "-o",
            help="Folder for the outputs.",
            show_default="output/evaluation; of a video alone nothing is written",
            rich_help_panel=MOST_USED,
        ),
    ] = None,
    checkpoint: Annotated[
        list[Path] | None,
        typer.Option(
            help="Weights: a file, or a name that info lists. Can be repeated to compare.",
            metavar="FILE|NAME",
            show_default="default",
            rich_help_panel=MOST_USED,
        ),
    ] = None,
    *,
    frames: AnnotatedFrames,
    worst: Annotated[
        int | None,
        typer.Option(
            help="Number of frames on the contact sheet.",
            min=1,
            show_default="12",
            rich_help_panel=OUTPUTS,
        ),
    ] = None,
    input_size: opt.InputSize = None,
    input_normalization: opt.InputNormalization = None,
    class_index: opt.ClassIndex = None,
    device: opt.Device = "auto",
    backend: opt.Backend = "auto",
    precision: opt.Precision = "auto",
    masks: Masks,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
    json_: opt.Json = False,
) -> None:
    """Score a checkpoint: IoU, Dice and boundary distances per surgery, with confidence intervals.

    Writes evaluation.json; with --data-dir also evaluation.csv and worst_frames.png (ground truth
    in white, prediction in green). Several checkpoints write into a folder each, and are compared
    with the first.
    """
    import json

    from cornea_stream.errors import UsageError
    from cornea_train.formats import DataOptions

    if data_dir is None and video is None:
        raise UsageError("nothing to evaluate: give --data-dir, --video or both")
    if data_dir is None:
        _refuse_options_of_frames(frames, worst)
    is_written = output_dir is not None or data_dir is not None
    job = _Job(
        data_dir, video, output_dir or Path("output/evaluation"), is_written, overwrite,
        {
            "device": device, "backend": backend, "precision": precision, "batch_size": 1,
            "threshold": masks.threshold, "raw": masks.raw_mask, "input_size": input_size,
            "input_normalization": input_normalization, "class_index": class_index,
        },
        lambda name: DataOptions(
            frames.data_format, frames.class_name or name, frames.mask_value, frames.group_by,
            frames.empty_is_background, frames.respect_holes,
        ),
        {"max_bad": frames.max_bad, "split_file": frames.split_file, "worst": worst or 12},
        quiet,
    )  # fmt: skip
    results = job.run(checkpoint or [None])
    if json_:
        typer.echo(json.dumps(results[0] if len(results) == 1 else results, indent=1))
    elif not quiet:
        for result in results:
            if len(results) > 1:
                typer.echo(result["weights"])
            _print(result)
        if len(results) > 1 and data_dir is not None:
            _print_comparison(results)


def _refuse_options_of_frames(frames: AnnotatedFrames, worst: int | None) -> None:
    from cornea_stream.errors import UsageError

    given = [f.name for f in fields(frames) if getattr(frames, f.name) != f.default]
    given += [] if worst is None else ["worst"]
    if given:
        option = "--" + given[0].removeprefix("data_").replace("_", "-")
        raise UsageError(f"{option} is for annotated frames: add --data-dir, or leave it out")


@dataclass(frozen=True, slots=True)
class _Job:
    """What to score on, with which settings, and where to."""

    data_dir: Path | None
    video: Path | None
    folder: Path
    is_written: bool
    overwrite: bool
    segmenter: dict[str, Any]
    data_options: Callable[[str], DataOptions]
    scoring: dict[str, Any]
    quiet: bool

    def run(self, checkpoints: Sequence[Path | None]) -> list[dict[str, Any]]:
        """Score each checkpoint; write into the folder, or into one below it for each."""
        from cornea_stream.errors import UsageError
        from cornea_train import evaluate as work

        names = [str(checkpoint or "default") for checkpoint in checkpoints]
        if len(set(names)) < len(names):
            raise UsageError("--checkpoint takes every checkpoint once: leave out the others")
        folders = [self.folder]
        if len(names) > 1:
            folders = [self.folder / place for place in work.folder_names(names)]
        if self.is_written:
            for folder in folders:
                work.check_folder(folder, self.overwrite)
        results: list[dict[str, Any]] = []
        first: list[Any] = []
        for checkpoint, name, folder in zip(checkpoints, names, folders, strict=True):
            result, scores = self._score(checkpoint, folder)
            if scores and first:
                result["difference"] = asdict(work.compare(first, scores))
            first = first or scores
            results.append({"weights": name, **result} if len(names) > 1 else result)
        return results

    def _score(self, checkpoint: Path | None, folder: Path) -> tuple[dict[str, Any], list[Any]]:
        from cornea_stream.cli.notes import print_notes
        from cornea_stream.inference.segmenter import Segmenter
        from cornea_train import evaluate as work

        segmenter = Segmenter(checkpoint, **self.segmenter)
        told: dict[str, Any] = {"checkpoint": segmenter.checkpoint.sha256}
        if segmenter.class_name != CLASS_NAME:
            told["class_name"] = segmenter.class_name
        found_any = True
        if self.video is not None:
            stable = work.stability(self.video, segmenter)
            told["stability"], found_any = asdict(stable), stable.present > 0
        result = None
        if self.data_dir is not None:
            result = work.evaluate(
                self.data_dir, segmenter, options=self.data_options(segmenter.class_name),
                sheet=folder / "worst_frames.png", **self.scoring,
            )  # fmt: skip
            found_any = any(score.iou > 0 for score in result.scores)
        if self.is_written:
            work.write_evaluation(folder, result, told)
        if result is not None:
            told["summaries"] = [asdict(summary) for summary in result.summaries]
        if not self.quiet:
            print_notes(segmenter.checkpoint, found_any=found_any)
        return told, result.scores if result else []


def _print_comparison(results: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(title="Comparison with the first")
    for heading in ("weights", "IoU", "change", "95 % interval", "better", "worse", "Dice", "HD95"):
        table.add_column(
            heading, justify="left" if heading == "weights" else "right", overflow="fold"
        )
    for result in results:
        overall, change = result["summaries"][-1], result.get("difference")
        compared = (
            f"{change['iou']:+.4f}", f"{change['iou_low']:+.4f} to {change['iou_high']:+.4f}",
            str(change["better"]), str(change["worse"]),
        ) if change else ("", "", "", "")  # fmt: skip
        table.add_row(
            result["weights"], f"{overall['iou']:.4f}", *compared,
            f"{overall['dice']:.4f}", f"{overall['hd95_px']:.1f} px",
        )  # fmt: skip
    Console().print(table)


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
