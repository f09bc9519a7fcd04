"""Sources: open a video, image, folder of images or stream, and iterate its frames."""

from cornea_stream.sources.base import Source
from cornea_stream.sources.images import ImageSource
from cornea_stream.sources.live import LiveSource
from cornea_stream.sources.nvdec import NvdecSource, check_decoder
from cornea_stream.sources.open import open_source
from cornea_stream.sources.stills import is_image, is_still
from cornea_stream.sources.video import VideoSource

__all__ = [
    "ImageSource",
    "LiveSource",
    "NvdecSource",
    "Source",
    "VideoSource",
    "check_decoder",
    "is_image",
    "is_still",
    "open_source",
]
