"""What to do after a run: what to open, and how the next run can be faster."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from cornea_stream.batch.summary_csv import NAME as SUMMARY_CSV
from cornea_stream.engines.network_cache import cache_folder
from cornea_stream.runs.result import RunResult

_WORTH_OPENING = (
    "report.html", "overlay.mp4", "overlay.png", "summary.png", "mask.mkv", "mask.png",
    "metrics.csv", "frames",
)  # fmt: skip
_TOLD = "tip-openvino"


def to_open(results: Sequence[RunResult], output_dir: Path) -> Path | None:
    """Return what to open first: the report, else the overlay; the summary of several sources."""
    written = [result for result in results if result.outputs and not result.error]
    if len(results) > 1:
        return output_dir / SUMMARY_CSV if written else None
    for name in _WORTH_OPENING:
        if written and name in written[0].outputs:
            return Path(written[0].folder) / name
    return None


def faster_engine(results: Sequence[RunResult]) -> str | None:
    """Return a tip, once per user, if PyTorch computed on a CPU for which OpenVINO is faster."""
    on_torch = any(result.paths.get("network") == "torch" for result in results)
    if not on_torch or find_spec("openvino") is not None:
        return None
    with suppress(OSError, RuntimeError):  # no home folder, or a read-only one
        marker = cache_folder() / _TOLD
        if marker.exists():
            return None
        marker.parent.mkdir(parents=True, exist_ok=True)
        marker.touch()
    return "OpenVINO is faster on this CPU: pip install 'cornea-stream[openvino]'"
