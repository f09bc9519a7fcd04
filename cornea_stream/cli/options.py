"""Options that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

OutputDir = Annotated[
    Path, typer.Option("--output-dir", "-o", help="Folder for the outputs.", show_default=True)
]
Outputs = Annotated[
    list[str] | None,
    typer.Option(
        "--output-dir",
        "-o",
        help="Folder for the outputs; or - (standard output), rtsp://, rtmp:// or udp:// for the "
        "overlay as a stream. May be given several times.",
        show_default="output",
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(help="Weights: .pth or .safetensors.", show_default="those of the package"),
]
Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:N or several: cuda:0,cuda:1.", metavar="DEVICE")
]
Backend = Annotated[str, typer.Option(help="auto, torch or openvino.", metavar="BACKEND")]
Precision = Annotated[
    str,
    typer.Option(
        help="auto, fp32 (as published), bf16, fp16, int8 (OpenVINO).",
        metavar="PRECISION",
    ),
]
Calibrate = Annotated[
    Path | None,
    typer.Option(
        help="Calibrate int8 on this video or folder of images.", show_default="generated frames"
    ),
]
Decoder = Annotated[
    str, typer.Option(help="auto, cpu, or nvdec: the GPU's own.", metavar="DECODER")
]
Threshold = Annotated[float, typer.Option(help="Probability from which a pixel is cornea.")]
RawMask = Annotated[
    bool, typer.Option("--raw-mask", help="Only threshold; do not make one smooth cornea of it.")
]
Opacity = Annotated[float, typer.Option(help="Opacity of the color, 0 to 1.")]
Color = Annotated[str, typer.Option(help="Name, #rgb or #rrggbb.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace outputs of an earlier run.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Verbose = Annotated[bool, typer.Option("--verbose", help="Show warnings in full and tracebacks.")]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
