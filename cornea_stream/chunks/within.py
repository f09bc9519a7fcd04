"""A sink that is given a segment with its context, and writes the segment alone."""

from __future__ import annotations

from cornea_stream.chunks.cuts import Segment
from cornea_stream.media.frame import Segmentation
from cornea_stream.pipeline.queues import Sink


class Within:
    """Passes a segment's own frames on to `sink`; drops those that are context."""

    def __init__(self, sink: Sink[Segmentation], segment: Segment) -> None:
        self._sink, self._segment = sink, segment

    def write(self, segmentation: Segmentation) -> None:
        """Write one frame, or drop it."""
        pts = segmentation.frame.video.pts
        if pts is not None and self._segment.holds(pts):
            self._sink.write(segmentation)

    def close(self) -> None:
        """Complete the output."""
        self._sink.close()

    def abort(self) -> None:
        """Give the output up."""
        self._sink.abort()
