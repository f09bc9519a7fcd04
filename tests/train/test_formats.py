"""Every format: exports as the tools write them, and broken ones."""

from __future__ import annotations

import doctest
import json
import shutil
from pathlib import Path
from types import ModuleType

import cv2
import numpy as np
import pytest
from PIL import Image as Pillow

from cornea_stream.errors import SourceError, UsageError
from cornea_stream.postprocess.mask import iou
from cornea_train.dataset import load_pair, open_cache
from cornea_train.formats import (
    DEFAULTS,
    FORMATS,
    BadAnnotationError,
    DataOptions,
    Pair,
    find_pairs,
    groups,
)
from cornea_train.formats import masks as masks_module

from .conftest import annotation, circle, eye, polygon, write_pair

EXPORTS = Path(__file__).parent / "exports"
WIDTH, HEIGHT = 96, 80
PLACES = {"case_a_01": (48, 40, 20), "case_a_02": (40, 38, 16)}
EMPTY = "case_b_01"
FRAMES = (*PLACES, EMPTY)


def disc(x: float, y: float, radius: float) -> np.ndarray:
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return (np.hypot(columns + 0.5 - x, rows + 0.5 - y) <= radius) * np.uint8(255)


def write_image(path: Path, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH, 3), np.uint8)
    assert cv2.imwrite(str(path), image)


def export(tmp_path: Path, name: str, images: str) -> Path:
    root = tmp_path / name
    shutil.copytree(EXPORTS / name, root)
    for seed, frame in enumerate(FRAMES):
        write_image(root / images.format(frame, number=seed + 1), seed)
    return root


def masks(pairs: list[Pair]) -> dict[str, np.ndarray]:
    return {pair.image.stem[-9:]: load_pair(pair)[1] for pair in pairs}


def reasons(root: Path, options: DataOptions = DEFAULTS) -> dict[str, str]:
    """Return why pairs cannot be used, by name."""
    pairs, problems = find_pairs(root, options)
    found = {problem.name: problem.reason for problem in problems}
    for pair in pairs:
        try:
            load_pair(pair)
        except BadAnnotationError as err:
            found[pair.name] = str(err)
    return found


TOOLS = {
    # Outlines from pixel centers, as supervision's, are half a pixel too small.
    "datumaro_coco": ("coco", "images/train/{0}.png", 0.98),
    "datumaro_coco_rle": ("coco", "images/train/{0}.png", 1.0),
    "datumaro_cvat": ("cvat", "images/{0}.png", 0.98),
    "supervision_coco": ("coco", "train/{0}.png", 0.9),
    "supervision_yolo": ("yolo", "train/images/{0}.png", 0.9),
    "label_studio": ("labelstudio", "images/0a1b2c{number}d-{0}.png", 0.98),
}


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("named", [True, False])
def test_exports_of_the_tools(tmp_path: Path, tool: str, named: bool) -> None:
    form, images, least = TOOLS[tool]
    root = export(tmp_path, tool, images)
    options = DataOptions(form if named else "auto", empty_is_background=True)
    pairs, problems = find_pairs(root, options)
    assert problems == []
    found = masks(pairs)
    assert list(found) == list(FRAMES)
    for frame, place in PLACES.items():
        assert iou(found[frame], disc(*place)) >= least
    assert not found[EMPTY].any()


@pytest.mark.parametrize("tool", TOOLS)
def test_another_class_of_the_exports(tmp_path: Path, tool: str) -> None:
    root = export(tmp_path, tool, TOOLS[tool][1])
    pairs, _ = find_pairs(root, DataOptions(class_name=" pupil ", empty_is_background=True))
    x, y, radius = PLACES["case_a_02"]
    assert iou(masks(pairs)["case_a_02"], disc(x, y, radius / 3)) > 0.7
    with pytest.raises(SourceError, match=r"no class 'Iris': .*: it has .*Cornea"):
        find_pairs(root, DataOptions(class_name="Iris", empty_is_background=True))


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool != "label_studio"])
def test_an_empty_frame_needs_the_option(tmp_path: Path, tool: str) -> None:
    root = export(tmp_path, tool, TOOLS[tool][1])
    ((name, reason),) = reasons(root).items()
    assert EMPTY in name
    assert "the tag 'no cornea' is missing" in reason


