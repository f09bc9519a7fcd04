"""What a reader of annotated frames takes and gives: options, pairs, problems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from cornea_stream.errors import UsageError
from cornea_stream.media.class_name import CLASS_NAME, as_class_name
from cornea_train.formats.files import BadAnnotationError, DataFolder

Mask = NDArray[np.uint8]
Shape: TypeAlias = Callable[[Mask], None]
"""Draws one annotated shape as 255 into an (H, W) uint8 mask, in place."""
_MALFORMED = (AttributeError, KeyError, TypeError, ValueError, IndexError, OverflowError)


@dataclass(frozen=True, slots=True)
class DataOptions:
    """How annotated frames are read.

    `data_format` is the name of a format, or auto. `class_name` is the annotated structure, in any
    letter case. `mask_value` are the values or colors of the class in mask images, such as 255,
    1,4-6 or #ff0000. `group_by` is folder, prefix or a regular expression; None takes what the
    format itself calls a surgery. `empty_is_background` accepts frames without the class that
    have no tag saying so. `respect_holes` cuts out the holes of polygons.
    """

    data_format: str = "auto"
    class_name: str = CLASS_NAME
    mask_value: str | None = None
    group_by: str | None = None
    empty_is_background: bool = False
    respect_holes: bool = False

    def check(self) -> None:
        """Raise UsageError for a class name that is no name."""
        if not as_class_name(self.class_name):
            raise UsageError(f"class_name must be a name: {self.class_name!r}: try Pupil")

    def is_class(self, name: object) -> bool:
        """Whether `name` is the class, in any letter case and with any surrounding blanks."""
        return normalized(name) == normalized(self.class_name)

    def is_empty_tag(self, name: object) -> bool:
        """Whether `name` says that a frame does not show the class, as "no cornea" does."""
        return normalized(name) == normalized(empty_tag(self.class_name))


DEFAULTS = DataOptions()


@dataclass(frozen=True, slots=True)
class Content:
    """The annotation of one frame: the shapes of the class.

    `size` is the (height, width) for which they were drawn, None if it is not known.
    """

    shapes: Sequence[Shape]
    size: tuple[int, int] | None = None
    is_tagged_empty: bool = False


@dataclass(frozen=True, slots=True)
class Pair:
    """A frame and its annotation.

    `case` is the surgery, `name` the path of the image in the data folder, `annotation` the file
    that `read` takes the annotation from. `read` raises BadAnnotationError.
    """

    image: Path
    annotation: Path
    case: str
    name: str
    read: Callable[[], Content] = field(repr=False)
    options: DataOptions = DEFAULTS

    def draw(self, size: tuple[int, int]) -> Mask:
        """Return the (H, W) mask, 0 or 255, for an image of (height, width) `size`.

        Raises BadAnnotationError.
        """
        try:
            content = self.read()
        except _MALFORMED as err:
            raise BadAnnotationError(f"malformed annotation: {err!r}") from err
        return draw(content, size, self.options)


@dataclass(frozen=True, slots=True)
class Problem:
    """An unusable pair and the reason."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader found. `classes` are the names of annotated classes, read only if asked for."""

    pairs: list[Pair]
    problems: list[Problem]
    classes: Iterable[str] = ()


@dataclass(frozen=True, slots=True)
class Format:
    """A format of annotated frames.

    `recognizes` says whether a folder looks like it, `read` returns its pairs, and `expects`
    describes it in a few words.
    """

    name: str
    recognizes: Callable[[DataFolder], bool]
    read: Callable[[DataFolder, DataOptions], Reading]
    expects: str


def normalized(name: object) -> str:
    """Return a class name without differences of letter case and blanks."""
    return " ".join(str(name).split()).casefold()


def empty_tag(class_name: str) -> str:
    """Return the tag of a frame that does not show the class, as "no cornea"."""
    return f"no {normalized(class_name)}"


def draw(content: Content, size: tuple[int, int], options: DataOptions) -> Mask:
    """Return the (H, W) mask, 0 or 255, of an annotation. Raises BadAnnotationError."""
    name = normalized(options.class_name)
    if content.size is not None and content.size != size:
        height, width = content.size
        raise BadAnnotationError(
            f"sizes differ: image {size[1]}x{size[0]}, annotation {width}x{height}"
        )
    mask = np.zeros(size, np.uint8)
    if not content.shapes:
        if content.is_tagged_empty or options.empty_is_background:
            return mask
        raise BadAnnotationError(
            f"no {name} is annotated, and the tag {empty_tag(name)!r} is missing "
            "(empty_is_background=True takes such frames)"
        )
    for shape in content.shapes:
        try:
            shape(mask)
        except _MALFORMED as err:
            raise BadAnnotationError(f"malformed geometry: {err}") from err
    if not mask.any():
        raise BadAnnotationError(f"the annotated {name} covers no pixels")
    return mask
