"""What converting a network to OpenVINO leaves on the terminal: nothing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from waiting import PATIENCE_S


def test_a_compiler_without_a_gpu_is_no_news(tmp_path: Path, tiny_checkpoint: Path) -> None:
    pytest.importorskip("nncf")
    code = (
        "import sys, nncf; from cornea_stream import Segmenter\n"
        "Segmenter(sys.argv[1], device='cpu', backend='openvino')"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tiny_checkpoint],
        env={**os.environ, "CUDA_HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)},
        capture_output=True, text=True, timeout=PATIENCE_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "CUDA_HOME" not in done.stderr
