"""The installation, for bug reports: versions, processor, GPUs, codecs, weights."""

from __future__ import annotations

import os
import platform
import re
from importlib import metadata
from typing import Any, Literal

import psutil

from cornea_stream.engines.device import cpu_has_bf16
from cornea_stream.engines.network_cache import cache_folder
from cornea_stream.engines.openvino import shared_core
from cornea_stream.errors import UsageError
from cornea_stream.models.checkpoint import load_checkpoint
from cornea_stream.models.shipped import shipped_weights
from cornea_stream.runs.environment import machine, versions

# The processor features that matter for speed.
_CPU_FEATURES = (
    "avx2", "avx512_f", "avx512_vnni", "avx512_bf16", "avx512_fp16", "amx_tile", "amx_bf16",
    "amx_int8", "avx_vnni", "neon", "bf16", "i8mm", "sve",
)  # fmt: skip
# Codecs of recorders and of the outputs, in software and hardware.
_DECODERS = (
    "h264", "hevc", "libdav1d", "av1", "vp9", "mpeg2video", "mpeg4", "mjpeg", "prores", "dvvideo",
    "vc1", "wmv3", "ffv1", "h264_cuvid", "hevc_cuvid", "h264_qsv", "hevc_qsv",
)  # fmt: skip
_ENCODERS = (
    "libx264", "libx265", "libsvtav1", "ffv1", "h264_nvenc", "hevc_nvenc", "h264_qsv", "hevc_qsv",
    "h264_amf", "h264_vaapi", "h264_videotoolbox",
)  # fmt: skip
_FOR_DEVELOPERS = ("dev", "test")


def describe_installation() -> dict[str, Any]:
    """Return the facts for a bug report as JSON values; None means unknown."""
    import av
    from av.codec.hwaccel import hwdevices_available

    weights = load_checkpoint()
    return {
        **versions(),
        **_extras(),
        "system": platform.platform(),
        "machine": machine(),
        **_processor(),
        "memory_gib": _memory_gib(),
        **_gpus(),
        "openvino_devices": _openvino_devices(),
        "ffmpeg": {n: ".".join(map(str, v)) for n, v in av.library_versions.items()},
        "decoders": _codecs(_DECODERS, "r"),
        "encoders": _codecs(_ENCODERS, "w"),
        "hardware_decoders": hwdevices_available(),
        "weights": sorted(shipped_weights()),
        "default_weights": str(weights.path),
        "default_weights_sha256": weights.sha256,
        "cache": _cache(),
    }


def _cache() -> str | None:
    """Return the folder of converted networks and its size; it can be deleted at any time."""
    try:
        folder = cache_folder()
    except RuntimeError:  # a user without a home folder
        return None
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return f"{folder} ({size / 1e6:.1f} MB)"


def _extras() -> dict[str, dict[str, list[str]]]:
    """Return installed extras with versions, and incomplete ones with their missing packages."""
    present: dict[str, list[str]] = {}
    lacking: dict[str, list[str]] = {}
    for requirement in _requirements():
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        name = re.match(r"[\w.-]+", requirement)
        if not extra or not name or extra[1] in _FOR_DEVELOPERS:
            continue
        try:
            present.setdefault(extra[1], []).append(f"{name[0]} {metadata.version(name[0])}")
        except metadata.PackageNotFoundError:
            lacking.setdefault(extra[1], []).append(name[0])
    installed = {extra: names for extra, names in present.items() if extra not in lacking}
    return {"extras_installed": installed, "extras_missing": lacking}


def _requirements() -> list[str]:
    try:
        return metadata.requires("cornea-stream") or []
    except metadata.PackageNotFoundError:  # not installed, run from the source folder
        return []


def _processor() -> dict[str, Any]:
    import torch

    # Public only in newer versions of torch.
    ask = getattr(torch.cpu, "get_capabilities", dict)
    known: dict[str, Any] = ask()
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "cpu": known.get("cpu_name") or platform.processor() or None,
        "cpu_features": [name for name in _CPU_FEATURES if known.get(name)] if known else None,
        "cpu_bf16": cpu_has_bf16(),
        "cpu_kernels": torch.backends.cpu.get_cpu_capability(),
        "cores_usable": usable,
    }


def _memory_gib() -> float:
    return round(float(psutil.virtual_memory().total) / 2**30, 1)


def _gpus() -> dict[str, Any]:
    import torch

    gpus = []
    for index in range(torch.cuda.device_count()):
        device = torch.cuda.get_device_properties(index)
        gpus.append(
            f"{device.name}, {device.total_memory / 2**30:.0f} GiB, "
            f"compute capability {device.major}.{device.minor}"
        )
    return {"gpus": gpus, "cuda_of_torch": torch.version.cuda}


def _openvino_devices() -> list[str] | None:
    try:
        core = shared_core()
    except UsageError:
        return None
    return [
        f"{name}: {core.get_property(name, 'FULL_DEVICE_NAME')}" for name in core.available_devices
    ]


def _codecs(names: tuple[str, ...], mode: Literal["r", "w"]) -> list[str]:
    import av

    found = []
    for name in names:
        try:
            av.codec.Codec(name, mode)
        except ValueError:  # PyAV's error for a missing codec
            continue
        found.append(name)
    return found
