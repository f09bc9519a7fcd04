"""Temporal smoothing: the logits of each frame are averaged with those of its neighbors.

The window is symmetric, so masks do not lag behind a moving eye. It ends at cuts, so scenes do not
mix.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import numpy as np

from cornea_stream.media.frame import Logits

T = TypeVar("T")

WEIGHTS = (1.0, 2.0, 3.0, 2.0, 1.0)
"""Weights of the five frames: a triangle, the smallest window that hides flicker."""
# An eye under the microscope moves by a few percent of its size from frame to frame (IoU above
# 0.9); another scene, or an eye that appears or disappears, agrees far less.
CUT_IOU = 0.5


def smoothed(
    items: Iterable[T], logits_of: Callable[[T], Logits], replaced: Callable[[T, Logits], T]
) -> Iterator[T]:
    """Yield `items` in order with smoothed logits, two items behind.

    `logits_of` returns the (h, w) logits of an item, `replaced` the item with other logits.
    """
    reach = len(WEIGHTS) // 2
    window: deque[tuple[T, Logits, int]] = deque()  # with the number of the scene
    done = scene = 0
    for item in items:
        logits = logits_of(item)
        if window and is_cut(window[-1][1], logits):
            scene += 1
        window.append((item, logits, scene))
        if len(window) - done > reach:
            yield replaced(window[done][0], _average(window, done))
            done += 1
        if done > reach:
            window.popleft()
            done -= 1
    for position in range(done, len(window)):
        yield replaced(window[position][0], _average(window, position))


def is_cut(before: Logits, after: Logits) -> bool:
    """Whether two frames agree so little that they belong to different scenes."""
    a, b = before > 0, after > 0
    union = np.count_nonzero(a | b)
    return bool(np.count_nonzero(a & b) < CUT_IOU * union)


def _average(window: Sequence[tuple[T, Logits, int]], position: int) -> Logits:
    scene, reach = window[position][2], len(WEIGHTS) // 2
    total, weight = np.zeros_like(window[position][1]), 0.0
    for offset, share in enumerate(WEIGHTS, start=-reach):
        index = position + offset
        if 0 <= index < len(window) and window[index][2] == scene:
            total += share * window[index][1]
            weight += share
    return total / np.float32(weight)
