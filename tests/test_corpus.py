"""A dozen files of the corpus, which `python -m tests.corpus` reads in whole."""

from __future__ import annotations

from pathlib import Path

import pytest
from corpus.compare import Harm, harm, wrong_in_whole
from corpus.counts import count
from corpus.pictures import coarse, paint
from corpus.product import Product
from corpus.run import cases, tried
from corpus.truth import Reading, Truth

NAMES = [
    "h264-yuv420p.mp4", "hevc-yuv420p.mov", "vp9-yuv420p.webm", "mjpeg-yuvj420p.avi",
    "mpeg2-yuv420p.ts", "ffv1-yuv420p.mkv", "h264-yuv420p.h264", "wmv2-yuv420p.wmv",
    "exif6.jpg", "film.dcm", "tiff_lzw-pages.tiff", "animated.webp",
]  # fmt: skip


@pytest.fixture(scope="module")
def product(tmp_path_factory: pytest.TempPathFactory) -> Product:
    return Product(tmp_path_factory.mktemp("eyes"))


@pytest.mark.parametrize("ending", NAMES)
def test_a_whole_file_of_the_corpus_is_read_right(
    tmp_path: Path, product: Product, ending: str
) -> None:
    name, case = next(item for item in cases(1, 1).items() if item[0].endswith(ending))
    record = tried(name, case, 1, 0, tmp_path, product)
    assert record["wrong"] == []


def test_harm_that_is_told_and_harm_that_is_not(tmp_path: Path, product: Product) -> None:
    name = next(name for name in cases(1, 1) if name.endswith("h264-yuv420p.ts"))
    record = tried(name, cases(1, 1)[name], 1, 6, tmp_path, product)
    result = count([record])
    assert result["damaged"] == 6
    assert result["hurt"] >= 4
    assert result["untold"] == len(result["untold_files"])
    record["damaged"][0] |= {"told": False, "lost": 1, "file": "a.ts", "seen_by_ffmpeg": False}
    assert count([record])["untold"] == result["untold"] + 1


def test_lost_moved_and_changed_frames_are_counted() -> None:
    images = [coarse(paint(number, 64, 96)) for number in range(4)]
    whole = Reading([0.0, 0.1, 0.2, 0.3], [0, 1, 2, 3], images)
    darker = images[2].copy()
    darker[3, 3] -= 60
    assert harm(whole, whole, 2e-3) == Harm(0, 0, 0, told=False)
    read = Reading([0.0, 0.15, 0.2], [0, 1, 2], [images[0], images[1], darker])
    assert harm(whole, read, 2e-3) == Harm(2, 1, 1, told=False)
    read.said.append("1 damaged packet")
    assert harm(whole, read, 2e-3).told


def test_what_is_wrong_in_a_whole_file_is_found() -> None:
    pictures = [paint(number, 64, 96) for number in range(3)]
    truth = Truth([0.0, 0.1, 0.2], pictures, 1e-3)
    images = list(map(coarse, pictures))
    right = Reading([0.0, 0.1, 0.2], [0, 1, 2], images)
    assert wrong_in_whole(truth, right, right) == []
    upside_down = Reading(right.times_s, right.numbers, [image[::-1] for image in images])
    swapped = Reading(right.times_s, [0, 2, 1], images)
    late = Reading([0.0, 0.11, 0.2], right.numbers, images)
    fewer = Reading([0.0, 0.1], [0, 1], images[:2])
    alarmed = Reading(right.times_s, right.numbers, images, ["1 damaged packet"])
    for reading in (upside_down, swapped, late, fewer, alarmed):
        assert len(wrong_in_whole(truth, reading, right)) == 1
