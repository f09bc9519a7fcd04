"""A sink that drops the context of a chunk."""

from __future__ import annotations

from collections.abc import Sequence

from cornea_stream.chunks.cuts import Chunk
from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.sinks import SegmentationSink, SinkResult


class Within(SegmentationSink):
    """Passes the frames of a chunk to `sink` and drops its context."""

    def __init__(self, sink: SegmentationSink, chunk: Chunk) -> None:
        self.name = sink.name
        self._sink, self._chunk = sink, chunk

    @property
    def warnings(self) -> Sequence[str]:
        """The warnings of the sink."""
        return self._sink.warnings

    @property
    def result(self) -> SinkResult:
        """The result of the sink."""
        return self._sink.result

    def write(self, segmentation: Segmentation) -> None:
        """Write one frame, or drop it as context."""
        pts = segmentation.frame.video.pts
        if pts is not None and self._chunk.holds(pts):
            self._sink.write(segmentation)

    def close(self) -> None:
        """Complete the output."""
        self._sink.close()

    def abort(self) -> None:
        """Abandon the output."""
        self._sink.abort()
