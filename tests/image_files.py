"""Pictures for the tests, and image files of kinds that no library at hand writes."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
from conftest import Image, disc
from numpy.typing import NDArray

from cornea_stream.sources import open_source


def write_tiff(
    path: Path,
    pages: Sequence[NDArray[np.generic]],
    *,
    tile: int = 0,
    planar: bool = False,
    sample_format: int = 1,
    photometric: int | None = None,
    extra: dict[int, int] | None = None,
) -> Path:
    """Write uncompressed pages, (H, W) or (H, W, channels), in one strip or in square tiles.

    `sample_format` is 1 for integers, 3 for floating point; `extra` are further tags.
    """
    data = bytearray(b"II*\0\0\0\0\0")
    link = 4
    for page in pages:
        height, width = page.shape[:2]
        channels = page.shape[2] if page.ndim == 3 else 1
        cube = page.reshape(height, width, channels)
        planes = [cube[..., c : c + 1] for c in range(channels)] if planar else [cube]
        step_y, step_x = (tile, tile) if tile else (height, width)
        offsets, counts = [], []
        for plane in planes:
            for y in range(0, height, step_y):
                for x in range(0, width, step_x):
                    part = plane[y : y + step_y, x : x + step_x]
                    below, right = step_y - part.shape[0], step_x - part.shape[1]
                    part = np.pad(part, ((0, below), (0, right), (0, 0)))
                    offsets.append(len(data))
                    counts.append(part.nbytes)
                    data += part.tobytes()
        bits = 8 * page.dtype.itemsize
        where = (322, 323, 324, 325) if tile else (None, 278, 273, 279)
        tags: dict[int, list[int]] = {
            256: [width], 257: [height], 258: [bits] * channels, 259: [1],
            262: [photometric if photometric is not None else {1: 1, 3: 2, 4: 5}[channels]],
            277: [channels], 284: [2 if planar else 1], 339: [sample_format] * channels,
            where[1]: [step_y], where[2]: offsets, where[3]: counts,
            **({322: [step_x]} if tile else {}), **{k: [v] for k, v in (extra or {}).items()},
        }  # fmt: skip
        entries = b""
        for tag, values in sorted(tags.items()):
            packed = struct.pack(f"<{len(values)}I", *values)
            if len(values) > 1:
                at = len(data)
                data += packed
                packed = struct.pack("<I", at)
            entries += struct.pack("<HHI", tag, 4, len(values)) + packed
        struct.pack_into("<I", data, link, len(data))
        data += struct.pack("<H", len(tags)) + entries
        link = len(data)
        data += bytes(4)
    path.write_bytes(data)
    return path


def write_avif_grid(path: Path, picture: Image, rows: int, columns: int) -> Path:
    """Write a picture as AVIF tiles of one size and the grid that joins them, as phones do."""
    height, width = picture.shape[0] // rows, picture.shape[1] // columns
    tiles, config = [], b""
    for y in range(rows):
        for x in range(columns):
            memory = io.BytesIO()
            part = picture[y * height : (y + 1) * height, x * width : (x + 1) * width]
            PIL.Image.fromarray(part).save(memory, "AVIF", quality=95, speed=8, subsampling="4:2:0")
            whole = memory.getvalue()
            config = _found(whole, b"av1C")
            tiles.append(_found(whole, b"mdat")[8:])
    grid = struct.pack(">BBBBHH", 0, 0, rows - 1, columns - 1, width * columns, height * rows)
    items = [grid, *tiles]
    infos = [_full(b"infe", 2, struct.pack(">HH", n + 1, 0) + (b"av01" if n else b"grid") + b"\0")
             for n in range(len(items))]  # fmt: skip
    props = [_full(b"ispe", 0, struct.pack(">II", w, h))
             for w, h in ((width * columns, height * rows), (width, height))]  # fmt: skip
    pixi = _full(b"pixi", 0, b"\3\10\10\10")
    uses = b"".join(
        struct.pack(">HB", n + 1, 3) + (bytes((2, 0x83, 4)) if n else bytes((1, 4, 4)))
        for n in range(len(items))
    )
    joined = struct.pack(">HH", 1, len(tiles)) + b"".join(
        struct.pack(">H", n + 2) for n in range(len(tiles))
    )

    def meta(begin: int) -> bytes:
        places, at = b"", begin
        for number, item in enumerate(items):
            places += struct.pack(">HHHII", number + 1, 0, 1, at, len(item))
            at += len(item)
        return _full(
            b"meta", 0,
            _full(b"hdlr", 0, bytes(4) + b"pict" + bytes(13))
            + _full(b"pitm", 0, struct.pack(">H", 1))
            + _full(b"iloc", 0, struct.pack(">BBH", 0x44, 0, len(items)) + places)
            + _full(b"iinf", 0, struct.pack(">H", len(infos)) + b"".join(infos))
            + _full(b"iref", 0, _box(b"dimg", joined))
            + _box(b"iprp", _box(b"ipco", props[0] + props[1] + config + pixi)
                   + _full(b"ipma", 0, struct.pack(">I", len(items)) + uses)),
        )  # fmt: skip

    kind = _box(b"ftyp", b"avif" + bytes(4) + b"avifmif1miaf")
    begin = len(kind) + len(meta(0)) + 8
    path.write_bytes(kind + meta(begin) + _box(b"mdat", b"".join(items)))
    return path


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content


def _full(kind: bytes, version: int, content: bytes) -> bytes:
    return _box(kind, bytes((version, 0, 0, 0)) + content)


def _found(data: bytes, kind: bytes) -> bytes:
    at = data.index(kind) - 4
    return data[at : at + struct.unpack(">I", data[at : at + 4])[0]]


def scene(width: int = 160, height: int = 120) -> Image:
    """Return a picture without any symmetry."""
    image, _ = disc(width, height, width * 0.3, height * 0.6, height * 0.25)
    image[: height // 3, width // 2 :] = (180, 40, 30)
    return cv2.GaussianBlur(image, (0, 0), 2)


def save(path: Path, picture: Image, orientation: int = 1, **options: Any) -> Path:
    exif = PIL.Image.Exif()
    exif[274] = orientation
    PIL.Image.fromarray(picture).save(path, exif=exif, **options)
    return path


def shown(path: Path) -> list[Image]:
    with open_source(path) as source:
        return [frame.rgb() for frame in source]


def far(a: Any, b: Any) -> float:
    assert a.shape == b.shape
    return float(np.abs(a.astype(int) - b).mean())
