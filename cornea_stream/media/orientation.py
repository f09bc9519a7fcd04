"""How stored pixels lie: turned by quarters, and mirrored."""

from __future__ import annotations

import math
from typing import NamedTuple, TypeVar

import av
import numpy as np
from av.sidedata.sidedata import SideDataContainer, Type
from av.video.stream import VideoStream
from numpy.typing import NDArray

_Pixel = TypeVar("_Pixel", bound=np.generic)


class Orientation(NamedTuple):
    """What makes stored pixels upright: `rotation`, then a flip from left to right if `mirrored`.

    `rotation` is counter-clockwise, in degrees: 0, 90, 180 or 270.
    """

    rotation: int = 0
    mirrored: bool = False

    @property
    def sideways(self) -> bool:
        """Whether upright width and height are the stored height and width."""
        return self.rotation % 180 != 0

    @property
    def corner(self) -> tuple[bool, bool]:
        """Whether the upright top left corner is stored at the bottom, and at the right."""
        if self.mirrored:
            return self.rotation in (90, 180), self.rotation in (0, 90)
        return self.rotation in (180, 270), self.rotation in (90, 180)


UPRIGHT = Orientation()
EXIF = {
    1: UPRIGHT,
    2: Orientation(0, True),
    3: Orientation(180, False),
    4: Orientation(180, True),
    5: Orientation(270, True),
    6: Orientation(270, False),
    7: Orientation(90, True),
    8: Orientation(90, False),
}
"""The orientations by the number of the EXIF tag (CIPA DC-008)."""


def orientation_of(video: av.VideoFrame) -> Orientation:
    """Return the orientation of a decoded frame."""
    try:
        return display_matrix(video)
    except ValueError:
        return Orientation(quarter_turn(video.rotation), False)


def display_matrix(video: av.VideoFrame) -> Orientation:
    """Return the orientation by the display matrix of a decoded frame.

    A matrix without a direction (all zeros) counts as none. Raises ValueError if the frame has
    side data that PyAV does not know: EXIF is among them.
    """
    # `video.side_data` would keep the container, which refers to the frame: such a circle holds
    # the pixels until Python's collector comes by, hundreds of frames later.
    side_data = SideDataContainer(video)  # type: ignore[call-arg]  # its stubs have no arguments
    if Type.DISPLAYMATRIX not in side_data:
        return UPRIGHT
    matrix = side_data[Type.DISPLAYMATRIX]
    a, b, _, c, d = (int(number) for number in np.frombuffer(memoryview(matrix), np.int32)[:5])
    if not (a or b) or not (c or d):
        return UPRIGHT
    mirrored = a * d - b * c < 0
    return Orientation(quarter_turn(math.degrees(-math.atan2(b, -a if mirrored else a))), mirrored)


def write(stream: VideoStream, orientation: Orientation) -> None:
    """Tag an output stream with `orientation`, before its first frame."""
    if orientation != UPRIGHT:
        stream.set_display_rotation(orientation.rotation, hflip=orientation.mirrored)


def quarter_turn(degrees: float) -> int:
    """Return the nearest of 0, 90, 180 and 270; other angles are not possible.

    FFmpeg gives a very large number for a matrix without a direction, which is no turn.
    """
    return round(degrees / 90) * 90 % 360 if abs(degrees) <= 360 else 0


def upright(image: NDArray[_Pixel], orientation: Orientation) -> NDArray[_Pixel]:
    """Return stored pixels (H, W) or (H, W, channels) as they are meant to be seen."""
    if orientation == UPRIGHT:
        return image
    turned = np.rot90(image, orientation.rotation // 90)
    return np.ascontiguousarray(turned[:, ::-1] if orientation.mirrored else turned)


def as_stored(image: NDArray[_Pixel], orientation: Orientation) -> NDArray[_Pixel]:
    """Undo `upright`: return an upright image as it is stored."""
    if orientation == UPRIGHT:
        return image
    turned = image[:, ::-1] if orientation.mirrored else image
    return np.ascontiguousarray(np.rot90(turned, -orientation.rotation // 90))
