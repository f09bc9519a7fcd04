"""The result of a run."""

from __future__ import annotations

from dataclasses import dataclass, field

from cornea_stream.pipeline.live_statistics import LiveReport
from cornea_stream.postprocess.pixel_spacing import Scale


@dataclass(slots=True, repr=False)
class RunResult:
    """The result of one source; `status` is complete, skipped, interrupted or failed.

    A skipped source has the frames and seconds of the run that wrote its outputs. A failed one
    has one sentence in `error` and the exit code of the error class. `live` is None unless frames
    could be dropped. `paths` names the device, engine and encoder of each step. `damaged_s` lists
    begin and end in seconds of the stretches that could not be decoded. `frames_found` is the
    number of frames with a cornea, None if it is unknown.
    """

    source: str
    folder: str
    status: str = "failed"
    frames: int = 0
    seconds: float = 0.0
    last_time_s: float | None = None
    outputs: list[str] = field(default_factory=list)
    streams: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    damaged_s: list[tuple[float, float]] = field(default_factory=list)
    scale: Scale | None = None
    paths: dict[str, str] = field(default_factory=dict)
    error: str | None = None
    exit_code: int = 0
    traceback: str | None = None
    live: LiveReport | None = None
    frames_found: int | None = None

    @property
    def fps(self) -> float:
        """Frames per second over the whole run, from decoding to the last byte written."""
        return self.frames / self.seconds if self.seconds > 0 else 0.0

    def __repr__(self) -> str:
        """Return what tells results apart, in a line; `dataclasses.asdict` has the rest."""
        shown = {
            "source": self.source, "status": self.status, "frames": self.frames,
            "frames_found": self.frames_found, "seconds": round(self.seconds, 2),
            "folder": self.folder, "error": self.error,
        }  # fmt: skip
        given = (f"{name}={value!r}" for name, value in shown.items() if value is not None)
        return f"RunResult({', '.join(given)})"

    def _repr_html_(self) -> str:
        from cornea_stream.runs.display import result_html

        return result_html(self)

    def _repr_png_(self) -> bytes | None:
        from cornea_stream.runs.display import result_png

        return result_png(self)
