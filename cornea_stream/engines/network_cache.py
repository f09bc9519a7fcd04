"""OpenVINO networks on disk, made once and read by later runs; one file each, so never half one."""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import zipfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from cornea_stream.errors import OutputError
from cornea_stream.media.frame import Image
from cornea_stream.models.checkpoint import Checkpoint
from cornea_stream.storage import write_file

MOST_NETWORKS = 8
"""So many of a kind are kept, those last used."""
_XML, _BIN, _FACTS = "network.xml", "network.bin", "facts.json"
log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Return where networks are kept: below $XDG_CACHE_HOME or ~/.cache.

    Raises RuntimeError for a user without a home.
    """
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "cornea-stream"


def _source() -> bytes:
    """Return the code that makes networks: after a change to it none of before may be found."""
    package = Path(__file__).parents[1]
    makers = sorted([*package.glob("models/*.py"), *package.glob("engines/*.py")])
    return b"".join(path.read_bytes() for path in makers)


class CachedNetwork:
    """The place of one network, named after all that it is made from and by."""

    def __init__(
        self, openvino: Any, kind: str, checkpoint: Checkpoint, images: Sequence[Image] = ()
    ) -> None:
        """`kind` names the folder; `images` are what the network is calibrated on."""
        self._openvino = openvino
        digest = hashlib.sha256(_source())
        origin = (checkpoint.sha256, checkpoint.spec.to_dict(), openvino.get_version())
        digest.update(repr(origin).encode())
        for image in images:
            digest.update(np.ascontiguousarray(image).data)
        key = digest.hexdigest()[:24]
        self._path: Path | None = None
        if checkpoint.sha256:  # without one, weights in memory cannot be told from others
            with suppress(RuntimeError):
                self._path = cache_folder() / kind / f"{key}.zip"

    def read(self) -> tuple[Any, dict[str, Any]] | None:
        """Return the network and the facts kept with it, None if it must be made again."""
        if self._path is None or not self._path.exists():
            return None
        try:
            with zipfile.ZipFile(self._path) as parts:  # it checks their sums
                facts = dict(json.loads(parts.read(_FACTS)))
                model = self._openvino.Core().read_model(parts.read(_XML), parts.read(_BIN))
        except Exception as err:  # whatever is wrong with it, it can be made again
            log.info("a cached network is unusable and is made again: %s: %s", self._path, err)
            return None
        with suppress(OSError):
            os.utime(self._path)
        return model, facts

    def keep(self, model: Any, facts: dict[str, Any]) -> None:
        """Write the network for later runs, and delete those unused for longest.

        Raises OutputError when it cannot be written.
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
