"""Sinks: the outputs of a run, each with `write`, `close` and `abort`."""

from cornea_stream.sinks.base import SegmentationSink, SinkResult
from cornea_stream.sinks.encoder import (
    EncoderSettings,
    check_container,
    check_encoder,
    check_encoder_types,
)
from cornea_stream.sinks.lines import LineSink
from cornea_stream.sinks.png import FramePngs, PngSequenceSink, StillSink
from cornea_stream.sinks.polygons import PolygonSink
from cornea_stream.sinks.preview.preview import Preview, PreviewSettings
from cornea_stream.sinks.stream.stream import StreamSink
from cornea_stream.sinks.stream.target import StreamTarget
from cornea_stream.sinks.table import CSV_COLUMNS, MetricsSink
from cornea_stream.sinks.video import MaskVideoSink, OverlayVideoSink, VideoFile, mask_frame

__all__ = [
    "CSV_COLUMNS",
    "EncoderSettings",
    "FramePngs",
    "LineSink",
    "MaskVideoSink",
    "MetricsSink",
    "OverlayVideoSink",
    "PngSequenceSink",
    "PolygonSink",
    "Preview",
    "PreviewSettings",
    "SegmentationSink",
    "SinkResult",
    "StillSink",
    "StreamSink",
    "StreamTarget",
    "VideoFile",
    "check_container",
    "check_encoder",
    "check_encoder_types",
    "mask_frame",
]
