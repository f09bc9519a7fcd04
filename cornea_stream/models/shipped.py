"""The weights that come with the package, by name."""

from __future__ import annotations

from pathlib import Path

from cornea_stream.errors import CheckpointError

DEFAULT = "default"
_PREFIX, _SUFFIX = "cornea_", ".safetensors"


def shipped_weights() -> dict[str, Path]:
    """Return the weights of this installation by name, as `default` and `resnet101`."""
    package = Path(__file__).parents[1]
    # A wheel holds them inside the package, a checkout (editable install) beside it.
    for folder in (package / "model_weights", package.parent / "model_weights"):
        found = sorted(folder.glob(f"{_PREFIX}*{_SUFFIX}"))
        if found:
            return {path.name.removeprefix(_PREFIX).removesuffix(_SUFFIX): path for path in found}
    return {}


def default_checkpoint_path() -> Path:
    """Return the path of the weights that are used unless others are given.

    Raises CheckpointError when the installation lacks them.
    """
    path = shipped_weights().get(DEFAULT)
    if path is None:
        raise CheckpointError(
            f"the default weights are missing from this installation: {_PREFIX}{DEFAULT}{_SUFFIX}: "
            "reinstall cornea-stream or pass a checkpoint"
        )
    return path


def resolve_checkpoint(checkpoint: str | Path | None) -> Path:
    """Return the file of a checkpoint given as a path, as a shipped name, or as None (default).

    A file that exists goes before a name.
    """
    if checkpoint is None:
        return default_checkpoint_path()
    path = Path(checkpoint)
    if path.exists():
        return path
    return shipped_weights().get(str(checkpoint), path)
