"""Annotated frames that the tests draw themselves, in the layout of Cataract-1K."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from cornea_train.config import TrainConfig
from cornea_train.formats import DEFAULTS, DataOptions
from cornea_train.formats.base import draw
from cornea_train.formats.supervisely import read_content

Image = np.ndarray


def circle(x: float, y: float, radius: float, count: int = 40) -> list[list[float]]:
    angles = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([x + radius * np.cos(angles), y + radius * np.sin(angles)], axis=1).tolist()


def polygon(
    points: list[list[float]], title: str = "Cornea", holes: object = ()
) -> dict[str, object]:
    return {
        "classTitle": title,
        "geometryType": "polygon",
        "points": {"exterior": points, "interior": list(holes)},  # type: ignore[call-overload]
    }


def annotation(objects: list[dict[str, object]], width: int = 96, height: int = 80) -> str:
    return json.dumps({"size": {"height": height, "width": width}, "objects": objects})


def mask_in(path: Path, size: tuple[int, int], options: DataOptions = DEFAULTS) -> Image:
    """Return the mask of an annotation of Supervisely."""
    return draw(read_content(path, options), size, options)


def write_pair(case: Path, name: str, image: Image, text: str) -> None:
    for folder in ("img", "ann"):
        (case / folder).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(case / "img" / name), image[..., ::-1])
    (case / "ann" / f"{name}.json").write_text(text)


def eye(seed: int) -> tuple[Image, str]:
    """Return a 96×80 picture of a bright disc on noise and its annotation."""
    rng = np.random.default_rng(seed)
    x, y, radius = rng.uniform(35, 60), rng.uniform(30, 50), rng.uniform(15, 26)
    image = rng.integers(20, 70, (80, 96, 3), dtype=np.uint8)
    cv2.fillPoly(image, [np.round(circle(x, y, radius)).astype(np.int32)], (190, 180, 200))
    other = polygon(circle(10, 10, 5), "Pupil")
    return image, annotation(
        [other, polygon(circle(x, y, radius), "cornea" if seed % 2 else "Cornea")]
    )


@pytest.fixture(scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five surgeries of four frames each."""
    root = tmp_path_factory.mktemp("cataract")
    for case in range(5):
        folder = root / "Annotations" / "Images-and-Supervisely-Annotations" / f"case_{case:02d}"
        for frame in range(4):
            suffix = "jpg" if frame == 3 else "png"
            write_pair(folder, f"case{case}_{frame}.{suffix}", *eye(10 * case + frame))
    return root


@pytest.fixture
def config(data_dir: Path, tmp_path: Path) -> TrainConfig:
    """A run that takes seconds."""
    return TrainConfig(
        data_dir, tmp_path / "run", epochs=3, batch_size=4, lr=1e-3, encoder_name="resnet18",
        encoder_weights="none", image_size=64, device="cpu", precision="fp32",
    )  # fmt: skip
