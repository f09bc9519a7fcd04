"""Read what torch.save wrote, without executing anything in it."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

from cornea_stream.errors import CheckpointError
from cornea_stream.models.other_networks import name_classes

# Errors of torch.load on modified files, found by tests/fuzz.
_DAMAGE = (
    RuntimeError, OSError, EOFError, ValueError, TypeError, LookupError, AttributeError,
)  # fmt: skip
# Classes of plain settings and numbers beside the weights. They are never imported: a stand-in
# that does nothing takes their place.
_SETTINGS = (
    "argparse.Namespace", "collections.", "easydict.", "lightning", "numpy.", "omegaconf.",
    "pathlib.", "pytorch_lightning.", "typing.", "yacs.",
)  # fmt: skip


class _StandIn:
    """Takes whatever a settings object is made from, and forgets it."""

    def __new__(cls, *args: object, **kwargs: object) -> _StandIn:
        return super().__new__(cls)

    def __init__(self, *args: object, **kwargs: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass


def read_pth(path: Path, stored: bytes) -> Any:
    """Return the plain content of a .pth file.

    Raises CheckpointError for damage, and for anything that would have to be executed.
    """
    _refuse_archives(path)
    import torch

    unknown = _unknown_classes(stored)
    harmless = [(_StandIn, name) for name in unknown if name.startswith(_SETTINGS)]
    try:
        with torch.serialization.safe_globals(harmless):  # type: ignore[arg-type]
            return torch.load(io.BytesIO(stored), map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as err:
        if what := name_classes(unknown):
            raise CheckpointError(
                f"refused checkpoint: {path}: {what}, whose code would have to be executed: save "
                "model.state_dict() with torch.save"
            ) from err
        raise CheckpointError(
            f"refused checkpoint: {path}: not a tensor-only checkpoint (pickled code is never "
            "executed): expected a state dict saved with torch.save, or .safetensors"
        ) from err
    except _DAMAGE as err:
        raise CheckpointError(
            f"damaged or truncated checkpoint: {path} ({len(stored)} bytes): "
            "expected a .pth file saved with torch.save: get the file again"
        ) from err


def _unknown_classes(stored: bytes) -> list[str]:
    """Return the classes and functions that a file names and torch does not know as safe."""
    import torch

    try:
        return list(torch.serialization.get_unsafe_globals_in_checkpoint(io.BytesIO(stored)))
    except (*_DAMAGE, pickle.UnpicklingError):  # damaged, or older than zip: torch.load says so
        return []


def _refuse_archives(path: Path) -> None:
    """Refuse TorchScript, and zip bombs: tensors are stored as they are."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as entries:
            unpacked = sum(entry.file_size for entry in entries.infolist())
            names = [entry.filename for entry in entries.infolist()]
    except (zipfile.BadZipFile, ValueError, NotImplementedError):
        return  # damaged: torch says so
    if unpacked > path.stat().st_size:
        raise CheckpointError(
            f"refused checkpoint: {path}: it decompresses to more than its own size: expected a "
            "file as torch.save writes it"
        )
    if any(name.endswith("/constants.pkl") for name in names):
        raise CheckpointError(
            f"refused checkpoint: {path}: it is TorchScript, a compiled network whose code would "
            "have to be executed: save model.state_dict() of the network it was made from"
        )
