"""Images that are cut off or damaged are reported or refused, and harm no other."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import av
import numpy as np
import PIL.Image
import pytest
from image_files import save, scene, write_tiff

from cornea_stream.errors import SourceError
from cornea_stream.inference.segmenter import Segmenter
from cornea_stream.runs.options import RunOptions
from cornea_stream.runs.run import run_source
from cornea_stream.sources import open_source


def test_cut_off_jpeg_is_reported(tmp_path: Path, segmenter: Segmenter) -> None:
    folder = tmp_path / "eye"
    folder.mkdir()
    for name in ("1.jpg", "2.jpg", "3.jpg"):
        save(folder / name, scene(), quality=95, progressive=name == "3.jpg")
    result = run_source(folder, tmp_path / "out", segmenter)
    assert (result.warnings, result.damaged_s) == ([], [])
    for name in ("2.jpg", "3.jpg"):
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: 2 * len(data) // 3])
    result = run_source(folder, tmp_path / "out", segmenter, RunOptions(overwrite=True))
    assert (result.frames, result.damaged_s) == (3, [(0.04, 0.04), (0.08, 0.08)])
    assert [w.split(":")[0] for w in result.warnings] == ["image incomplete"] * 2
    with pytest.raises(SourceError, match=r"2\.jpg"), open_source(folder, strict=True) as source:
        list(source)


@pytest.mark.parametrize("name", ["restarts.jpg", "plain.jpg"])
def test_images_that_decoders_fill_in_are_reported(tmp_path: Path, name: str) -> None:
    """FFmpeg reads to the end of what is there."""
    path = tmp_path / name
    options = {"restart_marker_rows": 1} if name == "restarts.jpg" else {}
    PIL.Image.fromarray(scene()).save(path, **options)
    whole = path.read_bytes()
    assert_incomplete(path, expected=False)
    path.write_bytes(whole[:-5])
    assert_incomplete(path, expected=True)
    path.write_bytes(whole + bytes(40))  # what some programs add is no damage
    assert_incomplete(path, expected=False)


def test_sound_is_no_image(tmp_path: Path) -> None:
    """FFmpeg opens it whatever its name is, and finds no video stream."""
    for name in ("1.png", "3.png"):
        save(tmp_path / name, scene())
    path = tmp_path / "2.png"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(16000))
    with pytest.raises(SourceError, match=r"^not a readable image: .*2\.png: it holds no image"):
        open_source(path)
    with open_source(tmp_path) as source:
        assert [frame.index for frame in source] == [0, 2]
        assert [text.split(":")[0] for text in source.warnings] == ["image skipped"]


def assert_incomplete(path: Path, *, expected: bool) -> None:
    with open_source(path) as source:
        assert len(list(source)) == 1
        assert [text.split(":")[0] for text in source.warnings] == expected * ["image incomplete"]
        assert bool(source.damaged_s) == expected
    if expected:
        with pytest.raises(SourceError, match="incomplete"):
            open_source(path, strict=True)


def test_a_lost_restart_interval_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    PIL.Image.fromarray(scene()).save(path, restart_marker_rows=1)
    content = path.read_bytes()
    begin, end = content.index(b"\xff\xd2"), content.index(b"\xff\xd3")
    path.write_bytes(content[:begin] + content[end:])
    assert_incomplete(path, expected=True)


def test_a_changed_color_of_a_palette_is_reported(tmp_path: Path) -> None:
    """The pixels of PNG have a checksum of their own, its other parts only that of FFmpeg's log."""
    path = tmp_path / "a.png"
    PIL.Image.fromarray(scene()).quantize(16).save(path)
    assert_incomplete(path, expected=False)
    content = bytearray(path.read_bytes())
    content[content.index(b"PLTE") + 10] ^= 64
    path.write_bytes(content)
    assert_incomplete(path, expected=True)


