"""What every stage costs, and how near the whole comes to the bound that they set.

    python -m benchmarks.efficiency VIDEO [--output benchmarks/results/efficiency.json]

The video at 1024x768 and at its own size, four times in a row, with the default engine and int8.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from benchmarks.media import reencoded
from benchmarks.report import save
from cornea_stream.diagnostics.benchmark import run_benchmark
from cornea_stream.sources import open_source


def main() -> None:
    """Measure, print and write the result."""
    parser = argparse.ArgumentParser(description="Stages, bound and efficiency.")
    parser.add_argument("video", type=Path)
    parser.add_argument("--output", type=Path, default=Path("benchmarks/results/efficiency.json"))
    options = parser.parse_args()
    with open_source(options.video) as source:
        own = (source.info.width, source.info.height)
    runs = {}
    with tempfile.TemporaryDirectory() as folder:
        for width, height in dict.fromkeys([(1024, 768), own]):
            video = reencoded(
                options.video, Path(folder) / f"{width}x{height}.mp4", (width, height), repeats=4
            )
            for precision in ("auto", "int8"):
                found = run_benchmark(video, precision=precision, every_engine=False).to_dict()
                name = f"{width}x{height}, {found['engine']['backend']} {precision}"
                runs[name] = {
                    k: found[k]
                    for k in ("end_to_end_fps", "bound_fps", "bound_by", "efficiency", "stages")
                }
    save(
        options.output, {"what": "fps and CPU time of every stage alone and together", "runs": runs}
    )


if __name__ == "__main__":
    main()
