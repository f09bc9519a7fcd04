"""Every recipe of docs/recipes.md runs as it stands, if the packages it names are installed."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from conftest import audio_packets, read_video, write_video
from documents import ROOT

from cornea_stream.engines import factory
from cornea_stream.synthetic import generate_clip

PAGE = (ROOT / "docs" / "recipes.md").read_text("utf-8")
_SECTION = re.compile(r"^## (.+?)\n(.*?)(?=^## |\Z)", re.DOTALL | re.MULTILINE)
_BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
RECIPES = [
    (title, text) for title, section in _SECTION.findall(PAGE) for text in _BLOCK.findall(section)
]
FRAMES = 12


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("recordings")
    images = [rgb for rgb, _ in islice(generate_clip(7, FRAMES, height=192, width=256), FRAMES)]
    uneven = [50 * index + 7 * (index % 3) for index in range(FRAMES)]
    write_video(folder / "surgery.mp4", images, pts=uneven, audio="aac")
    write_video(folder / "surgery.mkv", images)
    cv2.imwrite(str(folder / "eye.png"), images[0][..., ::-1])
    return folder


def dicom(folder: Path) -> None:
    """Write an image as a camera on a microscope does."""
    from highdicom.sc import SCImage
    from pydicom.uid import generate_uid

    SCImage(
        cv2.imread(str(folder / "eye.png"))[..., ::-1], "RGB", 8, "PATIENT",
        study_instance_uid=generate_uid(), series_instance_uid=generate_uid(), series_number=1,
        sop_instance_uid=generate_uid(), instance_number=1, manufacturer="tests",
        patient_orientation=("L", "P"),
    ).save_as("eye.dcm")  # fmt: skip


def without_window(_: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let napari keep its layers without a screen."""
    import napari
    from napari.components import ViewerModel

    monkeypatch.setattr(napari, "Viewer", ViewerModel, raising=False)
    monkeypatch.setattr(napari, "run", lambda: None, raising=False)


