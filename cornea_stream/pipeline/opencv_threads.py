"""OpenCV on one thread while a pipeline runs, which has a thread for each stage already."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cv2

_lock = threading.Lock()
_counts: list[int] = []
"""What each running pipeline found set; the last to end takes out what the first one found."""


@contextmanager
def one_opencv_thread() -> Iterator[None]:
    """Let OpenCV start no threads, in the whole process, until the last pipeline has ended.

    Arrays of a network's input are too small to share: OpenCV's threads mostly spin, and take
    time from the processor that decoding and encoding need.
    """
    with _lock:
        _counts.append(cv2.getNumThreads())
        cv2.setNumThreads(1)
    try:
        yield
    finally:
        with _lock:
            cv2.setNumThreads(_counts.pop())
