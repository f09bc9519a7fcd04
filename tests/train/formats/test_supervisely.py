"""Supervisely's annotations, and the layout of Cataract-1K."""

from __future__ import annotations

import base64
import json
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from conftest import SHARED

from cornea_stream.errors import SourceError
from cornea_train.dataset import load_pair, open_cache
from cornea_train.formats import BadAnnotationError, DataOptions, find_pairs
from cornea_train.formats.shapes import crosses_itself

from ..conftest import annotation, circle, eye, mask_in, polygon, write_pair
from .annotated import reasons, write_image

SIZE = (80, 96)


def mask_of(tmp_path: Path, objects: list[dict[str, object]], **options: bool) -> np.ndarray:
    path = tmp_path / "a.json"
    path.write_text(annotation(objects))
    return mask_in(path, SIZE, DataOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize("title", ["Cornea", "cornea", "CORNEA"])
def test_polygons_of_the_class_in_any_letter_case(tmp_path: Path, title: str) -> None:
    others = [polygon(circle(80, 10, 8), "Pupil"), polygon(circle(80, 60, 8), "Corneal scar")]
    mask = mask_of(tmp_path, [polygon(circle(40, 40, 20), title), *others])
    rows, columns = np.mgrid[:80, :96]
    true = (columns - 40) ** 2 + (rows - 40) ** 2 <= 20**2
    assert np.count_nonzero((mask > 0) != true) < 0.1 * true.sum()
    assert mask[10, 80] == mask[60, 80] == 0
    assert set(np.unique(mask)) == {0, 255}


def test_holes_stay_filled_unless_respected(tmp_path: Path) -> None:
    item = polygon(circle(40, 40, 20), holes=[circle(40, 40, 8)])
    assert mask_of(tmp_path, [item])[40, 40] == 255
    assert mask_of(tmp_path, [item], respect_holes=True)[40, 40] == 0
    assert mask_of(tmp_path, [item], respect_holes=True)[40, 25] == 255


def bitmap(origin: list[int], patch: np.ndarray) -> dict[str, object]:
    png = cv2.imencode(".png", patch)[1].tobytes()
    data = base64.b64encode(zlib.compress(png)).decode()
    return {
        "classTitle": "Cornea",
        "geometryType": "bitmap",
        "bitmap": {"data": data, "origin": origin},
    }


def torn_bitmap() -> dict[str, object]:
    return bitmap([0, 0], np.zeros((4, 4), np.uint8)) | {"bitmap": {"data": "?", "origin": [0, 0]}}


@pytest.mark.parametrize("channels", [1, 4])
def test_bitmaps(tmp_path: Path, channels: int) -> None:
    patch = np.zeros((12, 10, channels) if channels > 1 else (12, 10), np.uint8)
    patch[2:8, 3:9] = 255
    mask = mask_of(tmp_path, [bitmap([30, 20], patch)])
    expected = np.zeros(SIZE, np.uint8)
    expected[22:28, 33:39] = 255
    assert np.array_equal(mask, expected)


BOW_TIE = [[10, 10], [50, 50], [50, 10], [10, 50]]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "malformed JSON"),
        ("[" * 100000, "malformed JSON"),
        ("[]", "not a Supervisely annotation"),
        (json.dumps({"size": {"height": 80, "width": 96}}), "not a Supervisely annotation"),
        (annotation([polygon(circle(40, 40, 20))], width=97), "image 96x80, annotation 97x80"),
        (annotation([]), "no cornea is annotated"),
        (annotation([polygon(circle(40, 40, 20), "Pupil")]), "no cornea is annotated"),
        (annotation([polygon(BOW_TIE)]), "crosses itself"),
        (annotation([polygon([[1, 1], [5, 5]])]), "at least 3 points"),
        (annotation([polygon(circle(500, 40, 20))]), "outside the frame"),
        (annotation([polygon([[1, 1], [9, float("nan")], [9, 9]])]), "outside the frame"),
        (annotation([polygon([[1, "x"], [9, 2], [9, 9]])]), "malformed geometry"),  # type: ignore[list-item]
        (annotation([{"classTitle": "Cornea", "geometryType": "cuboid"}]), "neither polygon nor"),
        (annotation([torn_bitmap()]), "cannot be decompressed"),
        (annotation([bitmap([90, 70], np.full((20, 20), 255, np.uint8))]), "outside the frame"),
    ],
)  # fmt: skip
def test_broken_annotations_say_why(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(text)
    with pytest.raises(BadAnnotationError, match=reason):
        mask_in(path, SIZE)


def test_a_zlib_bomb_is_not_unpacked(tmp_path: Path) -> None:
    item = bitmap([0, 0], np.full((4, 4), 255, np.uint8))
    bomb = base64.b64encode(zlib.compress(bytes(200 * 2**20), 9)).decode()
    item["bitmap"] = {"data": bomb, "origin": [0, 0]}
    with pytest.raises(BadAnnotationError, match="not a PNG"):
        mask_of(tmp_path, [item])


def test_paths_in_annotations_are_not_followed(tmp_path: Path) -> None:
    item = polygon(circle(40, 40, 20))
    content = json.loads(annotation([item]))
    content["imagePath"] = content["objects"][0]["bitmapPath"] = "/etc/passwd"
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert mask_in(tmp_path / "a.json", SIZE).any()


def test_crossing() -> None:
    assert crosses_itself(np.array(BOW_TIE))
    assert not crosses_itself(np.round(circle(40, 40, 20)).astype(np.int32))
    assert not crosses_itself(np.array([[0, 0], [9, 0], [9, 9], [9, 9], [0, 9]]))


def test_every_pair_is_found_and_read(data_dir: Path) -> None:
    pairs, problems = find_pairs(data_dir)
    assert len(pairs) == 20
    assert problems == []
    assert sorted({p.case for p in pairs}) == [f"case_{i:02d}" for i in range(5)]
    image, mask = load_pair(pairs[0])
    assert image.shape == (80, 96, 3)
    assert image[mask > 0].mean() > 150 > image[mask == 0].mean()


@pytest.mark.parametrize("middle", ["", "Images_and_Supervisely_Annotations", "a/b/c"])
def test_layouts(tmp_path: Path, middle: str) -> None:
    write_pair(tmp_path / middle / "case7", "x.png", *eye(1))
    write_pair(tmp_path / middle / "notes", "x.png", *eye(1))
    assert [p.case for p in find_pairs(tmp_path)[0]] == ["case7"]


def test_hidden_files_are_no_frames_and_links_are_followed(tmp_path: Path) -> None:
    write_pair(tmp_path / "store" / "case7", "x.png", *eye(1))
    (tmp_path / "store" / "case7" / "img" / "._x.png").write_bytes(b"\0\5\26\7")
    (tmp_path / "store" / "case7" / "ann" / "._x.png.json").write_bytes(b"\0\5\26\7")
    data = tmp_path / "data"
    data.mkdir()
    (data / "linked").symlink_to(tmp_path / "store")
    (tmp_path / "store" / "back").symlink_to(data)
    pairs, problems = find_pairs(data)
    assert ([pair.name for pair in pairs], problems) == (["linked/case7/img/x.png"], [])


@pytest.mark.skipif(not (SHARED / "data").exists(), reason="the real frames are not here")
def test_real_frames(tmp_path: Path) -> None:
    cache = open_cache(SHARED / "data" / "cataract1k_mini", tmp_path, 128)
    assert len(cache.pairs) == 8
    assert len({p.case for p in cache.pairs}) == 2
    assert cache.problems == []
    shares = (cache.masks > 0).mean(axis=(1, 2))
    assert ((shares > 0.05) & (shares < 0.4)).all()
    assert len(open_cache(SHARED / "data" / "cataract1k_figure", tmp_path, 64).pairs) == 11


def test_no_data(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="data folder not found"):
        find_pairs(tmp_path / "none")
    with pytest.raises(SourceError, match="no annotated frames"):
        find_pairs(tmp_path)


def test_variants_of_supervisely(tmp_path: Path) -> None:
    image, text = eye(2)
    for dataset in ("dataset1", "dataset2"):
        write_pair(tmp_path / "project" / dataset, "x.png", image, text)
    pairs, problems = find_pairs(tmp_path)
    assert ([pair.case for pair in pairs], problems) == (["dataset1", "dataset2"], [])

    beside = tmp_path / "beside" / "eye"
    for suffix in ("PNG", "JPG", "bmp", "tiff", "webp", "jp2"):
        write_image(beside / f"{suffix}.{suffix}")
        (beside / f"{suffix}.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    pairs, problems = find_pairs(tmp_path / "beside")
    assert (len(pairs), {pair.case for pair in pairs}, problems) == (6, {"eye"}, [])
    assert reasons(tmp_path / "beside") == {}

    corners = {"classTitle": " Cornea ", "geometryType": "rectangle"}
    corners["points"] = {"exterior": [[20, 10], [40, 30]], "interior": []}  # type: ignore[assignment]
    write_pair(tmp_path / "boxes" / "ds", "x.png", image, annotation([corners]))  # type: ignore[list-item]
    ((pair,), _) = find_pairs(tmp_path / "boxes")
    assert cv2.boundingRect(load_pair(pair)[1]) == (20, 10, 21, 21)
