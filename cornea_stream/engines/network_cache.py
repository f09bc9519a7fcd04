"""A cache of OpenVINO networks on disk; one file each, so none is ever incomplete."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from cornea_stream.errors import OutputError
from cornea_stream.media.frame import Image
from cornea_stream.models.checkpoint import Checkpoint
from cornea_stream.storage import write_file

MOST_NETWORKS = 8
"""Number of recently used entries to keep per kind."""
_MAKERS = ("torch", "nncf")
"""The packages besides OpenVINO that networks are made with."""
_XML, _BIN, _FACTS = "network.xml", "network.bin", "facts.json"
log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return the cache folder: below $XDG_CACHE_HOME or ~/.cache.

    Raises RuntimeError for a user without a home folder.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cornea-stream"


def _source() -> bytes:
    """Return the code that creates networks: after a change, old entries must not be found."""
    package = Path(__file__).parents[1]
    makers = sorted([*package.glob("models/*.py"), *package.glob("engines/*.py")])
    return b"".join(path.read_bytes() for path in makers)


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


class CachedNetwork:
    """The cache entry of one network, keyed by everything it depends on."""

    def __init__(
        self, openvino: Any, kind: str, checkpoint: Checkpoint, images: Sequence[Image] = ()
    ) -> None:
        """`kind` names the folder; `images` are the calibration images."""
        self._openvino = openvino
        digest = hashlib.sha256(_source())
        versions = (openvino.get_version(), *map(_version, _MAKERS))
        origin = (checkpoint.sha256, checkpoint.spec.to_dict(), versions)
        digest.update(repr(origin).encode())
        for image in images:
            digest.update(np.ascontiguousarray(image).data)
        key = digest.hexdigest()[:24]
        self._path: Path | None = None
        if checkpoint.sha256:  # without it, weights in memory cannot be identified
            with suppress(RuntimeError):
                self._path = cache_folder() / kind / f"{key}.zip"

    def read(self, core: Any) -> tuple[Any, dict[str, Any]] | None:
        """Return the network and the facts stored with it, or None if it must be created.

        `core` is OpenVINO's, of which a process may have one only.
        """
        if self._path is None or not self._path.exists():
            return None
        try:
            with zipfile.ZipFile(self._path) as parts:  # it verifies checksums
                facts = dict(json.loads(parts.read(_FACTS)))
                model = core.read_model(parts.read(_XML), parts.read(_BIN))
        except Exception as err:  # whatever is wrong, it can be created again
            log.info("a cached network is unusable and is made again: %s: %s", self._path, err)
            return None
        with suppress(OSError):
            os.utime(self._path)
        return model, facts

    def keep(self, model: Any, facts: dict[str, Any]) -> None:
        """Store the network for later runs, and delete the least recently used ones.

        Raises OutputError if it cannot be written.
        """
        if self._path is None:
            return
        content = io.BytesIO()
        try:
            with TemporaryDirectory() as folder, zipfile.ZipFile(content, "w") as parts:
                xml = Path(folder) / _XML
                self._openvino.save_model(model, xml, compress_to_fp16=False)
                parts.write(xml, _XML)
                parts.write(xml.with_suffix(".bin"), _BIN)
                parts.writestr(_FACTS, json.dumps(facts))
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except (OSError, RuntimeError) as err:
            raise OutputError(
                f"cannot write the cache: {self._path}: {err}: check free space and permissions"
            ) from err
        write_file(self._path, content.getvalue())
        self._delete_oldest()

    def _delete_oldest(self) -> None:
        assert self._path is not None
        with suppress(OSError):  # another process may do the same
            kept = sorted(self._path.parent.glob("*.zip"), key=lambda p: p.stat().st_mtime)
            for path in kept[:-MOST_NETWORKS]:
                path.unlink()
