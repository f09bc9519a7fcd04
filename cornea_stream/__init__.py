"""Stream cataract-surgery video through a PSPNet and get the cornea of every frame.

from cornea_stream import Segmenter

for result in Segmenter().stream("surgery.mp4"):
    print(result.frame.time_s, result.confidence, result.mask.shape)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cornea_stream.frames import Frame, MediaInfo, Segmentation
    from cornea_stream.job import run_source
    from cornea_stream.masks.measurement import Measurement, measure
    from cornea_stream.network.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
    from cornea_stream.report import write_report
    from cornea_stream.run_types import RunOptions, RunResult
    from cornea_stream.segmenter import Segmenter
    from cornea_stream.session import Session
    from cornea_stream.snapshots import snapshot
    from cornea_stream.source import open_source

_HOMES = {
    "Checkpoint": "network.checkpoint",
    "load_checkpoint": "network.checkpoint",
    "save_checkpoint": "network.checkpoint",
    "Frame": "frames",
    "MediaInfo": "frames",
    "Segmentation": "frames",
    "RunOptions": "run_types",
    "RunResult": "run_types",
    "run_source": "job",
    "Measurement": "masks.measurement",
    "measure": "masks.measurement",
    "Segmenter": "segmenter",
    "Session": "session",
    "snapshot": "snapshots",
    "open_source": "source",
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
