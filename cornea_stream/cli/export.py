"""`cornea-stream export`: convert a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cornea_stream.cli import options as opt


def export(
    checkpoint: Annotated[Path, typer.Argument(help="Weights: .pth or .safetensors.")],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="Output file; the suffix sets the format.", metavar="FILE"
        ),
    ],
    input_size: opt.InputSize = None,
    input_normalization: opt.InputNormalization = None,
    class_index: opt.ClassIndex = None,
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Convert a checkpoint to .safetensors (pruned), .pth (published format) or .onnx.

    Weights of other trainers keep what --input-size, --input-normalization and --class-index say,
    so that no other command has to be told again.
    """
    from cornea_stream.cli.notes import print_notes
    from cornea_stream.models.checkpoint import load_checkpoint
    from cornea_train.export import export as convert

    loaded = load_checkpoint(
        checkpoint,
        input_size=input_size,
        input_normalization=input_normalization,
        class_index=class_index,
    )
    done = convert(loaded, output, overwrite=overwrite)
    if not quiet:
        print_notes(loaded, found_any=not loaded.assumed)
        typer.echo(f"{output} ({output.stat().st_size / 1e6:.1f} MB): {done}")
