"""What is known of a frame before anybody corrects it, as a file beside its image."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cornea_stream.errors import UsageError
from cornea_stream.media.class_name import CLASS_NAME
from cornea_stream.storage import write_file
from cornea_train.correct.outline import BadOutlineError, Outline, from_json, to_json

SUFFIX = ".json"


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """A frame to correct: where it comes from, why it was chosen, and what the network drew.

    `size` is (height, width); `weights` is the checkpoint, as a path or the name of a shipped one,
    and `class_name` the structure that it finds.
    """

    case: str
    name: str
    time_s: float
    reason: str
    size: tuple[int, int]
    proposal: Outline
    weights: str
    class_name: str = CLASS_NAME


def write_facts(folder: Path, frame: FrameFacts) -> None:
    """Write the file of a frame. Raises OutputError."""
    content = {
        "time_s": frame.time_s,
        "reason": frame.reason,
        "size": frame.size,
        "proposal": to_json(frame.proposal),
        "weights": frame.weights,
        "class_name": frame.class_name,
    }
    write_json(folder / f"{frame.name}{SUFFIX}", content)


def read_facts(path: Path) -> FrameFacts:
    """Return the frame of a file; the folder is named after its case. Raises UsageError."""
    try:
        content = json.loads(path.read_text("utf-8"))
        size = (int(content["size"][0]), int(content["size"][1]))
        return FrameFacts(
            path.parent.name, path.name.removesuffix(SUFFIX), float(content["time_s"]),
            str(content["reason"]), size, from_json(content["proposal"], size),
            str(content["weights"]), str(content["class_name"]),
        )  # fmt: skip
    except (OSError, ValueError, LookupError, TypeError, RecursionError, BadOutlineError) as err:
        raise UsageError(
            f"not a frame to correct: {path}: {err}: remove this file, and give its run again"
        ) from err


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically. Raises OutputError."""
    write_file(path, (json.dumps(content) + "\n").encode())