def write_avif_frames(path: Path) -> tuple[bytearray, list[int]]:
    """Write an animation; return its bytes and where the frames begin."""
    rng = np.random.default_rng(3)
    pictures = [rng.integers(0, 255, (64, 96, 3)).astype(np.uint8) for _ in range(5)]
    first, *others = map(PIL.Image.fromarray, pictures)
    first.save(path, save_all=True, append_images=others, duration=[100, 200, 100, 300, 100])
    with av.open(str(path)) as container:
        animation = max(container.streams.video, key=lambda stream: stream.frames)
        places = [packet.pos for packet in container.demux(animation) if packet.size]
    assert len(places) == 5
    return bytearray(path.read_bytes()), places


def test_a_damaged_frame_of_an_animation_moves_no_other(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    content, places = write_avif_frames(path)
    with open_source(path) as source:
        whole = [frame.time_s for frame in source]
        assert (source.warnings, source.damaged_s) == ([], [])
    for at in range(places[1], places[2]):
        content[at] = 0xFF
    path.write_bytes(content)
    with open_source(path) as source:
        times = [frame.time_s for frame in source]
        assert [text.split(":")[0] for text in source.warnings] == ["image skipped"] * len(
            source.damaged_s
        )
        assert source.damaged_s[0] == (pytest.approx(0.1), pytest.approx(0.1))
    assert set(times) < set(whole)
    with pytest.raises(SourceError, match="strict=True"), open_source(path, strict=True) as source:
        list(source)


def test_damage_outside_the_range_is_not_read(tmp_path: Path) -> None:
    """Nor does it end a strict run."""
    for name in ("1.png", "3.png"):
        save(tmp_path / name, scene())
    (tmp_path / "2.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    (tmp_path / "4.tif").write_bytes(b"II*\0" + bytes(99))  # which Pillow refuses to open
    selections: list[tuple[dict[str, float], list[int]]] = [
        ({"end_s": 0.04}, [0]),
        ({"start_s": 0.08, "end_s": 0.12}, [2]),
    ]
    for chosen, indexes in selections:
        with open_source(tmp_path, strict=True, **chosen) as source:
            assert [frame.index for frame in source] == indexes
            assert (source.warnings, source.damaged_s) == ([], [])
    with open_source(tmp_path, strict=True, every=2, end_s=0.12) as source:
        assert [frame.index for frame in source] == [0, 2]
    with (
        pytest.raises(SourceError, match=r"4\.tif"),
        open_source(tmp_path, start_s=0.08, strict=True) as source,
    ):
        list(source)


def test_damage_outside_the_range_of_an_animation(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    content, places = write_avif_frames(path)
    for at in range(places[1], places[2]):
        content[at] = 0xFF
    path.write_bytes(content)
    with open_source(path, end_s=0.1, strict=True) as source:
        assert [frame.time_s for frame in source] == [0]
    # The later ones are predicted from the damaged one.
    with pytest.raises(SourceError, match=r"^(?!.*frame [12]:).*frame 3:"):
        open_source(path, start_s=0.3)


@pytest.mark.parametrize("harm", ["cut off", "overwritten"])
def test_a_damaged_avif_is_refused(tmp_path: Path, harm: str) -> None:
    path = save(tmp_path / "a.avif", scene(), quality=90)
    content = bytearray(path.read_bytes())
    if harm == "cut off":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2 :] = b"\xff" * (len(content) - len(content) // 2)
    path.write_bytes(content)
    with pytest.raises(SourceError, match=r"a\.avif.*damaged"):
        open_source(path)


def test_a_page_without_its_width_is_damage(tmp_path: Path) -> None:
    """Pillow raises errors of many kinds; none of them may end a run without a sentence."""
    path = write_tiff(tmp_path / "a.tiff", [scene(), scene(), scene()])
    content, width = path.read_bytes(), struct.pack("<HHI", 256, 4, 1)
    second = content.index(width, content.index(width) + 1)
    path.write_bytes(content[:second] + b"\xff" + content[second + 1 :])
    with pytest.raises(SourceError, match=r"a\.tiff"):
        open_source(path)
