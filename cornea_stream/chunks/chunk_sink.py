"""A sink that is given a chunk with its context, and writes the chunk alone."""

from __future__ import annotations

from collections.abc import Sequence

from cornea_stream.chunks.cuts import Chunk
from cornea_stream.media.frame import Segmentation
from cornea_stream.sinks import SegmentationSink, SinkResult


class Within(SegmentationSink):
    """Passes a chunk's own frames on to `sink`; drops those that are context."""

    def __init__(self, sink: SegmentationSink, chunk: Chunk) -> None:
        self.name = sink.name
        self._sink, self._chunk = sink, chunk

    @property
    def warnings(self) -> Sequence[str]:
        """What the sink warns of."""
        return self._sink.warnings

    @property
    def result(self) -> SinkResult:
        """What the sink says of itself."""
        return self._sink.result

    def write(self, segmentation: Segmentation) -> None:
        """Write one frame, or drop it."""
        pts = segmentation.frame.video.pts
        if pts is not None and self._chunk.holds(pts):
            self._sink.write(segmentation)

    def close(self) -> None:
        """Complete the output."""
        self._sink.close()

    def abort(self) -> None:
        """Give the output up."""
        self._sink.abort()