def test_a_choice_of_label_studio_is_the_tag(tmp_path: Path) -> None:
    root = export(tmp_path, "label_studio", TOOLS["label_studio"][1])
    assert reasons(root) == {}


@pytest.mark.parametrize("tool", TOOLS)
def test_a_missing_image_and_another_size(tmp_path: Path, tool: str) -> None:
    images = TOOLS[tool][1]
    root = export(tmp_path, tool, images)
    (root / images.format("case_a_01", number=1)).unlink()
    other = root / images.format("case_a_02", number=2)
    cv2.imwrite(str(other), np.zeros((50, 60, 3), np.uint8))
    found = reasons(root, DataOptions(empty_is_background=True))
    assert "annotation without image" in found.values()
    if tool != "supervision_yolo":  # which has no sizes
        assert "sizes differ: image 60x50, annotation 96x80" in found.values()


@pytest.mark.parametrize("tool", [t for t in TOOLS if TOOLS[t][0] in ("coco", "labelstudio")])
@pytest.mark.parametrize("content", ["", "{", "[]", '{"images": 5}', "[1, 2]"])
def test_another_json_is_no_data(tmp_path: Path, tool: str, content: str) -> None:
    root = export(tmp_path, tool, TOOLS[tool][1])
    (file,) = root.rglob("*.json")
    file.write_text(content)
    with pytest.raises(SourceError, match="no annotated frames"):
        find_pairs(root)
    with pytest.raises(SourceError, match="no annotated frames"):
        find_pairs(root, DataOptions(TOOLS[tool][0]))


def test_a_file_cannot_name_images_elsewhere(tmp_path: Path) -> None:
    root = export(tmp_path, "datumaro_coco", "images/train/{0}.png")
    file = root / "annotations" / "instances_train.json"
    write_image(tmp_path / "outside.png")
    content = json.loads(file.read_text())
    for image, name in zip(
        content["images"],
        ("../../outside.png", str(tmp_path / "outside.png"), "other/case_a_02.png"),
        strict=True,
    ):
        image["file_name"] = name
    file.write_text(json.dumps(content))
    found = reasons(root)
    # The folder named "other" is not there, and images/train may be its place by now.
    assert [reason for name, reason in found.items() if "outside" in name] == [
        "annotation without image"
    ] * 2


