"""Equality with the published steps, for weights that the published code wrote.

Reference: full-resolution RGB, `cv2.resize` to 512×512 (bilinear), raw floats into
`smp.PSPNet("resnet101")`, sigmoid > 0.5, nearest neighbor back to the frame's size.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from conftest import REAL_CLIP, needs_bf16, needs_real_clip, read_video, write_video

from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.postprocess.mask import iou
from cornea_stream.runs.snapshot import snapshot
from cornea_stream.synthetic import generate_clip


def reference_masks(weights: Path, frames: list[np.ndarray]) -> list[np.ndarray]:
    import segmentation_models_pytorch as smp

    model = smp.PSPNet("resnet101", encoder_weights=None, in_channels=3, classes=1)
    model.load_state_dict(torch.load(weights, weights_only=True))
    model.eval()
    masks = []
    for rgb in frames:
        small = cv2.resize(rgb, (512, 512), interpolation=cv2.INTER_LINEAR)
        with torch.inference_mode():
            logits = model(torch.from_numpy(small).permute(2, 0, 1)[None].float())
        found = (torch.sigmoid(logits)[0, 0].numpy() > 0.5).astype(np.uint8) * 255
        masks.append(cv2.resize(found, rgb.shape[1::-1], interpolation=cv2.INTER_NEAREST))
    return masks


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pictures = [rgb for rgb, _ in generate_clip(3, 3, 384, 512)]
    return write_video(tmp_path_factory.mktemp("clip") / "v.mp4", pictures)


def test_frame_at_fp32_raw_equals_the_published_steps(
    clip: Path, published_checkpoint: Path, tmp_path: Path
) -> None:
    segmenter = Segmenter(published_checkpoint, device="cpu", precision="fp32", raw=True)
    (found,) = snapshot(clip, [0.05], tmp_path, segmenter)
    rgb = read_video(clip)[1][1].to_ndarray(format="rgb24")
    (expected,) = reference_masks(published_checkpoint, [rgb])
    assert 0.02 < (expected > 0).mean() < 0.98  # lively logits, else equality means nothing
    mask = cv2.imread(str(found.folder / "Cornea.png"), cv2.IMREAD_UNCHANGED)
    assert iou(mask, expected) >= 0.999


@needs_bf16
@needs_real_clip
def test_bf16_agrees_with_the_published_steps_on_the_real_clip() -> None:
    weights = load_checkpoint("resnet101")
    height, width = weights.spec.image_size
    fast = Segmenter(weights, device="cpu", precision="bf16", raw=True)
    model = weights.build()
    scores = []
    for found in fast.stream(REAL_CLIP, every=12):
        small = cv2.resize(found.frame.rgb(), (width, height), interpolation=cv2.INTER_LINEAR)
        with torch.inference_mode():
            logits = model(torch.from_numpy(small).permute(2, 0, 1)[None].float())
        mask = (logits[0, 0].numpy() > 0).astype(np.uint8) * 255
        mask = cv2.resize(mask, (1920, 1080), interpolation=cv2.INTER_NEAREST)
        scores.append(iou(found.mask, mask))
    assert np.mean(scores) >= 0.995


@needs_real_clip
def test_a_run_over_the_real_clip_keeps_all_100_times(tmp_path: Path, segmenter: Segmenter) -> None:
    from cornea_stream.runs.options import RunOptions
    from cornea_stream.runs.run import run_source

    before = REAL_CLIP.stat()
    result = run_source(REAL_CLIP, tmp_path, segmenter, RunOptions(mask=True))
    wanted = [time for time, _ in read_video(REAL_CLIP)]
    assert len(wanted) == result.frames == 100
    folder = Path(result.folder)
    assert [time for time, _ in read_video(folder / "overlay.mp4")] == wanted
    assert [t for t, _ in read_video(folder / "mask.mkv")] == pytest.approx(wanted, abs=0.0006)
    assert REAL_CLIP.stat() == before
