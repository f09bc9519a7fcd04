"""The folder that people correct in: frames to do, drafts, and annotations that are done.

`.correct/case_x/` holds every frame as NAME.png with its facts in NAME.json, and the draft of a
frame that is not done yet in NAME.draft. Once a frame is done, it is in `case_x/img` and
`case_x/ann`, where training reads it. Each file is replaced in one step, and a frame is done if
training can use its annotation: a killed process loses nothing.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import filelock
import numpy as np

from cornea_stream.errors import OutputError
from cornea_stream.media.frame import Image
from cornea_stream.sinks.png import write_png
from cornea_stream.storage import atomic_path, output_errors
from cornea_train import supervisely
from cornea_train.correct.facts import SUFFIX, FrameFacts, read_facts, write_facts, write_json
from cornea_train.correct.outline import (
    BadOutlineError,
    Outline,
    filled,
    from_json,
    outline_of,
    to_json,
)
from cornea_train.formats import BadAnnotationError, DataOptions
from cornea_train.formats.base import draw
from cornea_train.formats.supervisely import read_content
from cornea_train.run_frames import SPREAD

WORK = ".correct"
_LOCK = ".lock"
_OUTLINE = "outline"
"""Key for what was drawn, from which the mask of an annotation follows."""


class ChangedError(Exception):
    """The frame has changed since the revision that a change was made to."""


@dataclass(frozen=True, slots=True)
class FrameState:
    """The outline of a frame, whether it is done, and a revision that changes with both."""

    outline: Outline
    done: bool
    revision: str


class Project:
    """A folder of corrections, locked for other processes until it is closed.

    `frames` lists the least certain ones first, so that the first minutes count most.
    """

    def __init__(self, root: str | Path) -> None:
        """Open or create the folder. Raises OutputError, also if another process has it open."""
        self.root = Path(root)
        self._work, self._is_new = self.root / WORK, not self.root.exists()
        with output_errors(self._work):
            self._work.mkdir(parents=True, exist_ok=True)
            self._lock = filelock.FileLock(self._work / _LOCK, thread_local=False)
            try:
                self._lock.acquire(blocking=False)
            except filelock.Timeout as err:
                raise OutputError(
                    f"another process corrects in this folder: {self.root}: close it there, or "
                    "choose another output folder"
                ) from err
        self._one_at_a_time = threading.Lock()
        try:
            self.frames = self._read_frames()
            self._tidy()
        except BaseException:
            self._lock.release()
            raise

    def close(self) -> None:
        """Unlock the folder; without frames, remove what was created to open it."""
        self._lock.release()
        if not self.frames:
            shutil.rmtree(self._work, ignore_errors=True)
            if self._is_new:
                with contextlib.suppress(OSError):
                    self.root.rmdir()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def check_free(self, case: str) -> None:
        """Raise OutputError if this case has annotations that were not made here."""
        taken = self.root / case
        if taken.exists() and not (self._work / case).exists():
            raise OutputError(
                f"output exists: {taken}: choose another output folder (it may contain corrections)"
            )

    def has(self, case: str, name: str) -> bool:
        """Whether there is a frame of this name."""
        return (self._work / case / f"{name}{SUFFIX}").exists()

    def add(self, frame: FrameFacts, image: Image) -> None:
        """Add a frame with its (H, W, 3) RGB image. Raises OutputError."""
        with output_errors(self._work):
            self.image(frame).parent.mkdir(exist_ok=True)
        write_png(self.image(frame), image)
        write_facts(self._work / frame.case, frame)
        self.frames = sorted([*self.frames, frame], key=_order)

    def image(self, frame: FrameFacts) -> Path:
        """Return the frame's PNG."""
        return self._work / frame.case / f"{frame.name}.png"

    def state(self, frame: FrameFacts) -> FrameState:
        """Return the frame's outline: as accepted, as left in a draft, or as proposed."""
        draft, annotation = self._draft(frame), self._published(frame)[1]
        if annotation.exists():
            outline = _accepted(annotation, frame)
            if outline:
                return FrameState(outline, True, _revision(annotation))
            # It is of no use for training either.
            return FrameState(frame.proposal, False, _revision(annotation))
        outline = _drafted(draft, frame.size)
        return FrameState(outline or frame.proposal, False, _revision(draft))

    def save(self, frame: FrameFacts, outline: Outline, *, done: bool, revision: str) -> FrameState:
        """Keep an outline as a draft or, with `done`, as an annotation for training.

        `revision` is that of the state which was changed.
        Raises ChangedError if it has changed since, BadOutlineError and OutputError.
        """
        with self._one_at_a_time:
            if self.state(frame).revision != revision:
                raise ChangedError
            if done:
                self._publish(frame, outline)
            else:
                self._withdraw(frame, outline)
            return self.state(frame)

    def is_done(self, frame: FrameFacts) -> bool:
        """Whether training can use the frame's annotation."""
        return self.state(frame).done

    @property
    def weights(self) -> str:
        """The checkpoint of most frames."""
        return Counter(frame.weights for frame in self.frames).most_common(1)[0][0]

    @property
    def class_name(self) -> str:
        """The structure that is corrected."""
        return self.frames[0].class_name

    def _read_frames(self) -> list[FrameFacts]:
        return sorted(map(read_facts, self._work.glob(f"case*/[!.]*{SUFFIX}")), key=_order)

    def _tidy(self) -> None:
        """Remove what a killed process left: parts of files, images without their annotations."""
        for frame in self.frames:
            folders = (self.image(frame).parent, *(p.parent for p in self._published(frame)))
            for part in (part for folder in folders for part in folder.glob(f".{frame.name}.*")):
                with output_errors(part):
                    part.unlink(missing_ok=True)
            image, annotation = self._published(frame)
            if not annotation.exists():
                with output_errors(image):
                    image.unlink(missing_ok=True)

    def _publish(self, frame: FrameFacts, outline: Outline) -> None:
        content = supervisely.annotation(filled(outline, frame.size), class_name=frame.class_name)
        image, annotation = self._published(frame)
        with output_errors(image):
            image.parent.mkdir(parents=True, exist_ok=True)
            annotation.parent.mkdir(parents=True, exist_ok=True)
        meta = self.root / "meta.json"
        if not meta.exists():
            write_json(meta, supervisely.project_meta(frame.class_name))
        if not image.exists():
            with atomic_path(image) as temporary:
                _link(self.image(frame), temporary)
        write_json(annotation, {**content, _OUTLINE: to_json(outline)})
        with output_errors(annotation):
            self._draft(frame).unlink(missing_ok=True)

    def _withdraw(self, frame: FrameFacts, outline: Outline) -> None:
        write_json(self._draft(frame), {_OUTLINE: to_json(outline)})
        for path in reversed(self._published(frame)):
            with output_errors(path):
                path.unlink(missing_ok=True)

    def _published(self, frame: FrameFacts) -> tuple[Path, Path]:
        case = self.root / frame.case
        return case / "img" / f"{frame.name}.png", case / "ann" / f"{frame.name}.png.json"

    def _draft(self, frame: FrameFacts) -> Path:
        return self._work / frame.case / f"{frame.name}.draft"


def _order(frame: FrameFacts) -> tuple[bool, str, float, str]:
    return frame.reason == SPREAD, frame.case, frame.time_s, frame.name


def _accepted(path: Path, frame: FrameFacts) -> Outline | None:
    """Return the outline of an annotation, None if it cannot be used.

    If another tool has changed the annotation since, the outline is that of its mask.
    """
    try:
        options = DataOptions(class_name=frame.class_name)
        mask = draw(read_content(path, options), frame.size, options)
    except BadAnnotationError:
        return None
    drawn = _drafted(path, frame.size)
    return drawn if drawn and np.array_equal(drawn.mask(frame.size), mask) else outline_of(mask)


def _drafted(path: Path, size: tuple[int, int]) -> Outline | None:
    try:
        return from_json(json.loads(path.read_bytes())[_OUTLINE], size)
    except (OSError, ValueError, LookupError, TypeError, RecursionError, BadOutlineError):
        return None


def _revision(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
    except OSError:
        return "new"


def _link(source: Path, target: Path) -> None:
    """Make the same file appear elsewhere, without a second copy if the disk allows it."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
