"""A plain loop as a baseline."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import torch

from cornea_stream.engines.device import choose_devices
from cornea_stream.errors import UsageError
from cornea_stream.models.checkpoint import Checkpoint


def plain_loop(video: Path, weights: Checkpoint, device: str = "auto") -> float:
    """Return the frames per second of a straightforward implementation.

    OpenCV reads and writes, the full frame is converted to RGB, the network runs in fp32 on one
    frame at a time, and the overlay is blended over the full frame.
    """
    target = choose_devices(device)[0]
    model = weights.build().to(target)
    capture = cv2.VideoCapture(str(video))
    size = (int(capture.get(cv2.CAP_PROP_FRAME_WIDTH)), int(capture.get(cv2.CAP_PROP_FRAME_HEIGHT)))
    spec = weights.spec
    mean, std = (torch.tensor(v, device=target).reshape(1, 3, 1, 1) for v in (spec.mean, spec.std))
    with tempfile.TemporaryDirectory() as folder, torch.inference_mode():
        code = cv2.VideoWriter.fourcc(*"mp4v")
        writer = cv2.VideoWriter(f"{folder}/out.mp4", code, 25, size)
        count, began = 0, time.perf_counter()
        while True:
            more, frame = capture.read()
            if not more:
                break
            rgb = cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            small = cv2.resize(rgb, spec.image_size[::-1])
            batch = torch.from_numpy(small).permute(2, 0, 1)[None].float().to(target)
            probability = torch.sigmoid(model((batch - mean) / std))[0, 0].cpu().numpy()
            mask = (probability > 0.5).astype(np.uint8)
            mask = np.asarray(cv2.resize(mask, size, interpolation=cv2.INTER_NEAREST))
            painted = frame.copy()
            painted[mask > 0] = (0, 255, 0)
            writer.write(cv2.addWeighted(frame, 0.5, painted, 0.5, 0))
            count += 1
        writer.release()
        seconds = time.perf_counter() - began
    if not count:
        raise UsageError(
            f"OpenCV cannot read the video for the baseline: {video}: leave out baseline=True"
        )
    return count / seconds