def data_set(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the recipe before, and open no app."""
    import fiftyone

    exec(dict(RECIPES)["Masks as COCO"], {"__name__": "recipe"})
    closed = SimpleNamespace(wait=lambda: None)
    monkeypatch.setattr(fiftyone, "launch_app", lambda data: closed)


PREPARED: dict[str, Callable[[Path, pytest.MonkeyPatch], None]] = {
    "napari": without_window,
    "FiftyOne": data_set,
    "DICOM segmentation objects": lambda folder, _: dicom(folder),
}
"""What a recipe finds, or does without, in a test."""


UNUSABLE = {
    "Could not load libtorchcodec": "torchcodec finds no FFmpeg",
    "MongoDB could not be installed": "FiftyOne finds no MongoDB",
}
"""What packages say that are installed and cannot work."""


def times(path: str) -> list[float]:
    return [time for time, _ in read_video(Path(path))]


def keeps_times_and_sound(name: str) -> Callable[[str], None]:
    def check(_: str) -> None:
        assert times(name) == times("surgery.mp4")
        assert audio_packets(Path(name)) == audio_packets(Path("surgery.mp4")) != []

    return check


def opencv(_: str) -> None:
    shown = cv2.imread("newest.png").astype(int)
    plain = read_video(Path("surgery.mp4"))[-1][1].to_ndarray(format="bgr24").astype(int)
    assert 50 < (np.abs(shown - plain).max(axis=2) > 60).sum() < 5000  # lines, and no more


def standard_input(printed: str) -> None:
    assert len(printed.splitlines()) == FRAMES


def pillow(printed: str) -> None:
    mask = cv2.imread("mask.png", cv2.IMREAD_UNCHANGED)
    assert set(np.unique(mask)) == {0, 255}
    assert cv2.imread("overlay.png").shape == (*mask.shape, 3)
    assert "[True, True]" in printed


def pandas(printed: str) -> None:
    assert "major_axis_px" in printed


def torchcodec(printed: str) -> None:
    lines = printed.splitlines()
    assert [line.split(" s")[0] for line in lines[:-1]] == [
        f"{t:.2f}" for t in times("surgery.mp4")
    ]
    assert lines[-1] == "4"


def supervision(printed: str) -> None:
    keeps_times_and_sound("annotated.mp4")(printed)
    assert len(Path("detections.csv").read_text().splitlines()) > FRAMES / 2


def torchmetrics(printed: str) -> None:
    score = re.fullmatch(r"IoU (0\.\d+)\n", printed)
    assert score
    assert float(score[1]) > 0.7


def monai(printed: str) -> None:
    score = re.fullmatch(r"Dice (0\.\d+), contours (\d+\.\d) px apart\n", printed)
    assert score
    assert float(score[1]) > 0.8
    assert float(score[2]) < 60


def napari(_: str) -> None:
    names = [f"{index:06d}_mask.png" for index in (0, 5, 10)]
    found = [cv2.imread(name, cv2.IMREAD_UNCHANGED) for name in names]
    assert all(set(np.unique(mask)) == {0, 255} for mask in found)


def coco(_: str) -> None:
    content = json.loads(Path("dataset/labels.json").read_text())
    assert len(content["images"]) == 3
    for image in content["images"]:
        assert (Path("dataset") / image["file_name"]).exists()
    numbers = [annotation["id"] for annotation in content["annotations"]]
    assert numbers == list(range(1, len(numbers) + 1)) != []


def fiftyone(printed: str) -> None:
    assert re.search(r"Num samples: +3\n", printed)


def segmentation_object(_: str) -> None:
    import highdicom

    read = highdicom.seg.segread("cornea.dcm")
    assert read.number_of_segments == 1
    assert 0.02 < read.pixel_array.mean() < 0.9


CHECKS: dict[str, tuple[tuple[str, ...], Callable[[str], None]]] = {
    "An overlay of one's own": ((), keeps_times_and_sound("mine.mp4")),
    "OpenCV": ((), opencv),
    "Standard input": ((), standard_input),
    "PIL and images on disk": ((), pillow),
    "pandas": (("pandas",), pandas),
    "torchcodec": (("torchcodec",), torchcodec),
    "supervision": (("supervision",), supervision),
    "Scores with torchmetrics": (("torchmetrics",), torchmetrics),
    "Scores with MONAI": (("monai", "scipy"), monai),
    "napari": (("napari",), napari),
    "Masks as COCO": ((), coco),
    "FiftyOne": (("fiftyone",), fiftyone),
    "DICOM segmentation objects": (("highdicom", "pydicom"), segmentation_object),
}
"""What each recipe needs, and what holds when it has run."""


def test_every_recipe_is_run() -> None:
    assert [title for title, _ in RECIPES] == list(CHECKS)
    for title, (packages, _) in CHECKS.items():
        section = dict(_SECTION.findall(PAGE))[title]
        assert not packages or re.search(rf"`pip install '?{packages[0]}\b.*`", section)


@pytest.mark.parametrize(("title", "text"), RECIPES, ids=[title for title, _ in RECIPES])
def test_a_recipe(
    title: str, text: str, recordings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    packages, check = CHECKS[title]
    for package in packages:
        pytest.importorskip(package)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(factory, "find_spec", lambda name: None)  # OpenVINO starts slowly
    for file in recordings.iterdir():
        (tmp_path / file.name).symlink_to(file)
    with (tmp_path / "surgery.mkv").open() as piped:
        monkeypatch.setattr(sys, "stdin", piped)
        try:
            if title in PREPARED:
                PREPARED[title](tmp_path, monkeypatch)
            exec(compile(text, title, "exec"), {"__name__": "recipe"})
        except Exception as err:
            for words, reason in UNUSABLE.items():
                if words in str(err):
                    pytest.skip(reason)
            raise
    check(capsys.readouterr().out)
