"""Mask images: values, palettes, colors, and data sets with masks of their own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from cornea_stream.errors import SourceError, UsageError
from cornea_train.dataset import load_pair
from cornea_train.formats import (
    DataOptions,
    find_pairs,
)

from .annotated import HEIGHT, PLACES, WIDTH, disc, export, mask_folder, masks, reasons, write_image


@pytest.mark.parametrize("layout", ["masks/{}.png", "masks/{}_mask.png", "{}_mask.png"])
@pytest.mark.parametrize("value", [255, 1])
def test_masks_with_one_value(tmp_path: Path, layout: str, value: int) -> None:
    drawn = {name: (disc(*place) > 0) * np.uint8(value) for name, place in PLACES.items()}
    pairs, problems = find_pairs(mask_folder(tmp_path, drawn, layout))
    assert problems == []
    for pair in pairs:
        assert np.array_equal(load_pair(pair)[1], disc(*PLACES[pair.image.stem]))


def test_masks_with_several_values_need_one(tmp_path: Path) -> None:
    first, second = (disc(*place) > 0 for place in PLACES.values())
    root = mask_folder(tmp_path, {"a": first * np.uint8(4), "b": second * np.uint8(9)})
    with pytest.raises(SourceError, match=r"masks have several values: .*: 0, 4, 9: say which"):
        find_pairs(root)
    assert list(reasons(root, DataOptions(mask_value="4"))) == ["images/b.jpg"]
    assert "values are 0, 9" in reasons(root, DataOptions(mask_value="4"))["images/b.jpg"]
    assert reasons(root, DataOptions(mask_value="2-4, 9")) == {}
    for wrong in ("red", "#12", "", "1-", "-4"):
        with pytest.raises(UsageError, match="mask_value must be a list"):
            find_pairs(root, DataOptions(mask_value=wrong))


def test_palettes_and_colors(tmp_path: Path) -> None:
    inside = disc(48, 40, 20) > 0
    palette = Pillow.fromarray(inside * np.uint8(3))
    palette.putpalette([0, 0, 0, 9, 9, 9, 8, 8, 8, 255, 0, 128])
    colors = inside[..., None] * np.array([255, 0, 128], np.uint8)
    gray = np.repeat(inside[..., None] * np.uint8(3), 3, axis=2)
    for image, values in (
        (palette, "3"),
        (palette, "#ff0080"),
        (Pillow.fromarray(colors), "#FF0080"),
        (Pillow.fromarray(gray), "3"),
        (Pillow.fromarray(inside), "255"),
        (Pillow.fromarray(inside.astype(np.uint16) * 3000), "3000"),
    ):
        write_image(tmp_path / "images" / "x.png")
        (tmp_path / "masks").mkdir(exist_ok=True)
        image.save(tmp_path / "masks" / "x.png")
        for value in (values, None):
            ((pair,), _) = find_pairs(tmp_path, DataOptions(mask_value=value))
            assert np.array_equal(load_pair(pair)[1] > 0, inside)


def test_masks_without_partner_or_of_another_size(tmp_path: Path) -> None:
    root = mask_folder(tmp_path, dict.fromkeys("abcd", disc(48, 40, 20)))
    (root / "masks" / "a.png").unlink()
    (root / "images" / "b.jpg").unlink()
    Pillow.fromarray(disc(48, 40, 20)[:50]).save(root / "masks" / "c.png")
    (root / "masks" / "d.png").write_bytes(b"no image")
    found = reasons(root)
    assert found.pop("images/a.jpg") == "image without annotation"
    assert found.pop("masks/b.png") == "annotation without image"
    assert "sizes differ" in found.pop("images/c.jpg")
    assert "cannot be decoded" in found.pop("images/d.jpg")
    assert found == {}


def test_voc_masks_by_the_name_of_the_class(tmp_path: Path) -> None:
    root = export(tmp_path, "datumaro_voc", "JPEGImages/{0}.png")
    pairs, problems = find_pairs(root)
    assert [problem.reason for problem in problems] == ["image without annotation"]
    x, y, radius = PLACES["case_a_01"]
    ring = disc(x, y, radius) - disc(x, y, radius / 3)  # a pixel has one class
    assert np.array_equal(masks(pairs)["case_a_01"], ring)
    pairs, _ = find_pairs(root, DataOptions(mask_value="#33ddff,#fa3253"))
    assert np.array_equal(masks(pairs)["case_a_01"], disc(x, y, radius))
    with pytest.raises(SourceError, match=r"no class 'Lens': .*: it has background, Pupil"):
        find_pairs(root, DataOptions(class_name="Lens"))


def test_masks_of_cadis(tmp_path: Path) -> None:
    values = np.full((HEIGHT, WIDTH), 6, np.uint8)
    values[disc(48, 40, 20) > 0] = 4
    values[disc(48, 40, 8) > 0] = 0
    for video in (1, 2):
        folder = tmp_path / f"Video0{video}"
        write_image(folder / "Images" / f"Video{video}_frame000090.png")
        (folder / "Labels").mkdir()
        Pillow.fromarray(values).save(folder / "Labels" / f"Video{video}_frame000090.png")
    with pytest.raises(UsageError, match=r"something else in CaDIS.*mask_value=0,4"):
        find_pairs(tmp_path)
    pairs, _ = find_pairs(tmp_path, DataOptions(mask_value="0,4"))
    assert [pair.case for pair in pairs] == ["Video01", "Video02"]
    assert np.array_equal(load_pair(pairs[0])[1], disc(48, 40, 20))
    pairs, _ = find_pairs(tmp_path, DataOptions(class_name="pupil"))
    assert np.array_equal(load_pair(pairs[0])[1], disc(48, 40, 8))
    with pytest.raises(SourceError, match=r"no class 'Limbus': .*: it has Pupil, Surgical Tape"):
        find_pairs(tmp_path, DataOptions(class_name="Limbus"))


def test_masks_of_cataract_1k(tmp_path: Path) -> None:
    values = (disc(48, 40, 20) > 0).astype(np.uint8)
    values[disc(48, 40, 8) > 0] = 2
    values[disc(60, 40, 3) > 0] = 7
    write_image(tmp_path / "case_1" / "img" / "x.png")
    (tmp_path / "case_1" / "mask").mkdir()
    Pillow.fromarray(values).save(tmp_path / "case_1" / "mask" / "x.png")
    with pytest.raises(SourceError, match="several values"):
        find_pairs(tmp_path, DataOptions("masks"))
    ((pair,), _) = find_pairs(tmp_path, DataOptions("cataract1k-masks"))
    assert np.array_equal(load_pair(pair)[1], disc(48, 40, 20) - disc(60, 40, 3))
    assert pair.case == "case_1"