def test_images_of_the_same_name_in_two_subsets(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for subset in ("train", "val"):
        shutil.copytree(EXPORTS / "datumaro_coco", root, dirs_exist_ok=True)
        for seed, frame in enumerate(FRAMES):
            write_image(root / "images" / subset / f"{frame}.png", seed)
    (root / "annotations" / "instances_val.json").write_bytes(
        (root / "annotations" / "instances_train.json").read_bytes()
    )
    pairs, problems = find_pairs(root, DataOptions(empty_is_background=True))
    assert problems == []
    assert [p.name for p in pairs if p.annotation.name == "instances_val.json"] == [
        f"images/val/{frame}.png" for frame in FRAMES
    ]
    (root / "annotations" / "instances_val.json").rename(root / "annotations" / "again.json")
    twice = reasons(root, DataOptions(empty_is_background=True))
    assert "several images have this name" in "".join(twice.values())


def test_an_image_of_another_folder_is_not_taken(tmp_path: Path) -> None:
    root = coco_file(tmp_path, [[1, 1, 9, 1, 9, 9]])
    content = (root / "coco.json").read_text()
    (root / "coco.json").write_text(content.replace("x.png", "case_1/x.png"))
    assert reasons(root) == {}  # no folder at all
    (root / "case_2").mkdir()
    (root / "x.png").rename(root / "case_2" / "x.png")
    assert reasons(root) == {"coco.json: case_1/x.png": "annotation without image"}


def test_an_image_that_two_files_annotate(tmp_path: Path) -> None:
    root = coco_file(tmp_path, [[1, 1, 9, 1, 9, 9]])
    (root / "other.json").write_bytes((root / "coco.json").read_bytes())
    assert reasons(root) == {"x.png": "annotated twice, in coco.json and in other.json"}


def test_two_images_for_one_annotation(tmp_path: Path) -> None:
    root = yolo(tmp_path, "1 0.1 0.1 0.4 0.1 0.4 0.4")
    write_image(root / "images" / "x.jpg")
    assert reasons(root) == {"images/x.png": "has the name of images/x.jpg"}
    other = mask_folder(tmp_path / "masks", {"a": disc(48, 40, 20)})
    write_image(other / "images" / "a.bmp")
    assert reasons(other) == {"images/a.jpg": "has the name of images/a.bmp"}


def coco_file(root: Path, segmentation: object) -> Path:
    write_image(root / "x.png")
    content = {
        "images": [{"id": 1, "file_name": "x.png", "width": WIDTH, "height": HEIGHT}],
        "annotations": [{"image_id": 1, "category_id": 1, "segmentation": segmentation}],
        "categories": [{"id": 1, "name": "Cornea"}],
    }
    (root / "coco.json").write_text(json.dumps(content))
    return root


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ([], "a box without an outline"),
        ([[1, 2, 3, 4]], "at least 3 points"),
        ([[1, 2, 3, 4, 5]], "malformed geometry"),
        ([[1, 2, 3, 4, 5, "x"]], "malformed geometry"),
        ([[0, 0, 50, 50, 50, 0, 0, 50]], "crosses itself"),
        ([[0, 0, 1e9, 0, 50, 50]], "outside the frame"),
        ({"size": [HEIGHT, WIDTH], "counts": [5, 5]}, "cover 10 pixels instead of 7680"),
        ({"size": [HEIGHT, WIDTH], "counts": [-5, 7685]}, "are not lengths"),
        ({"size": [HEIGHT, WIDTH], "counts": ""}, "are not lengths"),
        ({"size": [HEIGHT, WIDTH], "counts": "0"}, "cover 0 pixels"),
        ({"size": [HEIGHT, WIDTH], "counts": "0o"}, "damaged"),
        ({"size": [HEIGHT, WIDTH], "counts": "\x7f~"}, "damaged"),
        ({"size": [2 * HEIGHT, WIDTH], "counts": [2 * HEIGHT * WIDTH]}, "outside the frame"),
        ({"size": 5, "counts": [5]}, "malformed run lengths"),
        ({"size": [HEIGHT, WIDTH], "counts": [HEIGHT * WIDTH]}, "covers no pixels"),
    ],
)
def test_broken_coco_shapes(tmp_path: Path, segmentation: object, reason: str) -> None:
    assert reason in reasons(coco_file(tmp_path, segmentation))["x.png"]


def test_compressed_run_lengths_are_those_of_pycocotools(tmp_path: Path) -> None:
    coco_mask = pytest.importorskip("pycocotools.mask")
    rng = np.random.default_rng(0)
    for share in (0.02, 0.5, 1.0):
        mask = np.asfortranarray((rng.random((HEIGHT, WIDTH)) < share).astype(np.uint8))
        runs = coco_mask.encode(mask)
        root = coco_file(tmp_path, {"size": runs["size"], "counts": runs["counts"].decode()})
        ((pair,), _) = find_pairs(root)
        assert np.array_equal(load_pair(pair)[1], mask * 255)


def test_a_category_can_be_the_tag(tmp_path: Path) -> None:
    root = coco_file(tmp_path, [[1, 1, 2, 1, 2, 2]])
    content = (root / "coco.json").read_text()
    (root / "coco.json").write_text(content.replace('"Cornea"', '"No cornea"'))
    assert reasons(root) == {}


CVAT = """<?xml version="1.0" encoding="utf-8"?>
<annotations><version>1.1</version><meta>{meta}</meta>{body}</annotations>"""


def cvat(root: Path, body: str, meta: str = "") -> Path:
    for frame in FRAMES:
        write_image(root / "images" / f"{frame}.png")
    (root / "annotations.xml").write_text(CVAT.format(meta=meta, body=body))
    return root


def cvat_image(shape: str) -> str:
    return f'<image id="0" name="case_a_01.png" width="96" height="80">{shape}</image>'


