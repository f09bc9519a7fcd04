"""Options shared by several commands."""

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import help as panels
from cornea_stream.cli.spellings import precision_name

OutputDir = Annotated[
    Path,
    typer.Option(
        "--output-dir", "-o", help="Output folder.", metavar="DIR", rich_help_panel=panels.MOST_USED
    ),
]
Checkpoint = Annotated[
    Path | None,
    typer.Option(
        help="Weights: .pth, .safetensors, or a name that info lists.",
        metavar="FILE|NAME",
        show_default="default",
        rich_help_panel=panels.ENGINE,
    ),
]
InputSize = Annotated[
    str | None,
    typer.Option(
        help="Input that weights of other trainers take: a side or HEIGHTxWIDTH.",
        metavar="SIZE",
        show_default="512",
        rich_help_panel=panels.ENGINE,
    ),
]
InputNormalization = Annotated[
    str | None,
    typer.Option(
        help="Its range: raw (0-255), imagenet, or MEAN/STD in 0-255 units.",
        metavar="NAME|MEAN/STD",
        show_default="raw",
        rich_help_panel=panels.ENGINE,
    ),
]
ClassIndex = Annotated[
    str | None,
    typer.Option(
        help="The class to segment, of weights with several, from 0.",
        metavar="N[:sigmoid]",
        rich_help_panel=panels.ENGINE,
    ),
]
Device = Annotated[
    str,
    typer.Option(
        help="auto, cpu, gpu, a GPU's number or several, such as 0,1.",
        metavar="NAME",
        rich_help_panel=panels.ENGINE,
    ),
]
Backend = Annotated[
    str,
    typer.Option(help="auto, torch or openvino.", metavar="NAME", rich_help_panel=panels.ENGINE),
]
Precision = Annotated[
    str,
    typer.Option(
        help="auto, fp32 (as published), bf16, fp16 or int8 (OpenVINO).",
        metavar="NAME",
        callback=precision_name,
        rich_help_panel=panels.ENGINE,
    ),
]
CalibrationData = Annotated[
    Path | None,
    typer.Option(
        "--calibration-data",
        "--calibrate",
        help="Video or folder of images to calibrate int8 on.",
        metavar="PATH",
        show_default="generated frames",
        rich_help_panel=panels.ENGINE,
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
    str, typer.Option(help="auto, cpu or nvdec (hardware decoder of the GPU).", metavar="NAME")
]
Threshold = Annotated[
    float, typer.Option(help="Mask threshold, 0 to 1.", metavar="P", rich_help_panel=panels.MASKS)
]
RawMask = Annotated[
    bool,
    typer.Option(
        "--raw-mask",
        help="Threshold only, without cleanup of the mask.",
        rich_help_panel=panels.MASKS,
    ),
]
DataFormat = Annotated[
    str,
    typer.Option(
        "--format",
        help="auto, supervisely, coco, cvat, labelstudio, yolo, masks, cadis or cataract1k-masks.",
        metavar="FORMAT",
        rich_help_panel=panels.DATA,
    ),
]
ClassName = Annotated[
    str | None,
    typer.Option(
        help="Annotated structure, in any letter case.",
        metavar="NAME",
        show_default="that of the weights, Cornea",
        rich_help_panel=panels.DATA,
    ),
]
MaskValue = Annotated[
    str | None,
    typer.Option(
        help="Values or colors of the class in mask images: 255, 1,4-6 or #ff0000.",
        metavar="VALUES",
        rich_help_panel=panels.DATA,
    ),
]
GroupBy = Annotated[
    str | None,
    typer.Option(
        help="What one surgery is: folder, prefix (file names up to the number), or a regular "
        "expression for image paths, whose first group counts.",
        metavar="folder|prefix|REGEX",
        show_default="the folder",
        rich_help_panel=panels.DATA,
    ),
]
EmptyIsBackground = Annotated[
    bool,
    typer.Option(
        "--empty-is-background",
        help="Take frames without annotated shapes as frames that do not show the structure.",
        rich_help_panel=panels.DATA,
    ),
]
RespectHoles = Annotated[
    bool,
    typer.Option(
        "--respect-holes", help="Cut out the holes of polygons.", rich_help_panel=panels.DATA
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option("--overwrite", help="Replace existing outputs.", rich_help_panel=panels.MOST_USED),
]
Quiet = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print only errors.", rich_help_panel=panels.DISPLAY)
]
Verbose = Annotated[
    bool,
    typer.Option(
        "--verbose", help="Show all warnings and tracebacks.", rich_help_panel=panels.DISPLAY
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel=panels.DISPLAY)
]
