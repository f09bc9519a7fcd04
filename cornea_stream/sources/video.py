"""Videos with an end: decoding in presentation order, increasing times, exact seeking."""

from __future__ import annotations

import copy
import itertools
import math
import threading
from collections.abc import Iterator
from dataclasses import replace
from numbers import Real
from pathlib import Path

from cornea_stream.errors import CorneaStreamError, SourceError, UsageError
from cornea_stream.media.address import Address
from cornea_stream.media.frame import Frame
from cornea_stream.sources.base import Source
from cornea_stream.sources.damage import Damage
from cornea_stream.sources.decoding import VideoDecoding
from cornea_stream.sources.ends import INDEXED, end_of, missing_end
from cornea_stream.sources.losses import Gaps
from cornea_stream.sources.rate import frame_rate
from cornea_stream.sources.read_options import ReadOptions
from cornea_stream.sources.video_track import conversions, describe, first_field

# Seconds to step back, and further where a seek lands after the wanted time all the same: an index
# in decoding order, or none, can point past it, and MPEG program streams begin with guessed times.
_SEEK_MARGINS_S = (1.0, 10.0, 100.0)

_ROUNDED_S = 5e-4
"""How far times that people round to milliseconds lie from those of frames."""


class VideoSource(VideoDecoding, Source):
    """The frames of a video file, one pass, in presentation order.

    Standard input and web addresses are read in the same way, from beginning to end; `stop` ends
    waiting for standard input.
    `info` describes the stream; `warnings` is complete once reading has ended.
    The first frame is decoded on opening, so that a file without frames fails there.
    Raises SourceError if the file cannot be opened or no frame can be decoded, and UsageError if
    the file has none from the start to the end that are wanted.
    """

    def __init__(
        self,
        path: Path | Address,
        reading: ReadOptions | None = None,
        *,
        stop: threading.Event | None = None,
    ) -> None:
        self._searcher: VideoSource | None = None
        self._passed_s: float | None = None
        reading = reading or ReadOptions()
        super().__init__(path, reading, stop)
        try:
            self._frames = self._selected(reading.start_s)
            first = next(self._frames, None)
            if first is None:
                raise self._no_frame()
        except BaseException:
            self.close()
            raise
        self._frames = itertools.chain([first], self._frames)
        self.info = describe(
            path, self._container, self._stream, first.video, keep_metadata=reading.keep_metadata
        )

    def __iter__(self) -> Iterator[Frame]:
        return self._frames

    def close(self) -> None:
        """Close the file; safe to call twice."""
        self._closed = True
        self._container.close()
        if self._searcher:
            self._searcher.close()

    @property
    def frame_estimate(self) -> int | None:
        """Approximate number of frames that `__iter__` yields, from the header, or None."""
        info = self.info
        if info.duration_s is None:
            return None
        reading, length_s = self._reading, info.duration_s
        end_s = length_s if reading.end_s is None else min(reading.end_s, length_s)
        whole = info.frame_count or length_s * float(info.rate)
        share = (end_s - (reading.start_s or 0.0)) / length_s
        return max(1, round(whole * share / reading.every))

    @property
    def damaged_s(self) -> list[tuple[float, float]]:
        """Begin and end in seconds of the stretches that could not be decoded so far."""
        return self._damage.stretches

    @property
    def warnings(self) -> list[str]:
        """Problems of the stream so far, one sentence each."""
        found = self._damage.warnings
        if self._joined:
            found.append(
                f"times jump {self._joined} times, as where recordings were joined: they are "
                "counted on there"
            )
        if self._retimed:
            rate = float(self.info.rate)
            found.append(
                f"{self._retimed} frames had missing or repeated times and were retimed"
                if self._dated
                else f"the file has no times and no length: frames are counted on at {rate:g} per "
                "second, and a missing end goes unnoticed"
            )
        return found + conversions(self.info)

    def frame_at(self, time_s: float) -> Frame:
        """Return the frame shown at `time_s`: the last whose time is <= `time_s`.

        It is decoded from the nearest keyframe before it, with a separate decoder, so iteration is
        not affected. A time before the first frame gives the first frame.
        Raises UsageError with the duration if the time is negative or after the last frame, and
        for standard input.
        """
        self._check_open()
        if not isinstance(time_s, Real) or math.isnan(time_s):
            raise UsageError(f"not a time: {time_s!r}: give seconds")
        if self._once:
            raise UsageError("standard input cannot be seeked: save it to a file")
        if self._searcher is None:
            searcher = copy.copy(self)
            searcher._reset()
            searcher._container, searcher._stream = searcher._open()
            self._searcher = searcher
        return self._searcher._find(time_s)

    def _find(self, time_s: float) -> Frame:
        if time_s < 0:
            raise UsageError(
                f"timestamp is negative: {time_s:g} s: give a time from 0 on, "
                f"{self.path} lasts {self._measure_end():.3f} s"
            )
        found, following = self._last_until(time_s, self._decoded_until(time_s))
        if found is None:
            if following is None:
                raise self._no_frame()
            return following
        if following is None and time_s >= end_of(found, self.info.rate):
            end = end_of(found, self.info.rate)
            raise UsageError(
                f"timestamp is beyond the end: {time_s:g} s: {self.path} lasts {end:.3f} s: "
                "give an earlier one"
            )
        return found

    def _measure_end(self) -> float:
        """Return the end of the last frame; the duration in headers is often wrong."""
        found, _ = self._last_until(math.inf, self._decoded(self.info.duration_s or 0.0))
        if found is None:
            found, _ = self._last_until(math.inf, self._decoded(0.0))
        return end_of(found, self.info.rate) if found else 0.0

    def _no_frame(self) -> CorneaStreamError:
        """Return why there is no frame: the wanted range, or damage."""
        start_s, end_s = self._reading.start_s, self._reading.end_s
        if start_s and self._passed_s is not None and self._passed_s <= start_s:
            return UsageError(
                f"no frame at or after {start_s:g} s: {self.path} lasts {self._passed_s:.3f} s: "
                "choose an earlier start"
            )
        if end_s is not None and not self._damage:
            since = f"between {start_s:g} s and" if start_s else "before"
            return UsageError(f"no frame {since} {end_s:g} s: {self.path}: choose a later end")
        return SourceError(
            f"no frame can be decoded: {self.path} ({self._damage.packets} damaged packets): "
            "the recording is damaged, copy it again"
        )

    def _last_until(
        self, time_s: float, frames: Iterator[Frame]
    ) -> tuple[Frame | None, Frame | None]:
        """Return the last frame with time <= `time_s` and the next one, if they exist."""
        # Some tolerance: "0.0333333" means the frame at 1/30 s. A tick of AVI lasts a whole frame.
        limit = time_s + min(float(self._stream.time_base or 0) / 2, _ROUNDED_S)
        found = None
        for frame in frames:
            if frame.time_s > limit:
                return found, frame
            found = frame
        return found, None

    def _selected(self, start_s: float | None) -> Iterator[Frame]:
        for index, frame in enumerate(self._watched(self._begun(start_s or 0.0))):
            if self._reading.end_s is not None and frame.time_s >= self._reading.end_s:
                return
            if index % self._reading.every == 0:
                yield replace(frame, index=index)

    def _begun(self, start_s: float) -> Iterator[Frame]:
        """Yield the frames from `start_s` on; note where those before it end."""
        for frame in self._decoded_until(start_s):
            if frame.time_s >= start_s:
                yield frame
            else:
                self._passed_s = end_of(frame, frame_rate(self._stream))

    def _watched(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Pass frames on; note holes between them, and stop at damage if it is not tolerated."""
        gaps, last = Gaps(), None
        holes = self._container.format.name not in INDEXED
        for frame in frames:
            if (hole := gaps.passed(frame.time_s)) and holes:
                self._damage.note_hole(*hole)
            if self._damage:
                self._damage.spread(frame.time_s, key_frame=frame.video.key_frame)
                self._stop_if_strict()
            last = frame
            yield frame
        if last and (hole := self._missing_end(last, gaps.longest_s)):
            self._damage.note_hole(*hole)
        self._stop_if_strict()

    def _missing_end(self, last: Frame, longest_s: float) -> tuple[float, float] | None:
        path = None if self._once or isinstance(self.path, Address) else self.path
        return missing_end(self._container, self._stream, path, last, longest_s)

    def _decoded_until(self, time_s: float) -> Iterator[Frame]:
        """Decode from a keyframe that is shown at or before `time_s`, from the first frame for 0.

        From that keyframe on, frames and times equal those of a pass over the whole file.
        """
        for margin in () if self._once else _SEEK_MARGINS_S:
            if time_s - margin <= 0:
                break
            # Frames shown before the keyframe can refer to frames that were not decoded.
            frames = itertools.dropwhile(
                lambda frame: not frame.video.key_frame and frame.time_s <= time_s,
                self._decoded(time_s - margin),
            )
            first = next(frames, None)
            if first is not None and first.time_s <= time_s:
                if self._damage.last_s < first.time_s:
                    self._damage = Damage(first.time_s)  # a seek ends in the midst of packets
                return itertools.chain([first], frames)
            self._reset()
        return self._decoded(0.0)

    def _decoded(self, from_s: float) -> Iterator[Frame]:
        """Decode from the position of a seek to `from_s`, or from the first frame for 0."""
        self._rewind(from_s)
        time_base, step = self._joints.time_base, self._joints.step
        last: int | None = None
        for index, video in enumerate(self._pictures()):
            pts = video.pts
            self._dated |= pts is not None
            if pts is None and last is None and from_s > 0:
                return  # the position after the seek is unknown
            if self._damage and pts is not None and last is not None and pts < last:
                continue  # a late frame from before a hole
            if pts is None or (last is not None and pts <= last):
                self._retimed += pts is not None or last is not None
                pts = 0 if last is None else last + (step if pts is None else 1)
            if video.is_corrupt and video.pts is None:
                self._damage.note(float(pts * time_base))
            video.pts = last = pts
            video.time_base = time_base
            first = first_field(self._stream, video)
            yield Frame(index, float(pts * time_base), video, first_field=first)

    def _stop_if_strict(self) -> None:
        if self._reading.strict and self._damage:
            raise SourceError(
                f"damaged near {self._damage.stretches[0][0]:.2f} s: {self.path}: run without "
                "strict=True to skip what cannot be decoded"
            )