def test_shapes_of_cvat(tmp_path: Path) -> None:
    runs: list[int] = []
    for value in (disc(48, 40, 20)[20:60, 28:68] > 0).ravel():
        if len(runs) % 2 == value:
            runs.append(0)
        runs[-1] += 1
    rle = ", ".join(map(str, runs))
    shapes = {
        f'<mask label="Cornea" rle="{rle}" left="28" top="20" width="40" height="40"/>': 1.0,
        '<ellipse label="Cornea" cx="48" cy="40" rx="20" ry="20"/>': 0.98,
        '<ellipse label="CORNEA " cx="48" cy="40" rx="20" ry="20" rotation="30"/>': 0.98,
        '<box label="cornea" xtl="28" ytl="20" xbr="68" ybr="60"/>': 0.75,
        '<box label="cornea" xtl="28" ytl="20" xbr="68" ybr="60" rotation="45"/>': 0.75,
        # A cornea that is cut by the frame is still an ellipse.
        '<ellipse label="Cornea" cx="48" cy="40" rx="150" ry="150"/>': 0.1,
        '<tag label="no Cornea"/>': 0,
    }
    for shape, least in shapes.items():
        ((pair,), _) = find_pairs(cvat(tmp_path, cvat_image(shape)))
        assert iou(load_pair(pair)[1], disc(48, 40, 20)) >= least
    turned = '<ellipse label="Cornea" cx="48" cy="40" rx="20" ry="10" rotation="90"/>'
    ((pair,), _) = find_pairs(cvat(tmp_path, cvat_image(turned)))
    assert cv2.boundingRect(load_pair(pair)[1]) == (38, 20, 20, 40)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ('<polyline label="Cornea" points="1,1;2,2;3,3"/>', "is not an area"),
        ('<polygon label="Cornea" points="1,1;2,x;3,3"/>', "malformed geometry"),
        ('<polygon label="Cornea"/>', "malformed <polygon>"),
        ('<ellipse label="Cornea" cx="48" cy="40" rx="0" ry="20"/>', "radii"),
        ('<ellipse label="Cornea" cx="48" cy="40" rx="1e7" ry="20"/>', "radii"),
        ('<mask label="Cornea" rle="5" left="90" top="2" width="5" height="1"/>', "no pixels"),
        ('<mask label="Cornea" rle="0, 5" left="94" top="2" width="5" height="1"/>', "outside"),
        ('<mask label="Cornea" rle="0, 7" left="4" top="2" width="5" height="1"/>', "7 pixels"),
    ],
)
def test_broken_shapes_of_cvat(tmp_path: Path, shape: str, reason: str) -> None:
    assert reason in reasons(cvat(tmp_path, cvat_image(shape)))["images/case_a_01.png"]


def test_videos_of_cvat(tmp_path: Path) -> None:
    shapes = "".join(
        f'<ellipse frame="{n}" outside="{int(n == 2)}" cx="{40 + n}" cy="40" rx="9" ry="9"/>'
        for n in range(3)
    )
    size = "<original_size><width>96</width><height>80</height></original_size>"
    root = cvat(tmp_path, f'<track id="0" label="Cornea">{shapes}</track>', size)
    for number in range(4):
        write_image(root / "images" / f"frame_{number:06d}.PNG")
    pairs, problems = find_pairs(root)
    assert [pair.image.stem for pair in pairs] == [f"frame_{n:06d}" for n in range(3)]
    assert problems == []
    assert iou(load_pair(pairs[1])[1], disc(41, 40, 9)) > 0.95
    assert not load_pair(pairs[2])[1].any()


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE a [<!ENTITY b "c">]><annotations><image/></annotations>',
        '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotations></annotations>',
        "<annotations><image></annotations>",
        '<annotations><image name="case_a_01.png" width="x" height="80"/></annotations>',
    ],
)
def test_broken_xml_and_entities(tmp_path: Path, text: str) -> None:
    root = cvat(tmp_path, "")
    (root / "annotations.xml").write_text(text)
    (reason,) = reasons(root).values()
    assert "XML" in reason or "has no number" in reason


