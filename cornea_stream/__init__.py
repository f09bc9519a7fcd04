"""Stream cataract-surgery video through a PSPNet and get the cornea of every frame.

from cornea_stream import Segmenter

for result in Segmenter().stream("surgery.mp4"):
    print(result.frame.time_s, result.confidence, result.mask.shape)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cornea_stream.inference.segmenter import Segmenter
    from cornea_stream.inference.session import Session
    from cornea_stream.media.frame import Frame, MediaInfo, Segmentation
    from cornea_stream.models.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from cornea_stream.postprocess.measurement import Measurement, measure
    from cornea_stream.report import write_report
    from cornea_stream.runs.options import RunOptions, RunResult
    from cornea_stream.runs.run import run_source
    from cornea_stream.runs.snapshot import snapshot
    from cornea_stream.sources import open_source

_HOMES = {
    "Checkpoint": "models.checkpoint",
    "load_checkpoint": "models.checkpoint",
    "save_checkpoint": "models.checkpoint",
    "Frame": "media.frame",
    "MediaInfo": "media.frame",
    "Segmentation": "media.frame",
    "RunOptions": "runs.options",
    "RunResult": "runs.options",
    "run_source": "runs.run",
    "Measurement": "postprocess.measurement",
    "measure": "postprocess.measurement",
    "Segmenter": "inference.segmenter",
    "Session": "inference.session",
    "snapshot": "runs.snapshot",
    "open_source": "sources",
    "write_report": "report",
}

__all__ = [
    "Checkpoint",
    "Frame",
    "Measurement",
    "MediaInfo",
    "RunOptions",
    "RunResult",
    "Segmentation",
    "Segmenter",
    "Session",
    "load_checkpoint",
    "measure",
    "open_source",
    "run_source",
    "save_checkpoint",
    "snapshot",
    "write_report",
]


def __getattr__(name: str) -> Any:
    # Importing torch takes seconds; `cornea-stream --help` must not wait for it.
    if name in _HOMES:
        from importlib import import_module

        return getattr(import_module(f"cornea_stream.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
