"""What engines, encoders and their libraries would print stays off the terminal."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import write_video

from cornea_stream.synthetic import generate_clip

pytest.importorskip("nncf")


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    images = [rgb for rgb, _ in generate_clip(7, 12, height=144, width=192)]
    return write_video(tmp_path_factory.mktemp("quiet") / "eye.mp4", images)


@pytest.mark.parametrize(
    ("engine", "how"),
    [
        (["--backend", "openvino"], "--verbose"),
        (["--precision", "int8", "--calibration-data", "eye.mp4"], "--quiet"),
        (["--backend", "torch", "--codec", "libx265"], "--quiet"),
        (["--backend", "torch", "--codec", "libsvtav1"], "--verbose"),
    ],
    ids=["OpenVINO", "int8", "x265", "SVT-AV1"],
)
def test_only_our_own_words_are_printed(
    video: Path, tmp_path: Path, engine: list[str], how: str
) -> None:
    """Networks are converted and calibrated here, as there is no cache yet."""
    # torch's compiler warns if this is set and there is no GPU.
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path), "CUDA_HOME": "/usr/local"}
    command = [sys.executable, "-m", "cornea_stream", "run", "eye.mp4", "-o", str(tmp_path)]
    done = subprocess.run(
        [*command, *engine, how],
        capture_output=True, text=True, cwd=video.parent, env=environment,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    if how == "--quiet":
        assert done.stdout == ""
    else:
        assert done.stdout.splitlines()[-1] == f"Next, open {tmp_path / 'eye' / 'overlay.mp4'}"
