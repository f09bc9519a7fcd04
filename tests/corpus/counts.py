"""Counts the records of a corpus."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from .axes import WITHOUT_TIMES

Record = dict[str, Any]


def count(records: Sequence[Record]) -> Record:
    """Return the numbers for the report: whole files, damaged ones, untold harm by kind."""
    entries = [{**record, **entry} for record in records for entry in record["damaged"]]
    lossy = [entry for entry in entries if entry["lost"] or entry["moved"]]
    hurt = [entry for entry in entries if entry["lost"] or entry["moved"] or entry["changed"]]
    untold = _untold(hurt)
    return {
        "whole": len(records),
        "whole_wrong": {record["name"]: record["wrong"] for record in records if record["wrong"]},
        "damaged": len(entries),
        "hurt": len(hurt),
        "untold": len(untold),
        "untold_percent_of_hurt": _percent(untold, hurt),
        "lost_or_moved": len(lossy),
        "untold_of_lost_or_moved": len(_untold(lossy)),
        "untold_percent_of_lost_or_moved": _percent(_untold(lossy), lossy),
        "untold_that_ffmpeg_does_not_see_either": sum(not e["seen_by_ffmpeg"] for e in untold),
        "by_group": _shares(hurt, _group),
        "lost_or_moved_by_group": _shares(lossy, _group),
        "by_damage": _shares(hurt, lambda entry: entry["kind"]),
        "by_codec": _shares(hurt, lambda entry: entry["traits"].get("codec", "image")),
        "by_container": _shares(hurt, lambda entry: entry["traits"]["suffix"]),
        "untold_files": [_line(entry) for entry in untold],
    }


def _group(entry: Record) -> str:
    if "codec" not in entry["traits"]:
        return "images"
    return "raw streams" if entry["traits"]["suffix"] in WITHOUT_TIMES else "videos"


def _untold(entries: Iterable[Record]) -> list[Record]:
    return [entry for entry in entries if not entry["told"]]


def _percent(part: Sequence[Record], whole: Sequence[Record]) -> float:
    return round(100 * len(part) / max(1, len(whole)), 2)


def _shares(hurt: Sequence[Record], key: Callable[[Record], str]) -> dict[str, str]:
    every, untold = Counter(map(key, hurt)), Counter(map(key, _untold(hurt)))
    return {name: f"{untold[name]} of {every[name]} untold" for name in sorted(every)}


def _line(entry: Record) -> str:
    harm = f"{entry['lost']} lost, {entry['moved']} moved, {entry['changed']} changed"
    seen = ", FFmpeg says something" if entry["seen_by_ffmpeg"] else ""
    return f"{entry['file']}: {entry['kind']}: {harm}{seen}"
