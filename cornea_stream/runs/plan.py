"""The plan of a run: made once from checked options, then passed down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornea_stream.errors import OutputError, SourceError, UsageError
from cornea_stream.inference.segmenter import MaskSettings
from cornea_stream.media.address import Address
from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.report import REPORT, check_report
from cornea_stream.report.summary_figure import SHEET, check_sheet
from cornea_stream.runs import manifest
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.outputs import Output, choose_outputs
from cornea_stream.runs.result import RunResult
from cornea_stream.sinks import EncoderSettings
from cornea_stream.sinks.lines import STDOUT, holds_lines
from cornea_stream.sources import is_still
from cornea_stream.sources.fingerprint import fingerprint
from cornea_stream.sources.live import RECONNECT_S
from cornea_stream.sources.open import open_reading
from cornea_stream.storage import RUN_JSON, is_interrupted, is_ours


@dataclass(frozen=True, slots=True, eq=False)
class RunPlan:
    """A source, its outputs and their folder; plain data that can be sent to other processes.

    `settings` are the settings that determine the outputs, as listed in run.json. `fingerprint` is
    None for streams. `standing` lists outputs of an earlier run that may be replaced, with their
    modification times. `finished` is the result of an earlier run that need not be repeated.
    `notes` are warnings for the result.
    """

    source: Path | Address
    folder: Path
    options: RunOptions
    outputs: tuple[Output, ...]
    encoder: EncoderSettings
    settings: dict[str, Any]
    live: bool
    fingerprint: str | None = None
    standing: tuple[tuple[str, int], ...] = ()
    finished: RunResult | None = None
    notes: tuple[str, ...] = ()

    @property
    def files(self) -> list[str]:
        """Names of the files and folders that the run will write, run.json last."""
        return _files(self.outputs, self.options)

    @property
    def pages(self) -> list[str]:
        """Names of what is made of the finished run: its figure and its page."""
        wanted = {SHEET: self.options.summary, REPORT: self.options.report}
        return [name for name, is_wanted in wanted.items() if is_wanted and self.options.files]

    @property
    def paced(self) -> bool:
        """Whether to read no faster than the recording plays."""
        return self.options.paced and not self.live

    def check_standing(self) -> None:
        """Raise OutputError if an output has appeared or changed since the plan was made."""
        if _standing(self.folder, self.files) != self.standing:
            raise OutputError(
                f"outputs have changed since the run was planned: {self.folder}: another run wrote "
                "there: run again with resume=True"
            )


def plan_run(
    source: Path | Address,
    folder: Path,
    options: RunOptions,
    masks: MaskSettings,
    *,
    try_source: bool = False,
) -> RunPlan:
    """Plan a run of `source` into `folder`; with `try_source`, read the first frame of a file.

    With `options.resume`, a run that is already complete with the same source, settings and
    weights is `finished`; any other earlier run of cornea-stream is replaced.
    Raises UsageError for invalid options, OutputError if an output may not be replaced or would
    replace the source, and SourceError if the source does not exist.
    """
    encoder = options.check()
    if options.white_to_white_mm is not None and masks.class_name != CLASS_NAME:
        raise UsageError(
            "white_to_white_mm must be left out, being the width of a cornea: the weights are for "
            f"{masks.class_name}: give mm_per_px=0.01 or no scale"
        )
    file = source if isinstance(source, Path) else None
    live = _is_live(source, options)
    if isinstance(source, Address) and source.scheme == "camera" and not Path(source.url).exists():
        raise SourceError(f"no such camera: {source}: check that it is plugged in")
    if file and not file.exists():
        raise SourceError(f"input not found: {file}: check the path")
    outputs = choose_outputs(options, still=file is not None and is_still(file))
    names = _files(outputs, options)
    print_of_file = None if file is None else fingerprint(file)
    settings = manifest.settings(options, masks)
    finished = None
    if file and print_of_file and options.files and options.resume:
        finished = manifest.find_finished(file, folder, print_of_file, settings, options)
    if finished is None:
        if file and try_source:
            _try(file, options)
        try:
            _check_outputs(folder, names, file, options)
        except OutputError:
            if file and not try_source:
                _try(file, options)  # a wrong start time is named before outputs that exist
            raise
    return RunPlan(
        source, folder, options, outputs, encoder, settings, live,
        fingerprint=print_of_file, standing=_standing(folder, names), finished=finished,
        notes=_notes(options),
    )  # fmt: skip


def _files(outputs: tuple[Output, ...], options: RunOptions) -> list[str]:
    made = [name for output in outputs for name in output.files]
    return [*made, RUN_JSON] if options.files else []


def _standing(folder: Path, names: list[str]) -> tuple[tuple[str, int], ...]:
    found = []
    for name in names:
        path = folder / name
        if path.exists():
            # Folders change during a run, so only their existence counts.
            found.append((name, 0 if path.is_dir() else path.stat().st_mtime_ns))
    return tuple(found)


def _try(source: Path, options: RunOptions) -> None:
    """Read the first frame. Raises SourceError."""
    open_reading(source, options.reading).close()


def _notes(options: RunOptions) -> tuple[str, ...]:
    if options.overlay and options.style.share == 0:
        return ("the overlay shows no cornea: opacity is 0",)
    return ()


def _check_outputs(
    folder: Path, names: list[str], source: Path | None, options: RunOptions
) -> None:
    """Raise OutputError for outputs that cannot be written or may not be replaced."""
    if options.files:
        _check_folder(folder)
    _check_lines(options)
    _check_replaceable(folder, names, source, options)


def _check_folder(folder: Path) -> None:
    """Raise OutputError if a folder can neither be used nor made."""
    there = next((path for path in (folder, *folder.parents) if path.exists()), None)
    if there and not there.is_dir():
        raise OutputError(f"not a folder: {there}: choose another output folder")


def _check_lines(options: RunOptions) -> None:
    """Raise OutputError if the lines would replace a file."""
    if options.jsonl is None or isinstance(options.jsonl, int) or options.jsonl == STDOUT:
        return
    path = Path(options.jsonl)
    if path.is_dir():
        raise OutputError(f"not a file: {path}: give the name of a file, or - for standard output")
    replaced = options.overwrite or (options.resume and holds_lines(path))
    if path.is_file() and not replaced:  # a named pipe is no file
        raise OutputError(f"output exists: {path}: pass overwrite=True or choose another file")
    _check_folder(path.parent)


def _check_replaceable(
    folder: Path, names: list[str], source: Path | None, options: RunOptions
) -> None:
    """Raise OutputError for outputs that would replace the source or may not be replaced."""
    if options.summary:
        check_sheet(folder, options.overwrite)
    if options.report:
        check_report(folder, options.overwrite)
    # With `resume`, outputs of an earlier run of cornea-stream may be replaced.
    may_replace = options.overwrite or (options.resume and is_ours(folder))
    for target in (folder / name for name in names):
        if not target.exists():
            continue
        if source and (
            target.samefile(source)
            or (target.is_dir() and source.resolve().is_relative_to(target.resolve()))
        ):
            raise OutputError(
                f"output would replace the input: {target}: choose another output folder"
            )
        if not may_replace:
            begun = ", of an interrupted run" if is_interrupted(folder) else ""
            raise OutputError(
                f"output exists{begun}: {target}: pass overwrite=True, resume=True or another "
                "output folder"
            )


def _is_live(source: Path | Address, options: RunOptions) -> bool:
    """Whether frames can be dropped. Raises UsageError for options that need another source."""
    reconnects = options.reconnect_s != RECONNECT_S
    if isinstance(source, Path):
        if options.live:
            raise UsageError(f"not a live source: {source}: leave live=True out")
        if reconnects:
            raise UsageError(f"reconnect_s is for live sources: {source}: leave it out")
        return False
    if options.resume:
        raise UsageError(f"a stream cannot be resumed: {source}: choose another output folder")
    if options.decoder == "nvdec":
        raise UsageError(f"decoder is for video files: {source}: leave decoder=nvdec out")
    live = source.endless if options.live is None else options.live
    if live and options.reading.start_s is not None:
        raise UsageError(f"a live source begins now: {source}: leave out start_s")
    if live and options.realtime:
        raise UsageError(f"realtime is for recordings: {source}: leave realtime=True out")
    if reconnects and not live:
        raise UsageError(
            f"reconnect_s is for live sources: {source}: add live=True, or leave it out"
        )
    return live
