"""What the user should know of the weights that were used."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from cornea_stream.cli.messages import as_options

if TYPE_CHECKING:
    from cornea_stream.models.checkpoint import Checkpoint


def print_notes(checkpoint: Checkpoint, *, found_any: bool) -> None:
    """Print what was left out of the weights, and unless anything was found, the likely reason."""
    notes = list(checkpoint.notes)
    if not found_any and checkpoint.doubt:
        notes.append(checkpoint.doubt)
    for note in notes:
        typer.secho(f"Warning: {as_options(note)}", fg=typer.colors.YELLOW, err=True)
