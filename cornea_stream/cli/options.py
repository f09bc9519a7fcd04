"""Options shared by several commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OutputDir = Annotated[
    Path, typer.Option("--output-dir", "-o", help="Output folder.", show_default=True)
]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output-dir",
        "-o",
        help="Output folder; or - (standard output), rtsp://, rtmp:// or udp:// to stream the "
        "overlay. Can be repeated.",
        show_default="output",
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        help="Weights: .pth, .safetensors, or a name that info lists, as resnet101.",
        show_default="default",
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="auto, cpu, cuda, cuda:N or several, such as cuda:0,cuda:1.", metavar="DEVICE"
    ),
]
Backend = Annotated[str, typer.Option(help="auto, torch or openvino.", metavar="BACKEND")]
Precision = Annotated[
    str,
    typer.Option(
        help="auto, fp32 (as published), bf16, fp16 or int8 (OpenVINO).",
        metavar="PRECISION",
    ),
]
Calibrate = Annotated[
    Path | None,
    typer.Option(
        help="Video or folder of images to calibrate int8 on.", show_default="generated frames"
    ),
]
VideoTrack = Annotated[
    int | None,
    typer.Option(
        min=0,
        help="Number of the video track, from 0.",
        metavar="N",
        show_default="the main one",
    ),
]
Decoder = Annotated[
    str, typer.Option(help="auto, cpu or nvdec (hardware decoder of the GPU).", metavar="DECODER")
]
Threshold = Annotated[float, typer.Option(help="Mask threshold, 0 to 1.")]
RawMask = Annotated[
    bool, typer.Option("--raw-mask", help="Threshold only, without cleanup of the mask.")
]
Opacity = Annotated[float, typer.Option(help="Opacity of the overlay, 0 to 1.")]
Color = Annotated[str, typer.Option(help="Overlay color: a name, #rgb or #rrggbb.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace existing outputs.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print only errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show all warnings and tracebacks.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
