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
    overwrite: opt.Overwrite = False,
    quiet: opt.Quiet = False,
    verbose: opt.Verbose = False,
) -> None:
    """Convert a checkpoint to .safetensors (pruned), .pth (published format) or .onnx."""
    from cornea_stream.models.checkpoint import load_checkpoint
    from cornea_train.export import export as convert

    done = convert(load_checkpoint(checkpoint), output, overwrite=overwrite)
    if not quiet:
        typer.echo(f"{output} ({output.stat().st_size / 1e6:.1f} MB): {done}")
