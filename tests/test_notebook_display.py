"""What a notebook shows of a finished run."""

from __future__ import annotations

import base64
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import disc, moving_discs, write_video

from cornea_stream import RunOptions, Segmenter, run_source


def shown(html: str) -> np.ndarray:
    (data,) = re.findall(r"data:image/jpeg;base64,([^\"]+)", html)
    image = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR_RGB)
    return np.asarray(image, int)


def test_a_run_shows_a_frame_and_its_numbers(segmenter: Segmenter, tmp_path: Path) -> None:
    path = write_video(tmp_path / "<b>eye.mp4", moving_discs(5))
    result = run_source(path, tmp_path / "out", segmenter, RunOptions(metrics=True))
    html = result._repr_html_()
    assert (shown(html)[60, 55] - disc(160, 120, 56, 60, 28)[0][60, 55])[1] > 0  # painted green
    for text in ("complete", "&lt;b&gt;eye", "overlay.mp4, metrics.csv, run.json", "Confidence"):
        assert text.lower() in html.lower()
    assert "<b>eye" not in html
    assert (result._repr_png_() or b"").startswith(b"\x89PNG")
    line = repr(result)
    assert "status='complete', frames=5, frames_found=5, seconds=" in line
    assert str(path) in line
    assert "error" not in line


def test_a_run_of_a_still_image(segmenter: Segmenter, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "eye.png"), moving_discs(1)[0])
    result = run_source(tmp_path / "eye.png", tmp_path / "out", segmenter)
    assert shown(result._repr_html_()).shape == (120, 160, 3)


@pytest.mark.parametrize("gone", [True, False])
def test_a_run_without_a_video(gone: bool, segmenter: Segmenter, tmp_path: Path) -> None:
    path = write_video(tmp_path / "eye.mp4", moving_discs(5))
    options = RunOptions(overlay=gone, metrics=True)
    result = run_source(path, tmp_path / "out", segmenter, options)
    if gone:
        (Path(result.folder) / "overlay.mp4").unlink()
        (Path(result.folder) / "metrics.csv").write_text("")
    assert "<img" not in result._repr_html_()
    assert "complete" in result._repr_html_()
    assert result._repr_png_() is None
