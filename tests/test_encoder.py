"""Which encoder: auto takes the GPU's where there is one, and says so in plain words elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from conftest import moving_discs, write_video

from cornea_stream.errors import UsageError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sinks import check_encoder, encoder

no_gpu = pytest.mark.skipif(torch.cuda.is_available(), reason="there may be an encoder here")


@no_gpu
def test_nvenc_without_a_gpu_is_one_sentence() -> None:
    with pytest.raises(UsageError, match=r"h264_nvenc does not open: .*: use --codec libx264 or"):
        check_encoder("h264_nvenc")
    with pytest.raises(UsageError, match="h264_nvenc does not open"):
        check_encoder("h264_nvenc", crf=23, preset="p4")


@no_gpu
def test_auto_is_libx264_without_a_gpu() -> None:
    assert check_encoder("auto", crf=23) == check_encoder("libx264", crf=23)
    assert check_encoder("auto", preset="fast") == check_encoder("libx264", preset="fast")


def test_auto_takes_nvenc_where_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    real = check_encoder
    tried: list[tuple[str, float | None, str | None]] = []

    def check(codec: str, crf: float | None = None, preset: str | None = None) -> object:
        tried.append((codec, crf, preset))
        return real("libx264", crf, preset)

    monkeypatch.setattr(encoder, "check_encoder", check)
    real("auto", 23)
    real("auto", 23, "fast")  # a preset is one of libx264
    assert tried == [("h264_nvenc", 23, None), ("libx264", 23, "fast")]


@pytest.mark.gpu
def test_an_overlay_is_written_whatever_the_card_has(tmp_path: Path, segmenter: Segmenter) -> None:
    video = write_video(tmp_path / "v.mp4", moving_discs(20, 320, 240))
    result = run_source(video, tmp_path / "o", segmenter, RunOptions(codec="auto"))
    assert result.frames == 20
    assert result.paths["encode"] in ("h264_nvenc", "libx264")
