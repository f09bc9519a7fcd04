"""A preview: serves the newest overlay to browsers without slowing the pipeline."""

from __future__ import annotations

import json
import threading
import time
from collections import deque
from dataclasses import dataclass

import av
import cv2
from av.video.reformatter import VideoReformatter

from cornea_stream.inference.segmentation import Segmentation
from cornea_stream.media.frame import MediaInfo
from cornea_stream.media.overlay import OverlayStyle, YuvPainter
from cornea_stream.media.planes import turn_upright
from cornea_stream.pipeline.worker import Worker
from cornea_stream.sinks.base import SegmentationSink
from cornea_stream.sinks.preview.server import Picture, PreviewServer

WIDEST = 960
"""Maximum width in pixels."""
_QUALITY = 80
_FASTEST_S = 1 / 20
_FPS_OVER = 30  # frames


@dataclass(frozen=True, slots=True)
class PreviewSettings:
    """Host and port of the page; port 0 chooses a free one."""

    host: str = "127.0.0.1"
    port: int = 0


class Preview(SegmentationSink):
    """Serves a page with the newest overlay at `address`; images are made on request.

    A slow browser skips frames and blocks nothing. The page shows the time, the frames per second
    and, for live sources, the milliseconds from a decoded frame to its image.
    """

    name = "preview"

    def __init__(self, settings: PreviewSettings, info: MediaInfo, style: OverlayStyle) -> None:
        """Start serving. Raises OutputError if the port is not available."""
        self._aspect = float(info.upright_aspect or 1)
        self._paint, self._shrink = YuvPainter(style), VideoReformatter()
        self._changed = threading.Condition()
        self._times: deque[float] = deque(maxlen=_FPS_OVER)
        self._newest: Segmentation | None = None
        self._count = 0
        self._picture = Picture(0, b"", "")
        self._asking = 0
        self._ending: str | None = None
        self._error: Exception | None = None
        self._painter = Worker(self._run, "preview pictures")
        self._server = PreviewServer(settings.host, settings.port, info.name, self.picture_after)
        self.address = self._server.address
        self._painter.start()

    def write(self, segmentation: Segmentation) -> None:
        """Replace the previous frame; raise the error of an earlier painting, if any."""
        with self._changed:
            if self._error:
                raise self._error
            self._newest = segmentation
            self._count += 1
            self._times.append(time.perf_counter())
            self._changed.notify_all()

    def close(self) -> None:
        """Show the last frame, report to the pages that the run has finished, and stop serving."""
        self._end("finished")

    def abort(self) -> None:
        """Report to the pages that the run was stopped, and stop serving."""
        self._end("stopped")

    def picture_after(self, number: int, wait_s: float) -> Picture | str | None:
        """Return a newer image, how the run ended, or None if the wait times out.

        A new page does not get images of frames that are already outdated.
        """
        with self._changed:
            number = max(number, self._count - 1)
            self._asking += 1
            self._changed.notify_all()
            try:
                self._changed.wait_for(
                    lambda: self._picture.number > number or not self._painter.is_alive(), wait_s
                )
            finally:
                self._asking -= 1
            if self._picture.number > number:
                return self._picture
            return self._ending

    def _end(self, ending: str) -> None:
        with self._changed:
            if self._ending:
                return
            self._ending = ending
            self._changed.notify_all()
        self._painter.join()
        with self._changed:
            self._changed.notify_all()
        self._server.stop()

    def _run(self) -> None:
        """Paint the newest frame on request, and always the last one."""
        try:
            while True:
                with self._changed:
                    self._changed.wait_for(lambda: self._ending or (self._asking and self._fresh))
                    if not self._fresh:
                        return
                    segmentation, number = self._newest, self._count
                    times = self._times[0], self._times[-1], len(self._times)
                assert segmentation is not None
                picture = self._make(segmentation, number, times)
                with self._changed:
                    self._picture = picture
                    self._changed.notify_all()
                    self._changed.wait_for(lambda: self._ending, _FASTEST_S)
        except Exception as error:  # raised by the next write
            self._error = error

    @property
    def _fresh(self) -> bool:
        return self._count > self._picture.number

    def _make(
        self, segmentation: Segmentation, number: int, times: tuple[float, float, int]
    ) -> Picture:
        frame = segmentation.frame
        jpeg = self._encode(turn_upright(self._paint(segmentation), frame.orientation))
        first, last, count = times
        late_s = None if frame.received_s is None else time.perf_counter() - frame.received_s
        facts = {
            "time_s": round(frame.time_s, 3),
            "fps": round((count - 1) / (last - first), 1) if last > first else None,
            "latency_ms": None if late_s is None else round(1000 * late_s),
        }
        return Picture(number, jpeg, json.dumps(facts))

    def _encode(self, video: av.VideoFrame) -> bytes:
        width = min(WIDEST, max(1, round(video.width * self._aspect)))
        height = max(1, round(video.height * width / (video.width * self._aspect)))
        pixels = self._shrink.reformat(video, width, height, "bgr24").to_ndarray()
        done, jpeg = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
        assert done
        return jpeg.tobytes()