def test_label_studio_without_data(tmp_path: Path) -> None:
    """JSON-MIN, and the addresses of local files."""
    points = (100 * np.array(circle(48, 40, 20)) / (WIDTH, HEIGHT)).tolist()
    region = {"points": points, "polygonlabels": ["Cornea"], "original_width": 96}
    task = {"id": 7, "annotator": 1, "image": "/data/local-files/?d=eyes/case%20a.png"}
    write_image(tmp_path / "eyes" / "case a.png")
    content = [{**task, "label": [region | {"original_height": 80}]}]
    (tmp_path / "min.json").write_text(json.dumps(content))
    ((pair,), _) = find_pairs(tmp_path)
    assert iou(load_pair(pair)[1], disc(48, 40, 20)) > 0.95


def test_which_annotation_of_label_studio_counts(tmp_path: Path) -> None:
    root = export(tmp_path, "label_studio", TOOLS["label_studio"][1])
    (file,) = root.glob("*.json")
    tasks = json.loads(file.read_text())
    first, second = (t["annotations"][0] for t in tasks[:2])
    later = {**second, "updated_at": "2026-02-01T00:00:00Z"}
    tasks[0]["annotations"] = [first, later]
    tasks[1]["annotations"] = [{**second, "was_cancelled": True}]
    file.write_text(json.dumps(tasks))
    pairs, problems = find_pairs(root)
    assert [problem.reason for problem in problems] == ["image without annotation"]
    assert iou(masks(pairs)["case_a_01"], disc(*PLACES["case_a_02"])) > 0.95
    tasks[0]["annotations"] = [{**first, "ground_truth": True}, later]
    file.write_text(json.dumps(tasks))
    pairs, _ = find_pairs(root)
    assert iou(masks(pairs)["case_a_01"], disc(*PLACES["case_a_01"])) > 0.95


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda rle: rle[:40], "ends early"),
        (lambda rle: [0, 0, 0, 1, *rle[4:]], "has 1 values"),
        (lambda _: "text", "malformed brush mask"),
        (lambda rle: [*rle[:20], 999], "malformed brush mask"),
    ],
)
def test_broken_brush_masks(tmp_path: Path, change: object, reason: str) -> None:
    root = export(tmp_path, "label_studio", TOOLS["label_studio"][1])
    (file,) = root.glob("*.json")
    tasks = json.loads(file.read_text())
    value = tasks[0]["annotations"][0]["result"][0]["value"]
    value["rle"] = change(value["rle"])  # type: ignore[operator]
    file.write_text(json.dumps(tasks))
    assert reason in next(iter(reasons(root).values()))


