"""int8 by post-training quantization with NNCF: calibrate, compare with fp32, cache."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from cornea_stream.engines.base import Engine
from cornea_stream.engines.network_cache import CachedNetwork
from cornea_stream.engines.openvino import (
    OpenVINOEngine,
    converted,
    import_openvino,
    shared_core,
)
from cornea_stream.errors import OutputError, UsageError
from cornea_stream.media.frame import Image
from cornea_stream.models.checkpoint import Checkpoint
from cornea_stream.postprocess.mask import iou, raw_mask, upsample_logits
from cornea_stream.synthetic import generate_frame

MIN_AGREEMENT = 0.95
"""Minimum mean IoU with fp32 of a quantized network."""
CALIBRATION_FRAMES, CHECK_FRAMES = 48, 16
_CALIBRATION_SEED, _CHECK_SEED = 2**41, 2**42
log = logging.getLogger(__name__)


def quantized_engine(
    checkpoint: Checkpoint,
    *,
    batch_size: int | None = None,
    calibration: Sequence[Image] | None = None,
) -> OpenVINOEngine:
    """Return an int8 engine, from the cache on disk if possible.

    It is calibrated on `calibration`, of which every fourth frame is held out for the comparison
    with fp32, or else on generated frames. `describe()` of the engine shows the agreement.
    Raises UsageError if NNCF is not installed or the agreement is below MIN_AGREEMENT.
    """
    openvino = import_openvino()
    used, kept_back = _frames(checkpoint, calibration)
    cached = CachedNetwork(openvino, "int8", checkpoint, used)
    found = cached.read(shared_core())
    if found:
        model, agreement = found[0], float(found[1]["agreement"])
    else:
        model = _quantize(converted(checkpoint), used)
        exact = OpenVINOEngine(checkpoint, precision="fp32")
        agreement = _agreement(
            OpenVINOEngine(checkpoint, precision="int8", model=model), exact, kept_back
        )
    if agreement < MIN_AGREEMENT:
        raise UsageError(
            f"int8 agrees with fp32 at a mean IoU of {agreement:.3f}, below {MIN_AGREEMENT}: "
            "use precision=auto or fp32, or calibrate on your own video"
        )
    if not found:
        try:
            cached.keep(model, {"agreement": agreement, "frames": len(kept_back)})
        except OutputError as err:
            log.warning("the int8 network cannot be kept for the next time: %s", err)
    return _Int8Engine(checkpoint, model, batch_size, agreement)


class _Int8Engine(OpenVINOEngine):
    def __init__(
        self, checkpoint: Checkpoint, model: Any, batch_size: int | None, agreement: float
    ) -> None:
        super().__init__(checkpoint, precision="int8", batch_size=batch_size, model=model)
        self.agreement = agreement

    def describe(self) -> dict[str, str | int]:
        """Return backend, device, precision with its agreement with fp32, and the batch size."""
        return super().describe() | {"precision": f"int8 (IoU with fp32 {self.agreement:.3f})"}


def _frames(
    checkpoint: Checkpoint, calibration: Sequence[Image] | None
) -> tuple[list[Image], list[Image]]:
    if calibration is not None:
        kept_back = list(calibration[::4])
        return [image for i, image in enumerate(calibration) if i % 4], kept_back
    height, width = checkpoint.spec.image_size
    used, kept_back = (
        [generate_frame(seed + i, height, width)[0] for i in range(count)]
        for seed, count in ((_CALIBRATION_SEED, CALIBRATION_FRAMES), (_CHECK_SEED, CHECK_FRAMES))
    )
    return used, kept_back


def _quantize(model: Any, images: Sequence[Image]) -> Any:
    # NNCF imports torch's compiler of extensions, which misses CUDA aloud on computers without it.
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    try:
        import nncf
    except ImportError as err:
        raise UsageError(
            "int8 needs NNCF: pip install 'cornea-stream[openvino]', or use precision=auto"
        ) from err
    nncf.set_log_level(logging.ERROR)
    convolutions = [
        op.get_friendly_name()
        for op in model.get_ordered_ops()
        if op.get_type_name() == "Convolution"
    ]
    with contextlib.redirect_stdout(io.StringIO()):  # it draws progress bars
        return nncf.quantize(
            model,
            nncf.Dataset([image[None] for image in images]),
            subset_size=len(images),
            fast_bias_correction=False,
            # Both ends are cheap and sensitive: the first layer of an EfficientNet has channels of
            # very different ranges, and the last one makes the logits that are thresholded.
            ignored_scope=nncf.IgnoredScope(names=[convolutions[0], convolutions[-1]]),
        )


def _agreement(found: Engine[Image], exact: Engine[Image], images: Sequence[Image]) -> float:
    """Return the mean IoU between the masks of two engines, at the network input size."""

    def masks(engine: Engine[Image]) -> list[Image]:
        logits = [engine.submit([image]).result()[0] for image in images]
        sizes = [image.shape[:2] for image in images]
        return [
            raw_mask(upsample_logits(one, (size[0], size[1])), (size[0], size[1]))[0]
            for one, size in zip(logits, sizes, strict=True)
        ]

    return float(np.mean([iou(a, b) for a, b in zip(masks(found), masks(exact), strict=True)]))
