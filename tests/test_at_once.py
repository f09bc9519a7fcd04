"""Two runs into one folder at the same time: the second is refused, a killed one keeps nothing."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import moving_discs, read_video, write_video

from cornea_stream.errors import OutputError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source

HOLD = """
import sys
from pathlib import Path
from cornea_stream.storage import hold_folder
with hold_folder(Path(sys.argv[1])):
    print("at work", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_for_one_run_at_a_time(tmp_path: Path, segmenter: Segmenter) -> None:
    video = write_video(tmp_path / "eye.mp4", moving_discs(6))
    folder = tmp_path / "out" / "eye"
    options = RunOptions(resume=True)
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    ) as other:  # fmt: skip
        try:
            assert other.stdout is not None
            assert other.stdout.readline() == "at work\n"
            with pytest.raises(OutputError, match=f"locked by another run: {folder}: wait"):
                run_source(video, folder.parent, segmenter, options)
            assert {path.name for path in folder.iterdir()} == {".run.lock", "run.part.json"}
        finally:
            other.kill()
    assert run_source(video, folder.parent, segmenter, options).status == "complete"
    assert {path.name for path in folder.iterdir()} == {"overlay.mp4", "run.json"}
    assert len(read_video(folder / "overlay.mp4")) == 6