def yolo(root: Path, text: str, names: str | None = "names: [Pupil, Cornea]") -> Path:
    write_image(root / "images" / "x.png")
    (root / "labels").mkdir()
    (root / "labels" / "x.txt").write_text(text)
    if names is not None:
        (root / "data.yaml").write_text(names)
    return root


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1 0.5 0.5 0.2 0.2", "a box without an outline"),
        ("1 0.1 0.1 0.2 0.1 0.2", "malformed geometry"),
        ("1 0.1 0.1 0.2 x 0.2 0.2", "malformed outline"),
        ("1 0.1 0.1 9 0.1 0.2 0.2", "outside the frame"),
        ("7 0.1 0.1 0.2 0.1 0.2 0.2", "class 7 has no name"),
    ],
)
def test_broken_yolo(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in reasons(yolo(tmp_path, text))["images/x.png"]


def test_class_names_of_yolo(tmp_path: Path) -> None:
    text = "1 0.1 0.1 0.4 0.1 0.4 0.4"
    root = yolo(tmp_path, text, "names: {0: Pupil, 1: cornea}")
    assert reasons(root) == {}
    (root / "data.yaml").unlink()
    (root / "classes.txt").write_text("Pupil\nCornea\n")
    assert reasons(root) == {}
    (root / "classes.txt").unlink()
    with pytest.raises(SourceError, match=r"no class 'Cornea': .*: it has 1"):
        find_pairs(root)
    assert reasons(root, DataOptions(class_name="1")) == {}
    (root / "data.yaml").write_text("names: [")
    with pytest.raises(SourceError, match=r"class names cannot be read: data.yaml"):
        find_pairs(root)


def mask_folder(root: Path, masks: dict[str, np.ndarray], layout: str = "masks/{}.png") -> Path:
    for name, values in masks.items():
        image = root / ("images" if layout.startswith("masks/") else "") / f"{name}.jpg"
        write_image(image)
        target = root / layout.format(name)
        target.parent.mkdir(exist_ok=True)
        Pillow.fromarray(values).save(target)
    return root


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


def test_names_of_classes_that_are_there(tmp_path: Path) -> None:
    root = tmp_path / "data"
    write_pair(root / "case1", "a.png", eye(1)[0], annotation([polygon(circle(9, 9, 5), "Lens")]))
    write_pair(root / "case1", "b.png", eye(1)[0], annotation([polygon(circle(9, 9, 5), "Iris")]))
    with pytest.raises(SourceError, match=r"no class 'Cornea': .*: it has Lens, Iris: choose one"):
        open_cache(root, tmp_path / "cache", 64)
    cache = open_cache(
        root, tmp_path / "cache", 64, options=DataOptions(class_name="LENS"), max_bad=1
    )
    assert [pair.image.name for pair in cache.pairs] == ["a.png"]


def test_frames_that_are_all_empty_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for name in ("a.png", "b.png"):
        write_pair(root / "case1", name, eye(1)[0], annotation([]))
    with pytest.raises(SourceError, match="2 unusable pairs"):
        open_cache(root, tmp_path / "cache", 64)
    options = DataOptions(empty_is_background=True)
    with pytest.raises(SourceError, match="no mask shows the class 'Cornea'"):
        open_cache(root, tmp_path / "cache", 64, options=options)
    write_pair(root / "case2", "c.png", *eye(1))
    assert len(open_cache(root, tmp_path / "cache", 64, options=options).pairs) == 3


@pytest.mark.parametrize(
    ("group_by", "groups"),
    [
        (None, ["all frames"]),
        ("folder", ["all frames"]),
        ("prefix", ["case_a", "case_b"]),
        (r"case_(\w)_", ["a", "b"]),
        ("case_.", ["case_a", "case_b"]),
    ],
)
def test_groups(tmp_path: Path, group_by: str | None, groups: list[str]) -> None:
    root = export(tmp_path, "datumaro_coco", "images/train/{0}.png")
    pairs, _ = find_pairs(root, DataOptions(group_by=group_by))
    assert sorted({pair.case for pair in pairs}) == groups


def test_groups_that_are_none(tmp_path: Path) -> None:
    root = export(tmp_path, "datumaro_coco", "images/train/{0}.png")
    with pytest.raises(
        UsageError, match=r"group_by must match every image: .*images/train/case_a_01"
    ):
        find_pairs(root, DataOptions(group_by="video(.)"))
    with pytest.raises(UsageError, match="must be a regular expression"):
        find_pairs(root, DataOptions(group_by="("))


def test_two_formats_must_be_told_apart(tmp_path: Path) -> None:
    root = export(tmp_path, "datumaro_coco", "images/train/{0}.png")
    shutil.copytree(EXPORTS / "datumaro_cvat", root, dirs_exist_ok=True)
    with pytest.raises(SourceError, match=r"several formats: .*: coco and cvat: choose one with"):
        find_pairs(root)
    for form in ("coco", "cvat"):
        assert len(find_pairs(root, DataOptions(form))[0]) == 3


@pytest.mark.parametrize("module", [groups, masks_module])
def test_the_examples_of_groups_and_values(module: ModuleType) -> None:
    failed, tried = doctest.testmod(module)
    assert tried
    assert not failed


def test_wrong_options_and_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="data_format must be one of these: 'voc': use auto"):
        find_pairs(tmp_path, DataOptions("voc"))
    with pytest.raises(UsageError, match="class_name must be a name"):
        find_pairs(tmp_path, DataOptions(class_name=" / "))
    with pytest.raises(SourceError, match="no annotated frames") as told:
        find_pairs(tmp_path)
    assert all(known.expects in str(told.value) for known in FORMATS)
