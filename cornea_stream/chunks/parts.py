"""The outputs of finished chunks, and whether they match each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import av

from cornea_stream.chunks.cuts import Chunk

WHOLE = "whole"
"""Marker file: process no more chunks, the source is processed in one piece."""
ROWS = "rows.jsonl"
_IN_PARTS = {
    "overlay.mp4": "overlay.mp4",
    "mask.mkv": "mask.nut",  # NUT keeps ticks that Matroska rounds
    "frames": "frames",
    "metrics.csv": ROWS,
    "metrics.parquet": ROWS,
    "polygons.jsonl": "polygons.jsonl",
    "run.json": "run.json",
}
VIDEOS = ("overlay.mp4", "mask.mkv")
EMPTY: dict[str, Any] = {"taken": 0, "mended": 0, "whole_context": False, "seen": {}}
"""The evidence of a chunk without any decodable frame."""


def can_be_joined(output: str) -> bool:
    """Whether an output can be joined from parts."""
    return output in _IN_PARTS


def part_name(output: str) -> str:
    """Return the name of an output in a part."""
    return _IN_PARTS[output]


@dataclass(frozen=True, slots=True)
class Part:
    """A processed chunk: its folder and its run.json.

    That also has the `evidence` of the source, and what is to be said about the `weights`.
    """

    chunk: Chunk
    folder: Path
    record: dict[str, Any]

    @property
    def evidence(self) -> dict[str, Any]:
        """The value of `ChunkSource.evidence`."""
        found: dict[str, Any] = self.record["evidence"]
        return found

    @property
    def frames(self) -> int:
        """Its number of frames."""
        return int(self.evidence["taken"])

    @property
    def frames_found(self) -> int:
        """Its number of frames with a cornea."""
        return int(self.record["frames_found"])

    @property
    def mended(self) -> bool:
        """Whether there was damage or a changed time."""
        return bool(self.evidence["mended"])

    @property
    def warnings(self) -> list[str]:
        """The warnings of its sinks."""
        found: list[str] = self.record["warnings"]
        return found

    @property
    def notes(self) -> list[str]:
        """What was left out of the weights or chosen."""
        return list(self._weights.get("notes", ()))

    @property
    def doubt(self) -> str | None:
        """The likely reason if nothing was found, in words; None if unknown."""
        return self._weights.get("doubt")

    @property
    def _weights(self) -> dict[str, Any]:
        found: dict[str, Any] = self.record.get("weights", {})  # parts of older versions have none
        return found

    def numbers(self, every: int) -> range:
        """Return the planned numbers of its frames."""
        first = -(-self.chunk.index // every) * every
        return range(first, first + self.frames * every, every)

    def witnesses(self, times: Sequence[int]) -> dict[int, tuple[int, str]]:
        """Return number and digest of the frames at `times`."""
        seen = self.evidence["seen"]
        return {pts: tuple(seen[str(pts)]) for pts in times if str(pts) in seen}

    def streams(self) -> list[tuple[Any, ...]]:
        """Return the properties that must be equal in videos to be joined."""
        described = []
        for path in (self.folder / part_name(name) for name in VIDEOS):
            if path.exists():
                with av.open(
                    f"file:{path}",
                    options={"protocol_whitelist": "file"},
                    metadata_errors="replace",
                ) as container:
                    stream = container.streams.video[0]
                    context = stream.codec_context
                    described.append(
                        (context.name, context.width, context.height, context.pix_fmt,
                         stream.time_base, context.extradata)
                    )  # fmt: skip
        return described


def renumbering(parts: Sequence[Part], every: int) -> list[int | None]:
    """Return the shift of the frame numbers of each part; None if a part does not match.

    Neighbors match if both decoded the same frames with the same times around their cut, all
    planned context was read, and source and outputs have the same properties. Planned frames that
    the decoder does not output shift the numbers of later parts.
    """
    moved = 0
    found: list[int | None] = [0]
    for before, after in pairwise(parts):
        step = _step(before, after)
        moved += step or 0
        # The selection depends on frame numbers, so they cannot be shifted.
        found.append(None if step is None or moved % every else moved)
    return found


def _step(before: Part, after: Part) -> int | None:
    a, b = (part.witnesses(after.chunk.head) for part in (before, after))
    steps = {a[pts][0] - b[pts][0] for pts in a.keys() & b.keys()}
    fits = (
        len(steps) == 1
        and {pts: digest for pts, (_, digest) in a.items()}
        == {pts: digest for pts, (_, digest) in b.items()}
        and all(part.evidence["whole_context"] and part.frames for part in (before, after))
        and before.record["source"] == after.record["source"]
        and before.streams() == after.streams()
    )
    return steps.pop() if fits else None
